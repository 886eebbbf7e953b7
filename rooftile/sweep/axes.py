"""The values along an axis of a sweep: a list, or a range that is linear or by factors."""

from __future__ import annotations

from math import isfinite, log
from typing import NamedTuple

from rooftile.sweep.quantities import Amount, Written, amount_of

RANGE_KEYS = ("from", "to", "step", "factor", "count", "scale")
MOST_VALUES = 100_000


def axis_values(given: object) -> tuple[Written, ...]:
    """Return the values of an axis as a file writes them.

    Parameters
    ----------
    given
        A list of values, or a mapping with ``from`` and ``to`` and one of ``step``, ``factor``, or
        ``count`` with ``scale: log`` for values by equal factors.

    Raises
    ------
    ValueError
        What is wrong with it.
    """
    if isinstance(given, dict):
        own = _range(given)
        if own.size() > MOST_VALUES:
            raise ValueError(f"has {own.size():,} values but at most {MOST_VALUES:,} are allowed")
        # Neighbours may be rounded to the same value.
        numbers = (rounded(Amount(number, own.start.kind)) for number in own.numbers())
        return tuple(dict.fromkeys(numbers))
    if not isinstance(given, list):
        raise ValueError(
            f"must be a list of values, or a range such as {{from: 1, to: 8, step: 1}}, but is"
            f" '{given}'"
        )
    if not given:
        raise ValueError("is empty; give at least one value")
    for value in given:
        if not isinstance(value, int | float | str):
            raise ValueError(f"'{value}' must be a number, a word, or a number with a unit")
    if len(set(map(repr, given))) < len(given):
        raise ValueError("has a value twice; remove one")
    return tuple(given)


def axis_size(given: object) -> int:
    """Return how many values an axis would have, without making them; raises as `axis_values`."""
    return _range(given).size() if isinstance(given, dict) else len(axis_values(given))


def _range(given: dict[str, object]) -> _Range:
    for key in given:
        if key not in RANGE_KEYS:
            raise ValueError(f"unknown key '{key}' of a range; use {', '.join(RANGE_KEYS)}")
    start, stop = (_amount(given, key) for key in ("from", "to"))
    if start.kind != stop.kind:
        raise ValueError("'from' and 'to' must have the same kind of unit")
    if stop.value < start.value:
        raise ValueError(
            f"is empty: it goes from {given['from']} to {given['to']}; swap them, or enlarge 'to'"
        )
    ways = [key for key in ("step", "factor", "count") if key in given]
    if len(ways) != 1:
        raise ValueError(f"needs one of step, factor and count but has {len(ways)} of them")
    if "scale" in given and (given["scale"] not in ("log", "linear") or ways != ["count"]):
        raise ValueError("'scale' is log or linear, and goes with 'count'")
    return _Range(start, stop, _amount(given, ways[0]), ways[0], is_log=given.get("scale") == "log")


class _Range(NamedTuple):
    """Values from ``start`` to ``stop``, as far apart or as many as ``amount`` says."""

    start: Amount
    stop: Amount
    amount: Amount
    way: str
    is_log: bool

    def size(self) -> int:
        """Return how many values there are.

        Raises
        ------
        ValueError
            What is wrong with the step, factor or count.
        """
        low, high, amount = self.start.value, self.stop.value, self.amount
        if self.way == "count":
            if amount.kind is not None or amount.value != int(amount.value) or amount.value < 1:
                raise ValueError("'count' must be a whole number of values, at least 1")
            if self.is_log and low <= 0:
                raise ValueError("'from' must be positive where the scale is log")
            return int(amount.value)
        if self.way == "factor":
            if amount.kind is not None or amount.value <= 1 or low <= 0:
                raise ValueError("'factor' must be a number greater than 1, and 'from' positive")
            return int(log(high / low) / log(amount.value) + 1e-9) + 1
        if amount.kind != self.start.kind or amount.value <= 0:
            raise ValueError("'step' must be positive and of the same kind of unit as 'from'")
        return int((high - low) / amount.value + 1e-9) + 1

    def numbers(self) -> list[float]:
        """Return the values."""
        low, high, amount = self.start.value, self.stop.value, self.amount.value
        places = range(self.size())
        if self.way == "factor":
            return [low * amount**place for place in places]
        if self.way == "step":
            return [low + amount * place for place in places]
        last = max(1, len(places) - 1)
        if self.is_log:
            return [low * (high / low) ** (place / last) for place in places]
        return [low + (high - low) * place / last for place in places]


def _amount(given: dict[str, object], key: str) -> Amount:
    value = given.get(key)
    amount = amount_of(value) if isinstance(value, int | float | str) else None
    if amount is None or not isfinite(amount.value):
        raise ValueError(f"'{key}' must be a number, or one with a unit, but is '{value}'")
    return amount


def rounded(amount: Amount) -> Written:
    """Return an amount as a file writes it: 12 digits, and whole bytes, hertz and femtoseconds."""
    value = float(f"{amount.value:.12g}")
    if amount.kind is not None and amount.kind.is_whole:
        value = round(value)
    return Amount(value, amount.kind).written()
