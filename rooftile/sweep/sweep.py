"""What a sweep is: a machine, what changes in it, and what is found out of every point."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from accel.spec import AcceleratorSpec
from accel.spec_file import spec_of
from foundation.document import Document
from foundation.errors import SpecError, SweepError
from mapper.search.encoding import as_text, digest
from rooftile.sweep.expressions import Expression
from rooftile.sweep.measures import no_number
from rooftile.sweep.names import ALL_RESULTS
from rooftile.sweep.nni import Variable, all_of
from rooftile.sweep.quantities import Written

#: What a point may say besides keys of the machine, and what it is if nobody says it.
WORKLOAD_KEYS: Mapping[str, Written | None] = {
    "network": None,
    "batch": None,
    "dtype": None,
    "phase": None,
}
MAPPING_KEYS: Mapping[str, Written | None] = {"objective": "latency", "split": "auto"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """Keys that change together.

    Parameters
    ----------
    keys
        Such as ``array.rows``.
    values
        Of each step the values of all keys, as a file writes them.
    """

    keys: tuple[str, ...]
    values: tuple[tuple[Written, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Best:
    """A second look at the best points.

    Parameters
    ----------
    count
        How many.
    by
        The result that is small in them.
    engine
        Prices them again.
    """

    count: int
    by: str
    engine: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sweep:
    """What is swept. Sweeps of the same key are equal.

    Parameters
    ----------
    name
        Of the sweep.
    machine
        The machine that points change, as a file writes it, with every default.
    fixed
        Keys that have the same value in every point.
    axes
        What changes: every combination is a point.
    space
        Variables that change besides: values are drawn of each, so that there is no last point.
    labels
        Keys of the space that only name what was chosen.
    derived
        Key to the arithmetic that gives its value, in the order in which they are computed.
    constraints
        What points must satisfy, before they are priced or after.
    engine, best
        How points are priced; the second look, if there is one.
    results
        What is found out of every point: some of ``ALL_RESULTS``, in their order.
    needed
        Those without which a point has failed.
    text, files
        The sweep's file, and the paths of those that it names, by how it writes them.
    key
        A digest of all that decides what points are worth: the file, the machine, the networks.
    """

    name: str
    machine: Mapping[str, Any]
    fixed: Mapping[str, Written]
    axes: tuple[Axis, ...]
    space: tuple[Variable, ...] = ()
    labels: frozenset[str] = frozenset()
    derived: Mapping[str, Expression]
    constraints: tuple[Expression, ...]
    engine: str
    best: Best | None
    results: tuple[str, ...]
    needed: frozenset[str]
    text: str
    files: Mapping[str, str]
    key: str

    def __eq__(self, other: object) -> bool:
        """Whether two sweeps say the same."""
        return isinstance(other, Sweep) and self.key == other.key

    def __hash__(self) -> int:
        """Return what is the same for equal sweeps."""
        return hash(self.key)

    @property
    def keys(self) -> tuple[str, ...]:
        """Keys that differ from point to point: of the axes, of the space, then derived ones."""
        own = [key for axis in self.axes for key in axis.keys]
        drawn = dict.fromkeys(variable.key for variable in all_of(self.space))
        return (*own, *drawn, *self.derived)

    def deciding(self, names: Collection[str], engines: Collection[str]) -> Sweep:
        """Return the same sweep with results that decide, and that every point must have.

        Parameters
        ----------
        names, engines
            The results, and who prices points.

        Raises
        ------
        SweepError
            When no point has one of them.
        """
        for engine in engines:
            why = no_number(machine_of(self.machine), engine, names)
            if why:
                raise SweepError(f"{', '.join(names)}: {why}")
        results = ordered({*self.results, *names})
        needed = self.needed | set(names)
        key = digest(as_text([self.key, results, sorted(needed)]))
        return replace(self, results=results, needed=needed, key=key)


def ordered(names: Collection[str]) -> tuple[str, ...]:
    """Return results in the order of ``ALL_RESULTS``, each once."""
    return tuple(name for name in ALL_RESULTS if name in names)


def machine_of(data: Mapping[str, Any]) -> AcceleratorSpec:
    """Return the machine that a file with this data describes; raises as `spec_of`."""
    return spec_of(Document(name="machine", data=data, lines={}, error=SpecError))


def changed(machine: Mapping[str, Any], values: Mapping[str, Written]) -> dict[str, Any]:
    """Return a machine's file with other values at some keys, such as ``array.rows``."""
    result = dict(machine)
    for key, value in values.items():
        *parents, last = key.split(".")
        place = result
        for step in parents:
            place[step] = dict(place[step])
            place = place[step]
        place[last] = value
    return result


def beyond_estimates(sweep: Sweep) -> str:
    """Return a key of the sweep that estimates don't know, nothing if they know all."""
    for key, usual in MAPPING_KEYS.items():
        if sweep.fixed.get(key, usual) != usual or key in sweep.keys:
            return key
    return ""


def with_value(sweep: Sweep, key: str) -> Written | None:
    """Return the value of a key that no axis changes."""
    return sweep.fixed[key] if key in sweep.fixed else own_value(sweep.machine, key)


def own_value(machine: Mapping[str, Any], key: str) -> Written | None:
    """Return the value of a key such as ``array.rows`` in a machine's file; None if it has none."""
    place: Any = machine
    for step in key.split("."):
        place = place.get(step) if isinstance(place, dict) else None
    return place if isinstance(place, int | float | str) else None
