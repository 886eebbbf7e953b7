"""`--across concurrent` on the command line."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest

from tests.rooftile.command import Command

#: A product that needs the array beside one that needs the memory, and the sum of both.
NETWORK = """
name: pair
inputs: {x: [256, 64], y: [4, 1024]}
layers:
  - {name: block.dense, op: linear, input: x, out: 64}
  - {name: block.wide, op: linear, input: y, out: 64}
"""
ON_FOUR = ("pair.yaml", "--hw", "npu_4core", "--across", "concurrent")


@pytest.fixture
def pair(rooftile: Command) -> Command:
    Path("pair.yaml").write_text(NETWORK)
    return rooftile


def test_a_run_says_what_runs_at_the_same_time(pair: Command) -> None:
    done = pair("run", *ON_FOUR, "-o", "out", "--no-plots")
    assert (done.status, done.err) == (0, "")
    assert re.search(
        r"^block.dense \+ wide  linear \+ linear  M256 N64 K64 \+ M4 N64 K1024 ", done.out, re.M
    )
    with Path("out/layers.csv").open() as stream:
        (row,) = csv.DictReader(stream)
    assert int(row["macs"]) == 256 * 64 * 64 + 4 * 1024 * 64
    assert json.loads(Path("out/summary.json").read_text())["across"] == ["concurrent"]
    assert "block" not in Path("out/mapping.yaml").read_text()
    before = pair("run", *ON_FOUR[:3], "--engine", "analytical").out
    (cycles,) = re.findall(r"^total +([\d,]+) cycles", before, re.M)
    explained = pair("explain", "out", "--layer", "block.wide").out
    assert re.search(
        rf"2 layers run at the same time, each on cores of its own: {int(row['total_cycles']):,}"
        rf" cycles, .* \(before: {cycles} and .*, one after the other\)\n  block.dense on core",
        explained,
    )


def test_map_space_pareto_and_disasm_know_the_layers(pair: Command) -> None:
    mapped = pair("map", *ON_FOUR).out
    assert mapped.startswith("block.dense + wide: linear + linear M256 N64 K64 + M4 N64 K1024\n")
    for line in ("  block.dense on core", "  block.wide on core", "    runner-up, ", "(before: "):
        assert line in mapped
    space = pair("map", *ON_FOUR, "--space").out
    assert re.findall(r"^\S+:", space, re.M) == ["block.dense:", "block.wide:"]
    pareto = pair("map", *ON_FOUR, "--layer", "block.wide", "--pareto", "latency,dram").out
    assert pareto.splitlines()[0].startswith("block.wide: mappings of which no other")
    assert "none: one tile" in pareto or "K/" in pareto
    listing = pair("disasm", *ON_FOUR, "--layer", "block.wide").out
    assert listing.startswith("# block.wide, program 1 of ")
    assert set(re.findall(r"^\.stream (\d)", listing, re.M)) == {"0", "1", "2", "3"}


def test_every_layers_value_is_compared_with_numpy(pair: Command) -> None:
    done = pair("validate", "program", *ON_FOUR)
    assert done.status == 0
    assert [line.split() for line in done.out.splitlines()[:2]] == [
        ["block.dense", "equal"],
        ["block.wide", "equal"],
    ]
    assert "2 layers, 2 agree with NumPy" in done.out


def test_one_core_says_nothing(pair: Command) -> None:
    alone = ("run", "pair.yaml", "--hw", "edge_32x32")
    assert pair(*alone, "--across", "concurrent") == pair(*alone)


def test_an_unknown_pass_is_refused(pair: Command) -> None:
    done = pair("run", "pair.yaml", "--hw", "npu_4core", "--across", "concurent")
    assert done.status == 2
    assert (
        "--across 'concurent': must be all, none, or some of fusion, residency, prefetch, order,"
        " concurrent; did you mean 'concurrent'?"
    ) in done.err


def test_networks_beside_each_other_run_layer_by_layer(pair: Command) -> None:
    done = pair("run", *ON_FOUR, "--beside", "pair.yaml")
    assert done.status == 2
    assert "--beside runs networks layer by layer: no --across" in done.err
