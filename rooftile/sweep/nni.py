"""Search spaces from the JSON files of NNI, read as they are.

References
----------
.. [1] Neural Network Intelligence 2.10, "Search Space",
   https://nni.readthedocs.io/en/v2.10/hpo/search_space.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from accel.units import Quantity
from foundation.document import Document, Path_, dotted
from foundation.errors import RooftileError, SweepError, nearest
from foundation.json_document import read_json
from rooftile.sweep.axes import rounded
from rooftile.sweep.distributions import LARGEST, Distribution
from rooftile.sweep.names import ALIASES, ALL_RESULTS
from rooftile.sweep.quantities import Amount, Written, amount_of

#: Types with two arguments, and those with a step besides.
_PLAIN = ("uniform", "loguniform", "normal", "lognormal")
_STEPPED = tuple(f"q{name}" for name in _PLAIN)
TYPES = ("choice", "randint", *_PLAIN, *_STEPPED)
MOST_VARIABLES = 200
#: Options of a variable that are all tried on the machine when a file is read.
_MOST_TRIED = 10
#: Where distributions are tried: no round number lies there.
_TRIED_AT = 0.381966
_LABEL = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}\Z")
#: Columns that results have besides.
_TAKEN = ("stage", "engine", "number", "status", "message", *ALL_RESULTS, *ALIASES)

#: Of a key and a value what is wrong with it on the machine; nothing if it is right.
Mistake = Callable[[str, Written], str]


class Draw(Protocol):
    """Decides what a point is, one variable after another, each by its name."""

    def option(self, name: str, count: int, /) -> int:
        """Return the number of one of some options, which have no order."""

    def place(self, name: str, count: int, /) -> int:
        """Return a place along some values, which have an order."""

    def quantile(self, name: str, /) -> float:
        """Return a number from 0 to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One of the values of a choice, and the variables that there are only with it."""

    value: Written
    variables: tuple[Variable, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """A variable of a search space.

    Parameters
    ----------
    name
        Where it stands in the file: of the same key there may be one for each option of a choice.
    key
        Of the machine or the workload; or a label, which nested choices may have.
    kind
        Of the quantity that numbers are, in the smallest unit; None for plain ones.
    values
        What it may be.
    """

    name: str
    key: str
    kind: Quantity | None
    values: tuple[Option, ...] | range | Distribution

    def drawn(self, draw: Draw) -> tuple[Written, tuple[Variable, ...]]:
        """Return a value as a file writes it, and the variables that come with it.

        Raises
        ------
        ValueError
            When the value is one that can't be written.
        """
        if isinstance(self.values, tuple):
            option = self.values[draw.option(self.name, len(self.values))]
            return option.value, option.variables
        if isinstance(self.values, range):
            whole = self.values[draw.place(self.name, len(self.values))]
            return Amount(whole, self.kind).written(), ()
        return self._at(self.values.value(draw.quantile(self.name))), ()

    def _at(self, value: float) -> Written:
        return rounded(Amount(value, self.kind))

    def tried(self) -> Iterator[Written]:
        """Yield some of its values."""
        if isinstance(self.values, Distribution):
            yield self._at(self.values.value(_TRIED_AT))
        elif isinstance(self.values, range):
            for whole in (self.values[0], self.values[-1]):
                yield Amount(whole, self.kind).written()
        else:
            few = len(self.values) <= _MOST_TRIED
            for option in self.values if few else (self.values[0], self.values[-1]):
                yield option.value


def all_of(variables: Sequence[Variable]) -> Iterator[Variable]:
    """Yield variables in the file's order, each followed by those that come with its options."""
    for variable in variables:
        yield variable
        if isinstance(variable.values, tuple):
            for option in variable.values:
                yield from all_of(option.variables)


def drawn(variables: Sequence[Variable], draw: Draw) -> dict[str, Written]:
    """Return key to value of all variables that there are.

    Raises
    ------
    ValueError
        When a value is one that can't be written.
    """
    found: dict[str, Written] = {}
    for variable in variables:
        found[variable.key], inner = variable.drawn(draw)
        found.update(drawn(inner, draw))
    return found


def load_space(path: Path, known: Mapping[str, Any], mistake: Mistake) -> tuple[Variable, ...]:
    """Return the variables of a search space in a JSON file of NNI.

    Parameters
    ----------
    path
        Of the file.
    known
        Keys that may be varied, to the values that they have now.
    mistake
        Says what is wrong with a value.

    Raises
    ------
    SweepError
        It can't be read, or isn't a search space: which line, and what to change.
    """
    return _Reader(read_json(path, SweepError), known, mistake).variables()


class _Reader:
    """Reads one file."""

    def __init__(self, document: Document, known: Mapping[str, Any], mistake: Mistake) -> None:
        self._document = document
        self._known = known
        self._mistake = mistake
        self._count = 0

    def variables(self) -> tuple[Variable, ...]:
        found, _ = self._variables((), self._document.data, frozenset())
        if not found:
            raise self._failure((), "has nothing to search; add a variable")
        return found

    def _failure(self, path: Path_, message: str) -> RooftileError:
        return self._document.failure(path, message)

    def _variables(
        self, path: Path_, data: object, above: frozenset[str]
    ) -> tuple[tuple[Variable, ...], frozenset[str]]:
        """Return variables, and all keys that may have a value together with those above."""
        if not isinstance(data, dict):
            raise self._failure(path, "must be an object of names to variables")
        found, keys = [], above
        for key, own in data.items():
            if key == "_name" and path:
                continue
            variable, inner = self._variable((*path, key), own, keys)
            keys |= inner
            found.append(variable)
        return tuple(found), keys

    def _variable(
        self, path: Path_, own: object, above: frozenset[str]
    ) -> tuple[Variable, frozenset[str]]:
        key = str(path[-1])
        self._count += 1
        if self._count > MOST_VARIABLES:
            raise self._failure(path, f"has more than {MOST_VARIABLES} variables; leave some out")
        if key in above:
            raise self._failure(path, f"'{key}' is varied twice at once; keep one")
        if not isinstance(own, dict):
            raise self._failure(path, 'must be {"_type": TYPE, "_value": [...]}')
        for name in own:
            if name not in ("_type", "_value"):
                raise self._failure((*path, name), "unknown key; use _type, _value")
        kind, given = own.get("_type"), own.get("_value")
        if kind not in TYPES:
            raise self._failure(
                (*path, "_type"),
                f"must be one of {', '.join(TYPES)} but is '{kind}'{nearest(str(kind), TYPES)}",
            )
        if not isinstance(given, list):
            raise self._failure((*path, "_value"), f"must be a list but is '{given}'")
        is_nested = kind == "choice" and any(isinstance(one, dict) for one in given)
        self._check_key(path, is_nested)
        if kind == "choice":
            return self._choice(path, given, above | {key})
        variable = self._numbers(path, str(kind), given)
        self._check(path, variable)
        return variable, above | {key}

    def _check_key(self, path: Path_, is_nested: bool) -> None:
        key = str(path[-1])
        if key in self._known:
            return
        if not is_nested or not _LABEL.match(key):
            raise self._failure(
                path, f"no key of the machine or the workload{nearest(key, self._known)}"
            )
        if key.lower() in map(str.lower, (*_TAKEN, *self._known)):
            raise self._failure(path, f"results have a column '{key}' already; use another name")

    def _choice(
        self, path: Path_, given: list[Any], above: frozenset[str]
    ) -> tuple[Variable, frozenset[str]]:
        if not given:
            raise self._failure((*path, "_value"), "is empty; give at least one option")
        key, own = str(path[-1]), self._kind_of(path)
        are_nested = [isinstance(one, dict) for one in given]
        if any(are_nested) != all(are_nested):
            raise self._failure((*path, "_value"), "either all options are objects, or none is")
        options, keys = [], above
        for number, one in enumerate(given):
            place = (*path, "_value", number)
            inner: tuple[Variable, ...] = ()
            if isinstance(one, dict):
                if "_name" not in one:
                    raise self._failure(place, 'needs a "_name", which says that it was chosen')
                inner, more = self._variables(place, one, above)
                keys |= more
                one = one["_name"]
                place = (*place, "_name")
            options.append(Option(value=self._option(place, one, own), variables=inner))
        names = [option.value for option in options]
        if any(are_nested) and len(set(map(repr, names))) < len(names):
            raise self._failure((*path, "_value"), "has a _name twice; give each its own")
        variable = Variable(name=dotted(path), key=key, kind=own, values=tuple(options))
        self._check(path, variable)
        return variable, keys

    def _option(self, path: Path_, value: object, own: Quantity | None) -> Written:
        if not isinstance(value, int | float | str):
            raise self._failure(path, f"must be a number or a word but is '{value}'")
        try:
            amount = amount_of(value)
            if amount is None:
                return value
            if not abs(amount.value) <= LARGEST:  # infinite ones, too
                raise ValueError(f"'{value}' is beyond the {LARGEST:,} allowed")
            return value if isinstance(value, str) else Amount(amount.value, own).written()
        except ValueError as error:
            raise self._failure(path, str(error)) from None

    def _numbers(self, path: Path_, kind: str, given: list[Any]) -> Variable:
        """Return a variable that isn't a choice."""
        needed = 3 if kind in _STEPPED else 2
        if len(given) != needed:
            raise self._failure(
                (*path, "_value"), f"{kind} takes {needed} numbers but has {len(given)}"
            )
        is_log_normal = kind.endswith("lognormal")
        amounts = [
            self._amount(
                (*path, "_value", number), one, may_have_unit=not is_log_normal or number == 2
            )
            for number, one in enumerate(given)
        ]
        unit = self._unit(path, amounts)
        values: range | Distribution
        if kind == "randint":
            values = self._range(path, amounts)
        else:
            numbers = [float(one.value) for one in amounts]
            values = Distribution(
                is_normal=kind.endswith("normal"),
                is_log="log" in kind,
                first=numbers[0],
                second=numbers[1],
                step=numbers[2] if kind in _STEPPED else None,
            )
            wrong = values.mistake()
            if wrong:
                raise self._failure((*path, "_value"), wrong)
        return Variable(name=dotted(path), key=str(path[-1]), kind=unit, values=values)

    def _amount(self, path: Path_, value: object, *, may_have_unit: bool) -> Amount:
        try:
            amount = amount_of(value) if isinstance(value, int | float | str) else None
        except ValueError as error:
            raise self._failure(path, str(error)) from None
        if amount is None or (amount.kind is not None and not may_have_unit):
            form = "a number, or one with a unit," if may_have_unit else "a number"
            raise self._failure(path, f"must be {form} but is '{value}'")
        if abs(amount.value) > LARGEST:  # infinite ones, too
            raise self._failure(path, f"'{value}' is beyond the {LARGEST:,} allowed")
        return amount

    def _range(self, path: Path_, amounts: Sequence[Amount]) -> range:
        for number, amount in enumerate(amounts):
            if not isinstance(amount.value, int):
                raise self._failure(
                    (*path, "_value", number), f"must be a whole number but is {amount.value:g}"
                )
        lower, upper = (int(one.value) for one in amounts)
        if lower >= upper:
            raise self._failure(
                (*path, "_value"),
                f"lower must be less than upper (exclusive) but they are {lower} and {upper}",
            )
        if upper - lower > LARGEST:
            raise self._failure((*path, "_value"), f"has more than {LARGEST:,} values")
        return range(lower, upper)

    def _kind_of(self, path: Path_) -> Quantity | None:
        """Return the kind of quantity that a key has on the machine."""
        value = self._known.get(str(path[-1]))
        amount = amount_of(value) if isinstance(value, int | float | str) else None
        return None if amount is None else amount.kind

    def _unit(self, path: Path_, amounts: Sequence[Amount]) -> Quantity | None:
        own = self._kind_of(path)
        for number, amount in enumerate(amounts):
            if amount.kind is not None and amount.kind != own:
                takes = "plain numbers" if own is None else f"{Amount(1, own).unit}"
                raise self._failure(
                    (*path, "_value", number), f"is in {amount.unit} but '{path[-1]}' in {takes}"
                )
        return own

    def _check(self, path: Path_, variable: Variable) -> None:
        """Try values on the machine."""
        if variable.key not in self._known:
            return
        try:
            wrong = next(
                filter(None, (self._mistake(variable.key, v) for v in variable.tried())), ""
            )
        except ValueError as error:
            wrong = str(error)
        if wrong:
            is_fraction = isinstance(variable.values, Distribution) and "whole number" in wrong
            more = "; use quniform with a whole q, or randint" if is_fraction else ""
            raise self._failure((*path, "_value"), wrong + more)
