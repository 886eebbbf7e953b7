"""The reference says what the code does."""

import re
from pathlib import Path

import numpy as np

from foundation.functions import FUNCTIONS
from isa.assembler import assemble
from isa.encoding import DTYPE_CODES, FUNCTION_CODES, decode, encode
from isa.fields import FORM_OF_OPCODE
from isa.instruction import DATAFLOW_NAMES
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
    for opcode, (form, fields_of_all) in FORM_OF_OPCODE.items():
        fields = ", ".join(field.name for field in fields_of_all)
        assert f"| {opcode:02x} | `{form.mnemonic}` | {fields} |" in TEXT


def test_the_codes_are_the_code() -> None:
    text = " ".join(TEXT.split())
    assert f"dtypes {', '.join(f'{name} {i}' for i, name in enumerate(DTYPE_CODES))};" in text
    assert f"dataflows {', '.join(f'{n} {i}' for i, n in enumerate(DATAFLOW_NAMES))};" in text
    assert f"list: {', '.join(f'{name} {i}' for i, name in enumerate(FUNCTION_CODES))}." in text


def test_every_function_is_described() -> None:
    (table,) = re.findall(r"\| function \|.*?\n\n", TEXT, re.DOTALL)
    assert [name for name in FUNCTIONS if f"`{name}`" not in table] == []


def test_the_convolution_steps_by_pixels() -> None:
    image = np.arange(8 * 8 * 4).astype(np.uint8).reshape(8, 8, 4)
    pattern = r"`m=\[(.*?)\] n=16 k=\[(.*?)\]`.*?`\[(.*?)\]`"
    ((m, k, steps),) = re.findall(pattern, TEXT, re.DOTALL)
    shape = tuple(int(extent) for extent in f"{m},1,{k}".split(","))
    strides = tuple(int(stride) for stride in steps.split(","))
    read = np.ndarray(shape, np.uint8, buffer=image, strides=strides)[:, :, 0]
    windows = np.lib.stride_tricks.sliding_window_view(image, (3, 3), axis=(0, 1))[::2, ::2]
    assert read.tolist() == windows.transpose(0, 1, 3, 4, 2).tolist()
