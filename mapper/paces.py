"""What kernels take on machines that differ in the pace of their memories only.

A mapping's cycles are the largest of some forms that are linear in what each main memory takes for
a byte, and in the latency (`mapper.forms`). So the least cycles of a kernel, over all mappings,
grow with each of these, and no faster than all of them together: what a search has found at one
pace bounds them at any other. A few mappings are then enough for many paces, and how far they may
be from the best is known.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from math import inf

import numpy as np

from accel.spec import AcceleratorSpec
from mapper.cost import NestCosts
from mapper.forms import latency_cycles
from mapper.kernel import Kernel
from mapper.nest import Counts, Reals, nest_of
from mapper.search.find import Found, SearchOptions, find_mapping

#: How much more than the least cycles of a kernel may be said, as a part of them.
WITHIN = 0.02
#: The search takes the closed form's word: what is said of many machines is made of it.
CLOSED_FORM = SearchOptions(refine=None, processes=1)


def pace_of(spec: AcceleratorSpec) -> Reals:
    """Return a machine's pace: cycles for a byte of each main memory, then the latency's cycles."""
    per_byte = [spec.clock_hz / memory.bandwidth_bytes_per_s for memory in spec.memories]
    return np.array([*per_byte, latency_cycles(spec)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known of a kernel on machines that differ in their memories' pace.

    Parameters
    ----------
    paces
        Those at which a search has looked: shape (searches, memories and 1).
    least
        The least cycles that each found.
    rows
        Of each mapping that was found its cycles, as in `mapper.forms.Form.coefficients`.
    dram_bytes
        Of each of them the main-memory bytes.
    """

    paces: Reals
    least: Reals
    rows: tuple[Reals, ...] = ()
    dram_bytes: tuple[int, ...] = ()

    def after(self, pace: Reals, found: Found, kernel: Kernel, spec: AcceleratorSpec) -> Known:
        """Return what is known after a search at one more pace."""
        best = found.chosen[0]
        slots = tuple(count > 1 for count in best.mapping.num_buffers)
        machine = spec.with_dataflow(best.mapping.dataflow)
        costs = NestCosts(nest_of(kernel, best.mapping), machine)
        rows = costs.at(best.mapping.held).coefficients(slots)
        is_new = not any(np.array_equal(rows, other) for other in self.rows)
        return Known(
            paces=np.vstack([self.paces, pace]),
            least=np.append(self.least, found.coverage.bound),
            rows=(*self.rows, rows) if is_new else self.rows,
            dram_bytes=(*self.dram_bytes, best.cost.dram_bytes) if is_new else self.dram_bytes,
        )


def nothing_known(memories: int) -> Known:
    """Return what is known before the first search."""
    return Known(paces=np.zeros((0, memories + 1)), least=np.zeros(0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What kernels take at some paces.

    Parameters
    ----------
    cycles
        Shape (paces, kernels): at most ``WITHIN`` more than the least.
    dram_bytes
        Of the same mappings.
    """

    cycles: Reals
    dram_bytes: Counts


@dataclass(slots=True, kw_only=True)
class _Table:
    """What is known of several kernels, one after the other in the same arrays."""

    rows: Reals
    first_row: Counts
    first_mapping: Counts
    dram_bytes: Counts
    paces: Reals
    least: Reals
    first_search: Counts

    @classmethod
    def of(cls, known: Sequence[Known]) -> _Table:
        rows = [row for one in known for row in one.rows]
        return cls(
            rows=np.concatenate(rows),
            first_row=_starts([len(row) for row in rows]),
            first_mapping=_starts([len(one.rows) for one in known]),
            dram_bytes=np.array([size for one in known for size in one.dram_bytes]),
            paces=np.concatenate([one.paces for one in known]),
            least=np.concatenate([one.least for one in known]),
            first_search=_starts([len(one.least) for one in known]),
        )

    def taken(self, paces: Reals) -> Taken:
        """Return the least of what the mappings take."""
        forms = np.hstack([np.ones((len(paces), 1)), paces]) @ self.rows.T
        each = np.maximum.reduceat(forms, self.first_row, axis=1)
        cycles = np.minimum.reduceat(each, self.first_mapping, axis=1)
        counts = np.diff(np.append(self.first_mapping, each.shape[1]))
        is_best = each <= np.repeat(cycles, counts, axis=1)
        # Of mappings that take equally long, the one that moves least.
        moved = np.where(is_best, self.dram_bytes, np.iinfo(np.int64).max)
        return Taken(
            cycles=cycles, dram_bytes=np.minimum.reduceat(moved, self.first_mapping, axis=1)
        )

    def bounds(self, paces: Reals) -> Reals:
        """Return what no mapping of each kernel goes below: shape (paces, kernels)."""
        share = np.ones((len(paces), len(self.paces)))
        for own, searched in zip(paces.T, self.paces.T, strict=True):
            with np.errstate(divide="ignore", invalid="ignore"):
                ratio = own[:, np.newaxis] / searched
            share = np.fmin(share, np.where(searched > 0, ratio, inf))
        return np.maximum.reduceat(share * self.least, self.first_search, axis=1)


def _starts(lengths: Sequence[int]) -> Counts:
    return np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int64)


@dataclass(kw_only=True)
class Paces:
    """Kernels on machines that are equal but for the pace of their memories.

    Parameters
    ----------
    kernels
        The kernels; names of their layers, for errors.
    spec
        One of the machines: of one core, with nothing in front of its memories.
    known
        What was known of each kernel before; by default nothing.
    """

    kernels: Sequence[tuple[Kernel, str]]
    spec: AcceleratorSpec
    known: list[Known] = field(default_factory=list)
    _table: _Table | None = None

    def __post_init__(self) -> None:
        """Begin with nothing where nothing is given."""
        if not self.known:
            self.known = [nothing_known(len(self.spec.memories)) for _ in self.kernels]

    def taken(self, specs: Callable[[int], AcceleratorSpec], paces: Reals) -> Taken:
        """Return what the kernels take on some of the machines.

        Parameters
        ----------
        specs
            Gives a machine by its number.
        paces
            Those of the machines, as in `pace_of`.

        Raises
        ------
        MappingError
            When a kernel doesn't fit.
        """
        if any(not one.rows for one in self.known):
            for number in range(len(self.kernels)):
                self._search(number, specs(0))
        while True:
            if self._table is None:
                self._table = _Table.of(self.known)
            found = self._table.taken(paces)
            gaps = found.cycles / self._table.bounds(paces) - 1
            worst = gaps.argmax(axis=0)
            open_ones = np.flatnonzero(gaps[worst, np.arange(gaps.shape[1])] > WITHIN)
            if not len(open_ones):
                return found
            for number in open_ones.tolist():
                self._search(number, specs(int(worst[number])))

    def _search(self, number: int, spec: AcceleratorSpec) -> None:
        """Search at a pace, and at the same one without latency.

        That bounds all machines of other latencies, which matters little to most kernels.
        """
        kernel, name = self.kernels[number]
        at_once = replace(
            spec, memories=tuple(replace(memory, latency_fs=0) for memory in spec.memories)
        )
        for machine in (spec, at_once):
            found = find_mapping(kernel, machine, name, CLOSED_FORM)
            own = pace_of(machine)
            self.known[number] = self.known[number].after(own, found, kernel, machine)
        self._table = None


def is_alike(spec: AcceleratorSpec, other: AcceleratorSpec) -> bool:
    """Whether machines differ in name, clock and the pace of their memories at most."""
    return _without_pace(spec) == _without_pace(other)


def _without_pace(spec: AcceleratorSpec) -> AcceleratorSpec:
    memories = tuple(
        replace(memory, bandwidth_bytes_per_s=1.0, latency_fs=0) for memory in spec.memories
    )
    return replace(spec, name="", notes="", clock_hz=1, memories=memories)
