"""Tasks are as large as their second allows, whatever points take."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rooftile.sweep.tasks import Size, batches


def sent(total: int, jobs: int, seconds: float) -> list[int]:
    """Return the sizes of tasks of points that each take some seconds, one after another."""
    size, sizes = Size(total, jobs), []
    for batch in batches((range(n, n + 1) for n in range(total)), size):
        sizes.append(sum(len(piece) for piece in batch if isinstance(piece, range)))
        size.note(sizes[-1], sizes[-1] * seconds)
    return sizes


@given(st.integers(1, 5000), st.integers(1, 9), st.floats(1e-6, 100))
def test_every_point_is_sent_once(total: int, jobs: int, seconds: float) -> None:
    assert sum(sent(total, jobs, seconds)) == total


@pytest.mark.parametrize("seconds", [0.001, 0.01, 0.1])
def test_tasks_grow_to_a_second_and_end_together(seconds: float) -> None:
    sizes = sent(50_000, 2, seconds)
    assert max(sizes) == pytest.approx(1 / seconds, rel=0.05)
    assert sizes[0] == 1
    assert all(after <= 2 * max(sizes[: n + 1]) for n, after in enumerate(sizes[1:]))
    assert sizes[-1] * seconds < 0.2, "the last one is short, so that no process waits long"
    assert len(sizes) < 50_000 * seconds + 50


def test_dear_points_go_one_by_one() -> None:
    assert set(sent(40, 2, 1.5)) == {1}


def test_neighbours_are_sent_as_one_range() -> None:
    size = Size(100, 1)
    size.note(100, 10)
    first = next(batches((range(n, n + 5) for n in range(0, 100, 5)), size))
    assert first == [range(10)]
