"""The exact price of a mapping: what the analytical engine says that its programs take."""

from __future__ import annotations

from collections.abc import Sequence

from accel.spec import AcceleratorSpec
from mapper.held import memory_of
from mapper.kernel import Kernel
from mapper.lower import lower
from mapper.mapping import Mapping
from mapper.operands import Placement
from mapper.parts import cut
from mapper.pipeline import Pipeline, is_plain
from mapper.program_price import program_cycles


def can_price(kernel: Kernel, spec: AcceleratorSpec) -> bool:
    """Whether `exact_cycles` knows a kernel and a machine.

    Main memories must have bandwidth and latency, and all operands must come through them.
    """
    return is_plain(spec) and not any(operand.is_kept for operand in kernel.operands)


def exact_cycles(kernel: Kernel, spec: AcceleratorSpec, mappings: Sequence[Mapping]) -> list[float]:
    """Return the cycles of a kernel in each of some mappings: on one core, piece after piece."""
    pipeline = Pipeline(spec)
    return [_cycles(kernel, spec, pipeline, mapping) for mapping in mappings]


def _cycles(kernel: Kernel, spec: AcceleratorSpec, pipeline: Pipeline, mapping: Mapping) -> float:
    cycles = 0
    for part in cut(kernel, mapping):
        piece, own = part.piece(0), part.piece_mapping
        if own.psums_wait:
            cycles += len(part.lows) * _program_cycles(piece, spec, own)
        else:
            cycles += len(part.lows) * pipeline.cycles([piece], [own])
    return float(cycles)


def _program_cycles(kernel: Kernel, spec: AcceleratorSpec, mapping: Mapping) -> int:
    """Return the cycles of a mapping whose program must be made for it."""
    nothing = {memory.name: 0 for memory in spec.memories}
    places = {
        operand.role: Placement(memory=memory_of(operand, spec).name, address=0)
        for operand in kernel.operands
    }
    return program_cycles(lower([kernel], [mapping], spec, places, nothing, {}), spec)
