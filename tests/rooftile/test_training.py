"""The page about training says what is so, and commands take a training step as a network."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from tests.rooftile.command import Command

PAGE = (Path(__file__).parents[2] / "workloads" / "TRAINING.md").read_text()


@pytest.fixture
def digits(rooftile: Command) -> Command:
    (text,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    Path("digits.yaml").write_text(text)
    return rooftile


def test_commands_print_what_the_page_says(digits: Command) -> None:
    (block,) = re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)
    steps = re.findall(r"^\$ rooftile (.*)\n((?:[^$\n].*\n)+)", block, re.MULTILINE)
    assert len(steps) == 3
    for command, shown in steps:
        done = digits(*shlex.split(command))
        assert (done.status, done.err) == (0, "")
        for line in shown.splitlines():
            assert line in done.out, line


def test_counts_as_json(digits: Command) -> None:
    done = digits("counts", "digits.yaml", "--training", "adam", "--recompute", "conv1", "--json")
    record = json.loads(done.out)
    training = record["training"]
    assert sum(training["macs"].values()) == record["macs"]
    assert training["recomputed_macs"] == 3_612_672  # those of conv1
    assert training["bytes_per_parameter"] == 16
    assert sum(training["memory_at_peak_bytes"].values()) == training["peak_bytes"]
    assert training["peak_layer"] in {layer["name"] for layer in record["layers"]}


def test_a_step_is_shown_checked_mapped_and_explained(digits: Command) -> None:
    how = ("--training", "sgd", "--precision", "pure", "--loss", "mean_squared_error")
    shown = digits("show", "digits.yaml", *how)
    Path("step.yaml").write_text(shown.out)
    assert digits("check", "step.yaml").status == 0
    assert digits("counts", "step.yaml").out in digits("counts", "digits.yaml", *how).out
    machine = ("--hw", "tpu_v4i_like")
    layer = ("--layer", "backward.conv2.weight")
    assert "conv_gradient" in digits("map", "digits.yaml", *machine, *how, *layer).out
    assert "matmul" in digits("disasm", "digits.yaml", *machine, *how, *layer).out
    done = digits("run", "digits.yaml", *machine, *how, "--no-plots", "-o", "out")
    assert done.status == 0
    assert "backward.conv2.weight" in digits("explain", "out", *layer).out


def test_questions_that_make_no_sense(digits: Command) -> None:
    done = digits("counts", "digits.yaml", "--loss", "cross_entropy")
    assert (done.status, done.out) == (2, "")
    assert "--loss says how a network is trained: add --training" in done.err
    done = digits("counts", "digits.yaml", "--training", "adam", "--dtype", "int8")
    assert done.err == (
        "error: layer 'conv1': is int8 but training needs floating point; take dtype bf16, fp16 or"
        " fp32\n"
    )
