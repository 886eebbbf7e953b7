"""Assembly: the round trip, a listing that people read, and errors with their line."""

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from foundation.errors import AssemblyError
from isa.assembler import assemble, disassemble
from isa.program import Program
from tests.isa.strategies import programs

LISTING = """\
.space dram main 4096
.space pad scratchpad 256
.semaphore data_ready 0
.semaphore data_free 2
.stream 0 load
  wait data_free
  load source=dram+0x40[16,1] destination=pad+0x0[8,1] shape=[4,8] before=[0,0] after=[0,0] \
element_bytes=1 fill=0x0 operand=input tag=0
  signal data_ready
.stream 0 store
  wait data_ready
  store source=pad+0x0[8,1] destination=dram+0x800[-8,1] shape=[4,8] element_bytes=1 \
operand=output tag=0
  signal data_free
"""


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(programs())
def test_assemble_inverts_disassemble(program: Program) -> None:
    assert assemble(disassemble(program)) == program


def test_a_listing_is_what_its_program_prints() -> None:
    assert disassemble(assemble(LISTING)) == LISTING


def test_comments_and_blank_lines_are_ignored() -> None:
    commented = "# a copy\n\n" + LISTING.replace("wait data_free\n", "wait data_free  # a slot\n")
    assert assemble(commented) == assemble(LISTING)


def test_any_name_is_one_word() -> None:
    text = ".space HBM%202%5B%C3%A4%5D main 4\n"
    program = assemble(text)
    assert program.spaces[0].name == "HBM 2[ä]"
    assert disassemble(program) == text


@given(st.text(max_size=100))
def test_any_text_is_a_program_or_an_error(text: str) -> None:
    try:
        program = assemble(text)
    except AssemblyError:
        return
    assert assemble(disassemble(program)) == program


HEAD = ".space dram main 64\n.semaphore go 0\n.stream 0 store\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("wait go", "line 1: 'wait' comes before the first .stream"),
        (HEAD + "wiat go", "line 4: unknown instruction 'wiat'; did you mean 'wait'?"),
        (HEAD + "wait gone", "line 4: unknown semaphore 'gone'; did you mean 'go'?"),
        (HEAD + "wait", "line 4: wait takes 1 words (<semaphore>) but has 0"),
        (HEAD + "store tag", "line 4: 'tag' must have the form key=value"),
        (HEAD + "store tga=1", "line 4: store has no 'tga'; did you mean 'tag'?"),
        (HEAD + "store tag=1 tag=2", "line 4: 'tag' stands twice"),
        (HEAD + "store tag=-1", "line 4: '-1' must be a whole number"),
        (HEAD + "store tag=" + "9" * 99, f"line 4: '{'9' * 30}' must be a whole number"),
        (HEAD + "store shape=4", "line 4: '4' must be a list such as [4,32]"),
        (HEAD + "store source=dram", "line 4: 'dram' must be an access such as dram+0x40[128,1]"),
        (HEAD + "store source=darm+0x0[1]", "line 4: unknown space 'darm'; did you mean 'dram'?"),
        (HEAD + "store operand=inputs", "line 4: unknown operand 'inputs'; did you mean 'input'?"),
        (
            HEAD + "store tag=1",
            "line 4: store needs source, destination, shape, element_bytes, operand",
        ),
        (HEAD + ".stream 0 stroe", "line 4: unknown queue 'stroe'; did you mean 'store'?"),
        (HEAD + ".space dram main 1", "line 4: space 'dram' is declared twice; rename one"),
        (
            HEAD + ".space x mian 1",
            "line 4: unknown kind of space 'mian'; did you mean 'main'?",
        ),
        (HEAD + "signal go\n.stream 0 store", "line 5: stream 0 store stands twice; join the two"),
        (
            HEAD + ".stream 0 load\n.stream 0 load",
            "line 5: stream 0 load stands twice; join the two",
        ),
        (HEAD + "load fill=12", "line 4: '12' must be hexadecimal such as 0x1f"),
        (HEAD + "matmul dtype=int9", "line 4: unknown dtype 'int9'; did you mean 'int8'?"),
        (HEAD + "matmul dataflow=OSS", "line 4: unknown dataflow 'OSS'; did you mean 'OS'?"),
        (HEAD + "matmul accumulate=ye", "line 4: unknown flag 'ye'; did you mean 'yes'?"),
        (
            HEAD + "vector function=geluu",
            "line 4: unknown function 'geluu'; did you mean 'gelu'?",
        ),
        (HEAD + "wait %ff", "line 4: name '%ff' isn't UTF-8 text"),
        (
            HEAD + "store tag=18446744073709551616",
            "line 4: number 18446744073709551616 must lie in 0..18446744073709551615",
        ),
        (
            HEAD + "store source=dram+0x0[-9223372036854775809]",
            "line 4: stride -9223372036854775809 must lie in"
            " -9223372036854775808..9223372036854775807",
        ),
    ],
)
def test_errors_say_which_line(text: str, message: str) -> None:
    with pytest.raises(AssemblyError, match=f"^{re.escape(message)}$") as caught:
        assemble(text)
    assert caught.value.line == text.count("\n") + 1
