"""The commands that write mapping files, and those that run them."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from tests.rooftile.command import Command

TINY = """\
name: tiny
inputs: {image: [1, 16, 16, 8]}
layers:
  - {name: conv, op: conv, out: 8, kernel: 3, padding: 1}
  - {name: same, op: conv, out: 8, kernel: 3, padding: 1}
  - {name: pool, op: global_pool, function: mean}
"""
BY_HAND = "layers: {conv: {also: [same], loops: [{hold: weight}, {for: OY, by: 5}]}}\n"
HARDWARE = ("--hw", "edge_32x32")


@pytest.fixture
def folder(rooftile: Command) -> Path:
    assert rooftile is not None, "the folder is the command's"
    Path("tiny.yaml").write_text(TINY)
    Path("hand.yaml").write_text(BY_HAND)
    return Path.cwd()


def test_map_writes_what_run_then_runs(rooftile: Command, folder: Path) -> None:
    done = rooftile("map", "tiny.yaml", *HARDWARE, "-o", "mapping.yaml")
    assert done.status == 0, done.err
    assert done.out.splitlines()[-1] == "mappings: mapping.yaml"
    plain = rooftile("run", "tiny.yaml", *HARDWARE, "-o", "a", "--no-plots")
    given = rooftile(
        "run", "tiny.yaml", *HARDWARE, "-o", "b", "--no-plots", "--mapping", "mapping.yaml"
    )
    assert (plain.status, given.status) == (0, 0)
    for name in ("layers.csv", "timeline.json", "mapping.yaml"):
        assert Path("a", name).read_bytes() == Path("b", name).read_bytes()
    assert Path("a/mapping.yaml").read_text() == Path("mapping.yaml").read_text()


def test_one_layer_may_be_written_alone(rooftile: Command, folder: Path) -> None:
    rooftile("map", "tiny.yaml", *HARDWARE, "--layer", "pool", "-o", "mapping.yaml")
    text = Path("mapping.yaml").read_text()
    assert "pool:" in text
    assert "conv" not in text


def test_a_mapping_written_by_hand_runs_and_is_explained(rooftile: Command, folder: Path) -> None:
    done = rooftile("run", "tiny.yaml", *HARDWARE, "--mapping", "hand.yaml", "-o", "out")
    assert done.status == 0, done.err
    assert "- {for: OY, by: 5}" in Path("out/mapping.yaml").read_text()
    text = rooftile("explain", "out", "--layer", "same").out
    assert "for OY in 4 steps of 5" in text
    assert (
        "for OY in 4 steps of 5"
        in rooftile("map", "tiny.yaml", *HARDWARE, "--layer", "conv", "--mapping", "hand.yaml").out
    )


def test_programs_of_a_mapping_are_shown_and_proved(rooftile: Command, folder: Path) -> None:
    options = ("tiny.yaml", *HARDWARE, "--mapping", "hand.yaml")
    done = rooftile("disasm", *options, "--layer", "conv")
    assert done.out.count("matmul") == 4
    proved = rooftile("validate", "program", *options)
    assert proved.out.splitlines()[-1] == "3 layers, 3 agree with NumPy"


def test_the_first_mistake_is_named_with_its_line(rooftile: Command, folder: Path) -> None:
    Path("hand.yaml").write_text("layers:\n  conv:\n    loops:\n    - {for: OX, by: 17}\n")
    done = rooftile("run", "tiny.yaml", *HARDWARE, "--mapping", "hand.yaml")
    assert done.status == 2
    assert done.err == (
        "error: hand.yaml:4: layers.conv.loops[0].by: loop over 'OX' goes by 17 but the dimension"
        " has 16 iterations\n"
    )


def test_an_explanation_needs_the_mappings_of_the_run(rooftile: Command, folder: Path) -> None:
    rooftile("run", "tiny.yaml", *HARDWARE, "-o", "out", "--no-plots")
    Path("out/mapping.yaml").write_text(BY_HAND)
    done = rooftile("explain", "out", "--layer", "conv")
    assert "its inputs have been changed since the run" in done.err
    Path("out/mapping.yaml").unlink()
    done = rooftile("explain", "out", "--layer", "conv")
    assert "network.yaml, hardware.yaml or mapping.yaml is missing" in done.err


def test_side_by_side_takes_no_mappings(rooftile: Command, folder: Path) -> None:
    done = rooftile(
        "run", "tiny.yaml", *HARDWARE, "--mapping", "hand.yaml", "--beside", "tiny.yaml"
    )
    assert done.status == 2
    assert (
        "no -o, --trace-dram, --engine analytical, --mapping or --constraints"
        in done.err.replace("\n", " ")
    )


LIMITS = "constraints: [{layers: conv, dimensions: {OY: {tile: 5}, OC: {tile: 8}}}]\n"


def test_constraints_hold_in_a_run_and_its_folder(rooftile: Command, folder: Path) -> None:
    Path("limits.yaml").write_text(LIMITS)
    options = ("tiny.yaml", *HARDWARE, "--constraints", "limits.yaml")
    done = rooftile("run", *options, "-o", "out", "--no-plots")
    assert done.status == 0, done.err
    assert "- {for: OY, by: 5}" in Path("out/mapping.yaml").read_text()
    assert "for OY in 4 steps of 5" in rooftile("explain", "out", "--layer", "conv").out
    assert "for OY in 4 steps of 5" in rooftile("map", *options, "--layer", "conv").out


def test_the_space_is_printed_with_and_without_constraints(rooftile: Command, folder: Path) -> None:
    Path("limits.yaml").write_text(LIMITS)
    options = ("map", "--space", "tiny.yaml", *HARDWARE, "--layer", "conv")
    free, limited = (
        rooftile(*options, *more).out.splitlines()[-1]
        for more in ((), ("--constraints", "limits.yaml"))
    )
    counts = [int(line.split()[0].replace(",", "")) for line in (free, limited)]
    assert counts[0] > counts[1] > 0


def test_a_constraint_that_leaves_nothing_is_named(rooftile: Command, folder: Path) -> None:
    Path("limits.yaml").write_text("constraints: [{layers: conv, dimensions: {OY: {tile: 17}}}]\n")
    done = rooftile("run", "tiny.yaml", *HARDWARE, "--constraints", "limits.yaml")
    assert done.status == 2
    assert done.err.startswith(
        "error: limits.yaml:1: constraints[0].dimensions.OY.tile: layer 'conv': leaves none of "
    )


@pytest.mark.parametrize("kind", ["mapping", "constraints"])
def test_schemas_are_printed(rooftile: Command, kind: str) -> None:
    done = rooftile("schema", kind)
    jsonschema.Draft202012Validator.check_schema(json.loads(done.out))


@pytest.mark.parametrize(
    ("option", "text", "what"),
    [
        ("--mapping", BY_HAND, "mappings"),
        ("--constraints", "constraints: [{dimensions: {M: {tile: {max: 8}}}}]\n", "constraints"),
    ],
)
def test_files_are_of_layers_that_run_alone(
    rooftile: Command, folder: Path, option: str, text: str, what: str
) -> None:
    Path("file.yaml").write_text(text)
    asked = ("run", "tiny.yaml", *HARDWARE, "--across", "fusion,residency", option, "file.yaml")
    done = rooftile(*asked)
    assert done.status == 2
    assert done.err == (
        f"error: {what} 'file.yaml': are of layers that run alone, but passes over several are"
        " asked for (fusion, residency); leave out one of the two\n"
    )


def test_mappings_of_groups_stand_in_no_file(rooftile: Command, folder: Path) -> None:
    done = rooftile("run", "tiny.yaml", *HARDWARE, "--across", "fusion,residency", "-o", "out")
    assert done.status == 0, done.err
    assert rooftile("explain", "out", "--layer", "pool").status == 0


UPSAMPLING = """\
name: upsampling
inputs: {image: [1, 8, 8, 8]}
layers: [{name: up, op: conv_transpose, out: 4, kernel: 4, stride: 2, padding: 1}]
"""


def test_a_transposed_convolution_has_a_nest_for_each_phase(rooftile: Command) -> None:
    Path("up.yaml").write_text(UPSAMPLING)
    assert rooftile("map", "up.yaml", *HARDWARE, "-o", "mapping.yaml").status == 0
    text = Path("mapping.yaml").read_text()
    assert text.count("- dataflow: OS") == 4
    for name, options in (("a", ()), ("b", ("--mapping", "mapping.yaml"))):
        assert rooftile("run", "up.yaml", *HARDWARE, "-o", name, *options).status == 0
    assert Path("a/layers.csv").read_bytes() == Path("b/layers.csv").read_bytes()
    Path("short.yaml").write_text(text[: text.rindex("    - dataflow")])
    done = rooftile("run", "up.yaml", *HARDWARE, "--mapping", "short.yaml")
    assert done.status == 2
    assert (
        "has 3 nests but 4 are needed (one for each kernel of the layer, and one for the parts of"
        " a sum that is split)" in done.err
    )
