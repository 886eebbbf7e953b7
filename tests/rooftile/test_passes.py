"""``--passes`` and ``rooftile passes``, as a user gives them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rooftile.simulation import simulate
from tests.rooftile.command import Command
from workloads.loaders.yaml import load_zoo
from workloads.passes.pipeline import rewrite

NETWORK = """\
name: shortcut
dtype: bf16
inputs: {x: [4, 8], y: [4, 8]}
learned: {one: {shape: [1], constant: 1}}
layers:
  - {name: t, op: transpose, input: y, permutation: [1, 0]}
  - {name: s, op: matmul, inputs: [x, t], equation: "ik,kj->ij"}
  - {name: n, op: linear, out: 8}
  - {name: b, op: batch_norm}
  - {name: c, op: multiply, inputs: [b, one]}
  - {name: r, op: relu}
"""
SHOWN = [
    "shortcut, batch 1",
    "simplify: c = multiply(b, one) -> b (multiply with 1 changes nothing)",
    "remove_transposes: t = transpose(y, [1, 0]), s = matmul(x, t, ik,kj->ij)"
    " -> s = matmul(x, y, ik,jk->ij) (the equation transposes)",
    "fold_batch_norm: n = linear(s), b = batch_norm(n) -> b = linear(s)"
    " (scale and shift go into weight and bias)",
    "layers      6 -> 3",
    "MACs        256 -> 256",
    "parameters  56 -> 40",
]


@pytest.fixture
def shortcut(rooftile: Command) -> str:
    assert rooftile is not None, "the folder is the command's"
    Path("shortcut.yaml").write_text(NETWORK)
    return "shortcut.yaml"


def test_passes_prints_what_was_rewritten(rooftile: Command, shortcut: str) -> None:
    done = rooftile("passes", shortcut)
    assert (done.status, done.out.splitlines()) == (0, SHOWN)


def test_passes_by_name(rooftile: Command, shortcut: str) -> None:
    lines = rooftile("passes", shortcut, "--passes", "simplify,drop_dead").out.splitlines()
    assert [line.split(":")[0] for line in lines[1:-3]] == ["simplify"]
    lines = rooftile("passes", shortcut, "--passes", "none").out.splitlines()
    assert lines[1:3] == ["nothing to rewrite", "layers      6 -> 6"]


def test_outputs_by_name(rooftile: Command, shortcut: str) -> None:
    done = rooftile("passes", shortcut, "--passes", "drop_dead", "--outputs", "s, t")
    assert "drop_dead: n = linear(s) -> nothing (no output needs it)" in done.out
    assert "layers      6 -> 2" in done.out
    done = rooftile("passes", shortcut, "--outputs", "q")
    assert done.status == 2
    assert done.err.startswith("error: output 'q': network 'shortcut' has no such layer")


@pytest.mark.parametrize("command", ["run", "map", "passes"])
def test_a_wrong_name_is_an_error(rooftile: Command, shortcut: str, command: str) -> None:
    machine = [] if command == "passes" else ["--hw", "tpu_v4i_like"]
    done = rooftile(command, shortcut, *machine, "--passes", "simplify,merge_product")
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith("error: pass 'merge_product': must be one of all, none, simplify, ")
    assert done.err.endswith("; did you mean 'merge_products'?\n")


def test_a_run_has_only_the_layers_that_are_left(rooftile: Command, shortcut: str) -> None:
    hardware = ("--hw", "tpu_v4i_like")
    rooftile("run", shortcut, *hardware, "--no-plots", "-o", "plain")
    rooftile("run", shortcut, *hardware, "--no-plots", "-o", "less", "--passes", "all")
    plain, less = (
        json.loads((Path(folder) / "summary.json").read_text()) for folder in ("plain", "less")
    )
    assert less["total_cycles"] < plain["total_cycles"]
    assert "op: transpose" not in (Path("less") / "network.yaml").read_text()
    again = rooftile("explain", "less", "--layer", "b")
    assert (again.status, again.err) == (0, "")
    assert rooftile("run", "less/network.yaml", *hardware).out == rooftile(
        "run", shortcut, *hardware, "--passes", "all"
    ).out  # fmt: skip


def test_map_shows_the_layers_that_are_left(rooftile: Command, shortcut: str) -> None:
    out = rooftile("map", shortcut, "--hw", "tpu_v4i_like", "--passes", "all").out
    whole = rooftile("map", shortcut, "--hw", "tpu_v4i_like").out
    assert len(out) < len(whole)


def test_networks_side_by_side_are_rewritten_too(rooftile: Command, shortcut: str) -> None:
    command = ("run", shortcut, "--hw", "npu_4core", "--dtype", "int8", "--beside", shortcut)
    whole, less = rooftile(*command).out, rooftile(*command, "--passes", "all").out
    assert whole.count("transpose") == 2
    assert less.count("transpose") == 0


def test_passes_from_python() -> None:
    result = simulate("bert_base", "tpu_v1", passes="merge_all_products")
    graph = rewrite(load_zoo("bert_base"), ["merge_all_products"]).graph
    assert result.plan.graph == graph
    assert result.report.total_cycles == simulate(graph, "tpu_v1").report.total_cycles
