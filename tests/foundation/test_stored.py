"""Segments of weights: their bytes against encoders written from the formats' definitions."""

import struct
from dataclasses import replace
from fractions import Fraction
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from foundation.dtype import DTYPES
from foundation.formats import FORMATS
from foundation.segments import decode, draw, encode, joined, segmented
from foundation.stored import Stored

VALUES = ("int4", "int8", "fp16", "bf16", "fp8_e4m3", "fp8_e5m2", "tf32", "fp32")
SCALED = ("int4", "int8", "fp8_e4m3", "fp8_e5m2")


@st.composite
def stored_weights(draw: DrawFn) -> Stored:
    """Any pattern, type and format."""
    block, blocks = draw(st.sampled_from([1, 1, 2, 4])), draw(st.integers(1, 9))
    value = draw(st.sampled_from(VALUES))
    return Stored(
        value=DTYPES[value],
        length=draw(st.sampled_from([1, 2, 3, 8])) * blocks * block,
        kept=draw(st.integers(1, blocks)) * block,
        period=blocks * block,
        block=block,
        format=draw(st.sampled_from(list(FORMATS))),
        scale=DTYPES["fp16"] if value in SCALED and draw(st.booleans()) else None,
    )


def written(element: float, value: str) -> str:
    """Return a value as bits, the highest first, by what its type is defined to be."""
    match value:
        case "int4":
            return f"{int(element) % 16:04b}"
        case "int8":
            return f"{int(element) % 256:08b}"
        case "fp16":
            (number,) = struct.unpack("<H", struct.pack("<e", element))
            return f"{number:016b}"
        case "bf16":
            (number,) = struct.unpack("<I", struct.pack("<f", element))
            return f"{number >> 16:016b}"
        case "fp8_e4m3" | "fp8_e5m2":
            names = {"fp8_e4m3": "float8_e4m3fn", "fp8_e5m2": "float8_e5m2"}
            kind = getattr(ml_dtypes, names[value])
            return f"{np.array(element, dtype=kind).view(np.uint8):08b}"
        case _:
            (number,) = struct.unpack("<I", struct.pack("<f", element))
            return f"{number:032b}"


def encoded(segment: list[float], stored: Stored, scale: float, number: int) -> bytes:
    """Return a segment's bytes, written bit by bit: values, metadata, scale."""
    places = list(range(stored.length))
    if stored.format != "dense":
        places = []
        for start in range(0, stored.length, stored.period):
            blocks = range(start, start + stored.period, stored.block)
            full = [b for b in blocks if any(segment[b : b + stored.block])]
            empty = [b for b in blocks if b not in full]
            kept = sorted((full + empty)[: stored.kept // stored.block])
            places += [b + i for b in kept for i in range(stored.block)]
    one_byte = len(segment) <= 256
    bits = [written(segment[place] / scale, stored.value.name) for place in places]
    match stored.format:
        case "nm":
            width = (stored.period - 1).bit_length()
            bits += [f"{place % stored.period:0{width}b}" for place in places if width]
        case "bitmap":
            bits += ["1" if place in places else "0" for place in range(stored.length)]
        case "csr":
            assert one_byte
            bits += [f"{number * len(places):032b}", *(f"{place:08b}" for place in places)]
        case "blocked_ell":
            bits += [f"{place // stored.block:08b}" for place in places[:: stored.block]]
    if stored.scale is not None:
        bits.append(written(scale, "fp16"))
    stream = "".join(word[::-1] for word in bits)  # lowest bits first
    stream += "0" * (-len(stream) % 8)
    return bytes(int(stream[i : i + 8][::-1], 2) for i in range(0, len(stream), 8))


@settings(max_examples=150)
@given(stored=stored_weights(), seed=st.integers(0, 99), pattern_seed=st.integers(0, 99))
def test_bytes_are_those_of_an_independent_encoder(
    stored: Stored, seed: int, pattern_seed: int
) -> None:
    generator = np.random.default_rng(seed)
    segments = draw(generator, (3,), stored, pattern_seed=pattern_seed)
    data = encode(segments, stored)
    largest = {"int4": 7, "int8": 127, "fp8_e4m3": 448, "fp8_e5m2": 57344}
    for number, (segment, own) in enumerate(zip(segments.astype(float), data, strict=True)):
        scale = 1.0
        if stored.scale is not None:
            scale = float(np.float32(abs(segment).max()) / np.float32(largest[stored.value.name]))
        expected = encoded(segment.tolist(), stored, scale, number)
        assert own.tobytes() == expected
        assert len(expected) == stored.size_bytes
        zeros = (segment.reshape(-1, stored.period) == 0).sum(axis=1)
        assert (zeros >= stored.period - stored.kept).all()
    assert np.array_equal(decode(data, stored).astype(float), segments.astype(float))


def test_patterns_depend_on_their_seed_alone() -> None:
    stored = Stored(value=DTYPES["int8"], length=32, kept=5, period=32, format="bitmap")
    one, same, other = (
        draw(np.random.default_rng(seed), (40,), stored, pattern_seed=pattern) != 0
        for seed, pattern in ((0, 3), (0, 3), (0, 4))
    )
    assert (one == same).all()
    assert (one != other).any()


@given(st.integers(1, 4), st.integers(1, 5), st.integers(1, 4), st.integers(1, 4))
def test_segments_go_along_the_axis_before_the_last(a: int, b: int, c: int, length: int) -> None:
    values = np.arange(a * b * length * c).reshape(a, b * length, c)
    segments = segmented(values, length)
    assert segments.shape == (a, b, c, length)
    assert segments[-1, 0, -1].tolist() == values[-1, :length, -1].tolist()
    assert np.array_equal(joined(segments), values)


def test_known_sizes() -> None:
    """What others publish of their formats."""
    int4, fp16 = DTYPES["int4"], DTYPES["fp16"]
    # GGML's Q4_0: 32 weights in 18 bytes, 4.5 bits each.
    assert Stored(value=int4, length=32, scale=fp16).size_bytes == 18
    # NVIDIA, arXiv:2104.08378, section 3.1: 2:4 of fp16 takes 9/16, of int8 5/8 of the dense bytes.
    for name, part in (("fp16", Fraction(9, 16)), ("int8", Fraction(5, 8))):
        pattern = Stored(value=DTYPES[name], length=8, kept=2, period=4, format="nm")
        assert pattern.size_bytes == part * 8 * DTYPES[name].size_bytes
    assert Stored(value=int4, length=3).size_bytes == 2


def test_what_doesnt_obey_its_pattern_is_refused() -> None:
    stored = Stored(value=DTYPES["int8"], length=4, kept=2, period=4, format="nm")
    with pytest.raises(ValueError, match=r"^3 of 4 neighbours aren't zero but at most 2 may be$"):
        encode(np.array([[1, 0, 2, 3]], dtype=np.int8), stored)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"period": 3}, "period 3 must divide 8"),
        ({"block": 3}, "block 3 must divide 4"),
        ({"kept": 5}, "keeps 5 but at most 4 are there"),
        ({"length": 1 << 32}, "length 4294967296 must be at most 2147483648"),
    ],
)
def test_bad_segments(change: dict[str, Any], message: str) -> None:
    stored = Stored(value=DTYPES["int8"], length=8, kept=2, period=4, format="nm")
    with pytest.raises(ValueError, match=message):
        replace(stored, **change)
