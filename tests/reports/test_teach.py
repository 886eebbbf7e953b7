"""The lesson shows what the array does, and the page needs nothing but itself."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accel.array_events import clocked
from accel.folds import Product
from accel.spec import ArraySpec
from reports.teach import STATES, Frame, Lesson, make_lesson, page
from tests.accel.arrays import array_spec, arrays, product

COMPUTING = STATES.index("computing")


@st.composite
def products(draw: st.DrawFn) -> Product:
    size = st.integers(1, 9)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return product(rng, (1, draw(size), draw(size), draw(size)))


def small(dataflow: str = "WS", registers: int = 2) -> Lesson:
    return make_lesson(
        product(np.random.default_rng(0), (1, 7, 5, 6)), array_spec(4, 3, dataflow, registers)
    )


def shown_output(lesson: Lesson) -> list[list[int | None]]:
    """Return what the output matrix shows at the end; each final value is the last one written."""
    shown: dict[tuple[int, int], int] = {}
    for frame in lesson.frames:
        for written in frame.written:
            shown[written.m, written.n] = written.value
    columns = range(len(lesson.weight[0]))
    return [[shown.get((m, n)) for n in columns] for m in range(len(lesson.input))]


@given(products(), arrays)
def test_the_output_ends_as_numpys(given_product: Product, array: ArraySpec) -> None:
    lesson = make_lesson(given_product, array)
    assert shown_output(lesson) == given_product.value()[0].tolist()
    _, m, n, _ = given_product.extents
    finals = [w for frame in lesson.frames for w in frame.written if w.is_final]
    assert len(finals) == len({(w.m, w.n) for w in finals}) == m * n


@given(products(), arrays)
def test_every_mac_is_one_busy_pe_in_one_cycle(given_product: Product, array: ArraySpec) -> None:
    lesson = make_lesson(given_product, array)
    macs = int(np.prod(given_product.extents))
    assert sum(frame.busy_pes for frame in lesson.frames) == macs
    assert all(0 <= share <= 1 for share in lesson.utilization)
    assert sum(lesson.utilization) / len(lesson.frames) == pytest.approx(lesson.average_utilization)
    assert lesson.average_utilization == macs / (array.pes * len(lesson.frames))


@given(products(), arrays)
def test_the_marks_are_the_events_and_the_last_one_is_the_last_frame(
    given_product: Product, array: ArraySpec
) -> None:
    lesson = make_lesson(given_product, array)
    assert [lesson.events] == clocked([given_product], array).events
    assert len(lesson.frames) == lesson.events.last_output + 1


@given(products(), arrays)
def test_pes_have_the_operands_that_the_page_says(given_product: Product, array: ArraySpec) -> None:
    lesson = make_lesson(given_product, array)
    for cycle, frame in enumerate(lesson.frames):
        for index, state in enumerate(frame.state):
            if state == COMPUTING:
                expected = operands(lesson, cycle, index, frame.fold[index])
                assert pe_operands(lesson, frame, index) == expected


def pe_operands(lesson: Lesson, frame: Frame, index: int) -> dict[str, int]:
    """Return what a PE multiplies: the one operand moves, the other is held or comes down."""
    other = frame.crossing if lesson.dataflow.output_stationary else frame.held
    moving, still = ("weight", "input") if lesson.dataflow.name == "IS" else ("input", "weight")
    return {moving: frame.moving[index], still: other[index]}


def operands(lesson: Lesson, cycle: int, index: int, number: int) -> dict[str, int]:
    """Return what the PE should multiply, by the skew that the page draws."""
    row, column = divmod(index, lesson.columns)
    fold, flow = lesson.folds[number], lesson.dataflow
    place = {
        flow.rows: fold.row_start + row,
        flow.columns: fold.column_start + column,
        flow.time: cycle - fold.events.first_input - row - column,
    }
    m, n, k = place["M"], place["N"], place["K"]
    return {"input": lesson.input[m][k], "weight": lesson.weight[k][n]}


@pytest.mark.parametrize("registers", [1, 2])
@pytest.mark.parametrize("dataflow", ["WS", "IS"])
def test_what_waits_is_the_operand_of_its_fold(dataflow: str, registers: int) -> None:
    lesson = small(dataflow, registers)
    seen = 0
    for frame in lesson.frames:
        register = frame.second if registers == 2 else frame.held
        for index, state in enumerate(frame.state):
            if STATES[state] == "waiting":
                fold = lesson.folds[frame.fold[index]]
                row, column = divmod(index, lesson.columns)
                k, across = fold.row_start + row, fold.column_start + column
                held = lesson.weight[k][across] if dataflow == "WS" else lesson.input[across][k]
                assert register[index] == held
                seen += 1
    assert seen


@pytest.mark.parametrize("registers", [1, 2])
def test_what_drains_is_a_sum_of_its_fold(registers: int) -> None:
    lesson = small("OS", registers)
    output = shown_output(lesson)
    seen = 0
    for frame in lesson.frames:
        register = frame.second if registers == 2 else frame.held
        for index, state in enumerate(frame.state):
            if STATES[state] == "draining":
                fold = lesson.folds[frame.fold[index]]
                column = fold.column_start + index % lesson.columns
                rows = range(fold.row_start, fold.row_start + fold.mapped_rows)
                assert register[index] in [output[row][column] for row in rows]
                seen += 1
    assert seen


@pytest.mark.parametrize(
    ("dataflow", "states"),
    [
        ("WS", {"idle", "unused", "waiting", "loading", "computing"}),
        ("IS", {"idle", "unused", "waiting", "loading", "computing"}),
        ("OS", {"idle", "unused", "draining", "computing"}),
    ],
)
def test_each_dataflow_has_its_states(dataflow: str, states: set[str]) -> None:
    lesson = small(dataflow)
    assert {STATES[state] for frame in lesson.frames for state in frame.state} == states
    for frame in lesson.frames:
        for state, fold in zip(frame.state, frame.fold, strict=True):
            assert (STATES[state] == "idle") == (fold == -1)


def embedded(text: str) -> Any:
    (data,) = re.findall(r'<script type="application/json" id="lesson">(.*?)</script>', text, re.S)
    return json.loads(data)


@pytest.mark.parametrize("dataflow", ["WS", "OS", "IS"])
def test_the_lesson_comes_back_out_of_the_page(dataflow: str) -> None:
    lesson = small(dataflow)
    assert embedded(page(lesson)) == json.loads(json.dumps(asdict(lesson)))


def test_text_in_the_lesson_can_not_end_its_element() -> None:
    lesson = replace(small(), sentence="</script><script>alert(1)</script>")
    assert embedded(page(lesson))["sentence"] == lesson.sentence


def test_the_page_names_nothing_outside_itself() -> None:
    text = page(small())
    assert not re.search(r"https?:|//[a-z]|@import|url\(", text)
    assert not re.search(r"\s(src|href|action|srcset)\s*=", text)
    assert "<link" not in text
    assert "default-src 'none'" in text


def test_the_page_says_what_it_is_about() -> None:
    text = page(small("IS", 1))
    title = "7×6 · 6×5 on a 4×3 input-stationary array"
    assert f"<title>{title}</title>" in text
    assert f"<h1>{title}</h1>" in text
    assert "With one register, the next fold moves in once this one has passed." in text


def test_equal_lessons_give_equal_pages() -> None:
    assert page(small()) == page(small())
