"""What instructions take on a machine: the formulas that all engines share."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from math import prod

from accel.bank_conflicts import instruction_conflicts
from accel.scratchpad import port_cycles
from accel.several_arrays import matmul_work
from accel.spec import AcceleratorSpec
from accel.systolic import ArrayWork
from accel.vector import vector_cycles
from isa.instruction import Access, MatMul, Vector
from isa.program import Space

#: Pairs of an operand and the bytes that cross its scratchpad's port.
Traffic = list[tuple[Access, int]]


class Durations:
    """Cycles of matrix and vector instructions, and of what holds them up.

    Parameters
    ----------
    spec
        The machine.
    spaces
        The address spaces of the instructions.
    """

    def __init__(self, spec: AcceleratorSpec, spaces: Sequence[Space]) -> None:
        self._spec = spec
        pads = {pad.name: pad for pad in spec.scratchpads}
        own = {
            number: pads[space.name]
            for number, space in enumerate(spaces)
            if not space.is_main_memory and space.name in pads
        }
        self._bandwidth = {n: pad.bandwidth_bytes_per_cycle for n, pad in own.items()}
        self._banks = {n: pad.bank_model for n, pad in own.items() if pad.bank_model is not None}
        self.matmul_work = cache(self._matmul_work)

    @property
    def has_banks(self) -> bool:
        """Whether an instruction's cycles depend on its addresses."""
        return bool(self._banks)

    def _matmul_work(self, extents: tuple[int, int, int, int], accumulate: bool) -> ArrayWork[int]:
        """Return the array's work on a matrix instruction."""
        groups, m, n, k = extents
        return matmul_work(
            self._spec.array, groups=groups, m=m, n=n, k=k, accumulate=int(accumulate)
        )

    def vector_cycles(self, instruction: Vector) -> int:
        """Return how long the vector unit itself works on an instruction."""
        return int(
            vector_cycles(
                self._spec.vector,
                function=instruction.function,
                activation=instruction.activation,
                elements=prod(instruction.shape),
            )
        )

    def port_cycles(self, traffic: Traffic) -> int:
        """Return the cycles of the busiest scratchpad port."""
        by_space: dict[int, int] = {}
        for access, size_bytes in traffic:
            by_space[access.space] = by_space.get(access.space, 0) + size_bytes
        return max(
            int(port_cycles(size_bytes, self._bandwidth[space]))
            for space, size_bytes in by_space.items()
        )

    def bank_conflicts(self, instruction: MatMul | Vector) -> int:
        """Return the cycles that an instruction takes longer because of bank conflicts."""
        if not self._banks:
            return 0
        return instruction_conflicts(self._spec, self._banks, instruction)


def product_traffic(instruction: MatMul, work: ArrayWork[int]) -> Traffic:
    """Return what a matrix instruction reads and writes."""
    size_bytes = work.scratchpad_bytes(instruction.dtype)
    return [
        (instruction.input, size_bytes["input"]),
        (instruction.weight, size_bytes["weight"]),
        (instruction.psum, size_bytes["psum"]),
    ]


def vector_traffic(instruction: Vector) -> Traffic:
    """Return what a vector instruction reads and writes."""
    read_bytes = prod(instruction.shape) * instruction.input_dtype.size_bytes
    written = instruction.shape[: len(instruction.shape) - instruction.reduced]
    return [
        *((access, read_bytes) for access in instruction.inputs),
        (instruction.output, prod(written) * instruction.output_dtype.size_bytes),
    ]
