"""The one place that converts between cycles, time, energy and text.

Text is exact: ``0.1ns`` is 100,000 fs, and what isn't a whole number of bytes, hertz or
femtoseconds is refused. Capacities are binary (KiB), rates decimal (kB/s) as data sheets give them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from math import inf
from typing import TYPE_CHECKING

from foundation.errors import nearest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FS_PER_SECOND = 10**15

_BINARY = ("Ki", "Mi", "Gi", "Ti", "Pi")
_DECIMAL = ("k", "M", "G", "T", "P")

BYTES = {"B": 1, **{f"{p}B": 1024 ** (i + 1) for i, p in enumerate(_BINARY)}}
HERTZ = {"Hz": 1, **{f"{p}Hz": 1000 ** (i + 1) for i, p in enumerate(_DECIMAL[:3])}}
BYTES_PER_SECOND = {
    "B/s": 1,
    **{f"{p}B/s": 1000 ** (i + 1) for i, p in enumerate(_DECIMAL)},
    **{f"{p}B/s": 1024 ** (i + 1) for i, p in enumerate(_BINARY)},
}
FEMTOSECONDS = {
    unit: 10**power
    for unit, power in {"fs": 0, "ps": 3, "ns": 6, "us": 9, "µs": 9, "ms": 12, "s": 15}.items()
}
CYCLES = {"cycle": 1, "cycles": 1}
BYTES_PER_CYCLE = {"B/cycle": 1}
PICOJOULES: dict[str, int | Fraction] = {"pJ": 1, "fJ": Fraction(1, 1000), "nJ": 1000}
PICOJOULES_PER_BIT: dict[str, int | Fraction] = {
    f"{unit}/{of}": size / bits
    for of, bits in (("bit", Fraction(1)), ("B", Fraction(8)))
    for unit, size in PICOJOULES.items()
}
_MICRO = Fraction(1, 1000)
MILLIWATTS: dict[str, int | Fraction] = {"mW": 1, "uW": _MICRO, "µW": _MICRO, "W": 1000}
NANOMETRES: dict[str, int | Fraction] = {"nm": 1}
VOLTS: dict[str, int | Fraction] = {"V": 1, "mV": Fraction(1, 1000)}
MILLIMETRES: dict[str, int | Fraction] = {"mm": 1, "um": _MICRO, "µm": _MICRO, "cm": 10}
SQUARE_MICROMETRES: dict[str, int | Fraction] = {"um2": 1, "µm2": 1, "mm2": 10**6}

#: A multiply-accumulate is two operations.
OPERATIONS_PER_SECOND = {
    f"{prefix}{unit}/s": size * 1000**power
    for unit, size in (("OP", 1), ("FLOP", 1), ("MAC", 2))
    for power, prefix in enumerate(("", *_DECIMAL))
}
OPERATIONS_PER_BYTE = {"OP/B": 1, "FLOP/B": 1, "MAC/B": 2}

_QUANTITY = re.compile(r"([-+]?[0-9_]*\.?[0-9]*(?:[eE][-+]?[0-9]{1,3})?)\s*([^\d\s].*)?\Z")
_MAX_TEXT = 40
# A float, so that what is rounded to the nearest float stays within it.
_MAX_VALUE = int(1e30)
_UNLIMITED = "unlimited"


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """A clock whose n-th edge is computed from n, so that it never drifts."""

    hz: int

    def edge_fs(self, cycle: int) -> int:
        """Return the time of an edge, rounded up to a femtosecond."""
        return -(-cycle * FS_PER_SECOND // self.hz)

    def cycle_at_or_after(self, time_fs: int) -> int:
        """Return the number of the first edge at or after a time."""
        cycle = time_fs * self.hz // FS_PER_SECOND
        return cycle if self.edge_fs(cycle) >= time_fs else cycle + 1

    def cycles(self, edges_fs: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the numbers of many edges.

        Exact for all int64 times of clocks up to 1 THz: whole seconds are whole cycles, and within
        a second an edge lies less than a femtosecond after its ideal time, so that float64, which
        has 53 bits, rounds to its number.
        """
        import numpy as np

        seconds, rest_fs = np.divmod(edges_fs, FS_PER_SECOND)
        within_second = np.rint(rest_fs * (self.hz / FS_PER_SECOND)).astype(np.int64)
        numbers: NDArray[np.int64] = seconds * self.hz + within_second
        return numbers


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """A kind of quantity that is written as text with a unit.

    Parameters
    ----------
    name
        With its article, for messages.
    units
        Unit to its size in the unit the program computes in.
    example
        A well-formed value, for messages.
    can_be_unlimited
        ``unlimited`` is a value.
    is_whole
        The value must be a whole number of the smallest unit.
    is_signed
        The value may be negative.
    """

    name: str
    units: Mapping[str, int | Fraction]
    example: str
    can_be_unlimited: bool = False
    is_whole: bool = True
    is_signed: bool = False

    def parse(self, text: object) -> int | float:
        """Return the value of text such as ``64KiB``.

        Raises
        ------
        ValueError
            No unit, another quantity's unit, a negative value, or a fraction of the smallest unit.
        """
        if self.can_be_unlimited and text == _UNLIMITED:
            return inf
        number, unit = self._split(text)
        value = number * self.units[unit]
        if value < 0 and not self.is_signed:
            raise ValueError(f"'{text}': {self.name} must not be negative")
        if abs(value) > _MAX_VALUE:
            raise ValueError(f"'{text}': {self.name} must be at most 1e30 {next(iter(self.units))}")
        if not self.is_whole:
            return float(value)
        if value.denominator != 1:
            smallest = min(self.units, key=lambda name: self.units[name])
            raise ValueError(f"'{text}': {self.name} must be a whole number of {smallest}")
        return int(value)

    def _split(self, text: object) -> tuple[Fraction, str]:
        if not isinstance(text, str):
            is_list, is_mapping = isinstance(text, list), isinstance(text, dict)
            shown = "a list" if is_list else "a mapping" if is_mapping else f"'{text}'"
            raise ValueError(f"{shown}: {self.name} needs a unit, such as {self.example}")
        match = _QUANTITY.match(text.strip()) if len(text) <= _MAX_TEXT else None
        if match is None or not any(c.isdigit() for c in match[1]):
            raise ValueError(f"'{text[:_MAX_TEXT]}': isn't {self.name}; write it as {self.example}")
        if match[2] is None:
            raise ValueError(f"'{text}': {self.name} needs a unit, such as {self.example}")
        unit = match[2].strip().replace("\N{GREEK SMALL LETTER MU}", "\N{MICRO SIGN}")
        if unit not in self.units:
            raise ValueError(f"'{text}': {self._wrong_unit(unit)}")
        return Fraction(match[1].replace("_", "")), unit

    def _wrong_unit(self, unit: str) -> str:
        binary = f"{unit[0].upper()}iB"
        if unit in ("KB", "kB", "MB", "GB", "TB", "PB") and binary in self.units:
            return (
                f"{unit} can mean a power of 1000 or of 1024; write {binary}"
                f" ({self.units[binary]:,} B) or B"
            )
        known = ", ".join(self.units)
        return f"'{unit}' isn't a unit of {self.name} ({known}){nearest(unit, self.units)}"

    def text(self, value: float) -> str:
        """Return text that parses to exactly ``value``, in the largest unit that is whole.

        What needn't be whole is written in its first unit.
        """
        if value == inf:
            return _UNLIMITED
        if not self.is_whole:
            return f"{_decimal(Fraction(value))}{next(iter(self.units))}"
        if self.units is CYCLES:
            return f"{value} cycle" if value == 1 else f"{value} cycles"
        exact = Fraction(value)
        fitting = [
            (size, unit)
            for unit, size in self.units.items()
            if exact >= size and (exact / size * 1000).denominator == 1
        ]
        # The first of two names for one size: ASCII's us.
        size, unit = max(fitting, key=lambda pair: pair[0], default=(1, next(iter(self.units))))
        return f"{_decimal(exact / size)}{unit}"


def _decimal(value: Fraction) -> str:
    thousandths = value * 1000
    if thousandths.denominator != 1:
        return repr(float(value))
    whole, rest = divmod(int(thousandths), 1000)
    return f"{whole}.{rest:03d}".rstrip("0").rstrip(".")


CAPACITY = Quantity(name="a capacity", units=BYTES, example="64KiB")
FREQUENCY = Quantity(name="a frequency", units=HERTZ, example="700MHz")
BANDWIDTH = Quantity(
    name="a bandwidth", units=BYTES_PER_SECOND, example="34GB/s", can_be_unlimited=True
)
PORT_BANDWIDTH = Quantity(
    name="a port's bandwidth",
    units=BYTES_PER_CYCLE,
    example="256B/cycle",
    can_be_unlimited=True,
    is_whole=False,
)
ENERGY = Quantity(name="an energy", units=PICOJOULES, example="0.2pJ", is_whole=False)
ENERGY_PER_BIT = Quantity(
    name="an energy per bit", units=PICOJOULES_PER_BIT, example="4pJ/bit", is_whole=False
)
POWER = Quantity(name="a power", units=MILLIWATTS, example="5mW", is_whole=False)
NODE = Quantity(name="a technology node", units=NANOMETRES, example="45nm", is_whole=False)
VOLTAGE = Quantity(name="a voltage", units=VOLTS, example="0.9V", is_whole=False)
LENGTH = Quantity(name="a length", units=MILLIMETRES, example="2mm", is_whole=False)
AREA = Quantity(name="an area", units=SQUARE_MICROMETRES, example="1.3mm2", is_whole=False)
PERFORMANCE = Quantity(
    name="a performance", units=OPERATIONS_PER_SECOND, example="92TOP/s", is_whole=False
)
INTENSITY = Quantity(
    name="an intensity", units=OPERATIONS_PER_BYTE, example="200MAC/B", is_whole=False
)
DURATION = Quantity(name="a duration", units=FEMTOSECONDS, example="100ns")
CYCLE_COUNT = Quantity(name="a number of cycles", units=CYCLES, example="8 cycles")
SIGNED_CYCLE_COUNT = replace(CYCLE_COUNT, is_signed=True)


def format_bytes(size_bytes: float) -> str:
    """Return bytes for people: ``64 KiB``."""
    return _scaled(size_bytes, 1024, ("B", *(f"{p}B" for p in _BINARY)))


def format_hz(hz: float) -> str:
    """Return a frequency for people: ``700 MHz``."""
    return _scaled(hz, 1000, ("Hz", *(f"{p}Hz" for p in _DECIMAL)))


def format_bandwidth(bytes_per_s: float) -> str:
    """Return a bandwidth for people: ``34 GB/s``."""
    if bytes_per_s == inf:
        return _UNLIMITED
    return _scaled(bytes_per_s, 1000, ("B/s", *(f"{p}B/s" for p in _DECIMAL)))


def format_count(count: float) -> str:
    """Return a count with a prefix to put before its noun: ``1.81 G`` (MACs)."""
    return _scaled(count, 1000, ("", *_DECIMAL))


def format_time(time_fs: int) -> str:
    """Return a time for people: ``1.23 ms``."""
    if time_fs >= FS_PER_SECOND:
        return f"{time_fs / FS_PER_SECOND:.4g} s"
    return _scaled(time_fs, 1000, ("fs", "ps", "ns", "us", "ms"))


def format_energy(energy_pj: float) -> str:
    """Return an energy for people: ``1.23 mJ``."""
    return _scaled(energy_pj, 1000, ("pJ", "nJ", "uJ", "mJ", "J"))


def four_digits(value: float) -> float:
    """Return a number rounded to four digits."""
    return float(f"{value:.4g}")


def format_area(area_um2: float) -> str:
    """Return an area for people: ``1.23 mm2``."""
    if area_um2 >= 1000:
        return f"{area_um2 / 1e6:.4g} mm2"
    return f"{area_um2:.4g} um2"


def _scaled(value: float, base: int, prefixes: tuple[str, ...]) -> str:
    index = 0
    while value >= base * 0.9995 and index < len(prefixes) - 1:
        value /= base
        index += 1
    digits = f"{value:.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"
    return f"{digits} {prefixes[index]}".rstrip() if prefixes[index] else f"{digits} "
