"""The exact price of a program: the machine's queues replayed, without a trace."""

from __future__ import annotations

from accel.program_script import scripts_of
from accel.spec import AcceleratorSpec
from isa.program import Program
from mapper.pipeline import replay


def program_cycles(program: Program, spec: AcceleratorSpec) -> int:
    """Return the cycles of a program on a machine whose memories have bandwidth and latency."""
    return replay(spec, scripts_of(program, spec)).run()
