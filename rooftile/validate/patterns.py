"""The request streams of the DRAM reference: deterministic, by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from foundation.errors import RooftileError, nearest
from foundation.randomness import random_places

Numbers = NDArray[np.int64]

KIB, MIB = 1 << 10, 1 << 20
#: Strides and random addresses wrap around here.
FOOTPRINT_BYTES = 256 * MIB
#: A line of a matrix tile, and the tile's height in lines.
LINE_BYTES, TILE_LINES = 256, 128
#: Where the second and the third stream of an interleaving start, and by how much they are moved
#: where they aren't aligned to the first.
STREAM_BASES = (0, 64 * MIB, 128 * MIB)
STREAM_SKEWS = (0, 24 * KIB, 56 * KIB)


@dataclass(frozen=True, slots=True, kw_only=True)
class Geometry:
    """Sizes that patterns depend on.

    Parameters
    ----------
    transaction_bytes
        Of one burst.
    row_bytes
        Of a row of a bank.
    bank_stride_bytes
        From a row of a bank to the next row of the same bank.
    """

    transaction_bytes: int
    row_bytes: int
    bank_stride_bytes: int


def _sequential(index: Numbers, geometry: Geometry) -> Numbers:
    return index * geometry.transaction_bytes


def _strided(stride_bytes: int, span_bytes: int, index: Numbers) -> Numbers:
    """Return strides that wrap around a span, a line further on each time."""
    distance = index * stride_bytes
    return distance % span_bytes + distance // span_bytes * LINE_BYTES


def _random_lines(index: Numbers, geometry: Geometry) -> Numbers:
    """Return the transactions of random lines, each line from its start to its end."""
    per_line = max(1, LINE_BYTES // geometry.transaction_bytes)
    lines = random_places(index // per_line, FOOTPRINT_BYTES // LINE_BYTES)
    return lines * LINE_BYTES + index % per_line * geometry.transaction_bytes


def _random_transactions(index: Numbers, geometry: Geometry) -> Numbers:
    size = geometry.transaction_bytes
    return random_places(index, FOOTPRINT_BYTES // size) * size


def _tiles(pitch_bytes: int, index: Numbers, geometry: Geometry) -> Numbers:
    """Return tile after tile of a matrix whose rows are ``pitch_bytes`` apart."""
    per_line = max(1, LINE_BYTES // geometry.transaction_bytes)
    tile, inside = np.divmod(index, TILE_LINES * per_line)
    tile_row, tile_column = np.divmod(tile, pitch_bytes // LINE_BYTES)
    line, place = np.divmod(inside, per_line)
    row = tile_row * TILE_LINES + line
    line_start = row * pitch_bytes + tile_column * LINE_BYTES
    addresses: Numbers = line_start + place * geometry.transaction_bytes
    return addresses


def _interleaved(index: Numbers, geometry: Geometry, *, is_skewed: bool, block: int = 1) -> Numbers:
    """Return three streams, a block of each in turn."""
    round_, inside = np.divmod(index, block)
    turn, stream = np.divmod(round_, 3)
    place = turn * block + inside
    bases = np.array(STREAM_BASES) + np.array(STREAM_SKEWS) * is_skewed
    addresses: Numbers = bases[stream] + place * geometry.transaction_bytes
    return addresses


def _two_reads_a_write(index: Numbers, geometry: Geometry, *, is_skewed: bool) -> Numbers:
    """Return two steps of a first stream, then one of a second, which is written."""
    turn, member = np.divmod(index, 3)
    base = STREAM_BASES[1] + STREAM_SKEWS[1] * is_skewed
    size = geometry.transaction_bytes
    return np.where(member < 2, (2 * turn + member) * size, base + turn * size)


def _none(index: Numbers) -> NDArray[np.bool_]:
    return np.zeros(len(index), np.bool_)


def _all(index: Numbers) -> NDArray[np.bool_]:
    return np.ones(len(index), np.bool_)


def _each_third(index: Numbers) -> NDArray[np.bool_]:
    thirds: NDArray[np.bool_] = index % 3 == 2
    return thirds


def _each_third_block(index: Numbers) -> NDArray[np.bool_]:
    thirds: NDArray[np.bool_] = index // 64 % 3 == 2
    return thirds


Addresses = Callable[[Numbers, Geometry], Numbers]
Writes = Callable[[Numbers], NDArray[np.bool_]]

#: Addresses, and which requests are writes.
PATTERNS: dict[str, tuple[Addresses, Writes]] = {
    "seq_rd": (_sequential, _none),
    "seq_wr": (_sequential, _all),
    "rw21_al": (lambda i, g: _two_reads_a_write(i, g, is_skewed=False), _each_third),
    "rw21_sk": (lambda i, g: _two_reads_a_write(i, g, is_skewed=True), _each_third),
    "gemm3_al": (lambda i, g: _interleaved(i, g, is_skewed=False), _each_third),
    "gemm3_sk": (lambda i, g: _interleaved(i, g, is_skewed=True), _each_third),
    "gemm3_blk": (
        lambda i, g: _interleaved(i, g, is_skewed=True, block=64),
        _each_third_block,
    ),
    "str256": (lambda i, _: i * LINE_BYTES % FOOTPRINT_BYTES, _none),
    "str4k": (lambda i, _: _strided(4 * KIB, FOOTPRINT_BYTES, i), _none),
    "str_row": (lambda i, g: _strided(g.row_bytes, FOOTPRINT_BYTES, i), _none),
    "str_bank": (
        lambda i, g: _strided(g.bank_stride_bytes, 1024 * g.bank_stride_bytes, i),
        _none,
    ),
    "rand_rd": (_random_transactions, _none),
    "rand_rw21": (_random_transactions, _each_third),
    "rand256": (_random_lines, _none),
    "tile12k": (lambda i, g: _tiles(12 * KIB, i, g), _none),
    "tile16k": (lambda i, g: _tiles(16 * KIB, i, g), _none),
    "tile12k_wr": (lambda i, g: _tiles(12 * KIB, i, g), _all),
}


def stream(name: str, count: int, geometry: Geometry) -> tuple[Numbers, NDArray[np.bool_]]:
    """Return a pattern's addresses in bytes, and which of its requests are writes.

    Raises
    ------
    RooftileError
        No pattern has this name.
    """
    if name not in PATTERNS:
        raise RooftileError(
            f"pattern '{name}': must be one of {', '.join(PATTERNS)}{nearest(name, PATTERNS)}"
        )
    addresses, writes = PATTERNS[name]
    index = np.arange(count, dtype=np.int64)
    return addresses(index, geometry), writes(index)


def stream_hash(addresses: Numbers, writes: NDArray[np.bool_]) -> str:
    """Return the 64-bit FNV-1a hash of a stream's ``address << 1 | is write``, as 16 hex digits.

    References
    ----------
    .. [1] G. Fowler et al., "The FNV Non-Cryptographic Hash Algorithm", RFC 9923.
    """
    state = 1469598103934665603
    for word in (addresses << 1 | writes).tolist():
        state = (state ^ word) * 1099511628211 % (1 << 64)
    return f"{state:016x}"
