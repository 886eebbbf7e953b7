"""The exact price of a mapping: what the analytical engine says that its programs take."""

from __future__ import annotations

from accel.spec import AcceleratorSpec
from mapper.kernel import Kernel
from mapper.mapping import Mapping
from mapper.parts import cut
from mapper.pipeline import Pipeline, is_plain


def can_price(kernel: Kernel, spec: AcceleratorSpec) -> bool:
    """Whether `exact_cycles` knows a kernel and a machine.

    Main memories must have bandwidth and latency, and all operands must come through them.
    """
    return is_plain(spec) and not any(operand.is_kept for operand in kernel.operands)


def exact_cycles(kernel: Kernel, spec: AcceleratorSpec, mapping: Mapping) -> float:
    """Return the cycles of a mapped kernel on one core, piece after piece as it will run."""
    pipeline = Pipeline(spec)
    return float(
        sum(
            len(part.lows) * pipeline.cycles([part.piece(0)], [part.piece_mapping])
            for part in cut(kernel, mapping)
        )
    )
