"""Random small layers and machines, by number."""

from __future__ import annotations

from random import Random

from accel.spec import AcceleratorSpec
from accel.timing import TIMINGS
from foundation.dtype import DTYPES
from mapper.kernel import Kernel
from mapper.operators import kernels_of
from tests.laws.draft import Draft
from tests.laws.machines import machine
from workloads.layers import Convolution, Elementwise, Linear, MatMul, Normalize, Pool, Window


def small_kernel(random: Random) -> Kernel:
    """Return the kernel of a layer with a map space that can be scanned mapping by mapping."""
    draft = Draft(DTYPES[random.choice(["int8", "int8", "bf16"])])
    choice = random.randrange(7)

    def size(largest: int) -> int:
        return random.randint(1, largest)

    if choice <= 1:
        tensor = draft.add_input((size(3), size(4)))
        draft.add(Linear(out_features=size(3), bias=random.random() < 0.5), [tensor])
    elif choice == 2:
        tensor = draft.add_input((1, size(2) + 1, size(2) + 2, 2))
        window = Window(random.randint(2, 3), stride=random.randint(1, 2), pad_before=1)
        operator = Convolution(
            out_channels=2, windows=(window, window), groups=size(2), bias=random.random() < 0.5
        )
        draft.add(operator, [tensor])
    elif choice == 3:
        first, second = ((1, size(2), size(2), size(3)) for _ in range(2))
        tensor = draft.add_input(first)
        other = draft.add_input((1, second[1], first[2], first[3]))
        draft.add(MatMul(equation="bshd,bthd->bhst"), [tensor, other])
    elif choice <= 5:
        tensor = draft.add_input((1, size(4) + 2, size(4) + 2, size(6)))
        window = Window(random.randint(2, 3), stride=random.randint(1, 2))
        draft.add(Pool(function="max", windows=(window, window)), [tensor])
    else:
        tensor = draft.add_input((size(3), size(6), size(20)))
        if random.random() < 0.5:
            draft.add(Normalize(function="softmax"), [tensor])
        else:
            draft.add(Elementwise(function="gelu"), [tensor])
    graph = draft.graph()
    (kernel,) = kernels_of(graph, graph.layers[0])
    return kernel


def small_machine(random: Random) -> AcceleratorSpec:
    """Return a machine of any dataflow whose scratchpads hold little."""

    def capacity(most: int) -> int:
        return random.randint(8, most)

    scratchpads: dict[str, tuple[int, tuple[str, ...]]]
    if random.random() < 0.5:
        scratchpads = {
            "input": (capacity(80), ("input",)),
            "weight": (capacity(24), ("weight",)),
            "psum": (capacity(60), ("psum",)),
            "output": (capacity(60), ("output",)),
        }
    else:
        scratchpads = {
            "buffer": (capacity(150), ("input", "weight", "output")),
            "accumulator": (capacity(60), ("psum",)),
        }
    return machine(
        "small",
        rows=random.randint(1, 4),
        columns=random.randint(1, 4),
        dataflow=random.choice(["WS", "OS", "IS"]),
        timing=random.choice(sorted(TIMINGS)),
        scratchpads=scratchpads,
        bandwidth_bytes_per_s=random.choice([1e9, 4e9, 64e9]),
        latency_fs=random.choice([0, 2, 50]) * 10**6,
        two_memories=random.random() < 0.3,
        port_bytes_per_cycle=random.choice([4.0, float("inf")]),
    )
