"""A machine of several dataflows on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.rooftile.command import Command

ROOT = Path(__file__).parents[2]
GEMMINI = "base: gemmini_default\nname: gemmini_ws_os\narray: {dataflow: [WS, OS]}\n"
TINY = """\
name: tiny
inputs: {image: [1, 16, 16, 16]}
layers:
  - {name: conv, op: conv, out: 32, kernel: 3, padding: 1}
  - {name: pool, op: global_pool, function: mean}
  - {name: classify, op: linear, out: 10}
"""
RUN = ("tiny.yaml", "--hw", "gemmini.yaml", "--no-mapping-cache")


@pytest.fixture
def folder(rooftile: Command) -> Path:
    assert rooftile is not None, "the folder is the command's"
    Path("gemmini.yaml").write_text(GEMMINI)
    Path("tiny.yaml").write_text(TINY)
    return Path.cwd()


def test_the_documented_gemmini_is_this_one() -> None:
    assert GEMMINI in (ROOT / "accel" / "FORMAT.md").read_text()


def test_a_layer_runs_in_its_best_dataflow(rooftile: Command, folder: Path) -> None:
    text = rooftile("map", *RUN).out
    assert "array, OS: M 32 along 16 rows" in text
    assert "array, WS: K 16 along 16 rows" in text
    assert "would allow a better mapping in dataflow OS" in text
    assert "16x16 WS or OS" in rooftile("run", *RUN).out
    assert "dataflow: [WS, OS]" in rooftile("show", "gemmini.yaml").out


def test_the_program_says_it(rooftile: Command, folder: Path) -> None:
    for layer, dataflow in (("conv", "OS"), ("classify", "WS")):
        text = rooftile("disasm", *RUN[:3], "--layer", layer).out
        products = [line for line in text.splitlines() if line.startswith("  matmul")]
        assert products
        assert all(line.endswith(f" dataflow={dataflow}") for line in products)
    plain = rooftile("disasm", "tiny.yaml", "--hw", "gemmini_default", "--layer", "conv").out
    assert "dataflow" not in plain


def test_the_space_is_that_of_each_dataflow(rooftile: Command, folder: Path) -> None:
    text = rooftile("map", "--space", *RUN, "--layer", "conv").out
    assert [line for line in text.splitlines() if line.startswith("  dataflow ")] == [
        "  dataflow WS",
        "  dataflow OS",
    ]
    assert "dataflow" not in rooftile("map", "--space", *RUN, "--layer", "pool").out


def test_a_pareto_set_says_the_dataflow(rooftile: Command, folder: Path) -> None:
    text = rooftile("map", *RUN, "--layer", "conv", "--pareto", "latency,dram").out
    assert all(line.endswith((", WS", ", OS")) for line in text.splitlines()[2:])


def test_programs_compute_and_engines_agree(rooftile: Command, folder: Path) -> None:
    assert rooftile("validate", "program", *RUN[:3]).status == 0
    assert rooftile("validate", "engines", *RUN[:3]).status == 0


def test_a_run_is_explained_in_its_dataflow(rooftile: Command, folder: Path) -> None:
    assert rooftile("run", *RUN, "-o", "out", "--no-plots").status == 0
    assert "dataflow: OS" in Path("out/mapping.yaml").read_text()
    assert "array, OS: " in rooftile("explain", "out", "--layer", "conv").out


@pytest.mark.parametrize("entry", ["dataflow: WS", "dataflow: {not: OS}", "dataflow: [WS, IS]"])
def test_a_constraint_takes_the_choice_away(rooftile: Command, folder: Path, entry: str) -> None:
    Path("limits.yaml").write_text(f"constraints: [{{layers: conv, {entry}}}]\n")
    text = rooftile("map", *RUN, "--layer", "conv", "--constraints", "limits.yaml").out
    assert "array, WS: " in text
    assert "array, OS: " not in text
    space = rooftile("map", "--space", *RUN, "--layer", "conv", "--constraints", "limits.yaml").out
    assert "dataflow OS" not in space


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (
            "dataflow: IS",
            "limits.yaml:1: constraints[0].dataflow: layer 'conv': leaves none of the dataflows of"
            " its array (WS, OS)",
        ),
        (
            "dataflow: {not: [OSS]}",
            "limits.yaml:1: constraints[0].dataflow: dataflow 'OSS' must be one of OS, WS, IS; did"
            " you mean 'OS'?",
        ),
    ],
)
def test_a_constraint_that_leaves_none_is_refused(
    rooftile: Command, folder: Path, entry: str, message: str
) -> None:
    Path("limits.yaml").write_text(f"constraints: [{{layers: conv, {entry}}}]\n")
    done = rooftile("map", *RUN, "--constraints", "limits.yaml")
    assert (done.status, done.err) == (2, f"error: {message}\n")


def test_a_constraint_holds_where_there_is_no_choice(rooftile: Command, folder: Path) -> None:
    Path("limits.yaml").write_text("constraints: [{dataflow: OS}]\n")
    done = rooftile("map", "tiny.yaml", "--hw", "gemmini_default", "--constraints", "limits.yaml")
    assert "leaves none of the dataflows of its array (WS)" in done.err


def test_a_mapping_file_chooses(rooftile: Command, folder: Path) -> None:
    nest = "loops: [{for: M, by: 1}, {for: N, by: 10}]"
    cycles = {}
    for dataflow in ("WS", "OS"):
        Path("hand.yaml").write_text(f"layers: {{classify: {{dataflow: {dataflow}, {nest}}}}}\n")
        text = rooftile("map", *RUN, "--layer", "classify", "--mapping", "hand.yaml").out
        assert f"array, {dataflow}: " in text
        cycles[dataflow] = text.splitlines()[1]
    assert cycles["WS"] != cycles["OS"]
    Path("hand.yaml").write_text(f"layers: {{classify: {{{nest}}}}}\n")
    text = rooftile("map", *RUN, "--layer", "classify", "--mapping", "hand.yaml").out
    assert text.splitlines()[1] == cycles["WS"], "the first one by default"
    Path("hand.yaml").write_text(f"layers: {{classify: {{dataflow: IS, {nest}}}}}\n")
    done = rooftile("map", *RUN, "--layer", "classify", "--mapping", "hand.yaml")
    assert done.err == (
        "error: hand.yaml:1: layers.classify.dataflow: the array of machine 'gemmini_ws_os' is WS"
        " and OS but the mapping is for IS; write WS or OS\n"
    )


def test_a_group_runs_in_one_dataflow(rooftile: Command, folder: Path) -> None:
    Path("two.yaml").write_text(
        "name: two\ninputs: {x: [64, 64]}\nlayers:\n"
        "  - {name: up, op: linear, out: 96}\n  - {name: down, op: linear, out: 64}\n"
    )
    across = ("two.yaml", "--hw", "gemmini.yaml", "--across", "fusion")
    assert rooftile("validate", "program", *across).status == 0
    text = rooftile("map", *across, "--no-mapping-cache").out
    assert "2 layers run together" in text
    tiles = [line for line in text.splitlines() if ": tiles of " in line]
    assert len({line.rpartition(", ")[2] for line in tiles}) == 1
    assert tiles[0].endswith((", WS", ", OS"))
