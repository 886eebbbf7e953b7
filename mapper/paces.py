"""What kernels take on machines that differ in the pace of their memories only.

A mapping's cycles are the largest of some forms that are linear in what each main memory takes for
a byte, and in the latency (`mapper.forms`). So the least cycles of a kernel, over all mappings,
grow with each of these, and no faster than all of them together: what a search has found at one
pace bounds them at any other. A few mappings are then enough for many paces, and how far they may
be from the best is known.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import Any, NamedTuple

import numpy as np

from accel.spec import AcceleratorSpec
from accel.units import FS_PER_SECOND
from foundation.errors import SpecError
from mapper.cost import NestCosts, energies_pj, unknown_energies
from mapper.kernel import Kernel
from mapper.mapping import Mapping
from mapper.nest import nest_of
from mapper.search.find import Found, SearchOptions, find_mapping
from mapper.taking import Counts, Reals

#: How much more than the least cycles of a kernel may be said, as a part of them.
WITHIN = 0.05
#: Paces that are looked at together: what is computed for them stays in a core's cache.
_TOGETHER = 256
#: The search takes the closed form's word: what is said of many machines is made of it.
CLOSED_FORM = SearchOptions(refine=None, processes=1)


def pace_of(spec: AcceleratorSpec) -> Reals:
    """Return a machine's pace: cycles for a byte of each main memory, then the latency's cycles."""
    own = [(memory.bandwidth_bytes_per_s, memory.latency_fs) for memory in spec.memories]
    bandwidths, latencies = np.array(own, dtype=np.float64).T
    clocks_hz = np.array([float(spec.clock_hz)])
    return paces_of(clocks_hz, bandwidths[np.newaxis], latencies[np.newaxis]).reshape(-1)


def paces_of(clocks_hz: Reals, bandwidths: Reals, latencies_fs: Reals) -> Reals:
    """Return the paces of machines, as in `pace_of`: shape (machines, memories and 1).

    Parameters
    ----------
    clocks_hz
        Shape (machines,).
    bandwidths, latencies_fs
        Bytes per second and latencies of the main memories: shape (machines, memories).
    """
    latency_cycles = latencies_fs.max(axis=1) * clocks_hz / FS_PER_SECOND
    result: Reals = np.column_stack([clocks_hz[:, np.newaxis] / bandwidths, latency_cycles])
    return result


class Energy(NamedTuple):
    """What a mapping takes at any pace: all but what leaks meanwhile.

    Parameters
    ----------
    pj
        Picojoules; None where the machine lacks a number that is needed.
    unknown
        Keys of components that did something, but are said to have no number.
    missing
        Which number the machine lacks, and what to do about it; empty for none.
    """

    pj: float | None
    unknown: tuple[str, ...] = ()
    missing: str = ""

    @classmethod
    def of(cls, kernel: Kernel, spec: AcceleratorSpec, mapping: Mapping) -> Energy:
        """Return the energy of a mapping."""
        try:
            parts = energies_pj(kernel, spec, mapping, 0.0)
        except SpecError as error:
            return cls(None, missing=str(error))
        return cls(sum(parts.values()), unknown_energies(kernel, spec, mapping))


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
    energies
        Of each of them the energy; none where nobody asks for it.
    """

    paces: Reals
    least: Reals
    rows: tuple[Reals, ...] = ()
    dram_bytes: tuple[int, ...] = ()
    energies: tuple[Energy, ...] = ()

    def after(
        self, found: Found, kernel: Kernel, spec: AcceleratorSpec, *, with_energy: bool = False
    ) -> Known:
        """Return what is known after a search on one more machine."""
        best = found.chosen[0]
        slots = tuple(count > 1 for count in best.mapping.num_buffers)
        machine = spec.with_dataflow(best.mapping.dataflow)
        costs = NestCosts(nest_of(kernel, best.mapping), machine)
        rows = costs.at(best.mapping.held).coefficients(slots)
        is_new = not any(np.array_equal(rows, other) for other in self.rows)
        return Known(
            paces=np.vstack([self.paces, pace_of(spec)]),
            least=np.append(self.least, found.coverage.bound),
            rows=(*self.rows, rows) if is_new else self.rows,
            dram_bytes=(*self.dram_bytes, best.cost.dram_bytes) if is_new else self.dram_bytes,
            energies=(*self.energies, Energy.of(kernel, spec, best.mapping))
            if is_new and with_energy
            else self.energies,
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
    energy_pj
        Of the same mappings, without leakage; None where nobody asked for it.
    """

    cycles: Reals
    dram_bytes: Counts
    energy_pj: Reals | None = None


@dataclass(slots=True, kw_only=True)
class _Table:
    """What is known of several kernels, one after the other in the same arrays."""

    rows: Reals
    first_row: Counts
    first_mapping: Counts
    dram_bytes: Counts
    energies_pj: Reals
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
            energies_pj=np.array(
                [energy.pj for one in known for energy in one.energies], dtype=np.float64
            ),
            paces=np.concatenate([one.paces for one in known]),
            least=np.concatenate([one.least for one in known]),
            first_search=_starts([len(one.least) for one in known]),
        )

    def taken(self, paces: Reals) -> Taken:
        """Return the least of what the mappings take."""
        # Not a matrix product: that would differ in the last bits with the number of paces.
        forms = np.broadcast_to(self.rows[:, 0], (len(paces), len(self.rows)))
        for pace, coefficients in zip(paces.T, self.rows.T[1:], strict=True):
            forms = forms + pace[:, np.newaxis] * coefficients
        each = np.maximum.reduceat(forms, self.first_row, axis=1)
        cycles = np.minimum.reduceat(each, self.first_mapping, axis=1)
        counts = np.diff(np.append(self.first_mapping, each.shape[1]))
        is_best = each <= np.repeat(cycles, counts, axis=1)
        # Of mappings that take equally long, the one that moves least.
        moved = np.where(is_best, self.dram_bytes, np.iinfo(np.int64).max)
        least = np.minimum.reduceat(moved, self.first_mapping, axis=1)
        if not len(self.energies_pj):
            return Taken(cycles=cycles, dram_bytes=least)
        # And of those that move equally much, the one that takes least.
        energies = np.where(moved == np.repeat(least, counts, axis=1), self.energies_pj, inf)
        return Taken(
            cycles=cycles,
            dram_bytes=least,
            energy_pj=np.minimum.reduceat(energies, self.first_mapping, axis=1),
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


class Paces:
    """Kernels on machines that are equal but for the pace of their memories.

    Parameters
    ----------
    kernels
        The kernels, with the names of their layers, for errors.
    known
        What is known of each.
    with_energy
        Whether searches find out energies, too.
    """

    def __init__(
        self,
        kernels: Sequence[tuple[Kernel, str]],
        known: Sequence[Known],
        *,
        with_energy: bool = False,
    ) -> None:
        self._kernels = kernels
        self._with_energy = with_energy
        self.known = list(known)
        self._table: _Table | None = None

    @classmethod
    def searched(
        cls,
        kernels: Sequence[tuple[Kernel, str]],
        machines: Callable[[int], AcceleratorSpec],
        paces: Reals,
        *,
        with_energy: bool = False,
    ) -> Paces:
        """Return enough for some machines: what depends on these alone, in their order.

        Parameters
        ----------
        kernels
            As above.
        machines
            Gives a machine by its number: of one core, with nothing in front of its memories.
        paces
            Those of the machines, as in `pace_of`.
        with_energy
            Whether energies are found out, too.

        Raises
        ------
        MappingError
            When a kernel doesn't fit.
        """
        nothing = [nothing_known(paces.shape[1] - 1) for _ in kernels]
        result = cls(kernels, nothing, with_energy=with_energy)
        for number in range(len(kernels)):
            result._search(number, machines(0))
        for start in range(0, len(paces), _TOGETHER):
            result._cover(machines, start, paces[start : start + _TOGETHER])
        return result

    def taken(self, paces: Reals) -> Taken:
        """Return what the kernels take at some paces."""
        if self._table is None:
            self._table = _Table.of(self.known)
        return self._table.taken(paces)

    @property
    def energies(self) -> list[Energy]:
        """The energies of all mappings that were found."""
        return [energy for one in self.known for energy in one.energies]

    def gaps(self, paces: Reals) -> Reals:
        """Return by what part each kernel may take less: shape (paces, kernels)."""
        cycles = self.taken(paces).cycles
        assert self._table is not None, "that was made"
        return cycles / self._table.bounds(paces) - 1

    def _cover(self, machines: Callable[[int], AcceleratorSpec], start: int, paces: Reals) -> None:
        """Search where the gaps are largest, until all are small."""
        while True:
            gaps = self.gaps(paces)
            worst = gaps.argmax(axis=0)
            wide = np.flatnonzero(gaps[worst, np.arange(gaps.shape[1])] > WITHIN)
            if not len(wide):
                return
            for number in wide.tolist():
                self._search(number, machines(start + int(worst[number])))

    def _search(self, number: int, spec: AcceleratorSpec) -> None:
        """Search on a machine, and on the same one without latency.

        That bounds all machines of other latencies, which matter little to most kernels.
        """
        kernel, name = self._kernels[number]
        at_once = replace(
            spec, memories=tuple(replace(memory, latency_fs=0) for memory in spec.memories)
        )
        for machine in (spec, at_once):
            found = find_mapping(kernel, machine, name, CLOSED_FORM)
            self.known[number] = self.known[number].after(
                found, kernel, machine, with_energy=self._with_energy
            )
        self._table = None


def without_pace(spec: AcceleratorSpec) -> AcceleratorSpec:
    """Return what machines share that differ in the pace of their memories only."""
    memories = tuple(
        replace(memory, bandwidth_bytes_per_s=1.0, latency_fs=0) for memory in spec.memories
    )
    return replace(spec, name="", notes="", clock_hz=1, memories=memories)


def stored(known: Sequence[Known]) -> list[Any]:
    """Return what is known as plain data."""
    return [
        [
            one.paces.tolist(),
            one.least.tolist(),
            [rows.tolist() for rows in one.rows],
            list(one.dram_bytes),
            [list(energy) for energy in one.energies],
        ]
        for one in known
    ]


def restored(data: list[Any]) -> list[Known]:
    """Return what was known."""
    return [
        Known(
            paces=np.array(paces),
            least=np.array(least),
            rows=tuple(np.array(own) for own in rows),
            dram_bytes=tuple(dram_bytes),
            energies=tuple(Energy(pj, tuple(keys), why) for pj, keys, why in energies),
        )
        for paces, least, rows, dram_bytes, energies in data
    ]
