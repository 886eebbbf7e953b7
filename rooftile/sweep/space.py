"""The points of a sweep by their numbers, and what each says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from types import MappingProxyType

from rooftile.sweep.expressions import Expression
from rooftile.sweep.names import OF_AREA, results_in
from rooftile.sweep.nni import Draw, drawn
from rooftile.sweep.quantities import Amount, Written, amount_of
from rooftile.sweep.sweep import Axis, Sweep, with_value

#: Points that are priced together: they share what is searched for one kind of machine.
LARGEST_UNIT = 4096


def is_pace(key: str) -> bool:
    """Whether a key changes the pace of the memories only: machines of all its values are alike."""
    first, _, rest = key.partition(".")
    return key == "clock" or (
        first == "memories" and rest.count(".") == 1 and rest.endswith((".bandwidth", ".latency"))
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A point of a sweep.

    Parameters
    ----------
    number
        Its number.
    values
        Key to value, of all keys that differ from point to point.
    excluded
        Which constraint excludes it, with both numbers; empty for none.
    problem
        Why it has no values; empty if it has.
    """

    number: int
    values: dict[str, Written]
    excluded: str = ""
    problem: str = ""


class Space:
    """All points: each axis changes faster than those before it, and those of the pace fastest.

    Parameters
    ----------
    sweep
        What is swept.
    """

    def __init__(self, sweep: Sweep) -> None:
        self.sweep = sweep
        kinds = [all(map(is_pace, axis.keys)) for axis in sweep.axes]
        slow = [axis for axis, fast in zip(sweep.axes, kinds, strict=True) if not fast]
        fast = [axis for axis, fast in zip(sweep.axes, kinds, strict=True) if fast]
        #: In the order in which they change, the slowest first.
        self.axes: tuple[Axis, ...] = (*slow, *fast)
        pairs = [(one, set(results_in(one.names))) for one in sweep.constraints]
        self._constraints_on_keys = [one for one, needs in pairs if not needs]
        #: Constraints that a machine can break before anything is mapped onto it.
        self.constraints_on_area = [one for one, needs in pairs if needs and needs <= set(OF_AREA)]
        #: Constraints that only a price can break.
        self.constraints_on_results = [one for one, needs in pairs if needs - set(OF_AREA)]
        self._block = prod(len(axis.values) for axis in fast)

    def __len__(self) -> int:
        return prod(len(axis.values) for axis in self.axes)

    def units(self, task: range) -> Iterator[range]:
        """Yield the parts of a task whose machines are alike, unless something derived differs."""
        start = task.start
        while start < task.stop:
            end = (start // self._block + 1) * self._block
            inside = start - (start // self._block) * self._block
            end = min(end, start + LARGEST_UNIT - inside % LARGEST_UNIT, task.stop)
            yield range(start, end)
            start = end

    def pieces(self, engine: str) -> Iterator[range]:
        """Yield all points in the smallest parts that an engine may price apart.

        Estimates of a unit's points depend on each other.
        """
        everything = range(len(self))
        if engine == "estimate":
            return self.units(everything)
        return (range(number, number + 1) for number in everything)

    def point(self, number: int) -> Point:
        """Return a point by its number."""
        values: dict[str, Written] = {}
        rest = number
        for axis in reversed(self.axes):
            rest, place = divmod(rest, len(axis.values))
            values.update(zip(axis.keys, axis.values[place], strict=True))
        return self.made(number, values)

    def drawn(self, draw: Draw) -> Point:
        """Return a point that something draws: places along the axes, and values of the space.

        Where there is a space, the point has the number -1.
        """
        places = [draw.place(str(n), len(axis.values)) for n, axis in enumerate(self.axes)]
        if not self.sweep.space:
            return self.point(self.number(places))
        values: dict[str, Written] = {}
        for axis, place in zip(self.axes, places, strict=True):
            values.update(zip(axis.keys, axis.values[place], strict=True))
        try:
            values.update(drawn(self.sweep.space, draw))
        except ValueError as error:
            return Point(number=-1, values=self._ordered(values), problem=str(error))
        return self.made(-1, values)

    def made(self, number: int, values: dict[str, Written]) -> Point:
        """Return a point with what is derived from its values."""
        try:
            excluded = self._derive(values)
        except ValueError as error:
            return Point(number=number, values=self._ordered(values), problem=str(error))
        return Point(number=number, values=self._ordered(values), excluded=excluded)

    def number(self, places: Sequence[int]) -> int:
        """Return the number of the point at some places along the axes."""
        number = 0
        for axis, place in zip(self.axes, places, strict=True):
            number = number * len(axis.values) + place
        return number

    def _ordered(self, values: dict[str, Written]) -> dict[str, Written]:
        return {key: values[key] for key in self.sweep.keys if key in values}

    def _derive(self, values: dict[str, Written]) -> str:
        """Add what is derived, and return which constraint excludes the point."""
        for key, expression in self.sweep.derived.items():
            amounts = {name: self._amount(name, values) for name in expression.names}
            values[key] = expression.value(amounts).written()
        return self.broken(self._constraints_on_keys, values)

    def broken(
        self,
        constraints: Sequence[Expression],
        values: dict[str, Written],
        results: Mapping[str, Amount] = MappingProxyType({}),
    ) -> str:
        """Return which of some constraints a point breaks, with the numbers; empty for none.

        Raises
        ------
        ValueError
            When one has no value.
        """
        for one in constraints:
            amounts = {
                n: results[n] if n in results else self._amount(n, values) for n in one.names
            }
            if not one.holds(amounts):
                return f"{one.text}: {one.sides(amounts)}"
        return ""

    def _amount(self, name: str, values: dict[str, Written]) -> Amount:
        value = values[name] if name in values else with_value(self.sweep, name)
        amount = None if value is None else amount_of(value)
        if amount is None:
            raise ValueError(f"'{name}' is '{value}', which is no number to compute with")
        return amount
