"""DESIGN.md shows what the array does."""

from pathlib import Path

import pytest

from tests.accel.space_time import drawing

DESIGN = (Path(__file__).resolve().parents[2] / "DESIGN.md").read_text()


@pytest.mark.parametrize(("dataflow", "registers"), [("WS", 2), ("WS", 1), ("OS", 2)])
def test_the_drawings_are_what_the_pes_do(dataflow: str, registers: int) -> None:
    assert drawing(dataflow, registers) in DESIGN
