"""Arithmetic of sweeps: values, units, and what it refuses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rooftile.sweep.expressions import parse_expression
from rooftile.sweep.quantities import Amount, Written, amount_of

VALUES: dict[str, Written] = {
    "array.rows": 32,
    "array.columns": 16,
    "memories.dram.bandwidth": "8GB/s",
    "scratchpads.input.capacity": "64KiB",
}


def amounts() -> dict[str, Amount]:
    found = {name: amount_of(value) for name, value in VALUES.items()}
    return {name: amount for name, amount in found.items() if amount is not None}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("array.rows * 2", 64),
        ("array.rows / array.columns", 2),
        ("array.rows * 0.5GB/s", "16GB/s"),
        ("memories.dram.bandwidth * array.rows // 16", "16GB/s"),
        ("memories.dram.bandwidth / 2GB/s", 4),
        ("scratchpads.input.capacity + 64KiB", "128KiB"),
        ("max(array.rows, array.columns) - min(3, 5)", 29),
        ("ceil(array.rows / 24)", 2),
        ("2 ** log2(array.rows)", 32),
        ("-(-array.rows // 5)", 7),
        ("sqrt(array.rows * 2) % 5", 3),
    ],
)
def test_values(text: str, expected: Written) -> None:
    assert parse_expression(text, VALUES, compares=False).value(amounts()).written() == expected


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("array.rows * array.columns <= 512", True),
        ("array.rows * array.columns < 512", False),
        ("16 <= array.rows <= 64", True),
        ("memories.dram.bandwidth >= 10GB/s", False),
        ("array.rows != array.columns", True),
    ],
)
def test_comparisons(text: str, holds: bool) -> None:
    assert parse_expression(text, VALUES, compares=True).holds(amounts()) is holds


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("array.rows +", "isn't arithmetic"),
        ("array.row * 2", "'array.row' is unknown; did you mean 'array.rows'"),
        ("__import__('os')", "may hold numbers, names"),
        ("(lambda: 1)()", "may hold numbers, names"),
        ("[1, 2][0]", "may hold numbers, names"),
        ("array.rows if True else 2", "may hold numbers, names"),
        ("open('x')", "may hold numbers, names"),
        ("array.rows <= 64", "not a comparison"),
        ("True", "may hold numbers, names"),
        ("'a' * 3", "may hold numbers, names"),
        ("1 " + "+ 1" * 400, "characters"),
    ],
)
def test_what_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_expression(text, VALUES, compares=False)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("array.rows + 1GB/s", "can't be added"),
        ("memories.dram.bandwidth * 1KiB", "can't be combined"),
        ("1 / 1GB/s", "can't be combined"),
        ("1 / (array.rows - 32)", "has no value"),
        ("2 ** array.rows ** 3", "at most 64"),
        ("log2(1GB/s)", "log2 is of plain numbers"),
        ("max(1, 1KiB)", "can't be compared"),
    ],
)
def test_what_has_no_value(text: str, message: str) -> None:
    expression = parse_expression(text, VALUES, compares=False)
    with pytest.raises(ValueError, match=message):
        expression.value(amounts())


@given(a=st.integers(-(10**6), 10**6), b=st.integers(1, 10**6))
def test_whole_numbers_are_those_of_python(a: int, b: int) -> None:
    known = {"a": a, "b": b}
    values = {"a": Amount(a), "b": Amount(b)}
    for text in ("a + b", "a - b", "a * b", "a // b", "a % b"):
        found = parse_expression(text, known, compares=False).value(values)
        assert (
            found.value
            == {"+": a + b, "-": a - b, "*": a * b, "//": a // b, "%": a % b}[text.split()[1]]
        )


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("64KiB", "64 KiB"),
        ("10GB/s", "10 GB/s"),
        ("476.412us", "476.4 us"),
        ("0.5mJ", "500 uJ"),
        (0.25, "0.25"),
    ],
)
def test_amounts_are_said_in_units_that_people_use(written: Written, text: str) -> None:
    amount = amount_of(written)
    assert amount is not None
    assert amount.text == text
