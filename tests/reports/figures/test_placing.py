"""Names in the margin: in order, apart, and where they want to be if there is room."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.figures.placing import apart
from reports.figures.style import format_ratio, percent, shortened, wrapped

names = st.lists(st.tuples(st.floats(0, 100), st.floats(0.5, 10)), min_size=1, max_size=8)


@given(names)
def test_names_are_apart_and_in_order(given_names: list[tuple[float, float]]) -> None:
    given_names.sort()
    wanted, halves = [w for w, _ in given_names], [h for _, h in given_names]
    places = apart(wanted, halves)
    ends = list(zip(places, halves, strict=True))
    for (a, half), (b, other) in pairwise(ends):
        assert b - a >= half + other - 1e-6
    has_room = all(
        b - a > ha + hb for (a, ha), (b, hb) in pairwise(zip(wanted, halves, strict=True))
    )
    if has_room:
        assert places == pytest.approx(wanted)


def test_a_crowd_stays_around_its_middle() -> None:
    assert apart([10, 10, 10], [1, 1, 1]) == pytest.approx([8, 10, 12])
    assert apart([0, 50], [2, 2]) == [0, 50]


@given(st.text(max_size=60), st.integers(5, 40))
def test_shortened_text_has_no_more_letters_and_no_formula(text: str, letters: int) -> None:
    short = shortened(text, letters)
    assert len(short.replace(r"\$", "$")) <= max(letters, 0)
    assert "$" not in short.replace(r"\$", "")


def test_numbers_as_they_are_shown() -> None:
    assert [format_ratio(v) for v in (1066.7, 100, 3.14159, 0.5)] == ["1,067", "100", "3.14", "0.5"]
    assert [percent(v) for v in (0.001, 0.006, 0.126)] == ["<1%", "1%", "13%"]
    assert wrapped("one two three", 0.7) == "one two\nthree"
