"""Every example of ``workloads/FORMAT.md`` is a network."""

from __future__ import annotations

import re
from pathlib import Path

import jsonschema
import pytest

import workloads
from foundation.document import parse
from foundation.errors import WorkloadError
from workloads.loaders.models import OPERATORS
from workloads.loaders.yaml import parse_network, schema, to_yaml, zoo_names

ROOT = Path(workloads.__file__).parent
TEXT = (ROOT / "FORMAT.md").read_text()
EXAMPLES = re.findall(r"```yaml\n(.*?)```", TEXT, flags=re.DOTALL)
ZOO = {name: (ROOT / "zoo" / f"{name}.yaml").read_text() for name in zoo_names()}


def valid(text: str) -> bool:
    validator = jsonschema.Draft202012Validator(schema())
    return bool(validator.is_valid(parse(text, "a.yaml", WorkloadError).data))


@pytest.mark.parametrize("text", EXAMPLES)
def test_examples(text: str) -> None:
    graph = parse_network(text, "FORMAT.md")
    assert parse_network(to_yaml(graph), "resolved.yaml") == graph
    assert valid(text)


def test_there_are_examples() -> None:
    assert len(EXAMPLES) == 14


def test_every_operator_is_documented() -> None:
    table = TEXT.partition("## Operators")[2]
    assert [name for name in OPERATORS if f"`{name}`" not in table] == []


def test_the_layers_of_the_block_example() -> None:
    (text,) = (example for example in EXAMPLES if "name: blocks" in example)
    graph = parse_network(text, "FORMAT.md")
    assert [layer.name for layer in graph.layers] == [
        "stem",
        *(f"body.{index}.{layer}" for index in range(3) for layer in ("conv", "add")),
        "tail.conv",
        "tail.add",
        "skip",
    ]
    assert [graph.tensors[f"body.{i}.conv.weight"].shape[1] for i in range(3)] == [1, 3, 5]


@pytest.mark.parametrize("name", ZOO)
def test_the_schema_accepts_the_zoo(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(schema())
    assert valid(ZOO[name])


@pytest.mark.parametrize(
    "text",
    [
        "name: n\nlayers: [{name: c, op: relu}]",
        "name: n\ninputs: {x: [4]}\nlayers: [{name: c, op: rleu}]",
        "name: n\ninputs: {x: [4]}\nlayers: [{name: c, op: linear, out: 4, strid: 2}]",
        "name: n\ninputs: {x: {shap: [4]}}\nlayers: [{name: c, op: relu}]",
        "name: n\ninputs: {x: [4.5]}\nlayers: [{name: c, op: relu}]",
    ],
)
def test_the_schema_refuses(text: str) -> None:
    assert not valid(text)
