"""Binary programs: the round trip, and whatever bytes may come."""

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from foundation.errors import AssemblyError
from isa.assembler import assemble, disassemble
from isa.encoding import DTYPE_CODES, FORMAT_CODES, FUNCTION_CODES, MAGIC, decode, encode
from isa.fields import FORM_OF_OPCODE, FORMS
from isa.instruction import DATAFLOW_NAMES, Access, Operand, Queue, Signal, Store
from isa.program import Program, Semaphore, Space, Stream
from tests.isa.strategies import programs

quiet = settings(suppress_health_check=[HealthCheck.too_slow])
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
    assert assemble(disassemble(again)) == again


@given(st.binary(max_size=200))
def test_random_bytes_are_an_error_or_a_program(data: bytes) -> None:
    for candidate in (data, MAGIC + b"\x01" + data):
        try:
            program = decode(candidate)
        except AssemblyError:
            continue
        assert encode(program) == candidate


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "byte 0: needs 4 more bytes but 0 are left"),
        (b"ELF!", "byte 4: a program starts with RTIL"),
        (MAGIC + b"\x02", "byte 5: format version 2 but this version reads 1"),
        (encode(EMPTY) + b"x", "byte 8: 1 bytes are left over"),
        (MAGIC + b"\x01\xff\x7f", "byte 7: 16383 items can't follow in 0 bytes"),
        (MAGIC + b"\x01\x01\x00\x00\x00\x00\x00", "byte 7: a name is empty"),
        (MAGIC + b"\x01\x01\x01\xff\x00\x00\x00", "byte 8: a name isn't UTF-8"),
        (MAGIC + b"\x01\x01\x01a\x00\x02", "byte 10: flag 2 must be below 2"),
        (
            MAGIC + b"\x01\x00\x02\x01a\x00\x01a\x00\x00",
            "byte 13: semaphore 'a' is declared twice",
        ),
        (
            MAGIC + b"\x01\x00\x00\x02\x00\x00\x00\x00\x00\x00",
            "byte 13: stream 0 load stands twice",
        ),
        (
            MAGIC + b"\x01\x00\x01\x01a" + b"\xff" * 9 + b"\x03",
            "byte 19: number 36893488147419103231 must lie in 0..18446744073709551615",
        ),
        (MAGIC + b"\x01\x00\x00\x01\x00\x04\x00", "byte 10: queue 4 must be below 4"),
        (MAGIC + b"\x01\x00\x00\x01\x00\x00\x01\x77", "byte 12: opcode 0x77 is unknown"),
        (MAGIC + b"\x01\x00\x00\x01\x00\x00\x01\x01\x00", "byte 13: semaphore 0 must be below 0"),
        (MAGIC + b"\x81\x00", "byte 6: a number has more bytes than it needs"),
        (MAGIC + b"\xff" * 30, "byte 14: a number has more than 64 bits"),
    ],
)
def test_errors_say_which_byte(data: bytes, message: str) -> None:
    with pytest.raises(AssemblyError, match=f"^{re.escape(message)}$"):
        decode(data)


def test_codes_never_change() -> None:
    """A program encoded yesterday must mean the same tomorrow: append, but change nothing here."""
    assert {form.mnemonic: form.opcode for form in FORMS.values()} == {
        "wait": 0x01, "signal": 0x02, "load": 0x10, "gather": 0x11, "store": 0x12,
        "matmul": 0x20, "vector": 0x30,
    }  # fmt: skip
    assert {opcode: form.mnemonic for opcode, (form, _) in FORM_OF_OPCODE.items()} == {
        **{form.opcode: form.mnemonic for form in FORMS.values()},
        0x21: "matmul",
        0x22: "matmul",
        0x23: "matmul",
    }
    assert DATAFLOW_NAMES == ("OS", "WS", "IS")
    assert DTYPE_CODES == (
        "int8",
        "int32",
        "fp16",
        "bf16",
        "fp32",
        "fp8_e4m3",
        "fp8_e5m2",
        "tf32",
        "int4",
    )
    assert FORMAT_CODES == ("dense", "nm", "bitmap", "csr", "blocked_ell")
    assert (
        *("identity", "relu", "relu6", "gelu", "silu", "sigmoid", "tanh", "hard_swish"),
        *("add", "subtract", "multiply", "maximum", "requantize", "batch_norm"),
        *("sum", "mean", "max", "softmax", "layer_norm", "rms_norm"),
        *("hard_sigmoid", "softplus", "absolute", "negative", "exp", "log", "sqrt", "reciprocal"),
        *("erf", "divide", "minimum", "dot", "equal", "argmax", "sort", "argsort", "scan"),
        *("greater", "rescale"),
        *("relu_gradient", "relu6_gradient", "sigmoid_gradient", "tanh_gradient"),
        *("hard_sigmoid_gradient", "gelu_gradient", "silu_gradient", "hard_swish_gradient"),
        *("absolute_gradient", "erf_gradient", "cast", "max_gradient", "floor", "floor_int32"),
    ) == FUNCTION_CODES
    assert [operand.name for operand in Operand] == ["INPUT", "WEIGHT", "BIAS", "OUTPUT", "INDEX"]
    assert [queue.name for queue in Queue] == ["LOAD", "MATRIX", "VECTOR", "STORE"]


def test_a_small_program_byte_for_byte() -> None:
    store = Store(
        source=Access(space=1, base=0, strides=(1,)),
        destination=Access(space=0, base=200, strides=(-1,)),
        shape=(8,),
        element_bytes=1,
        operand=Operand.OUTPUT,
        tag=300,
    )
    program = Program(
        spaces=(
            Space(name="dram", size_bytes=256, is_main_memory=True),
            Space(name="pad", size_bytes=64, is_main_memory=False),
        ),
        semaphores=(Semaphore(name="go", initial=2),),
        streams={Stream(core=0, queue=Queue.STORE): (store, Signal(semaphore=0))},
    )
    assert encode(program) == bytes.fromhex(
        "52 54 49 4c 01"  # RTIL, version 1
        "02  04 64 72 61 6d 80 02 01  03 70 61 64 40 00"  # dram of 256 bytes, pad of 64
        "01  02 67 6f 02"  # go, from 2
        "01  00 03 02"  # one stream: core 0, store, 2 instructions
        "12  01 00 01 02  00 c8 01 01 01  01 08  01  03  ac 02"  # store
        "02  00"  # signal go
    )


@pytest.mark.parametrize(
    ("access", "message"),
    [
        (
            Access(space=0, base=-1, strides=()),
            "byte 21: number -1 must lie in 0..18446744073709551615",
        ),
        (
            Access(space=0, base=0, strides=(2**63,)),
            "byte 23: stride 9223372036854775808 must lie in"
            " -9223372036854775808..9223372036854775807",
        ),
    ],
)
def test_what_64_bits_cannot_hold_is_refused(access: Access, message: str) -> None:
    store = Store(
        source=access, destination=access, shape=(), element_bytes=1, operand=Operand.OUTPUT, tag=0
    )
    program = Program(
        spaces=(Space(name="dram", size_bytes=256, is_main_memory=True),),
        semaphores=(),
        streams={Stream(core=0, queue=Queue.STORE): (store,)},
    )
    with pytest.raises(AssemblyError, match=f"^{re.escape(message)}$"):
        encode(program)


def test_a_space_without_a_name_is_refused() -> None:
    nameless = Program(
        spaces=(Space(name="", size_bytes=1, is_main_memory=True),), semaphores=(), streams={}
    )
    with pytest.raises(AssemblyError, match=r"^byte 6: a name is empty$"):
        encode(nameless)
