"""Files of peaks: what is read, what is refused, and the published roofline of TPU v1."""

from __future__ import annotations

import re

import jsonschema
import pytest
import yaml

from accel.spec_file import load_preset
from foundation.errors import SpecError
from reports.figures.peaks_file import (
    load_peaks,
    parse_peaks,
    published_names,
    published_path,
    schema,
)

#: N. Jouppi et al., ISCA 2017: MACs per byte of weights of table 1, TOP/s of table 3, row 9.
TPU_V1 = {
    "MLP0": (200, 12.3),
    "MLP1": (168, 9.7),
    "LSTM0": (64, 3.7),
    "LSTM1": (96, 2.8),
    "CNN0": (2888, 86.0),
    "CNN1": (1750, 14.1),
}
GOOD = """name: chip
peaks:
  array fp16: 10TFLOP/s
  vector: 200GOP/s
bandwidths:
  dram: 100GB/s
  sram: 2TB/s
dots:
  - {name: a, intensity: 50OP/B, performance: 4TOP/s, level: dram, share: 0.25}
  - {name: b, intensity: 2MAC/B, performance: 1.5TMAC/s, level: sram}
"""


def test_what_a_file_says() -> None:
    design = parse_peaks(GOOD, "good.yaml")
    assert [(peak.name, peak.ops_per_s) for peak in design.peaks] == [
        ("array fp16", 1e13),
        ("vector", 2e11),
    ]
    assert [(level.name, level.bytes_per_s) for level in design.levels] == [
        ("dram", 1e11),
        ("sram", 2e12),
    ]
    a, b = design.points
    assert (a.intensity_ops_per_byte, a.ops_per_s, a.level, a.time_share) == (
        50,
        4e12,
        "dram",
        0.25,
    )
    assert (b.intensity_ops_per_byte, b.ops_per_s, b.level, b.time_share) == (4, 3e12, "sram", None)


def test_the_schema_knows_the_format() -> None:
    for text in (GOOD, published_path("tpu_v1").read_text()):
        jsonschema.validate(yaml.safe_load(text), schema())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(yaml.safe_load(GOOD.replace("share: 0.25", "share: 2")), schema())


def test_tpu_v1_has_the_published_numbers() -> None:
    design = load_peaks(published_path("tpu_v1"))
    assert {
        point.name: (point.intensity_ops_per_byte / 2, point.ops_per_s / 1e12)
        for point in design.points
    } == TPU_V1


def test_tpu_v1_has_the_published_ridge_and_bounds() -> None:
    design = load_peaks(published_path("tpu_v1"))
    (memory,) = design.levels
    ridge = design.peak_ops_per_s / memory.bytes_per_s / 2
    assert round(ridge, -1) == 1350  # figure 5: "1350 operations per byte of weight memory"
    roofs = {
        point.name: design.attainable_ops_per_s(memory.name, point.intensity_ops_per_byte)
        for point in design.points
    }
    # Table 3: "The MLPs and LSTMs are memory-bandwidth limited but CNNs are not."
    limited = {name for name, roof in roofs.items() if roof < design.peak_ops_per_s}
    assert limited == {"MLP0", "MLP1", "LSTM0", "LSTM1"}


def test_the_preset_has_the_published_roofs() -> None:
    design, spec = load_peaks(published_path("tpu_v1")), load_preset("tpu_v1")
    assert spec.peak_ops_per_s == pytest.approx(design.peak_ops_per_s, rel=0.003)
    assert spec.memory_of("parameters").bandwidth_bytes_per_s == design.levels[0].bytes_per_s


def test_each_published_file_cites_its_source() -> None:
    for name in published_names():
        assert published_path(name).read_text().startswith("# ")
        assert yaml.safe_load(published_path(name).read_text())["notes"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "10TFLOP/s",
            "10TB/s",
            "t.yaml:3: peaks.array fp16: '10TB/s': 'TB/s' isn't a unit of a performance (OP/s,"
            " kOP/s, MOP/s, GOP/s, TOP/s, POP/s, FLOP/s,",
        ),
        (
            "100GB/s",
            "100GOP/s",
            "t.yaml:6: bandwidths.dram: '100GOP/s': 'GOP/s' isn't a unit of a bandwidth (B/s,",
        ),
        (
            "100GB/s",
            "100",
            "t.yaml:6: bandwidths.dram: '100': a bandwidth needs a unit, such as 34GB/s",
        ),
        (
            "50OP/B",
            "50OP",
            "t.yaml:9: dots[0].intensity: '50OP': 'OP' isn't a unit of an intensity (OP/B, FLOP/B,"
            " MAC/B); did you mean 'OP/B'?",
        ),
        (
            "2TB/s",
            "0TB/s",
            "t.yaml:7: bandwidths.sram: '0TB/s': a bandwidth must be greater than 0",
        ),
        (
            "4TOP/s",
            "6TOP/s",
            "t.yaml:9: dots[0].performance: is 6e+12 operations/s but the roof over its intensity"
            " is 5e+12; correct peaks, bandwidths or the dot",
        ),
        (
            "level: sram",
            "level: sran",
            "t.yaml:10: dots[1].level: must be one of dram, sram but is 'sran'; did you mean",
        ),
        (
            ", level: sram",
            "",
            "t.yaml:10: dots[1]: key 'level' is missing but there are 2 bandwidths; add it",
        ),
        ("peaks:", "peak:", "t.yaml:2: peak: unknown key 'peak'; did you mean 'peaks'?"),
        ("share: 0.25", "share: 2", "t.yaml:9: dots[0].share: must be at most 1 but is 2"),
        ("name: chip\n", "", "t.yaml:1: key 'name' is missing; add it"),
    ],
)
def test_what_is_wrong_is_named(old: str, new: str, message: str) -> None:
    assert old in GOOD
    with pytest.raises(SpecError, match="^" + re.escape(message)):
        parse_peaks(GOOD.replace(old, new, 1), "t.yaml")
