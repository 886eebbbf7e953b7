"""Names that are handed out once, and messages that stay short."""

from __future__ import annotations

import time

from foundation.errors import AssemblyError, RooftileError, SimulationError
from foundation.names import Names


def test_names_are_numbered_past_those_that_are_taken() -> None:
    names = Names()
    asked = ("a", "a_2", "a", "a", "b c", "b_c", "a")
    assert [names.unique(name) for name in asked] == [
        *("a", "a_2", "a_3", "a_4", "b_c", "b_c_2", "a_5")
    ]


def test_others_may_take_names() -> None:
    taken = {"a"}
    names = Names(taken.__contains__)
    assert names.unique("a") == names.unique("a") == "a_2"
    taken.update(("a_2", "a_3"))
    assert names.unique("a") == "a_4"


def test_many_of_one_name_take_time_with_their_number() -> None:
    names, start = Names(), time.process_time()
    assert len({names.unique("a") for _ in range(20_000)}) == 20_000
    assert time.process_time() - start < 2


def test_of_long_messages_the_middle_is_left_out() -> None:
    text = "a" * 5000 + "b" * 5000
    for error in (
        RooftileError(text),
        AssemblyError(text, 3),
        SimulationError(text, unit="dma", time="3 cycles"),
    ):
        assert len(str(error)) < 1600
        assert "a … b" in str(error)
        assert str(error).endswith("bbb")
    assert str(RooftileError("short")) == "short"
