"""Binary programs: the round trip, and whatever bytes may come."""

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from foundation.errors import AssemblyError
from isa.encoding import MAGIC, decode, encode
from isa.program import Program
from tests.isa.strategies import programs

quiet = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
EMPTY = Program(spaces=(), semaphores=(), streams={})


@quiet
@given(programs())
def test_decode_inverts_encode(program: Program) -> None:
    assert decode(encode(program)) == program


@quiet
@given(programs(), st.data())
def test_a_cut_program_is_an_error(program: Program, data: st.DataObject) -> None:
    encoded = encode(program)
    cut = data.draw(st.integers(0, len(encoded) - 1))
    with pytest.raises(AssemblyError):
        decode(encoded[:cut])


@quiet
@given(programs(), st.data())
def test_a_changed_byte_gives_a_program_or_an_error(program: Program, data: st.DataObject) -> None:
    encoded = bytearray(encode(program))
    encoded[data.draw(st.integers(0, len(encoded) - 1))] = data.draw(st.integers(0, 255))
    try:
        again = decode(bytes(encoded))
    except AssemblyError:
        return
    assert encode(again) == bytes(encoded)


@given(st.binary(max_size=200))
def test_random_bytes_are_an_error_or_a_program(data: bytes) -> None:
    for candidate in (data, MAGIC + b"\x01" + data):
        try:
            decode(candidate)
        except AssemblyError:
            continue


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "byte 0: needs 4 more bytes but 0 are left"),
        (b"ELF!", "byte 4: a program starts with RTIL"),
        (MAGIC + b"\x02", "byte 5: format version 2 but this version reads 1"),
        (encode(EMPTY) + b"x", "byte 8: 1 bytes are left over"),
        (MAGIC + b"\x01\xff\x7f", "byte 7: 16383 items can't follow in 0 bytes"),
        (MAGIC + b"\x01\x01\x01 \x00\x00\x00\x00", "byte 8: name ' ' must be a word without"),
        (MAGIC + b"\x01\x00\x00\x01\x00\x04\x00", "byte 10: queue 4 must be below 4"),
        (MAGIC + b"\x01\x00\x00\x01\x00\x00\x01\x77", "byte 12: opcode 0x77 is unknown"),
        (MAGIC + b"\x01\x00\x00\x01\x00\x00\x01\x01\x00", "byte 13: semaphore 0 must be below 0"),
        (MAGIC + b"\x81\x00", "byte 6: a number has more bytes than it needs"),
        (MAGIC + b"\xff" * 30, "byte 23: a number has more than 128 bits"),
    ],
)
def test_errors_say_which_byte(data: bytes, message: str) -> None:
    with pytest.raises(AssemblyError, match=f"^{re.escape(message)}"):
        decode(data)
