"""A core's units as scripts see them: numbers of memories, and what instructions take."""

from __future__ import annotations

from functools import cached_property
from math import prod

from accel.durations import Durations
from accel.spec import AcceleratorSpec
from accel.vector import vector_operations
from isa.instruction import MatMul, Vector
from mapper.held import memory_of
from mapper.kernel import OperandMap
from mapper.moves import Amount
from mapper.rings import ProgramBuilder


class CoreUnits:
    """The units and memories of a core.

    Parameters
    ----------
    spec
        The machine.

    Attributes
    ----------
    builder
        Of programs, with the machine's address spaces.
    """

    def __init__(self, spec: AcceleratorSpec) -> None:
        self._spec = spec
        nothing = {memory.name: 0 for memory in spec.memories}
        self.builder = ProgramBuilder(spec, nothing, {})

    @cached_property
    def durations(self) -> Durations:
        """Of instructions in these spaces: copies have none."""
        return Durations(self._spec, self.builder.spaces)

    def memory(self, operand: OperandMap) -> int:
        """Return the address space of the main memory that an operand comes from, or goes to."""
        return self.builder.space(memory_of(operand, self._spec).name)

    def pad(self, operand: str) -> int:
        """Return the address space of the scratchpad that holds an operand."""
        return self.builder.space(self._spec.scratchpad_of(operand).name)

    def width_bytes(self, operand: str) -> int | None:
        """Return the width of a bank's word where a scratchpad's banks are modelled."""
        pad = self._spec.scratchpad_of(operand)
        return pad.width_bytes if pad.bank_model is not None else None

    def matrix_amount(self, instruction: MatMul) -> Amount:
        """Return what a matrix instruction does."""
        work = self.durations.matmul_work(instruction)
        return Amount(macs=work.macs, folds=work.folds, mapped_pes=work.mapped_pes)

    def vector_amount(self, instruction: Vector) -> Amount:
        """Return what a vector instruction does."""
        return Amount(
            operations=vector_operations(
                function=instruction.function,
                activation=instruction.activation,
                elements=prod(instruction.shape),
                row=instruction.row,
            ),
            vector_cycles=self.durations.vector_cycles(instruction),
        )
