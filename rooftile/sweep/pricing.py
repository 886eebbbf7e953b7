"""The price of points: what each takes, in closed form for many at once, or by an engine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from accel.energy import leakage_pj
from accel.spec import AcceleratorSpec
from foundation.errors import RooftileError, SpecError, SweepError
from mapper.kernel import Kernel, compulsory_bytes
from mapper.layer_mapper import check_product
from mapper.operators import kernels_of
from mapper.paces import Paces, Taken, paces_of, restored, stored, without_pace
from mapper.search.cache import MappingCache
from mapper.search.encoding import as_text, digest, plain, version
from mapper.search.find import SearchOptions
from mapper.works import signature_of
from reports.report import Report
from rooftile.simulation import simulate
from rooftile.sources import find_network
from rooftile.sweep.expressions import Expression
from rooftile.sweep.measures import NOT_ASKED, Facts, Measure, amounts, area_of, energy_note
from rooftile.sweep.names import OF_AREA, OF_ENERGY
from rooftile.sweep.quantities import Written, amount_of
from rooftile.sweep.space import Point, Space, is_pace
from rooftile.sweep.sweep import MAPPING_KEYS, WORKLOAD_KEYS, Sweep, changed, machine_of
from workloads.graph import Graph
from workloads.loaders.asked import Asked

OK, EXCLUDED, FAILED = "ok", "excluded", "failed"
#: A row as the store keeps it: number, status, message, values and results.
Record = tuple[Written | None, ...]


class Row(NamedTuple):
    """What became of a point.

    Parameters
    ----------
    number
        The point's.
    status
        ``ok``, ``excluded`` by a constraint, or ``failed``.
    message
        Why, unless it is ok; else what to know of its results.
    values
        Of the sweep's keys, as files write them; None where a value is missing.
    results
        In the order of the sweep's; None unless they are known.
    """

    number: int
    status: str
    message: str
    values: tuple[Written | None, ...]
    results: tuple[float | None, ...]

    def record(self) -> Record:
        """Return it as plain numbers, in their smallest units, and words: what is kept."""
        values = tuple(map(_plain, self.values))
        return (self.number, self.status, self.message, *values, *self.results)


def _plain(value: Written | None) -> Written | None:
    amount = None if value is None else amount_of(value)
    return value if amount is None else amount.value


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    """A network as kernels that differ, and how often each runs."""

    graph: Graph
    macs: int
    kernels: tuple[tuple[Kernel, str], ...]
    counts: NDArray[np.int64]
    compulsory_bytes: int
    key: str


class Pricer:
    """Prices points of a sweep.

    Parameters
    ----------
    sweep
        Whose points.
    cache
        Where what searches found is kept for later; None for nowhere.
    """

    def __init__(self, sweep: Sweep, cache: MappingCache | None = None) -> None:
        self._sweep = sweep
        self._space = Space(sweep)
        self._cache = cache
        self._work = lru_cache(maxsize=16)(self._found_work)

    def rows(self, task: range, engine: str) -> list[Row]:
        """Return what becomes of points, in their order."""
        return [
            row
            for unit in self._space.units(task)
            for row in self.rows_of(self._points(unit), engine)
        ]

    def _points(self, unit: range) -> list[Point]:
        return [self._space.point(number) for number in unit]

    def rows_of(self, points: Sequence[Point], engine: str) -> list[Row]:
        """Return what becomes of some points that were made."""
        found: dict[int, Row] = {}
        kinds: dict[tuple[object, ...], list[Point]] = {}
        for point in points:
            if point.problem or point.excluded:
                status = FAILED if point.problem else EXCLUDED
                found[point.number] = self._row(point, status, point.problem or point.excluded)
            else:
                kind = tuple(repr(v) for key, v in point.values.items() if not is_pace(key))
                kinds.setdefault(kind, []).append(point)
        for alike in kinds.values():
            found.update({row.number: row for row in self._alike(alike, engine)})
        return [found[point.number] for point in points]

    def _row(
        self, point: Point, status: str, message: str = "", results: Sequence[float | None] = ()
    ) -> Row:
        values = tuple(point.values.get(key) for key in self._sweep.keys)
        nothing = (None,) * len(self._sweep.results)
        return Row(point.number, status, message, values, tuple(results) or nothing)

    def _alike(self, points: Sequence[Point], engine: str) -> Iterator[Row]:
        """Yield rows of points whose machines differ in their memories' pace only."""
        left: Sequence[Point] = points
        try:
            machine = self._machine(points[0])
            area = area_of(machine) if self._asks(OF_AREA) else NOT_ASKED
            if self._space.constraints_on_area:
                sifted = [(point, self._too_large(point, area)) for point in points]
                yield from (row for _, row in sifted if row is not None)
                left = [point for point, row in sifted if row is None]
            if engine == "estimate" and left:
                yield from self._estimated(left, self._machine(left[0]), area)
                return
        except (RooftileError, ValueError) as error:
            yield from (self._row(point, FAILED, str(error)) for point in left)
            return
        yield from self._run(left, engine, area)

    def _asks(self, names: Sequence[str]) -> bool:
        return any(name in self._sweep.results for name in names)

    def _too_large(self, point: Point, area: Measure) -> Row | None:
        """Return the row of a point that its machine's area excludes; None for others."""
        results = [area.value if name in OF_AREA else None for name in self._sweep.results]
        if area.value is None:
            return self._row(point, FAILED, area.note)
        try:
            broken = self._broken(self._space.constraints_on_area, point, results)
        except ValueError as error:
            return self._row(point, FAILED, str(error), results)
        return self._row(point, EXCLUDED, broken, results) if broken else None

    def _broken(
        self,
        constraints: Sequence[Expression],
        point: Point,
        results: Sequence[float | None],
    ) -> str:
        known = amounts(self._sweep.results, results)
        return self._space.broken(constraints, point.values, known)

    def _priced(self, points: Sequence[Point], facts: Facts) -> Iterator[Row]:
        """Yield the rows of points with results, which constraints may exclude."""
        names, constraints = self._sweep.results, self._space.constraints_on_results
        note, missing = facts.notes(names), facts.missing(self._sweep.needed)
        columns = facts.columns(names, len(points))
        for point, results in zip(points, zip(*columns, strict=True), strict=True):
            if missing:
                yield self._row(point, FAILED, missing, results)
                continue
            try:
                broken = self._broken(constraints, point, results) if constraints else ""
            except ValueError as error:
                yield self._row(point, FAILED, str(error))
                continue
            yield self._row(point, EXCLUDED if broken else OK, broken or note, results)

    def _estimated(
        self, points: Sequence[Point], machine: AcceleratorSpec, area: Measure
    ) -> Iterator[Row]:
        """Yield rows of points in closed form."""
        work = self._work_of(points[0], machine)
        clocks, paces = self._paces(machine, points)
        known = self._known(work, points, machine, paces)
        taken = known.taken(paces)
        cycles = np.rint((taken.cycles * work.counts).sum(axis=1))
        time_s = cycles / clocks
        facts = Facts(
            cycles=cycles,
            time_s=time_s,
            dram_bytes=(taken.dram_bytes * work.counts).sum(axis=1),
            compulsory_bytes=work.compulsory_bytes,
            macs=work.macs,
            pes=machine.array.pes * machine.cores,
            batch=work.graph.batch,
            area_mm2=area,
            energy_pj=_energy_of(machine, known, taken, work, time_s),
        )
        yield from self._priced(points, facts)

    def _run(self, points: Sequence[Point], engine: str, area: Measure) -> Iterator[Row]:
        """Yield rows of points that an engine runs one by one."""
        for point in points:
            try:
                spec = self._machine(point)
                work = self._work_of(point, spec)
                options = SearchOptions(
                    objective=str(self._value(point, "objective")), cache=self._cache, processes=1
                )
                report = simulate(
                    work.graph,
                    spec,
                    engine=engine,
                    split=str(self._value(point, "split")),
                    options=options,
                ).report
            except RooftileError as error:
                yield self._row(point, FAILED, str(error))
                continue
            energy = _reported(report) if self._asks(OF_ENERGY) else NOT_ASKED
            yield from self._priced([point], _facts_of(report, area, energy))

    def _value(self, point: Point, key: str) -> Written | None:
        return point.values.get(key, self._sweep.fixed.get(key))

    def _machine(self, point: Point) -> AcceleratorSpec:
        own = {
            key: value
            for key, value in point.values.items()
            if key not in WORKLOAD_KEYS
            and key not in MAPPING_KEYS
            and key not in self._sweep.labels
        }
        return machine_of(changed(self._sweep.machine, own))

    def _paces(
        self, spec: AcceleratorSpec, points: Sequence[Point]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the clocks of points, and their paces as in `mapper.paces.pace_of`."""
        names = [memory.name for memory in spec.memories]
        clocks = np.full(len(points), float(spec.clock_hz))
        own = [(memory.bandwidth_bytes_per_s, float(memory.latency_fs)) for memory in spec.memories]
        bandwidths, latencies = (np.tile(column, (len(points), 1)) for column in np.array(own).T)
        for key in filter(is_pace, points[0].values):
            column = np.array([self._number(key, point.values[key]) for point in points])
            if key == "clock":
                clocks = column
            else:
                _, name, what = key.split(".")
                table = bandwidths if what == "bandwidth" else latencies
                table[:, names.index(name)] = column
        return clocks, paces_of(clocks, bandwidths, latencies)

    @staticmethod
    def _number(key: str, value: Written) -> float:
        amount = amount_of(value)
        if amount is None or amount.value < 0 or (amount.value == 0 and "latency" not in key):
            raise SweepError(f"{key}: '{value}' isn't one of the quantities that it takes")
        return amount.value

    def _work_of(self, point: Point, spec: AcceleratorSpec) -> _Work:
        asked = [self._value(point, key) for key in WORKLOAD_KEYS]
        work: _Work = self._work(*asked)
        for kernel, _ in work.kernels:
            check_product(kernel, spec)
        return work

    @staticmethod
    def _found_work(network: str, batch: int | None, dtype: str | None, phase: str | None) -> _Work:
        graph = find_network(network, Asked(batch=batch, dtype=dtype, phase=phase))
        counts: dict[object, int] = {}
        kernels: dict[object, list[tuple[Kernel, str]]] = {}
        for layer in graph.layers:
            kind = signature_of(graph, layer)
            counts[kind] = counts.get(kind, 0) + 1
            if kind not in kernels:
                kernels[kind] = [(kernel, layer.name) for kernel in kernels_of(graph, layer)]
        flat = [(one, counts[kind]) for kind, own in kernels.items() for one in own]
        text = as_text([plain(kernel) for (kernel, _), _ in flat])
        return _Work(
            graph=graph,
            macs=graph.total_macs,
            kernels=tuple(one for one, _ in flat),
            counts=np.array([count for _, count in flat], dtype=np.int64),
            compulsory_bytes=sum(compulsory_bytes(kernel) * n for (kernel, _), n in flat),
            key=digest(text),
        )

    def _known(
        self,
        work: _Work,
        points: Sequence[Point],
        spec: AcceleratorSpec,
        paces: NDArray[np.float64],
    ) -> Paces:
        """Return what is known of a network's kernels at some paces, from before if it is kept."""
        if spec.cores > 1 or spec.network is not None or spec.shared_buffer is not None:
            raise SweepError(
                "estimates are of machines with one core, and nothing in front of its memories; use"
                " 'engine: analytical'"
            )
        if not work.kernels:
            raise SweepError(f"network '{work.graph.name}' computes nothing; leave it out")
        numbers = np.sort(np.unique(paces, axis=0, return_index=True)[1])
        asks = self._asks(OF_ENERGY)
        key = {
            "energy": asks,
            "kernels": work.key,
            "spec": plain(without_pace(spec)),
            "paces": digest(as_text(paces[numbers].tolist())),
            "version": version(),
        }
        entry = None if self._cache is None else self._cache.get(key)
        if entry is not None:
            return Paces(work.kernels, restored(entry))
        found = Paces.searched(
            work.kernels,
            lambda one: self._machine(points[numbers[one]]),
            paces[numbers],
            with_energy=asks,
        )
        if self._cache is not None:
            self._cache.put(key, stored(found.known))
        return found


def _energy_of(
    spec: AcceleratorSpec, known: Paces, taken: Taken, work: _Work, time_s: NDArray[np.float64]
) -> Measure:
    """Return the picojoules of networks that take so long; why, where they aren't known."""
    if taken.energy_pj is None:
        return NOT_ASKED
    missing = next((one.missing for one in known.energies if one.missing), "")
    if missing:
        return Measure(None, missing)
    unknown = tuple(dict.fromkeys(key for one in known.energies for key in one.unknown))
    energy_pj = (taken.energy_pj * work.counts).sum(axis=1) + leakage_pj(spec, time_s)
    return Measure(energy_pj, energy_note(spec, unknown))


def _reported(report: Report) -> Measure:
    """Return the picojoules of a run; why, where they aren't known."""
    try:
        return Measure(report.energy_pj, energy_note(report.spec, report.unknown_energies))
    except SpecError as error:
        return Measure(None, str(error))


def _facts_of(report: Report, area: Measure, energy: Measure) -> Facts:
    """Return what is known of a point that an engine ran."""
    return Facts(
        cycles=report.total_cycles,
        time_s=report.time_s,
        dram_bytes=sum(layer.work.total_dram_bytes for layer in report.layers),
        compulsory_bytes=sum(layer.work.compulsory_bytes for layer in report.layers),
        macs=report.total_macs,
        pes=report.spec.array.pes * report.spec.cores,
        batch=report.batch,
        area_mm2=area,
        energy_pj=energy,
    )
