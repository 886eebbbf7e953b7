from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundation.errors import SpecError
from foundation.json_document import parse_json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text('a"\\{}[]:,\n', max_size=6),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text('ab"\\{,\n', max_size=3), inner, max_size=4)
    ),
    max_leaves=12,
)


def _lines(data: Any, path: tuple[str | int, ...], line: int) -> tuple[dict[Any, int], int]:
    """Return the line of every key as ``json.dumps`` with an indent writes it, and the last."""
    found: dict[Any, int] = {}
    if not data or not isinstance(data, dict | list):
        return found, line
    items = data.items() if isinstance(data, dict) else enumerate(data)
    for step, value in items:
        line += 1
        if isinstance(data, dict):
            found[(*path, step)] = line
        below, line = _lines(value, (*path, step), line)
        found |= below
    return found, line + 1


@given(VALUES)
def test_data_and_lines_of_what_was_written(data: Any) -> None:
    document = parse_json(json.dumps(data, indent=2), "a.json", SpecError)
    assert document.data == data
    assert document.lines == {(): 1, **_lines(data, (), 1)[0]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a.json:1: isn't valid JSON: expecting value"),
        ('{\n"a": 1,\n}', "a.json:3: isn't valid JSON: "),
        ('{"a": 1, "b": 2, "a": 3}', "a.json: key 'a' is given twice; remove one"),
        ('{"a": NaN}', "a.json: NaN isn't a number in JSON; give a finite one"),
        ("[" * 60 + "]" * 60, "a.json: nesting is deeper than the 50 levels allowed"),
        ("9" * 5000, "a.json: a number has too many digits"),
    ],
)
def test_bad_text(text: str, message: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse_json(text, "a.json", SpecError)
    assert str(caught.value).startswith(message)
