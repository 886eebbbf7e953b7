"""The exact price of a program: the machine's queues replayed, without a trace."""

from __future__ import annotations

from accel.program_script import scripts_of
from accel.spec import AcceleratorSpec
from isa.program import Program
from mapper.pipeline import is_plain, replay
from mapper.side_by_side import Core, SideBySide
from mapper.written import written


def program_cycles(program: Program, spec: AcceleratorSpec) -> int:
    """Return the cycles of a program on a machine whose memories are all its own."""
    if is_plain(spec):
        return replay(spec, scripts_of(program, spec)).run()
    scripts = written(program, spec)
    cores = [Core(number=core, woven=one, addresses={}) for core, one in scripts.items()]
    return SideBySide(spec, cores).run()
