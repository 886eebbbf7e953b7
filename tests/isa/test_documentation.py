"""The reference says what the code does."""

import re
from pathlib import Path

import numpy as np

from isa.assembler import assemble
from isa.encoding import decode, encode
from isa.fields import FORMS
from isa.semantics import run_program

TEXT = (Path(__file__).parents[2] / "isa" / "ISA.md").read_text()


def test_the_example_runs() -> None:
    (example,) = re.findall(r"```asm\n(.*?)```", TEXT, re.DOTALL)
    program = assemble(example)
    assert decode(encode(program)) == program
    memory = np.arange(256, dtype=np.uint8)
    run_program(program, {"dram": memory})
    assert memory[128:136].tolist() == [2 * value for value in range(8)]


def test_the_table_of_opcodes_is_the_code() -> None:
    for form in FORMS.values():
        fields = ", ".join(field.name for field in form.fields)
        assert f"| {form.opcode:02x} | `{form.mnemonic}` | {fields} |" in TEXT
