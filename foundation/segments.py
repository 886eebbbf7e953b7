"""Segments of weights as bytes, and back: what a `foundation.stored.Stored` means, bit for bit.

A segment's bytes are its values, then what the format needs, then its scale, lowest bits first and
without gaps. Scaled values are symmetric: the scale times the largest value is the largest
magnitude of the segment.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from foundation import numerics
from foundation.dtype import Dtype
from foundation.formats import POINTER_BITS, index_bits, whole_byte_bits
from foundation.numerics import Array
from foundation.stored import Stored

Bits = NDArray[np.uint8]


def segmented(values: Array, length: int) -> Array:
    """Return weights (..., K, N) as segments of K: shape (..., K / length, N, length)."""
    *outer, reduced, columns = values.shape
    return np.moveaxis(values.reshape(*outer, reduced // length, length, columns), -2, -1)


def joined(segments: Array) -> Array:
    """Return what `segmented` has cut."""
    *outer, count, columns, length = segments.shape
    return np.moveaxis(segments, -1, -2).reshape(*outer, count * length, columns)


def draw(
    generator: np.random.Generator, shape: tuple[int, ...], stored: Stored, *, pattern_seed: int
) -> Array:
    """Return random segments that obey a pattern.

    Parameters
    ----------
    generator
        What values are drawn from.
    shape
        Of the segments, without their elements.
    stored
        How they are to be stored.
    pattern_seed
        Of the places of what isn't zero.

    Returns
    -------
    array
        Shape (*shape, length), in the values' type, or fp32 where they have a scale.
    """
    size = (*shape, stored.length)
    keeps = _drawn_pattern(np.random.default_rng(pattern_seed), shape, stored)
    if stored.value.is_integer:
        high = np.int64(1) << (stored.value.bits - 1)
        drawn = generator.integers(1 - high, high, size).astype(stored.value.numpy)
    else:
        normal = generator.standard_normal(size).astype(np.float32)
        drawn = numerics.saturate(normal, stored.value)
    drawn = np.where(keeps, drawn, np.zeros_like(drawn))
    if stored.scale is None:
        return drawn
    # Some value of each segment has the largest magnitude, so that the scale follows from them.
    first = keeps.argmax(axis=-1)[..., np.newaxis]
    np.put_along_axis(drawn, first, np.asarray(largest_value(stored.value), drawn.dtype), axis=-1)
    scales = generator.uniform(0.5, 2.0, (*shape, 1)) / largest_value(stored.value)
    scales = numerics.saturate(scales, stored.scale)
    result: Array = drawn.astype(np.float32) * scales.astype(np.float32)
    return result


def _drawn_pattern(
    generator: np.random.Generator, shape: tuple[int, ...], stored: Stored
) -> NDArray[np.bool_]:
    """Return which elements may be other than zero, at random places in each period."""
    periods, blocks = stored.length // stored.period, stored.period // stored.block
    order = generator.random((*shape, periods, blocks)).argsort(axis=-1)
    keeps = order < stored.kept // stored.block
    return np.repeat(keeps, stored.block, axis=-1).reshape(*shape, stored.length)


def encode(segments: Array, stored: Stored) -> NDArray[np.uint8]:
    """Return segments as bytes.

    Parameters
    ----------
    segments
        Shape (..., length): values, times their scale where they have one.
    stored
        How they are stored.

    Returns
    -------
    array
        uint8, shape (..., size_bytes).

    Raises
    ------
    ValueError
        More elements of a period aren't zero than may be.
    """
    *shape, length = segments.shape
    flat = segments.reshape(-1, length)
    places = _places(flat != 0, stored)
    values = np.take_along_axis(flat, places, axis=-1)
    parts = []
    if stored.scale is None:
        parts.append(_bits_of(values.astype(stored.value.numpy), stored.value))
    else:
        largest = np.abs(flat.astype(np.float32)).max(axis=-1, keepdims=True)
        scales = largest / np.float32(largest_value(stored.value))
        whole = values / np.where(scales == 0, 1, scales)
        rounded = np.rint(whole) if stored.value.is_integer else whole
        parts.append(_bits_of(numerics.saturate(rounded, stored.value), stored.value))
    parts.append(_metadata(places, stored))
    if stored.scale is not None:
        parts.append(_bits_of(numerics.saturate(scales, stored.scale), stored.scale))
    packed = np.packbits(np.concatenate(parts, axis=-1), axis=-1, bitorder="little")
    return packed.reshape(*shape, packed.shape[-1])


def decode(data: NDArray[np.uint8], stored: Stored) -> Array:
    """Return the segments that bytes (..., size_bytes) stand for, as `encode` takes them."""
    *shape, size_bytes = data.shape
    bits = np.unpackbits(data.reshape(-1, size_bytes), axis=-1, bitorder="little")
    end = stored.values * stored.value.bits
    values = _values_of(bits[:, :end], stored.value)
    places = _read_places(bits[:, end : end + stored.metadata_bits], stored)
    if stored.scale is not None:
        start = end + stored.metadata_bits
        scale = _values_of(bits[:, start : start + stored.scale_bits], stored.scale)
        values = values.astype(np.float32) * scale.astype(np.float32)
    result = np.zeros((len(bits), stored.length), dtype=values.dtype)
    np.put_along_axis(result, places, values, axis=-1)
    return result.reshape(*shape, stored.length)


def largest_value(value: Dtype) -> float:
    """Return the largest magnitude of values that have a scale."""
    return float(2 ** (value.bits - 1) - 1) if value.is_integer else numerics.limits(value)[1]


def _places(nonzero: NDArray[np.bool_], stored: Stored) -> NDArray[np.int64]:
    """Return the places of the values that are stored of each segment, in order.

    Where fewer aren't zero than may be, the first others are stored, too.
    """
    if stored.is_dense:
        kept, period, block = 1, 1, 1
    else:
        kept, period, block = stored.kept, stored.period, stored.block
    blocks = nonzero.reshape(len(nonzero), -1, period // block, block).any(axis=-1)
    most = int(blocks.sum(axis=-1).max(initial=0))
    if most > kept // block:
        raise ValueError(
            f"{most * block} of {period} neighbours aren't zero but at most {kept} may be"
        )
    first = np.sort((~blocks).argsort(axis=-1, kind="stable")[..., : kept // block], axis=-1)
    starts = np.arange(blocks.shape[1])[:, np.newaxis] * period
    places = (first * block + starts)[..., np.newaxis] + np.arange(block)
    return places.reshape(len(nonzero), -1)


def _metadata(places: NDArray[np.int64], stored: Stored) -> Bits:
    """Return the bits of a format's metadata."""
    match stored.format:
        case "nm":
            return _number_bits(places % stored.period, index_bits(stored.period))
        case "bitmap":
            mask = np.zeros((len(places), stored.length), dtype=np.uint8)
            np.put_along_axis(mask, places, 1, axis=-1)
            return mask
        case "csr":
            columns = _number_bits(places, whole_byte_bits(stored.length))
            pointers = np.arange(len(places))[:, np.newaxis] * stored.values
            return np.concatenate([_number_bits(pointers, POINTER_BITS), columns], axis=-1)
        case "blocked_ell":
            numbers = places[:, :: stored.block] // stored.block
            return _number_bits(numbers, whole_byte_bits(stored.length // stored.block))
        case _:
            return np.empty((len(places), 0), dtype=np.uint8)


def _read_places(bits: Bits, stored: Stored) -> NDArray[np.int64]:
    """Return the places that a format's metadata names."""
    match stored.format:
        case "nm":
            within = _numbers(bits, index_bits(stored.period), stored.values)
            return within + np.arange(stored.values) // stored.kept * stored.period
        case "bitmap":
            return np.nonzero(bits)[1].reshape(len(bits), stored.values)
        case "csr":
            return _numbers(bits[:, POINTER_BITS:], whole_byte_bits(stored.length), stored.values)
        case "blocked_ell":
            width = whole_byte_bits(stored.length // stored.block)
            numbers = _numbers(bits, width, stored.values // stored.block)
            within = numbers[..., np.newaxis] * stored.block + np.arange(stored.block)
            return within.reshape(len(bits), stored.values)
        case _:
            return np.broadcast_to(np.arange(stored.length), (len(bits), stored.length))


def _bits_of(values: Array, dtype: Dtype) -> Bits:
    """Return the bits of values, lowest first, row by row."""
    if dtype.bits < 8:
        return _number_bits(values.astype(np.int64) & ((1 << dtype.bits) - 1), dtype.bits)
    data = np.ascontiguousarray(values).view(np.uint8)
    return np.unpackbits(data, axis=-1, bitorder="little")


def _values_of(bits: Bits, dtype: Dtype) -> Array:
    """Return the values of which these are the bits."""
    if dtype.bits >= 8:
        return np.packbits(bits, axis=-1, bitorder="little").view(dtype.numpy)
    numbers = _numbers(bits, dtype.bits, bits.shape[-1] // dtype.bits)
    half = 1 << (dtype.bits - 1)
    return ((numbers ^ half) - half).astype(dtype.numpy)


def _number_bits(numbers: NDArray[np.int64], width: int) -> Bits:
    """Return whole numbers of each row as bits, lowest first."""
    bits = (numbers[..., np.newaxis] >> np.arange(width)) & 1
    return bits.reshape(len(numbers), -1).astype(np.uint8)


def _numbers(bits: Bits, width: int, count: int) -> NDArray[np.int64]:
    """Return ``count`` whole numbers of each row from their bits."""
    parted = bits.reshape(len(bits), count, width).astype(np.int64)
    result: NDArray[np.int64] = (parted << np.arange(width)).sum(axis=-1)
    return result
