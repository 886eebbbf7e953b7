"""Rules between the parts of a DRAM memory: timings, address map, capacity."""

from __future__ import annotations

from collections.abc import Mapping
from math import log2

from accel.dram.address import AddressMap
from foundation.errors import SpecError

#: (timing, timings whose sum it must reach, what to change).
_AT_LEAST = (
    ("tRC", ("tRAS", "tRP"), "raise tRC"),
    ("tRRD_L", ("tRRD_S",), "raise tRRD_L"),
    ("tFAW", ("tRRD_S",), "raise tFAW: it spans four activates"),
    ("tCCD_L", ("tCCD_S",), "raise tCCD_L"),
    ("tWTR_L", ("tWTR_S",), "raise tWTR_L"),
)


def check_timings(timings: Mapping[str, int]) -> None:
    """Check that timings don't contradict each other.

    Raises
    ------
    SpecError
        Which two, both numbers, and what to change.
    """
    for name, parts, remedy in _AT_LEAST:
        least = sum(timings[part] for part in parts)
        if timings[name] < least:
            raise SpecError(
                f"{name} is {timings[name]} clocks but {' + '.join(parts)} is {least}; {remedy}"
            )
    if timings["tREFI"] and timings["tRFC"] >= timings["tREFI"]:
        raise SpecError(
            f"tRFC is {timings['tRFC']} clocks but a refresh is due every {timings['tREFI']}"
            " (tREFI); the memory would do nothing else"
        )


def check_address_map(address_map: AddressMap, sizes: Mapping[str, int]) -> None:
    """Check that a map has each field with the bits that its size needs.

    Raises
    ------
    SpecError
        Which field, and both numbers.
    """
    widths = dict.fromkeys(sizes, 0)
    for name, bits in address_map.fields:
        widths[name] += bits
    for name, size in sizes.items():
        needed = int(log2(size))
        if widths[name] != needed:
            raise SpecError(
                f"address map: field '{name}' has {widths[name]} bits but {size} of them need"
                f" {needed}; the map must cover the capacity"
            )


def check_capacity(capacity_bytes: int, channels: int, channel_bytes: int) -> None:
    """Check that a memory's channels hold its capacity.

    Raises
    ------
    SpecError
        Both numbers.
    """
    if capacity_bytes > channels * channel_bytes:
        raise SpecError(
            f"capacity is {capacity_bytes} bytes but {channels} channels of {channel_bytes} have"
            f" {channels * channel_bytes}; add channels or ranks, or lower the capacity"
        )
