"""Tasks and units part the points of a sweep."""

from __future__ import annotations

from pathlib import Path

import pytest

from rooftile.sweep import space as module
from rooftile.sweep import tasks
from rooftile.sweep.space import Space, is_pace
from tests.rooftile.sweep.sweeps import SMALL, loaded


@pytest.mark.parametrize(("unit", "task"), [(4096, 512), (5, 1), (5, 7), (1, 100), (12, 12)])
def test_every_point_is_in_one_unit_of_one_task(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unit: int, task: int
) -> None:
    monkeypatch.setattr(module, "LARGEST_UNIT", unit)
    monkeypatch.setattr(tasks.Size, "next", lambda _: task)
    space = Space(loaded(tmp_path, SMALL))
    batches = list(tasks.batches(space.pieces("estimate"), tasks.Size(len(space), 2)))
    sent = [piece for batch in batches for piece in batch if isinstance(piece, range)]
    units = [one for own in sent for one in space.units(own)]
    assert [number for own in sent for number in own] == list(range(len(space)))
    assert [number for one in units for number in one] == list(range(len(space)))
    assert units == list(space.units(range(len(space)))), "they don't depend on the tasks"
    for one in units:
        kinds = {space.point(number).values["array.rows"] for number in one}
        assert len(kinds) == 1


def test_engines_price_every_point_apart(tmp_path: Path) -> None:
    space = Space(loaded(tmp_path, SMALL))
    assert [list(one) for one in space.pieces("cycle")] == [[n] for n in range(len(space))]


def test_keys_of_the_pace() -> None:
    assert is_pace("clock")
    assert is_pace("memories.dram.bandwidth")
    assert is_pace("memories.weights.latency")
    assert not is_pace("memories.dram.capacity")
    assert not is_pace("memories.dram.dram.channels")
    assert not is_pace("scratchpads.input.bandwidth")
