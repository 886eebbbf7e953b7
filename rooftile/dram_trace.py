"""The requests of a network to its DRAM, as a file that DRAM simulators replay."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from accel.machine import Machine
from accel.spec import AcceleratorSpec
from accel.units import Clock
from foundation.errors import RooftileError
from foundation.output_file import write_output_file
from mapper.plan import Plan

#: What a request is in each format: (reads, writes), with places for address and clock.
FORMATS = {
    "dramsim3": ("0x{address:x} READ {clock}\n", "0x{address:x} WRITE {clock}\n"),
    "ramulator2": ("LD 0x{address:x}\n", "ST 0x{address:x}\n"),
}


def write_dram_trace(
    path: Path, plan: Plan, form: str, progress: Callable[[str], None] | None = None
) -> None:
    """Write every request of a plan to its DRAM, in order: one burst a line.

    Every piece of every layer runs with its own addresses, so that this takes longer than a run in
    which equal work is simulated once.

    Parameters
    ----------
    path
        Of the file; one that is there is replaced.
    plan
        The network as it was mapped.
    form
        Name in ``FORMATS``: DRAMsim3's trace (address, operation, clock), or Ramulator 2's
        ``LoadStoreTrace`` (operation, address).
    progress
        Called with the name of each layer.

    References
    ----------
    .. [1] DRAMsim3, src/common.cc: the fields of a line.
    .. [2] Ramulator 2, src/frontend/impl/memory_trace/loadstore_trace.cpp.

    Raises
    ------
    RooftileError
        When no memory of the machine is modelled bank by bank.
    OutputError
        When the file can't be written.
    """
    check_has_dram(plan.spec)
    write_output_file(path, _lines(plan, form, progress))


def check_has_dram(spec: AcceleratorSpec) -> None:
    """Raise RooftileError unless one of the machine's memories is modelled bank by bank."""
    if all(memory.dram is None for memory in spec.memories):
        names = ", ".join(memory.name for memory in spec.memories)
        raise RooftileError(
            f"machine '{spec.name}': no memory is modelled bank by bank ({names}); give one a"
            " 'dram' in its YAML, or use a machine that has it, such as edge_ddr4"
        )


def _lines(plan: Plan, form: str, progress: Callable[[str], None] | None) -> Iterator[str]:
    dram = next(memory.dram for memory in plan.spec.memories if memory.dram is not None)
    dram_clock = Clock(hz=dram.clock_hz)
    requests: list[tuple[int, NDArray[np.int64], bool]] = []
    machine = Machine(plan.spec, log=lambda *request: requests.append(request))
    start_clock = 0
    for planned in plan.layers:
        if progress is not None:
            progress(planned.layer.name)
        for program in plan.programs(planned):
            requests.clear()
            trace = machine.run(program)
            for clock, transactions, is_write in requests:
                line, at = FORMATS[form][is_write], start_clock + clock
                for address in (transactions * dram.transaction_bytes).tolist():
                    yield line.format(address=address, clock=at)
            start_clock += dram_clock.cycle_at_or_after(trace.end_fs)
