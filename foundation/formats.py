"""How a row of sparse weights is stored: the bits that say where its values belong.

A row is ``length`` elements, of which ``values`` are stored; the others are zero. Values are stored
in their own type, and besides them what a format needs to put them in their places.

References
----------
.. [1] A. Mishra et al., "Accelerating Sparse Deep Neural Networks", arXiv:2104.08378: 2:4 has a
   2-bit index for each value.
.. [2] A. Parashar et al., "SCNN", ISCA 2017, and A. Gondimalla et al., "SparTen", MICRO 2019: a bit
   mask has a bit for each element.
.. [3] Y. Saad, "Iterative Methods for Sparse Linear Systems", 2nd ed., section 3.4: compressed
   sparse rows have a column for each value, and a pointer for each row.
.. [4] NVIDIA cuSPARSE, "Blocked Ellpack (Blocked-ELL)": equally many blocks in each row, and an
   index for each.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

#: Bits of a row's pointer to its first value, in compressed sparse rows.
POINTER_BITS = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row of which some elements are stored.

    Parameters
    ----------
    length, values
        Elements, and how many of them are stored.
    period
        The pattern repeats after so many elements: M of an N:M pattern, else ``length``.
    block
        Neighbours that are stored together.
    """

    length: int
    values: int
    period: int
    block: int


def index_bits(places: int) -> int:
    """Return the bits of a number below ``places``."""
    return (places - 1).bit_length()


def whole_byte_bits(places: int) -> int:
    """Return the bits of a number below ``places`` in whole bytes: 1, 2 or 4 of them."""
    return next(bits for bits in (8, 16, 32) if places <= 1 << bits)


def dense_bits(row: Row) -> int:
    """Return 0: every element is stored in its place."""
    del row
    return 0


def nm_bits(row: Row) -> int:
    """Return the bits of an index into its period for each value [1]_."""
    return row.values * index_bits(row.period)


def bitmap_bits(row: Row) -> int:
    """Return a bit for each element [2]_."""
    return row.length


def csr_bits(row: Row) -> int:
    """Return the bits of a column for each value, in whole bytes, and of the row's pointer [3]_."""
    return row.values * whole_byte_bits(row.length) + POINTER_BITS


def blocked_ell_bits(row: Row) -> int:
    """Return the bits of an index for each block of values, in whole bytes [4]_."""
    return row.values // row.block * whole_byte_bits(row.length // row.block)


#: Format by name: bits of a row besides its values.
FORMATS: dict[str, Callable[[Row], int]] = {
    "dense": dense_bits,
    "nm": nm_bits,
    "bitmap": bitmap_bits,
    "csr": csr_bits,
    "blocked_ell": blocked_ell_bits,
}
