"""The comparison of the closed form with the simulation."""

from __future__ import annotations

from dataclasses import replace
from math import inf

import pytest

from accel.spec_file import load_preset
from rooftile.validate.engines import validate_engines
from tests.reports.runs import SMALL
from tests.rooftile.command import Command
from workloads.loaders.yaml import load_zoo, parse_network


def test_the_command_shows_every_layer_and_a_closing_line(rooftile: Command) -> None:
    done = rooftile("validate", "engines", "vgg16", "--hw", "edge_32x32")
    assert done.status == 0
    head, *layers, closing = done.out.splitlines()
    assert head.split() == ["layer", "simulated", "closed", "form", "difference"]
    assert len(layers) == 21
    assert closing.startswith("vgg16 on edge_32x32: ")
    assert "(+0.1%, 3 % is allowed); layers: median 0.1%" in closing


def test_a_difference_beyond_the_limit_fails(rooftile: Command) -> None:
    done = rooftile("validate", "engines", "vgg16", "--hw", "edge_32x32", "--within", "0.01")
    assert done.status == 1


@pytest.mark.parametrize("network", ["resnet18", "bert_base"])
@pytest.mark.parametrize("hardware", ["edge_32x32", "gemmini_default"])
def test_the_closed_form_is_near_the_simulation(network: str, hardware: str) -> None:
    validation = validate_engines(
        load_zoo(network, dtype="int8"), load_preset(hardware), within_percent=3.0
    )
    assert validation.passed, validation.text


def test_a_single_tile_with_ideal_memory_is_exact() -> None:
    spec = load_preset("edge_32x32")
    memories = tuple(replace(m, bandwidth_bytes_per_s=inf, latency_fs=0) for m in spec.memories)
    validation = validate_engines(
        parse_network(SMALL, "small.yaml"), replace(spec, memories=memories), within_percent=3.0
    )
    (conv,) = [line for line in validation.text.splitlines() if line.startswith("conv ")]
    assert conv.split()[-1] in ("+0.0%", "-0.0%")
