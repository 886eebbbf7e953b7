"""The interpreter: what each instruction does, and each way in which it refuses."""

from __future__ import annotations

import re

import numpy as np
import pytest
from numpy.typing import NDArray

from foundation.errors import SimulationError
from isa.assembler import assemble
from isa.semantics import run_program

HEAD = """\
.space dram main 256
.space pad scratchpad 64
.semaphore ready 0
.semaphore free 1
"""
LOAD = (
    "load source=dram+0x0[{s}] destination=pad+0x0[{d}] shape=[{n}] before=[{b}] after=[{a}]"
    " element_bytes=1 fill={f} operand=input tag=0\n"
)
STORE = (
    "store source=pad+0x0[1] destination=dram+0x80[1] shape=[{n}] element_bytes=1"
    " operand=output tag=0\n"
)
VECTOR = (
    "vector function={function} shape=[{n}] reduced=0 inputs=pad+0x0[1] output=pad+0x20[1]"
    " input_dtype=int8 output_dtype=int8 shift=0 activation=identity tag=0\n"
)


def load(n: int = 8, *, s: int = 1, d: int = 1, b: int = 0, a: int = 0, f: str = "0x0") -> str:
    return LOAD.format(n=n, s=s, d=d, b=b, a=a, f=f)


def run(text: str) -> NDArray[np.int8]:
    """Run a program on bytes 0, 1, 2, ... and return main memory."""
    memory = np.arange(256, dtype=np.uint8)
    memory[128:] = 0
    run_program(assemble(HEAD + text), {"dram": memory})
    return memory.view(np.int8)


def copied(loading: str, n: int) -> list[int]:
    text = (
        f".stream 0 load\n{loading}signal ready\n.stream 0 store\nwait ready\n{STORE.format(n=n)}"
    )
    return [int(value) for value in run(text)[128 : 128 + n]]


def test_a_copy_arrives() -> None:
    assert copied(load(8), 8) == list(range(8))


def test_a_border_is_filled() -> None:
    assert copied(load(3, b=2, a=1, f="0x7"), 6) == [7, 7, 0, 1, 2, 7]


def test_strides_gather_and_repeat() -> None:
    assert copied(load(4, s=3), 4) == [0, 3, 6, 9]
    assert copied(load(4, s=0), 4) == [0, 0, 0, 0]


def test_overlapping_source_strides_make_im2col_windows() -> None:
    windows = (
        load(0)
        .replace("shape=[0]", "shape=[3,2]")
        .replace("source=dram+0x0[1]", "source=dram+0x0[1,1]")
        .replace("destination=pad+0x0[1]", "destination=pad+0x0[2,1]")
    )
    windows = windows.replace("before=[0]", "before=[0,0]").replace("after=[0]", "after=[0,0]")
    assert copied(windows, 6) == [0, 1, 1, 2, 2, 3]


def test_a_vector_function_is_applied() -> None:
    text = (
        ".semaphore done 0\n"
        f".stream 0 load\n{load(4)}signal ready\n"
        f".stream 0 vector\nwait ready\n{VECTOR.format(function='hard_swish', n=4)}signal done\n"
        f".stream 0 store\nwait done\n{STORE.format(n=4).replace('pad+0x0', 'pad+0x20')}"
    )
    # x · (x + 3) / 6 for x = 0, 1/16, 2/16, 3/16 lies between 0 and 1.6/16.
    assert run(text)[128:132].tolist() == [0, 1, 1, 2]


MATMUL = """\
.space dram main 256
.space pad scratchpad 128
.semaphore ready 0
.semaphore done 0
.semaphore out 0
.stream 0 load
  load source=dram+0x0[1] destination=pad+0x0[1] shape=[12] before=[0] after=[0] element_bytes=1 \
fill=0x0 operand=input tag=0
  signal ready
.stream 0 matrix
  wait ready
  matmul groups=[] m=[2] n=2 k=[3] input=pad+0x0[3,0,1] weight=pad+0x6[0,1,2] \
psum=pad+0x10[8,4,0] accumulate=no dtype=int8 tag=0
  matmul groups=[] m=[2] n=2 k=[3] input=pad+0x0[3,0,1] weight=pad+0x6[0,1,2] \
psum=pad+0x10[8,4,0] accumulate=yes dtype=int8 tag=0
  signal done
.stream 0 vector
  wait done
  vector function=requantize shape=[2,2] reduced=0 inputs=pad+0x10[8,4] output=pad+0x40[2,1] \
input_dtype=int32 output_dtype=int8 shift=1 activation=identity tag=0
  signal out
.stream 0 store
  wait out
  store source=pad+0x40[1] destination=dram+0x80[1] shape=[4] element_bytes=1 operand=output tag=0
"""


def test_a_matmul_accumulates_and_is_requantized() -> None:
    memory = np.zeros(256, dtype=np.uint8)
    data = np.arange(-6, 6, dtype=np.int8)
    memory[:12] = data.view(np.uint8)
    run_program(assemble(MATMUL), {"dram": memory})
    product = data[:6].reshape(2, 3).astype(int) @ data[6:].reshape(3, 2).astype(int)
    assert memory[128:132].view(np.int8).tolist() == product.reshape(-1).tolist()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            f".stream 0 store\n{STORE.format(n=4)}",
            "store, at instruction 0: source: reads byte 0 of 'pad', which was never written or is"
            " still on its way",
        ),
        (
            f".stream 0 load\n{load(8)}.stream 0 store\n{STORE.format(n=4)}",
            "store, at instruction 0: source: reads byte 0 of 'pad', which was never written or is"
            " still on its way",
        ),
        (
            f".stream 0 load\n{load(8)}signal ready\n{load(4)}"
            f".stream 0 store\nwait ready\n{STORE.format(n=8)}",
            "store, at instruction 1: race: load writes byte 0 of 'pad' in its instruction 2, and"
            " no semaphore says which comes first",
        ),
        (
            ".stream 0 load\nsignal ready\n.stream 0 store\nsignal ready\n",
            "store, at instruction 0: semaphore 'ready' is signalled by load too; a semaphore has 1"
            " signalling queue",
        ),
        (
            f".stream 0 load\n{load(65)}",
            "load, at instruction 0: bytes 0 to 64 must lie within 'pad', which has 64",
        ),
        (
            f".stream 0 load\n{load(8, d=0)}",
            "load, at instruction 0: elements of the result overlap in 'pad'",
        ),
        (
            f".stream 0 load\n{load(8, s=-1)}",
            "load, at instruction 0: bytes -7 to 0 must lie within 'dram', which has 256",
        ),
        (
            f".stream 0 matrix\n{load(8)}",
            "matrix, at instruction 0: a matrix queue can't execute a load",
        ),
        (
            ".stream 0 load\n" + load(8).replace("dram+", "pad+"),
            "load, at instruction 0: source: 'pad' must be a main memory",
        ),
        (
            ".stream 0 load\n" + load(8).replace("source=dram+0x0[1]", "source=dram+0x0[1,1]"),
            "load, at instruction 0: 2 strides don't match 1 dimensions",
        ),
        (
            ".stream 0 load\nwait ready\n",
            "load, at instruction 0: deadlock: load waits for 'ready'",
        ),
        (
            f".stream 0 load\n{load(8)}signal ready\n",
            "program, at its end: semaphore 'ready' ends at 1 but began at 0; a signal or a wait is"
            " missing",
        ),
    ],
)
def test_refusals(text: str, message: str) -> None:
    with pytest.raises(SimulationError, match=f"^{re.escape(message)}$"):
        run(text)


def test_a_gather_refuses_an_index_outside_the_table() -> None:
    gather = (
        "gather table=dram+0x0[4,1] indices=pad+0x0[4] destination=pad+0x20[4,1] rows=1"
        " row_elements=4 table_rows=8 element_bytes=1 operand=weight tag=0\n"
    )
    text = f".stream 0 load\n{load(4)}signal ready\nwait ready\n{gather}"
    message = f"index {0x03020100} must lie in 0..7"
    with pytest.raises(SimulationError, match=f"^load, at instruction 3: {message}$"):
        run(text)
