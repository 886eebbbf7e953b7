"""Constraints on the map space, as YAML: what may not be tried, for which layers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import reduce
from math import inf, prod
from pathlib import Path
from sys import maxsize
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from foundation.document import Document, Path_, json_schema, parse, read
from foundation.errors import MappingError, RooftileError, nearest
from isa.instruction import DATAFLOW_NAMES
from mapper.kernel import Contraction, Kernel, Role
from mapper.nest import Nests
from mapper.splits import AXES, Split
from mapper.taking import Counts

if TYPE_CHECKING:
    from mapper.constraint_models import Choice, Entry, Sizes, SplitLimits

Rows = NDArray[np.bool_]

#: The families of loop nests, by the order of their loops (`mapper.space`).
ORDERS = ("M outside N", "N outside M", "K outside M", "K outside N", "in order")
#: Where an operand can be held: tile by tile, in a block of several, or all of it.
PLACES = ("tile", "block", "whole")
#: What a dimension's name may be besides: all dimensions of a product that it stands for.
_ROLES = {"M": Role.M, "N": Role.N, "K": Role.K}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """Loop nests of one order, with operands held at the same depths (`mapper.mapping.Mapping`)."""

    kernel: Kernel
    order: str
    nests: Nests
    held: tuple[int, ...]


class Rule(Protocol):
    """A filter on mappings."""

    @property
    def path(self) -> Path_:
        """Where it stands in its file."""

    def allows(self, tried: Tried) -> Rows | bool:
        """Return which of the nests may be tried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _SizeRule:
    """Allows some sizes of a dimension's tile or block."""

    path: Path_
    dimension: str
    is_block: bool
    minimum: int
    maximum: float
    only: tuple[int, ...] | None
    excluded: tuple[int, ...]

    def allows(self, tried: Tried) -> Rows | bool:
        numbers = _dimensions(tried.kernel, self.dimension)
        if not numbers:
            return True
        size: Any = prod(self._size(tried.nests, d) for d in numbers)
        rows: Rows = (size >= self.minimum) & (size <= self.maximum)
        if self.only is not None:
            rows = rows & np.isin(size, self.only)
        return rows & ~np.isin(size, self.excluded)

    def _size(self, nests: Nests, dimension: int) -> Counts:
        depth = nests.depth
        if self.is_block:
            depth = next(n for n, d in enumerate(nests.dimensions, start=1) if d == dimension)
        return nests.size(depth, dimension)


@dataclass(frozen=True, slots=True, kw_only=True)
class _OrderRule:
    """Allows some families."""

    path: Path_
    orders: frozenset[str]

    def allows(self, tried: Tried) -> Rows | bool:
        return tried.order in self.orders or not isinstance(tried.kernel.body, Contraction)


@dataclass(frozen=True, slots=True, kw_only=True)
class _HoldRule:
    """Allows some places of an operand."""

    path: Path_
    operand: str
    places: frozenset[str]

    def allows(self, tried: Tried) -> Rows | bool:
        kernel, nests = tried.kernel, tried.nests
        roles = [operand.role for operand in kernel.operands]
        if self.operand not in roles:
            return True
        number = roles.index(self.operand)
        operand, depth = kernel.operands[number], tried.held[number]
        needed = [d for d in range(len(kernel.extents)) if operand.depends_on(d)]
        is_whole: Any = np.True_
        is_tile: Any = np.True_
        for d in needed:
            size = nests.size(depth, d)
            is_whole = is_whole & (size == kernel.extents[d])
            is_tile = is_tile & (size == nests.size(nests.depth, d))
        found = {"whole": is_whole, "tile": is_tile & ~is_whole, "block": ~is_tile & ~is_whole}
        rows: Rows = reduce(np.logical_or, [found[place] for place in self.places])
        return rows


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerRules:
    """The constraints that apply to one layer.

    Parameters
    ----------
    document
        The file that they stand in; None without any.
    rules
        Filters on mappings.
    buffers
        Operand, its buffers, and where that stands.
    splits
        Limits of splits, and where they stand.
    dataflows
        Those that products may run in, and where that stands.
    """

    document: Document | None = None
    rules: tuple[Rule, ...] = ()
    buffers: tuple[tuple[str, int, Path_], ...] = ()
    splits: tuple[tuple[SplitLimits, Path_], ...] = ()
    dataflows: tuple[tuple[frozenset[str], Path_], ...] = ()

    @property
    def are_empty(self) -> bool:
        """Whether everything may be tried."""
        return not (self.rules or self.buffers or self.splits or self.dataflows)

    def as_record(self) -> dict[str, object]:
        """Return what may not be tried, without the file that says so."""
        return {"rules": self.rules, "buffers": self.buffers, "splits": self.splits}

    def failure(self, path: Path_, message: str) -> RooftileError:
        """Return the error that a constraint is to blame for."""
        assert self.document is not None, "only what was given can fail"
        return self.document.failure(path, message)

    def with_tiles(
        self, kernel: Kernel, numbers: Sequence[int], options: list[tuple[int, ...]]
    ) -> list[tuple[int, ...]]:
        """Return tile sizes along dimensions, and those with sizes that constraints ask for."""
        found = dict.fromkeys(options)
        for rule in self.rules:
            if not isinstance(rule, _SizeRule) or rule.is_block or rule.only is None:
                continue
            cut = [d for d in _dimensions(kernel, rule.dimension) if kernel.extents[d] > 1]
            if len(cut) != 1 or cut[0] not in numbers:
                continue
            place = list(numbers).index(cut[0])
            for size in rule.only:
                if size <= kernel.extents[cut[0]]:
                    found |= dict.fromkeys(
                        (*option[:place], size, *option[place + 1 :]) for option in list(found)
                    )
        return list(found)

    def buffer_choices(
        self, kernel: Kernel, choices: Iterable[tuple[bool, ...]]
    ) -> list[tuple[bool, ...]]:
        """Return choices of double buffers with those that are given fixed."""
        given = {role: count == 2 for role, count, _ in self.buffers}
        fixed = (
            tuple(
                given.get(operand.role, both)
                for operand, both in zip(kernel.operands, choice, strict=True)
            )
            for choice in choices
        )
        return list(dict.fromkeys(fixed))

    @property
    def most_cores(self) -> int:
        """Cores that may take part: ``splits`` that say nothing allow any number."""
        limits = [split.max_cores for split, _ in self.splits if split.max_cores is not None]
        return min(limits, default=maxsize)

    def allowed_splits(self, kernel: Kernel, found: list[Split], name: str) -> list[Split]:
        """Return the splits that are allowed.

        Raises
        ------
        MappingError
            When a constraint leaves none.
        """
        for limits, path in self.splits:
            left = [split for split in found if _is_allowed(kernel, split, limits)]
            if not left:
                raise self.failure(
                    path, f"layer '{name}': leaves none of the {len(found)} splits over cores"
                )
            found = left
        return found

    def allowed_dataflows(self, known: Sequence[str], name: str) -> tuple[str, ...]:
        """Return those of an array's dataflows that are allowed.

        Raises
        ------
        MappingError
            When a constraint leaves none.
        """
        found = tuple(known)
        for allowed, path in self.dataflows:
            left = tuple(one for one in found if one in allowed)
            if not left:
                raise self.failure(
                    path,
                    f"layer '{name}': leaves none of the dataflows of its array"
                    f" ({', '.join(found)})",
                )
            found = left
        return found


NO_RULES = LayerRules()


def _is_allowed(kernel: Kernel, split: Split, limits: SplitLimits) -> bool:
    if limits.max_cores is not None and split.parts > limits.max_cores:
        return False
    if not isinstance(kernel.body, Contraction):
        return True
    roles = {kernel.dimensions[d].role for d, _ in split.ways}
    axes = {axis for axis, role in AXES.items() if role in roles}
    return not axes & set(limits.excluded) and (limits.along is None or axes <= set(limits.along))


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraints:
    """The constraints of a file."""

    document: Document
    entries: tuple[Entry, ...]

    def of(self, layer: str, operator: str) -> LayerRules:
        """Return those that apply to a layer."""
        rules: list[Rule] = []
        buffers: list[tuple[str, int, Path_]] = []
        splits: list[tuple[SplitLimits, Path_]] = []
        dataflows: list[tuple[frozenset[str], Path_]] = []
        for number, entry in self._entries(layer, operator):
            path: Path_ = ("constraints", number)
            rules += _rules(entry, path)
            buffers += [
                (role, count, (*path, "buffers", role)) for role, count in entry.buffers.items()
            ]
            if entry.split is not None:
                splits.append((entry.split, (*path, "split")))
            if entry.dataflow is not None:
                dataflows.append((_allowed(entry.dataflow, DATAFLOW_NAMES), (*path, "dataflow")))
        return LayerRules(
            document=self.document,
            rules=tuple(rules),
            buffers=tuple(buffers),
            splits=tuple(splits),
            dataflows=tuple(dataflows),
        )

    def numbers(self, layer: str, operator: str) -> tuple[int, ...]:
        """Return the numbers of the entries that apply to a layer."""
        return tuple(number for number, _ in self._entries(layer, operator))

    def check_names(self, layers: Sequence[tuple[str, str, Sequence[Kernel]]]) -> None:
        """Check that every constraint has something to apply to.

        Parameters
        ----------
        layers
            Name, operator and kernels of each.

        Raises
        ------
        MappingError
            When no layer has such a name or operator, or none of them such a dimension or operand.
        """
        for number, entry in enumerate(self.entries):
            path: Path_ = ("constraints", number)
            for key, wanted, known in (
                ("layers", entry.layers, [name for name, _, _ in layers]),
                ("operators", entry.operators, [operator for _, operator, _ in layers]),
            ):
                for pattern in _listed(wanted):
                    if not any(fnmatchcase(name, pattern) for name in known):
                        raise self.document.failure(
                            (*path, key) if (*path, key) in self.document.lines else path,
                            f"'{pattern}' is none of the network's {key}{nearest(pattern, known)}",
                        )
            kernels = [
                kernel
                for name, operator, found in layers
                if number in self.numbers(name, operator)
                for kernel in found
            ]
            self._check_kernel_names(entry, path, kernels)

    def _check_kernel_names(self, entry: Entry, path: Path_, kernels: Sequence[Kernel]) -> None:
        roles = {operand.role for kernel in kernels for operand in kernel.operands}
        names = {dimension.name for kernel in kernels for dimension in kernel.dimensions}
        if any(isinstance(kernel.body, Contraction) for kernel in kernels):
            names |= set(_ROLES)
        for key, what, known in (
            ("dimensions", "dimension", names),
            ("hold", "operand", roles),
            ("buffers", "operand", roles),
        ):
            for name in getattr(entry, key):
                if name not in known:
                    raise self.document.failure(
                        (*path, key, name),
                        f"unknown {what} '{name}', known are {', '.join(sorted(known))}"
                        f"{nearest(name, known)}",
                    )

    def _entries(self, layer: str, operator: str) -> Iterator[tuple[int, Entry]]:
        for number, entry in enumerate(self.entries):
            if _matches(layer, entry.layers) and _matches(operator, entry.operators):
                yield number, entry


def load_constraints(path: Path) -> Constraints:
    """Return the constraints of a YAML file.

    Raises
    ------
    MappingError
        ``FILE:LINE: key: rule``, when it isn't one.
    """
    return _constraints(read(path, MappingError))


def parse_constraints(text: str, name: str) -> Constraints:
    """Return the constraints of a file's text: as `load_constraints`, ``name`` is for errors."""
    return _constraints(parse(text, name, MappingError))


def schema() -> dict[str, Any]:
    """Return the JSON Schema of constraint files, for editors."""
    from mapper.constraint_models import ConstraintDocument

    return json_schema(ConstraintDocument)


def _constraints(document: Document) -> Constraints:
    from mapper.constraint_models import ConstraintDocument

    entries = document.validate(ConstraintDocument).constraints
    for number, entry in enumerate(entries):
        path: Path_ = ("constraints", number)
        _check_words(document, (*path, "order"), "order", _named(entry.order), ORDERS)
        flows = _named(entry.dataflow)
        _check_words(document, (*path, "dataflow"), "dataflow", flows, DATAFLOW_NAMES)
        for role, choice in entry.hold.items():
            _check_words(document, (*path, "hold", role), "place", _named(choice), PLACES)
        if entry.split is not None:
            axes = [*(entry.split.along or ()), *entry.split.excluded]
            _check_words(document, (*path, "split"), "axis", axes, tuple(AXES))
    return Constraints(document=document, entries=tuple(entries))


def _check_words(
    document: Document, path: Path_, what: str, words: Iterable[str], known: Sequence[str]
) -> None:
    for word in words:
        if word not in known:
            raise document.failure(
                path, f"{what} '{word}' must be one of {', '.join(known)}{nearest(word, known)}"
            )


def _rules(entry: Entry, path: Path_) -> Iterator[Rule]:
    """Yield the filters of an entry."""
    for dimension, given in entry.dimensions.items():
        for key, sizes in (("tile", given.tile), ("block", given.block)):
            if sizes is not None:
                at: Path_ = (*path, "dimensions", dimension, key)
                yield _size_rule(at, dimension, sizes, is_block=key == "block")
    if entry.order is not None:
        orders = _allowed(entry.order, ORDERS)
        yield _OrderRule(path=(*path, "order"), orders=orders)
    for role, choice in entry.hold.items():
        places = _allowed(choice, PLACES)
        yield _HoldRule(path=(*path, "hold", role), operand=role, places=places)


def _size_rule(path: Path_, dimension: str, sizes: int | Sizes, *, is_block: bool) -> _SizeRule:
    from mapper.constraint_models import Sizes

    given = Sizes(only=[sizes]) if isinstance(sizes, int) else sizes
    return _SizeRule(
        path=path,
        dimension=dimension,
        is_block=is_block,
        minimum=given.min or 1,
        maximum=given.max or inf,
        only=tuple(given.only) if given.only is not None else None,
        excluded=tuple(given.excluded),
    )


def _dimensions(kernel: Kernel, name: str) -> list[int]:
    """Return the dimensions of a name, or all that M, N or K stands for; none if there is none."""
    named = [d for d, dimension in enumerate(kernel.dimensions) if dimension.name == name]
    return named or (kernel.numbers(_ROLES[name]) if name in _ROLES else [])


def _listed(names: str | Sequence[str]) -> list[str]:
    return [names] if isinstance(names, str) else list(names)


def _matches(name: str, patterns: str | Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in _listed(patterns))


def _named(choice: str | list[str] | Choice | None) -> list[str]:
    """Return the words of a choice, whether they are allowed or excluded."""
    if choice is None:
        return []
    return _listed(choice if isinstance(choice, str | list) else choice.excluded)


def _allowed(choice: str | list[str] | Choice, known: Sequence[str]) -> frozenset[str]:
    """Return the words that a choice allows."""
    words = frozenset(_named(choice))
    return words if isinstance(choice, str | list) else frozenset(known) - words
