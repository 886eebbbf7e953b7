"""Sweeps from YAML files. The format is described in ``rooftile/sweep/FORMAT.md``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import prod
from pathlib import Path
from typing import Any

from accel.spec_file import to_yaml as hardware_yaml
from foundation.document import Document, Path_, parse, read
from foundation.errors import RooftileError, SweepError, nearest
from mapper.search.encoding import as_text, digest
from mapper.search.objective import objective_of
from mapper.splits import CHOICES
from rooftile.sources import find_hardware, find_network, is_there
from rooftile.sweep.axes import axis_size, axis_values
from rooftile.sweep.expressions import Expression, parse_expression
from rooftile.sweep.measures import no_number
from rooftile.sweep.names import ALIASES, ALL_RESULTS, ENGINES, MORE_RESULTS, RESULTS, results_in
from rooftile.sweep.nni import Variable, all_of, load_space
from rooftile.sweep.quantities import Written
from rooftile.sweep.sweep import (
    MAPPING_KEYS,
    WORKLOAD_KEYS,
    Axis,
    Best,
    Sweep,
    beyond_estimates,
    changed,
    machine_of,
    ordered,
)
from workloads.loaders.asked import Asked
from workloads.loaders.yaml import to_yaml as network_yaml

MOST_POINTS = 10_000_000
#: Values of an axis that are all tried when a sweep is read: each takes half a millisecond.
_MOST_TRIED = 100
_KEYS = (
    *("name", "hardware", "networks", "grid", "zip", "space", "derived", "constraints"),
    *("engine", "results", "best", "limit", "batch", "dtype", "phase", "objective", "split"),
)


def load_sweep(path: Path) -> Sweep:
    """Return the sweep in a YAML file.

    Raises
    ------
    SweepError
        It can't be read, or doesn't describe a sweep: which line, and what to change.
    """
    document = read(path, SweepError)
    if not isinstance(document.data, dict):
        raise document.failure((), "a sweep is a mapping (key: value)")
    return _Reader(document, path).sweep()


class _Reader:
    """Reads one file."""

    def __init__(self, document: Document, path: Path) -> None:
        self._document = document
        self._data: dict[str, Any] = document.data
        self._path = path

    def sweep(self) -> Sweep:
        for key in self._data:
            if key not in _KEYS:
                raise self._document.failure(
                    (key,), f"unknown key; use {', '.join(_KEYS)}{nearest(key, _KEYS)}"
                )
        machine = self._machine()
        self._known = {**_flat(machine), **WORKLOAD_KEYS, **MAPPING_KEYS}
        self._machine_data = machine
        axes = self._axes()
        space, space_text = self._space(axes)
        varied = {variable.key for variable in all_of(space)}
        derived = self._derived({*varied, *(key for axis in axes for key in axis.keys)})
        text = self._path.read_text(encoding="utf-8")
        networks = [network_yaml(find_network(name, self._asked())) for name in self._networks()]
        sweep = Sweep(
            name=str(self._data.get("name", self._path.name.removesuffix(".yaml"))),
            machine=machine,
            fixed=self._fixed(),
            axes=axes,
            space=space,
            labels=frozenset(varied - self._known.keys()),
            derived=derived,
            constraints=self._constraints(),
            engine=self._one_of(("engine",), ENGINES, self._data.get("engine", "estimate")),
            best=self._best(),
            results=self._results(),
            needed=frozenset(self._deciding()),
            text=text,
            files=self._files(),
            key=digest(as_text([text, machine, networks, *space_text])),
        )
        self._check_estimate(sweep)
        self._check_numbers(sweep)
        self._check_values(sweep)
        return sweep

    def _failure(self, path: Path_, message: str) -> RooftileError:
        return self._document.failure(path, message)

    def _machine(self) -> dict[str, Any]:
        name = self._data.get("hardware")
        if not isinstance(name, str):
            raise self._failure(("hardware",), "must name a machine, such as edge_32x32, or a file")
        try:
            spec = find_hardware(self._beside(name))
        except RooftileError as error:
            raise self._failure(("hardware",), str(error)) from None
        machine: dict[str, Any] = parse(hardware_yaml(spec), name, SweepError).data
        return machine

    def _files(self) -> dict[str, str]:
        """Return the paths of files that are named, by how they are."""
        names = [self._data["hardware"], *map(str, self._data["networks"])]
        names += [self._data["space"]] if "space" in self._data else []
        paths = {name: self._beside(name) for name in names}
        return {name: path for name, path in paths.items() if is_there(Path(path))}

    def _beside(self, name: str) -> str:
        """Return the path of a file that stands beside the sweep's, or the name of none."""
        path = self._path.parent / name
        return str(path) if is_there(path) else name

    def _fixed(self) -> dict[str, Written]:
        found = {key: value for key, value in MAPPING_KEYS.items() if value is not None}
        for key in (*WORKLOAD_KEYS, *MAPPING_KEYS):
            if key in self._data:
                self._check_kind((key,), key, self._data[key])
                found[key] = self._data[key]
        return found

    def _check_kind(self, path: Path_, key: str, value: object) -> None:
        """Raise unless a key that is none of the machine's has a value of its kind."""
        wrong = _wrong_kind(key, value)
        if wrong:
            raise self._failure(path, wrong)

    def _axes(self) -> tuple[Axis, ...]:
        self._check_count()
        found = [Axis(keys=("network",), values=tuple((name,) for name in self._networks()))]
        for number, name in enumerate(self._networks()):
            try:
                find_network(name, self._asked())
            except RooftileError as error:
                raise self._failure(("networks", number), str(error)) from None
        grid = self._mapping("grid")
        found += [
            Axis(keys=(key,), values=tuple((value,) for value in self._values(("grid", key), own)))
            for key, own in grid.items()
        ]
        found += [self._zipped(path, block) for path, block in self._zips()]
        seen: set[str] = set()
        for axis in found:
            for key in axis.keys:
                if key in seen:
                    raise self._failure((), f"'{key}' is on two axes; keep one")
                seen.add(key)
        return tuple(found)

    def _networks(self) -> list[str]:
        networks = self._data.get("networks")
        if not isinstance(networks, list) or not networks:
            raise self._failure(("networks",), "must list one network at least")
        return [self._beside(str(name)) for name in networks]

    def _asked(self) -> Asked:
        self._fixed()  # that checks what they are
        batch, dtype, phase = (self._data.get(key) for key in ("batch", "dtype", "phase"))
        return Asked(batch=batch, dtype=dtype, phase=phase)

    def _check_estimate(self, sweep: Sweep) -> None:
        """Raise where something is asked for that estimates don't know."""
        key = beyond_estimates(sweep) if sweep.engine == "estimate" else ""
        if key:
            raise self._failure(
                (key,) if key in self._data else self._place(key),
                f"estimates have '{key}' {MAPPING_KEYS[key]} only; write 'engine: analytical' for"
                " others",
            )

    def _zips(self) -> Iterator[tuple[Path_, dict[str, Any]]]:
        """Yield the blocks of keys that go together, and where they stand."""
        own = self._data.get("zip", [])
        for number, block in enumerate(own if isinstance(own, list) else [own]):
            path: Path_ = ("zip", number) if isinstance(own, list) else ("zip",)
            if not isinstance(block, dict) or not block:
                raise self._failure(path, "must be a mapping of keys to lists that go together")
            yield path, block

    def _zipped(self, path: Path_, block: dict[str, Any]) -> Axis:
        columns = {key: self._values((*path, key), own) for key, own in block.items()}
        lengths = {key: len(own) for key, own in columns.items()}
        if len(set(lengths.values())) > 1:
            shown = ", ".join(f"{key} {length}" for key, length in lengths.items())
            raise self._failure(path, f"must have equally many values but has {shown}")
        return Axis(keys=tuple(columns), values=tuple(zip(*columns.values(), strict=True)))

    def _values(self, path: Path_, own: object) -> tuple[Written, ...]:
        self._check_key(path)
        try:
            values = axis_values(own)
        except ValueError as error:
            raise self._failure(path, str(error)) from None
        for value in values:
            self._check_kind(path, str(path[-1]), value)
        return values

    def _check_key(self, path: Path_) -> None:
        key = str(path[-1])
        if key not in self._known:
            raise self._failure(
                path, f"no key of the machine or the workload{nearest(key, self._known)}"
            )

    def _mapping(self, key: str) -> dict[str, Any]:
        own = self._data.get(key, {})
        if not isinstance(own, dict):
            raise self._failure((key,), "must be a mapping of keys to what they are")
        return own

    def _space(self, axes: tuple[Axis, ...]) -> tuple[tuple[Variable, ...], list[str]]:
        """Return the variables of the search space, and the text of its file, if there is one."""
        if "space" not in self._data:
            return (), []
        name = self._data["space"]
        if not isinstance(name, str):
            raise self._failure(("space",), "must name a JSON file of a search space")
        path = Path(self._beside(name))
        found = load_space(path, self._known, self._mistake)
        for variable in all_of(found):
            if any(variable.key in axis.keys for axis in axes):
                raise self._failure(("space",), f"'{variable.key}' is on an axis, too; keep one")
        return found, [path.read_text(encoding="utf-8-sig")]

    def _derived(self, swept: set[str]) -> dict[str, Expression]:
        found: dict[str, Expression] = {}
        for key, text in self._mapping("derived").items():
            path = ("derived", key)
            self._check_key(path)
            if key in swept:
                raise self._failure(path, "is on an axis, too, or in the space; keep one")
            try:
                found[key] = parse_expression(text, self._known, compares=False)
            except ValueError as error:
                raise self._failure(path, str(error)) from None
            later = [name for name in found[key].names if name in self._mapping("derived")]
            for name in later:
                if name not in found or name == key:
                    raise self._failure(path, f"reads '{name}', which is derived after it")
        return found

    def _constraints(self) -> tuple[Expression, ...]:
        own = self._data.get("constraints", [])
        if not isinstance(own, list):
            raise self._failure(("constraints",), "must be a list of comparisons")
        found = []
        names = {**self._known, **ALL_RESULTS, **ALIASES}
        for number, text in enumerate(own):
            try:
                found.append(parse_expression(text, names, compares=True))
            except ValueError as error:
                raise self._failure(("constraints", number), str(error)) from None
        return tuple(found)

    def _one_of(self, path: Path_, known: tuple[str, ...], value: object) -> str:
        if value not in known:
            raise self._failure(
                path,
                f"must be one of {', '.join(known)} but is '{value}'{nearest(str(value), known)}",
            )
        return str(value)

    def _best(self) -> Best | None:
        if "best" not in self._data:
            return None
        own = self._mapping("best")
        for key in own:
            if key not in ("count", "by", "engine"):
                raise self._failure(("best", key), "unknown key; use count, by, engine")
        count = own.get("count", 10)
        if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count <= 10_000:
            raise self._failure(("best", "count"), f"must be from 1 to 10,000 but is '{count}'")
        return Best(
            count=count,
            by=self._one_of(("best", "by"), tuple(ALL_RESULTS), own.get("by", "cycles")),
            engine=self._one_of(("best", "engine"), ENGINES[1:], own.get("engine", "cycle")),
        )

    def _results(self) -> tuple[str, ...]:
        """Return what is found out of every point: what is asked for, and what decides."""
        own = self._data.get("results", [])
        if not isinstance(own, list):
            raise self._failure(
                ("results",), f"must be a list of some of {', '.join(MORE_RESULTS)}"
            )
        for number, name in enumerate(own):
            self._one_of(("results", number), tuple(ALL_RESULTS), name)
        return ordered({*RESULTS, *own, *self._deciding()})

    def _deciding(self) -> dict[str, Path_]:
        """Return the results that decide what becomes of a point, and where the file says so."""
        found: dict[str, Path_] = {
            name: ("constraints", number)
            for number, one in enumerate(self._constraints())
            for name in results_in(one.names)
        }
        best = self._best()
        return found if best is None else {best.by: ("best",), **found}

    def _check_numbers(self, sweep: Sweep) -> None:
        """Raise where something decides that no point has."""
        machine = machine_of(sweep.machine)
        for name, path in self._deciding().items():
            engines = [sweep.engine]
            if sweep.best is not None:
                engines.append(sweep.best.engine)
            for engine in engines:
                why = no_number(machine, engine, [name])
                if why:
                    raise self._failure(path, f"'{name}' has no number: {why}")

    def _check_values(self, sweep: Sweep) -> None:
        """Try values of an axis on the machine, where its own key is what is wrong.

        Of many values they are the first and the last.
        """
        for axis in sweep.axes:
            few = len(axis.values) <= _MOST_TRIED
            for step in axis.values if few else (axis.values[0], axis.values[-1]):
                for key, value in zip(axis.keys, step, strict=True):
                    wrong = self._mistake(key, value)
                    if wrong:
                        raise self._failure(self._place(key), wrong)
        if "split" in self._data:
            self._one_of(("split",), tuple(CHOICES), self._data["split"])
        try:
            objective_of(str(sweep.fixed["objective"]))
        except RooftileError as error:
            raise self._failure(("objective",), str(error)) from None

    def _mistake(self, key: str, value: Written) -> str:
        """Return what is wrong with a value, where its own key is; nothing if it is right."""
        if key in WORKLOAD_KEYS or key in MAPPING_KEYS:
            return _wrong_kind(key, value)
        try:
            machine_of(changed(self._machine_data, {key: value}))
        except RooftileError as error:
            message = str(error).partition(": ")[2]
            if message.startswith(f"{key}:"):
                return message.removeprefix(f"{key}: ")
        return ""

    def _place(self, key: str) -> Path_:
        for name in ("grid", "derived"):
            if key in self._mapping(name):
                return (name, key)
        zips = self._data.get("zip", [])
        blocks = zips if isinstance(zips, list) else [zips]
        number = next((n for n, block in enumerate(blocks) if key in block), None)
        if number is None:
            return ("space",)
        return ("zip", number, key) if isinstance(zips, list) else ("zip", key)

    def _check_count(self) -> None:
        """Raise where there are too many points, before there are any."""
        grid, zips = self._mapping("grid"), list(self._zips())
        sizes = [
            len(self._networks()),
            *(self._size(("grid", key), own) for key, own in grid.items()),
        ]
        for path, block in zips:
            key, own = next(iter(block.items()))
            sizes.append(self._size((*path, key), own))
        count = prod(sizes)
        limit = self._data.get("limit", MOST_POINTS)
        if not isinstance(limit, int) or isinstance(limit, bool) or limit < 1:
            raise self._failure(("limit",), f"must be a number of points but is '{limit}'")
        if count > limit:
            shown = " x ".join(f"{size:,}" for size in sizes)
            raise self._failure(
                ("limit",) if "limit" in self._data else (),
                f"has {count:,} points ({shown}) but at most {limit:,} are allowed; write"
                " 'limit: N' to allow N, or leave some out",
            )

    def _size(self, path: Path_, own: object) -> int:
        self._check_key(path)
        try:
            return axis_size(own)
        except ValueError as error:
            raise self._failure(path, str(error)) from None


def _wrong_kind(key: str, value: object) -> str:
    """Return why a key that is none of the machine's can't have a value; nothing if it can."""
    if key == "batch":
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            return f"must be a whole number, at least 1, but is '{value}'"
    elif (key in WORKLOAD_KEYS or key in MAPPING_KEYS) and not isinstance(value, str):
        return f"must be a word but is '{value}'"
    return ""


def _flat(machine: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Return the keys of a machine's file, such as ``array.rows``, to their values."""
    found: dict[str, Any] = {}
    for key, value in machine.items():
        if isinstance(value, dict):
            found.update(_flat(value, f"{before}{key}."))
        else:
            found[before + key] = value
    return found
