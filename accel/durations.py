"""What instructions take on a machine: the formulas that all engines share."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from math import prod

from accel.bank_conflicts import instruction_conflicts
from accel.dma import Moved
from accel.products import Reduction
from accel.scratchpad import port_cycles
from accel.several_arrays import matmul_work
from accel.spec import AcceleratorSpec, ArraySpec
from accel.systolic import ArrayWork
from accel.vector import vector_cycles
from foundation.dtype import Dtype
from foundation.stored import Stored
from isa.instruction import MatMul, Vector
from isa.program import Space


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
        self._work_of = cache(self._found_work)
        self._array_of = cache(self._found_array)

    def matmul_work(self, instruction: MatMul) -> ArrayWork[int]:
        """Return the array's work on a matrix instruction.

        Raises
        ------
        SpecError
            When the array doesn't have the dataflow.
        """
        return self._work_of(
            instruction.extents,
            instruction.accumulate,
            instruction.dataflow,
            instruction.dtype,
            instruction.stored,
        )

    def _found_work(
        self,
        extents: tuple[int, int, int, int],
        accumulate: bool,
        dataflow: str | None,
        dtype: Dtype,
        stored: Stored | None,
    ) -> ArrayWork[int]:
        groups, m, n, k = extents
        array, reduction = self._array_of(dataflow, dtype, stored)
        return matmul_work(
            array,
            groups=groups,
            m=m,
            n=n,
            k=k,
            accumulate=int(accumulate),
            reduction=reduction,
        )

    def _found_array(
        self, dataflow: str | None, dtype: Dtype, stored: Stored | None
    ) -> tuple[ArraySpec, Reduction]:
        """Return the array in a dataflow, and how it goes along a reduction."""
        array = self._spec.array.with_dataflow(dataflow)
        return array, array.reduction(dtype, stored)

    def vector_cycles(self, instruction: Vector) -> int:
        """Return how long the vector unit itself works on an instruction."""
        return int(
            vector_cycles(
                self._spec.vector,
                function=instruction.function,
                activation=instruction.activation,
                elements=prod(instruction.shape),
                row=instruction.row,
            )
        )

    def port_cycles(self, read: Moved, written: Moved) -> int:
        """Return the cycles in which the busiest scratchpad's port moves bytes."""
        by_space: dict[int, int] = {}
        for space, size_bytes in (*read, *written):
            by_space[space] = by_space.get(space, 0) + size_bytes
        return max(
            int(port_cycles(size_bytes, self._bandwidth[space]))
            for space, size_bytes in by_space.items()
        )

    def bank_conflicts(self, instruction: MatMul | Vector) -> int:
        """Return the cycles that an instruction takes longer because of bank conflicts."""
        if not self._banks:
            return 0
        return instruction_conflicts(self._spec, self._banks, instruction)


def product_traffic(instruction: MatMul, work: ArrayWork[int]) -> tuple[Moved, Moved]:
    """Return what a matrix instruction reads from scratchpads, and what it writes to them."""
    sizes = work.bytes_read(instruction.input_segment, instruction.weight_segment)
    psum = instruction.psum.space
    read = [
        (instruction.input.space, sizes["input"]),
        (instruction.weight.space, sizes["weight"]),
        (psum, sizes["psum"]),
    ]
    return read, [(psum, work.psum_bytes_written(instruction.dtype))]


def vector_traffic(instruction: Vector) -> tuple[Moved, Moved]:
    """Return what a vector instruction reads from scratchpads, and what it writes to them."""
    read_bytes = prod(instruction.shape) * instruction.input_dtype.size_bytes
    results = prod(instruction.shape[: len(instruction.shape) - instruction.folded])
    read = [(access.space, read_bytes) for access in instruction.inputs]
    return read, [(instruction.output.space, results * instruction.output_dtype.size_bytes)]
