"""Where in the channels a transaction's data lies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]

#: Parts of an address: channel, rank, pseudo-channel, stack, bank group, bank, column, row.
FIELDS = ("ch", "ra", "pc", "sid", "bg", "ba", "co", "ro")


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressMap:
    """Fields of an address from its least significant bit on.

    Parameters
    ----------
    fields
        (field, bits) pairs; a field may come in several pieces, its lowest bits first.
    is_hashed
        Whether rank, bank group, bank and row are XORed with successive bits of the column
        (minimalist open page with XOR).
    """

    fields: tuple[tuple[str, int], ...]
    is_hashed: bool = False

    def locate(self, transactions: Numbers) -> dict[str, Numbers]:
        """Return each field of transaction numbers; bits above the last field are dropped."""
        found = {name: np.zeros_like(transactions) for name in FIELDS}
        widths = dict.fromkeys(FIELDS, 0)
        rest = transactions
        for name, bits in self.fields:
            found[name] = found[name] | ((rest & ((1 << bits) - 1)) << widths[name])
            widths[name] += bits
            rest = rest >> bits
        if self.is_hashed:
            shift = 0
            for name in ("ra", "bg", "ba", "ro"):
                mask = (1 << widths[name]) - 1
                found[name] = found[name] ^ ((found["co"] >> shift) & mask)
                shift += widths[name]
        return found


def parse_map(text: str) -> AddressMap:
    """Return the map of text such as ``co:7 bg:2 ba:2 ra:1 ch:0 ro:16``.

    Raises
    ------
    ValueError
        A part isn't a field and its bits.
    """
    fields = []
    for part in text.split():
        name, _, bits = part.partition(":")
        if name not in FIELDS or not bits.isdecimal():
            raise ValueError(f"'{part}': must be one of {', '.join(FIELDS)}, a colon and bits")
        fields.append((name, int(bits)))
    return AddressMap(fields=tuple(fields))
