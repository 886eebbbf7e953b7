"""Values of a sweep as numbers with the kind of quantity that they are, and back to text."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

from accel.units import (
    AREA,
    BANDWIDTH,
    CAPACITY,
    CYCLE_COUNT,
    DURATION,
    ENERGY,
    ENERGY_PER_BIT,
    FREQUENCY,
    PORT_BANDWIDTH,
    POWER,
    Quantity,
)

#: What a file writes: numbers, words, and quantities with a unit.
Written = int | float | str | bool

#: Networks take more than what machines' files say of an operation.
_ENERGY = replace(ENERGY, units={**ENERGY.units, "uJ": 10**6, "mJ": 10**9, "J": 10**12})
KINDS = (
    AREA,
    CAPACITY,
    BANDWIDTH,
    FREQUENCY,
    DURATION,
    CYCLE_COUNT,
    PORT_BANDWIDTH,
    _ENERGY,
    ENERGY_PER_BIT,
    POWER,
)
#: Unit to its kind of quantity.
KIND_OF = {unit: kind for kind in KINDS for unit in kind.units}


class Amount(NamedTuple):
    """A number in the smallest unit of its kind; plain numbers have none. Words are no numbers."""

    value: float
    kind: Quantity | None = None

    @property
    def unit(self) -> str:
        """The unit of the number, nothing for a plain one."""
        if self.kind is None:
            return ""
        return next(unit for unit, size in self.kind.units.items() if size == 1)

    @property
    def text(self) -> str:
        """For people: four digits in the unit that needs the fewest signs."""
        if self.kind is None:
            return f"{self.value:g}"
        units = {unit: size for unit, size in self.kind.units.items() if size <= abs(self.value)}
        texts = [f"{self.value / size:.4g} {unit}" for unit, size in units.items()]
        return min(texts or [f"{self.value:.4g} {self.unit}"], key=len)

    def written(self) -> Written:
        """Return the value as a file writes it.

        Raises
        ------
        ValueError
            When the kind of quantity must be whole and it isn't.
        """
        value = int(self.value) if float(self.value).is_integer() else self.value
        if self.kind is None:
            return value
        if self.kind.is_whole and not isinstance(value, int):
            raise ValueError(f"{self.value:g} {self.unit} isn't a whole number of {self.unit}")
        return self.kind.text(value)


def amount_of(value: Written) -> Amount | None:
    """Return what a file writes as an amount, None for a word.

    Raises
    ------
    ValueError
        For a quantity that its unit can't have, such as a fraction of a byte.
    """
    if isinstance(value, bool):
        return None
    return Amount(value) if isinstance(value, int | float) else _parsed(value)


@lru_cache(maxsize=1 << 16)
def _parsed(value: str) -> Amount | None:
    unit = value.strip().lstrip("+-0123456789._eE").strip()
    if not value[:1].isdigit():
        return None
    kind = KIND_OF.get(unit)
    if kind is None:
        return None
    return Amount(kind.parse(value), kind)
