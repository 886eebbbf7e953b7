"""Every file of ``tests/bad_inputs/hardware`` ends in the exact error that it must give."""

from __future__ import annotations

from pathlib import Path

import pytest

from accel.spec_file import load_spec
from foundation.errors import SpecError

FILES = sorted((Path(__file__).parents[1] / "bad_inputs" / "hardware").glob("*.yaml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_bad_hardware(path: Path) -> None:
    last = path.read_text().splitlines()[-1]
    with pytest.raises(SpecError) as caught:
        load_spec(path)
    assert f"# error: {caught.value}".replace(str(path), "{file}") == last


def test_there_are_enough_of_them() -> None:
    assert len(FILES) >= 60
