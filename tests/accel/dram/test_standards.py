"""Standards' tables: what controllers derive from them is what the reference simulators have."""

from __future__ import annotations

import csv
from dataclasses import asdict
from pathlib import Path

import pytest

from accel.dram.rules import check_address_map, check_capacity, check_timings
from accel.dram.standards import interleaved_map, load_standard, read_standard, standard_names
from foundation.errors import SpecError
from rooftile.validate.dram import dram_spec
from tests.accel.dram.specs import TIMING

TIMINGS = Path(__file__).parents[2] / "published" / "dram" / "timings.csv"

#: The configuration of a reference simulator that has a standard's values, and what differs.
REFERENCES = {
    "ddr4_2400": ("DRAMsim3", "ddr4_2400", {}),
    "ddr4_3200": ("DRAMsim3", "ddr4_3200", {}),
    "ddr5_4800": ("Ramulator2.1", "ddr5_4800", {}),
    "gddr6_14": ("Ramulator2.1", "gddr6_14", {"rc": 80}),
    "hbm2": ("Ramulator2.1", "hbm2_2000", {}),
    "hbm3": ("Ramulator2.1", "hbm3_6400", {}),
    "lpddr5_6400": ("Ramulator2.1", "lpddr5_6400", {}),
}
#: Gaps between ranks, which a channel of one rank doesn't have.
BETWEEN_RANKS = {f"{a}_to_{b}_other" for a in ("read", "write") for b in ("read", "write")}
CONTROLLERS = {"DRAMsim3": "dramsim3", "Ramulator2.1": "ramulator2"}


@pytest.mark.parametrize("name", REFERENCES)
def test_timings_are_the_references(name: str) -> None:
    simulator, config, differences = REFERENCES[name]
    with TIMINGS.open(newline="") as file:
        (row,) = (
            row
            for row in csv.DictReader(file)
            if (row["simulator"], row["config"]) == (simulator, config)
        )
    theirs = asdict(dram_spec(row, "row").timing) | differences
    ours = asdict(load_standard(name).channel(CONTROLLERS[simulator]).timing)
    skipped = BETWEEN_RANKS if row["ranks"] == "1" else set()
    assert {k: v for k, v in ours.items() if k not in skipped} == {
        k: v for k, v in theirs.items() if k not in skipped
    }


def test_dramsim3_s_gaps_between_ranks() -> None:
    timing = load_standard("ddr4_2400").channel("dramsim3").timing
    assert all(getattr(timing, name) == getattr(TIMING, name) for name in BETWEEN_RANKS)


@pytest.mark.parametrize("name", standard_names())
def test_a_standard_is_whole(name: str) -> None:
    standard = load_standard(name)
    organisation = standard.organisation
    sizes = organisation.field_sizes(4)
    check_address_map(interleaved_map(sizes), sizes)
    assert organisation.row_bytes % organisation.transaction_bytes == 0
    assert organisation.capacity_bytes >= 1 << 28
    assert standard.channel("dramsim3").banks == organisation.banks


def test_all_families_are_there() -> None:
    families = {load_standard(name).family for name in standard_names()}
    assert families == {"DDR4", "DDR5", "LPDDR4", "LPDDR5", "GDDR6", "HBM2", "HBM3"}


def test_an_unknown_standard() -> None:
    with pytest.raises(SpecError, match=r"^must be one of ddr4_2400, .* but is 'ddr4_2401'; did"):
        load_standard("ddr4_2401")


@pytest.mark.parametrize(
    ("name", "clocks", "message"),
    [
        ("tRC", 55, r"^tRC is 55 clocks but tRAS \+ tRP is 56; raise tRC$"),
        ("tFAW", 3, r"^tFAW is 3 clocks but tRRD_S is 4; raise tFAW"),
        ("tRRD_L", 3, r"^tRRD_L is 3 clocks but tRRD_S is 4; raise tRRD_L$"),
        ("tCCD_L", 3, r"^tCCD_L is 3 clocks but tCCD_S is 4; raise tCCD_L$"),
        ("tWTR_L", 2, r"^tWTR_L is 2 clocks but tWTR_S is 3; raise tWTR_L$"),
        ("tRFC", 9360, r"^tRFC is 9360 clocks but a refresh is due every 9360 \(tREFI\)"),
    ],
)
def test_timings_that_contradict_each_other(name: str, clocks: int, message: str) -> None:
    timings = dict(load_standard("ddr4_2400").timings)
    check_timings(timings)
    with pytest.raises(SpecError, match=message):
        check_timings(timings | {name: clocks})


def test_a_map_that_does_not_cover_the_capacity() -> None:
    sizes = load_standard("ddr4_2400").organisation.field_sizes(1)
    with pytest.raises(SpecError, match=r"field 'co' has 7 bits but 256 of them need 8; the map"):
        check_address_map(interleaved_map(sizes), sizes | {"co": 256})


def test_more_capacity_than_the_channels_have() -> None:
    check_capacity(1 << 30, 1, 1 << 30)
    message = r"^capacity is 1073741825 bytes but 1 channels of 1073741824 have 1073741824; add"
    with pytest.raises(SpecError, match=message):
        check_capacity((1 << 30) + 1, 1, 1 << 30)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("bank_groups: 4", "bank_groups: 3", "must be a power of two but is 3"),
        ("CL: 17", "LC: 17", "unknown timing 'LC'"),
        ("CL: 17", "CL: -1", "'CL': must be 0 to 1000000 clocks but is -1"),
        ("  CL: 17  ", "# ", "timings missing: CL"),
        ("tRC: 56", "tRC: 50", r"tRC is 50 clocks but tRAS \+ tRP is 56"),
        ("clock: 1200MHz", "clock: 1200", "clock"),
    ],
)
def test_a_wrong_file(tmp_path: Path, old: str, new: str, message: str) -> None:
    import accel.dram

    source = Path(accel.dram.__file__).with_name("standards") / "ddr4_2400.yaml"
    text = source.read_text()
    assert old in text
    path = tmp_path / "own.yaml"
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(SpecError, match=rf"own\.yaml:\d+: .*{message}"):
        read_standard(path)
