"""Every file of ``tests/bad_inputs/networks`` ends in the exact error that it must give."""

from __future__ import annotations

from pathlib import Path

import pytest

from foundation.errors import WorkloadError
from workloads.loaders.yaml import load_network, load_zoo, parse_network

FILES = sorted((Path(__file__).parents[1] / "bad_inputs" / "networks").glob("*.yaml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_bad_network(path: Path) -> None:
    last = path.read_text().splitlines()[-1]
    with pytest.raises(WorkloadError) as caught:
        load_network(path)
    assert f"# error: {caught.value}".replace(str(path), "{file}") == last


def _chain(length: int, item: str) -> str:
    blocks = "".join(f"  b{i}: {{layers: [{item.format(i + 1)}]}}\n" for i in range(length))
    return (
        f"name: n\ninputs: {{x: [4]}}\nblocks:\n{blocks}"
        f"  b{length}: {{layers: [{{name: f, op: relu}}]}}\nlayers: [{{name: c, use: b0}}]\n"
    )


def test_blocks_that_multiply() -> None:
    with pytest.raises(WorkloadError, match=r"is beyond the 100000 layers a network may have$"):
        parse_network(_chain(30, "{{name: f, use: b{}, repeat: 9}}"), "a.yaml")


def test_blocks_within_blocks() -> None:
    with pytest.raises(WorkloadError, match=r"^a\.yaml:53: block .* nested deeper than 50 blocks$"):
        parse_network(_chain(60, "{{name: f, use: b{}}}"), "a.yaml")


def test_a_long_expression_is_shortened() -> None:
    text = "name: n\ninputs: {x: [" + "1 + " * 60 + "1]}\nlayers: [{name: c, op: relu}]"
    with pytest.raises(WorkloadError) as caught:
        parse_network(text, "a.yaml")
    assert str(caught.value) == (
        f"a.yaml:2: input 'x': shape[0]: expression '{'1 + ' * 15}…': has 241 characters but at"
        " most 200 are read"
    )


NETWORK = "name: n\ninputs: {x: [batch, 4]}\nlayers: [{name: c, op: relu}]"


def test_batch_given_by_the_caller() -> None:
    with pytest.raises(WorkloadError, match=r"^batch is 0 but must be at least 1$"):
        parse_network(NETWORK, "a.yaml", batch=0)


def test_dtype_given_by_the_caller() -> None:
    with pytest.raises(WorkloadError) as caught:
        parse_network(NETWORK, "a.yaml", dtype="int9")
    assert str(caught.value) == (
        "dtype 'int9': must be one of int8, fp16, bf16, fp32, fp8_e4m3, fp8_e5m2, tf32;"
        " did you mean 'int8'?"
    )


def test_unknown_network_of_the_zoo() -> None:
    with pytest.raises(WorkloadError) as caught:
        load_zoo("resnet_50")
    message = str(caught.value)
    assert message.startswith("network 'resnet_50': isn't in the zoo (alexnet, ")
    assert message.endswith("; did you mean 'resnet50'?")
