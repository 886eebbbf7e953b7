"""The interpreter ends any program with a result or a refusal, never another error."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from foundation.dtype import DTYPES
from foundation.errors import SimulationError
from foundation.functions import FUNCTIONS
from isa.fields import FORM_OF, Kind
from isa.instruction import Access, Gather, Instruction, Operand, Signal, Wait
from isa.program import Program
from isa.semantics import run_program
from tests.isa.machine import DRAM_BYTES, dram, pad
from tests.isa.test_double_buffer import gemm

sizes = st.sampled_from([0, 1, 2, 3, 4, 5, 12, 2**31, 2**64 - 1])
strides = st.sampled_from([-5, -1, 0, 1, 2, 4, 12, -(2**63), 2**63 - 1])
accesses = st.builds(
    Access,
    space=st.integers(0, 2),
    base=st.integers(0, 200) | sizes,
    strides=st.lists(strides, max_size=4).map(tuple),
)
VALUES: dict[Kind, st.SearchStrategy[object]] = {
    Kind.COUNT: sizes,
    Kind.COUNTS: st.lists(sizes, max_size=3).map(tuple),
    Kind.BITS: sizes,
    Kind.ACCESS: accesses,
    Kind.ACCESSES: st.lists(accesses, max_size=3).map(tuple),
    Kind.SEMAPHORE: st.integers(0, 6),
    Kind.DTYPE: st.sampled_from(list(DTYPES.values())),
    Kind.FUNCTION: st.sampled_from(list(FUNCTIONS)),
    Kind.OPERAND: st.sampled_from(list(Operand)),
    Kind.FLAG: st.booleans(),
}
GATHER = Gather(
    table=dram(0, 4, 1),
    indices=pad(0, 4),
    destination=pad(100, 4, 1),
    rows=2,
    row_elements=4,
    table_rows=2**20,
    element_bytes=1,
    operand=Operand.INPUT,
    tag=0,
)


@st.composite
def faulty_programs(draw: st.DrawFn) -> Program:
    """A program that works, with some fields of one instruction replaced by anything."""
    program = gemm()
    stream = draw(st.sampled_from(list(program.streams)))
    code = list(program.streams[stream])
    index = draw(st.integers(0, len(code) - 1))
    gathers: list[Instruction] = [Signal(semaphore=1), Wait(semaphore=1), GATHER]
    if draw(st.integers(0, 9)) == 0:
        code[index : index + 1] = gathers
        index += 2
    fields = draw(st.lists(st.sampled_from(FORM_OF[type(code[index])].fields), max_size=2))
    changes: dict[str, Any] = {field.name: draw(VALUES[field.kind]) for field in fields}
    code[index] = replace(code[index], **changes)
    return replace(program, streams={**program.streams, stream: tuple(code)})


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(faulty_programs(), st.integers(0, 99))
def test_any_program_gives_a_result_or_a_refusal(program: Program, seed: int) -> None:
    values = np.random.default_rng(seed).integers(0, 256, DRAM_BYTES, dtype=np.uint8)
    with np.errstate(all="ignore"):  # the bytes of any float: infinities too
        try:
            run_program(program, {"dram": values})
        except SimulationError:
            return
