from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundation.errors import WorkloadError
from workloads.loaders.expression import evaluate

VALUES = {"width": 64, "in": 3, "x": -2}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (7, 7),
        ("7", 7),
        ("width", 64),
        ("in", 3),
        ("2 * width + 1", 129),
        ("2 * (width + 1)", 130),
        ("width // 3", 21),
        ("-width // 3", -22),
        ("--x", -2),
    ],
)
def test_values(text: int | str, value: int) -> None:
    assert evaluate(text, VALUES) == value


RULE = "must be a whole number, or whole numbers and parameters joined by + - * // ( )"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("widht", "expression 'widht': unknown parameter 'widht'; did you mean 'width'?"),
        ("1 // (x + 2)", "expression '1 // (x + 2)': divides by zero"),
        ("10 ** 9", f"expression '10 ** 9': {RULE}"),
        ("1 / 2", f"expression '1 / 2': {RULE}"),
        ("1.5", f"expression '1.5': {RULE}"),
        ("+1", f"expression '+1': {RULE}"),
        ("0x10", f"expression '0x10': {RULE}"),
        ("2x", f"expression '2x': {RULE}"),
        ("1 +", f"expression '1 +': {RULE}"),
        ("width(1)", f"expression 'width(1)': {RULE}"),
        ("x.y", f"expression 'x.y': {RULE}"),
        ("True", f"expression 'True': {RULE}"),
        ("x if x else x", f"expression 'x if x else x': {RULE}"),
        ("9999999 * 9999999", "expression '9999999 * 9999999': its value must lie within"
         " ±1000000000000"),
        (-(10**13), "expression '-10000000000000': its value must lie within ±1000000000000"),
        ("1" * 201, f"expression '{'1' * 60}…': has 201 characters but at most 200 are read"),
        ("²", f"expression '²': {RULE}"),
    ],
)  # fmt: skip
def test_refused(text: int | str, message: str) -> None:
    with pytest.raises(WorkloadError) as caught:
        evaluate(text, VALUES)
    assert str(caught.value) == message


@given(st.text(alphabet="0123456789abx_+-*/() \n.,'\"[]{}", max_size=220))
def test_any_text_is_a_number_or_an_error(text: str) -> None:
    with suppress(WorkloadError):
        assert isinstance(evaluate(text, VALUES), int)
