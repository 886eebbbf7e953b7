"""The price of points: what each takes, in closed form for many at once, or by an engine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from accel.spec import AcceleratorSpec
from accel.spec_file import spec_of
from accel.units import FS_PER_SECOND, Quantity
from foundation.document import Document
from foundation.errors import RooftileError, SpecError, SweepError
from mapper.kernel import Kernel
from mapper.layer_mapper import check_product
from mapper.operators import kernels_of
from mapper.paces import Paces, paces_of, restored, stored, without_pace
from mapper.search.cache import MappingCache
from mapper.search.encoding import as_text, digest, plain, version
from mapper.search.find import SearchOptions
from mapper.works import signature_of
from rooftile.simulation import simulate
from rooftile.sources import find_network
from rooftile.sweep.names import RESULTS
from rooftile.sweep.quantities import Amount, Written, amount_of
from rooftile.sweep.space import Point, Space, is_pace
from rooftile.sweep.sweep_file import MAPPING_KEYS, WORKLOAD_KEYS, Sweep, changed
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
        Why, unless it is ok.
    values
        Of the sweep's keys, as files write them; None where a value is missing.
    results
        In the order of ``RESULTS``; None unless they are known.
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
            rows = self._estimated(alike) if engine == "estimate" else self._run(alike, engine)
            found.update({row.number: row for row in rows})
        return [found[point.number] for point in points]

    def _row(
        self, point: Point, status: str, message: str = "", results: Sequence[float] = ()
    ) -> Row:
        values = tuple(point.values.get(key) for key in self._sweep.keys)
        return Row(point.number, status, message, values, tuple(results) or (None,) * len(RESULTS))

    def _priced(self, point: Point, results: Sequence[float]) -> Row:
        """Return the row of a point with results, which constraints may exclude."""
        if not self._space.constraints_on_results:
            return self._row(point, OK, results=results)
        known = {name: _amount(name, value) for name, value in zip(RESULTS, results, strict=True)}
        try:
            broken = self._space.broken(self._space.constraints_on_results, point.values, known)
        except ValueError as error:
            return self._row(point, FAILED, str(error))
        return self._row(point, EXCLUDED if broken else OK, broken, results)

    def _estimated(self, points: Sequence[Point]) -> Iterator[Row]:
        """Yield rows of points whose machines differ in their memories' pace only."""
        try:
            machine = self._machine(points[0])
            work = self._work_of(points[0], machine)
            clocks, paces = self._paces(machine, points)
            known = self._known(work, points, machine, paces)
        except (RooftileError, ValueError) as error:
            yield from (self._row(point, FAILED, str(error)) for point in points)
            return
        taken = known.taken(paces)
        cycles = np.rint((taken.cycles * work.counts).sum(axis=1))
        time_s = cycles / clocks
        columns = (
            cycles,
            time_s,
            work.graph.batch / time_s,
            (taken.dram_bytes * work.counts).sum(axis=1),
            work.macs / (cycles * machine.array.pes * machine.cores),
        )
        results = zip(*(column.tolist() for column in columns), strict=True)
        yield from map(self._priced, points, results)

    def _run(self, points: Sequence[Point], engine: str) -> Iterator[Row]:
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
            macs, pes = report.total_macs, spec.array.pes * spec.cores
            yield self._priced(
                point,
                (
                    report.total_cycles,
                    report.time_s,
                    report.inferences_per_s,
                    sum(layer.work.total_dram_bytes for layer in report.layers),
                    macs / (report.total_cycles * pes) if report.total_cycles else 0.0,
                ),
            )

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
        data = changed(self._sweep.machine, own)
        return spec_of(Document(name="machine", data=data, lines={}, error=SpecError))

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
        key = {
            "kernels": work.key,
            "spec": plain(without_pace(spec)),
            "paces": digest(as_text(paces[numbers].tolist())),
            "version": version(),
        }
        entry = None if self._cache is None else self._cache.get(key)
        if entry is not None:
            return Paces(work.kernels, restored(entry))
        found = Paces.searched(
            work.kernels, lambda one: self._machine(points[numbers[one]]), paces[numbers]
        )
        if self._cache is not None:
            self._cache.put(key, stored(found.known))
        return found


def _amount(name: str, value: float) -> Amount:
    """Return a result as a constraint compares it."""
    match RESULTS[name]:
        case "s":
            return Amount(value * FS_PER_SECOND, _kind("1s"))
        case "B":
            return Amount(value, _kind("1B"))
        case "cycles":
            return Amount(value, _kind("1cycle"))
    return Amount(value)


def _kind(text: str) -> Quantity | None:
    amount = amount_of(text)
    assert amount is not None, "that has a unit"
    return amount.kind
