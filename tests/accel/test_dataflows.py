"""An array of several dataflows is, instruction by instruction, one of the dataflow asked for."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from accel.machine import Machine
from accel.program_script import scripts_of
from accel.spec_file import parse_spec, to_yaml
from accel.systolic import DATAFLOWS
from accel.trace import Trace
from foundation.errors import SimulationError, SpecError
from isa.instruction import DATAFLOW_NAMES, Instruction, MatMul, Queue, Signal, Wait
from isa.program import Program, Semaphore, Stream
from mapper.pipeline import replay
from tests.accel.test_machine import CYCLE_FS, SPACES, SPEC, matmul

SEVERAL = replace(SPEC, array=replace(SPEC.array, dataflow="WS", other_dataflows=("OS",)))


def in_dataflow(m: int, dataflow: str | None) -> MatMul:
    return replace(matmul(m), dataflow=dataflow)


def program_of(*code: Instruction) -> Program:
    return Program(
        spaces=SPACES,
        semaphores=(Semaphore(name="idle", initial=0),),
        streams={Stream(core=0, queue=Queue.MATRIX): code},
    )


def run(*code: Instruction) -> Trace:
    return Machine(SEVERAL).run(program_of(*code))


def drained(*code: MatMul) -> list[Instruction]:
    """Return instructions, each behind the end of the one before."""
    found: list[Instruction] = []
    for one in code:
        found += [one, Signal(semaphore=0), Wait(semaphore=0)]
    return found


@pytest.mark.parametrize("dataflow", ["WS", "OS"])
def test_a_sequence_runs_as_on_an_array_of_its_dataflow(dataflow: str) -> None:
    code = [in_dataflow(m, dataflow) for m in (9, 1, 5)]
    alone = Machine(SEVERAL.with_dataflow(dataflow))
    plain = alone.run(program_of(*(matmul(m) for m in (9, 1, 5))))
    found = run(*code)
    assert found.end_fs == plain.end_fs
    for name in plain.columns:
        assert found[name].tolist() == plain[name].tolist(), name


def test_without_a_name_it_is_the_first_one() -> None:
    assert run(matmul(9)).end_fs == run(in_dataflow(9, "WS")).end_fs
    assert run(matmul(9)).end_fs != run(in_dataflow(9, "OS")).end_fs


def test_a_change_behind_the_end_of_the_last_one_costs_nothing() -> None:
    code = [in_dataflow(9, "WS"), in_dataflow(7, "OS"), in_dataflow(3, "WS")]
    trace = run(*drained(*code))
    alone = [run(one).end_fs for one in code]
    assert trace.end_fs == sum(alone)
    names = [DATAFLOW_NAMES[n] for n in trace["dataflow"] if n >= 0]
    assert names == ["WS", "OS", "WS"]
    (script,) = scripts_of(program_of(*drained(*code)), SEVERAL)
    assert replay(SEVERAL, [script]).run() * CYCLE_FS == trace.end_fs


def test_a_change_under_way_is_refused() -> None:
    message = (
        "matrix, at 9 cycles: a matmul of dataflow OS begins while one of WS is under way; signal"
        " a semaphore behind that one and wait for it"
    )
    with pytest.raises(SimulationError, match=f"^{re.escape(message)}$"):
        run(in_dataflow(9, "WS"), in_dataflow(9, "OS"))


def test_a_dataflow_that_the_array_lacks_is_refused() -> None:
    message = (
        "array '4x4 WS or OS': has dataflow WS and OS but IS is asked for; add it to"
        " 'array.dataflow'"
    )
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        run(in_dataflow(9, "IS"))
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        scripts_of(program_of(in_dataflow(9, "IS")), SEVERAL)


def test_rows_of_other_units_have_no_dataflow() -> None:
    trace = run(in_dataflow(9, "OS"), in_dataflow(9, "OS"))
    is_product = trace["macs"] > 0
    assert np.all((trace["dataflow"] >= 0) == is_product)


def test_names_are_those_of_the_array() -> None:
    assert tuple(DATAFLOWS) == DATAFLOW_NAMES


@pytest.mark.parametrize("written", ["[WS, OS]", "[os, IS, WS]", "WS", "[IS]"])
def test_a_machine_of_several_is_read_and_written(written: str) -> None:
    names = tuple(written.strip("[]").upper().split(", "))
    text = to_yaml(SPEC).replace("dataflow: WS", f"dataflow: {written}")
    spec = parse_spec(text, "machine")
    assert spec.array.dataflows == names
    assert parse_spec(to_yaml(spec), "again") == spec
    assert spec.array.label == f"4x4 {' or '.join(names)}"
    for name in names:
        assert spec.with_dataflow(name).array.dataflows == (name,)
    assert spec.with_dataflow(None) == spec.with_dataflow(names[0])
