"""The array in Verilog, and what is needed to run it."""
