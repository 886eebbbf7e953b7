"""SCALE-Sim's configuration files as machines."""

from __future__ import annotations

from math import inf
from pathlib import Path

import pytest

from accel.scalesim_file import load_scalesim
from accel.spec import AcceleratorSpec
from accel.spec_file import parse_spec, to_yaml
from accel.timing import TIMINGS
from foundation.errors import SpecError

LINES = {
    "ArrayHeight": "12",
    "ArrayWidth": "14",
    "IfmapSramSzkB": "108",
    "FilterSramSzkB": "96",
    "OfmapSramSzkB": "32",
    "Dataflow": "ws",
    "Bandwidth": "10",
    "InterfaceBandwidth": "USER",
}


def load(folder: Path, more: str = "", **changes: str | None) -> AcceleratorSpec:
    """Return the machine of the lines above with some changed, or left out for None."""
    lines = [f"{key} : {value}" for key, value in {**LINES, **changes}.items() if value is not None]
    path = folder / "scale.cfg"
    path.write_text("\n".join(["[architecture_presets]", *lines, more]))
    return load_scalesim(path)


def test_array_and_memories(tmp_path: Path) -> None:
    spec = load(tmp_path, "[general]\nrun_name = my run # of today\n; nothing")
    assert spec.name == "my_run"
    assert spec.array.label == "12x14 WS"
    assert spec.array.timing == TIMINGS["scalesim"]
    pads = {pad.holds: pad.capacity_bytes // 1024 for pad in spec.scratchpads}
    assert pads == {("input",): 108, ("weight",): 96, ("output",): 32, ("psum",): 4 * 32}
    assert {pad.bandwidth_bytes_per_cycle for pad in spec.scratchpads} == {inf}
    bandwidths = {m.holds: m.bandwidth_bytes_per_s / spec.clock_hz for m in spec.memories}
    assert bandwidths == {("parameters",): 10, ("activations",): 20}


@pytest.mark.parametrize("mode", ["CALC", None])
def test_without_a_bandwidth_there_is_no_limit(mode: str | None, tmp_path: Path) -> None:
    spec = load(tmp_path, InterfaceBandwidth=mode)
    assert spec.name == "scale"
    assert spec.bandwidth_bytes_per_s == inf


@pytest.mark.parametrize("mode", ["CALC", "USER"])
def test_it_can_be_written_as_yaml(mode: str, tmp_path: Path) -> None:
    spec = load(tmp_path, InterfaceBandwidth=mode)
    assert parse_spec(to_yaml(spec), "resolved.yaml") == spec


def test_keys_without_a_meaning_here(tmp_path: Path) -> None:
    more = "IfmapOffset: 0\nREADREQUESTBUFFER = 32\nSparsitySupport: False\nMemoryBanks: 1"
    assert load(tmp_path, more) == load(tmp_path)


@pytest.mark.parametrize(
    ("changes", "more", "message"),
    [
        ({"ArrayWidth": None}, "", "{file}: [architecture_presets] needs 'ArrayWidth'; add it"),
        (
            {"ArrayHeight": "0"},
            "",
            "{file}:2: ArrayHeight is '0' but must be a whole number from 1 to 65536",
        ),
        (
            {"FilterSramSzkB": "64KiB"},
            "",
            "{file}:5: FilterSramSzkB is '64KiB' but must be a whole number from 1 to"
            " 1099511627776",
        ),
        ({"Dataflow": "rs"}, "", "{file}:7: Dataflow is 'rs' but must be one of os, ws, is"),
        (
            {"Bandwidth": "10,10"},
            "",
            "{file}:8: Bandwidth is '10,10' but must be a whole number from 1 to 1000000",
        ),
        (
            {"Bandwidth": None},
            "",
            "{file}:8: InterfaceBandwidth is USER, which needs 'Bandwidth'; add it",
        ),
        (
            {"InterfaceBandwidth": "AUTO"},
            "",
            "{file}:9: InterfaceBandwidth is 'AUTO' but must be CALC or USER",
        ),
        (
            {},
            "SparsitySupport: true",
            "{file}:10: SparsitySupport is true but only false is modelled",
        ),
        ({}, "MemoryBanks = 2", "{file}:10: MemoryBanks is 2 but only 1 is modelled"),
        (
            {},
            "ArrayHight: 3",
            "{file}:10: 'ArrayHight' isn't a key of SCALE-Sim; did you mean 'ArrayHeight'?",
        ),
        (
            {},
            "arrayheight: 3",
            "{file}:10: ArrayHeight is given twice (first on line 2); remove one",
        ),
        (
            {},
            "something",
            "{file}:10: 'something' must be [section], 'key: value' or 'key = value'",
        ),
    ],
)
def test_bad_files(changes: dict[str, str | None], more: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        load(tmp_path, more, **changes)
    assert str(caught.value) == message.format(file=tmp_path / "scale.cfg")
