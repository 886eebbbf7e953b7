"""What the machine did: columns of NumPy arrays, one row per busy or waiting interval."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accel.units import Clock

Column = NDArray[np.int64]

#: Opcodes of trace rows. A WAIT row is a queue or unit that is blocked.
OPCODES = ("load", "gather", "store", "matmul", "vector", "wait")
WAIT = OPCODES.index("wait")
#: What a unit waits for besides semaphores: a DMA slot, the main memory while it serves another
#: transfer, the scratchpads' ports, two words of one of their banks.
STRUCTURAL_CAUSES = ("dma_slot", "memory_busy", "scratchpad_port", "bank_conflict")

#: What a transfer's time at a main memory is spent on: moving data (and what belongs to it, such as
#: turning the bus round), waiting for data that is on its way, opening and closing rows, refreshes,
#: waiting for room in the window of requests that an engine may have under way, and the buffer that
#: cores share.
MEMORY_CAUSES = (
    *("dram_bandwidth", "dram_latency", "row_conflict", "refresh", "queue_full"),
    "shared_buffer",
)
#: What the whole of a transfer's time is spent on: at the main memory, then on the chip's network.
TRANSFER_CAUSES = (*MEMORY_CAUSES, "network")

#: The most scratchpads of a machine: each of its four operands lives in exactly one.
MAX_SCRATCHPADS = 4
#: Columns with the bytes that are read from a scratchpad and written to it, by its number in
#: Trace.scratchpads.
SCRATCHPAD_COLUMNS = tuple(
    (f"scratchpad{number}_read_bytes", f"scratchpad{number}_written_bytes")
    for number in range(MAX_SCRATCHPADS)
)

#: Columns, in the order in which the machine appends them. Times are femtoseconds.
COLUMNS = (
    "unit",  # number of the unit in Trace.units
    "opcode",  # number in OPCODES
    "start_fs",
    "end_fs",
    "tag",  # the instruction's tag, -1 for a wait
    "operand",  # isa.Operand of a DMA, -1 otherwise
    "bytes",  # main-memory bytes of a DMA, scratchpad bytes otherwise
    "macs",  # of a matmul
    "folds",  # array folds of a matmul
    "mapped_pes",  # PEs that a matmul uses, summed over its folds
    "input_reads",  # scratchpad elements that a matmul reads and writes
    "weight_reads",
    "psum_reads",
    "psum_writes",
    "operations",  # of a vector instruction
    "dataflow",  # of a matmul, number in isa.DATAFLOW_NAMES, -1 otherwise
    "cause",  # number in Trace.causes of what a wait is for, -1 otherwise
    *(f"{cause}_fs" for cause in TRANSFER_CAUSES),  # parts of a DMA's time; they add up
    "moved_bytes",  # of a DMA to or from the core: other than `bytes` behind a shared buffer
    *(name for names in SCRATCHPAD_COLUMNS for name in names),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """Rows of one simulated program, in the order in which the machine met them.

    The busy rows of a unit never overlap. All times are edges of the core clock.

    Parameters
    ----------
    units
        Names: ``matrix``, ``vector``, a DMA engine ``load:<memory>`` and ``store:<memory>`` for
        each main memory, and the queues ``load`` and ``store``, which only wait.
    causes
        What queues wait for: the program's semaphores by number, then ``STRUCTURAL_CAUSES``.
    end_fs
        When everything had finished.
    columns
        Column name to array, all of one length.
    events
        Events that the engine processed.
    scratchpads
        Names, by the numbers of ``SCRATCHPAD_COLUMNS``; those of all cores have one name.
    """

    units: tuple[str, ...]
    causes: tuple[str, ...]
    end_fs: int
    columns: dict[str, Column]
    events: int
    scratchpads: tuple[str, ...] = ()

    def __getitem__(self, column: str) -> Column:
        return self.columns[column]

    def __len__(self) -> int:
        return len(self.columns["unit"])

    def rows(self, *, opcode: str | None = None, unit: str | None = None) -> Trace:
        """Return the rows with this opcode and unit."""
        chosen = np.ones(len(self), dtype=np.bool_)
        if opcode is not None:
            chosen &= self["opcode"] == OPCODES.index(opcode)
        if unit is not None:
            chosen &= self["unit"] == self.units.index(unit)
        return self.select(chosen)

    def select(self, chosen: NDArray[Any]) -> Trace:
        """Return the rows that a mask or an index array chooses."""
        columns = {name: column[chosen] for name, column in self.columns.items()}
        return replace(self, columns=columns)


def from_cycle(trace: Trace, cycle: int, clock: Clock) -> Trace:
    """Return a trace whose times count from a cycle.

    An edge is rounded up to a femtosecond, so that the length of a row can change by one:
    it is the largest of its parts that takes it.
    """

    def moved(edges_fs: Column) -> Column:
        cycles = (clock.cycles(edges_fs) - cycle).tolist()
        return np.array([clock.edge_fs(number) for number in cycles], dtype=np.int64)

    columns = dict(trace.columns)
    columns["start_fs"], columns["end_fs"] = moved(trace["start_fs"]), moved(trace["end_fs"])
    names = [f"{cause}_fs" for cause in TRANSFER_CAUSES]
    parts = np.array([trace[name] for name in names])
    rows = np.flatnonzero(trace["operand"] >= 0)
    longer = columns["end_fs"] - columns["start_fs"] - (trace["end_fs"] - trace["start_fs"])
    parts[parts[:, rows].argmax(axis=0), rows] += longer[rows]
    columns.update(zip(names, parts, strict=True))
    end = clock.edge_fs(clock.cycle_at_or_after(trace.end_fs) - cycle)
    return replace(trace, columns=columns, end_fs=end)


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeated:
    """A trace that happens several times in a row, stored once."""

    trace: Trace
    count: int
