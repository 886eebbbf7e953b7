"""How a network gets onto a machine: kernels, tiling, cost, and lowering to a program."""
