"""Every layer of a training step computes what NumPy computes, and both engines agree on it."""

from __future__ import annotations

import pytest

from mapper.planner import make_plan
from rooftile.validate.program import validate_program
from tests.laws.machines import MACHINES
from tests.laws.test_engines import check
from tests.workloads.training.networks import CNN, PERCEPTRON, TRANSFORMER
from workloads.graph import Graph
from workloads.loaders.yaml import parse_network, to_yaml
from workloads.training.options import Training
from workloads.training.step import training_step

ONE_BLOCK = TRANSFORMER.replace("repeat: 2", "repeat: 1").replace("hidden: 8", "hidden: 4")
MACHINE = {machine.name: machine for machine in MACHINES}


def step_of(text: str, dtype: str, **how: object) -> Graph:
    network = parse_network(text, "network.yaml", dtype=dtype)
    return training_step(network, Training(**how))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "dtype", "how", "machine"),
    [
        (CNN, "bf16", {"optimizer": "sgd", "recompute": ("conv", "depth.silu")}, "os"),
        (ONE_BLOCK, "fp32", {"optimizer": "sgd", "recompute": ("blocks",)}, "ws"),
        (PERCEPTRON, "fp16", {"loss": "mean_squared_error"}, "is"),
    ],
)
def test_programs_compute_a_training_step(
    text: str, dtype: str, how: dict[str, object], machine: str
) -> None:
    validation = validate_program(step_of(text, dtype, **how), MACHINE[machine], seed=1)
    assert validation.passed, validation.text


def test_engines_agree_on_a_training_step() -> None:
    check(make_plan(step_of(PERCEPTRON, "bf16"), MACHINE["ws"]))


@pytest.mark.parametrize("recompute", [(), ("blocks",)])
def test_a_step_is_a_file(recompute: tuple[str, ...]) -> None:
    step = step_of(TRANSFORMER, "bf16", recompute=recompute)
    again = parse_network(to_yaml(step), "step.yaml")
    assert (again.layers, dict(again.tensors)) == (step.layers, dict(step.tensors))
    assert again.notes == step.notes
