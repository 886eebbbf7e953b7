"""Where in the channels a transaction's data lies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from accel.dram.spec import DramSpec

Numbers = NDArray[np.int64]

#: Parts of an address: channel, rank, pseudo-channel, stack, bank group, bank, column, row.
FIELDS = ("ch", "ra", "pc", "sid", "bg", "ba", "co", "ro")


class Places(NamedTuple):
    """Where transactions lie: channel, bank of the channel, row of the bank."""

    channel: Numbers
    bank: Numbers
    row: Numbers


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

    def places(self, transactions: Numbers, channel: DramSpec, stacks: int) -> Places:
        """Return where transaction numbers lie.

        Parameters
        ----------
        transactions
            Their numbers.
        channel
            Ranks or pseudo-channels, bank groups and banks.
        stacks
            Among how many stacks (``sid``) the bank groups of a rank are.
        """
        found = self.locate(transactions)
        rank = found["pc"] if channel.has_pseudochannels else found["ra"]
        group = found["sid"] * (channel.bank_groups // stacks) + found["bg"]
        bank = (rank * channel.bank_groups + group) * channel.banks_per_group + found["ba"]
        return Places(found["ch"], bank, found["ro"])

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
