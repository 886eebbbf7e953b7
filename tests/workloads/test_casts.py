"""Casts between fixed and floating point, and a detector's blocks that are made of them."""

from __future__ import annotations

from fractions import Fraction
from math import floor, isnan

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from foundation import numerics
from foundation.dtype import DTYPES
from foundation.errors import WorkloadError
from rooftile.validate.program import validate_program
from tests.laws.machines import MACHINES
from tests.workloads.test_sampling import computed
from workloads.build import GraphBuilder
from workloads.conversions import Cast
from workloads.graph import Graph
from workloads.loaders.yaml import parse_network, to_yaml, zoo_path

INT8 = DTYPES["int8"]
EVERY_INT8 = np.arange(-128, 128).astype(np.int8)


def parsed(layers: str, dtype: str = "int8", inputs: str = "x: [2, 6]") -> Graph:
    graph = parse_network(
        f"name: n\ndtype: {dtype}\ninputs: {{{inputs}}}\nlayers:\n{layers}", "a.yaml"
    )
    assert parse_network(to_yaml(graph), "resolved.yaml") == graph
    return graph


@pytest.mark.parametrize("name", ["fp32", "tf32", "fp16", "bf16"])
def test_int8_and_back_is_the_identity(name: str) -> None:
    there = numerics.cast(EVERY_INT8, DTYPES[name])
    assert there.astype(np.float64).tolist() == [q / 16 for q in range(-128, 128)]
    assert numerics.cast(there, INT8).tolist() == EVERY_INT8.tolist()


@given(number=st.floats(width=32))
def test_what_int8_doesnt_hold_is_rounded_half_up_and_saturates(number: float) -> None:
    if isnan(number):
        expected = 0
    elif abs(number) > 8:
        expected = 127 if number > 0 else -128
    else:
        expected = max(-128, min(127, floor(Fraction(number) * 16 + Fraction(1, 2))))
    assert int(numerics.cast(np.array([number], np.float32), INT8)[0]) == expected


@pytest.mark.parametrize(("sixteenths", "expected"), [(0.5, 1), (-0.5, 0), (1.5, 2), (-1.5, -1)])
def test_halves_go_up(sixteenths: float, expected: int) -> None:
    assert numerics.cast(np.array([sixteenths / 16], np.float32), INT8).tolist() == [expected]


def test_indices_are_whole_numbers() -> None:
    found = numerics.cast(np.array([3, -20], np.int32), DTYPES["fp32"])
    assert found.tolist() == [3, -20]
    assert numerics.floor_int32(np.array([3, -20], np.int32)).tolist() == [3, -20]


def test_a_cast_to_the_type_that_is_there_already_costs_nothing() -> None:
    layers = "  - {name: a, op: cast, dtype: fp32}\n  - {name: b, op: negative}"
    (free, _), (real, _) = parsed(layers, "fp32").layers, parsed(layers, "bf16").layers
    assert (free.operator.kind, real.operator.kind) == ("reshape", "cast")
    graph = parsed(layers, "fp32")
    assert [graph.operations(layer) for layer in graph.layers] == [0, 12]


def test_what_a_cast_refuses() -> None:
    with pytest.raises(WorkloadError, match=r"^a.yaml:5: layer 'a': 'x' is int32, which holds"):
        parsed("  - {name: a, op: cast, dtype: fp32}", inputs="x: {shape: [2], dtype: int32}")
    builder = GraphBuilder("n", 1)
    x = builder.add_input("x", (2,), DTYPES["fp32"])
    with pytest.raises(
        WorkloadError,
        match=r"^layer 'a': a cast goes to one of int8, .*, fp8_e5m2, tf32 but 'x' becomes int32$",
    ):
        builder.add_layer("a", Cast(dtype=DTYPES["int32"]), [x])


@pytest.mark.parametrize("dtype", ["int8", "bf16"])
def test_boxes_and_features_may_have_other_types(dtype: str) -> None:
    roi = "  - {name: r, op: roi_align, inputs: [f, b], out: [2, 2], scales: [0.5]}"
    inputs = "f: [1, 9, 9, 3], b: {shape: [1, 4, 4], dtype: fp32}"
    low = np.random.default_rng(1).uniform(0, 8, (1, 4, 2))
    features = np.random.default_rng(2).integers(-16, 16, (1, 9, 9, 3)).astype(np.int8)
    real = numerics.cast(features, DTYPES["fp32"])
    boxes = np.concatenate([low, low + 8], -1).astype("f")
    exact = computed(parsed(roi, "fp32", inputs), {"f": real, "b": boxes})["r"]
    given_ = {"f": numerics.cast(features, DTYPES[dtype]), "b": boxes}
    found = computed(parsed(roi, dtype, inputs), given_)["r"]
    assert found.dtype == DTYPES[dtype].numpy
    # 16 shares, each rounded to a sixteenth or to 8 bits, of features below 1; then the sum.
    limit = (16 / 2 + 0.5) / 16 if dtype == "int8" else 17 * 2.0**-9
    assert numerics.cast(found, DTYPES["fp32"]) == pytest.approx(exact, abs=limit)


def test_positions_are_fp32_where_boxes_dont_count_that_far() -> None:
    def network(side: int) -> Graph:
        roi = "  - {name: r, op: roi_align, inputs: [f, b], out: [1, 1], scales: [1]}"
        return parsed(roi, "bf16", f"f: [1, {side}, {side}, 3], b: [1, 4, 4]")

    assert network(16).tensors["r.y_points"].dtype.name == "bf16"
    assert network(17).tensors["r.y_points"].dtype.name == "fp32"
    assert network(17).tensors["r"].dtype.name == "bf16"


def detecting(dtype: str) -> Graph:
    """Return the zoo's choice and sampling of boxes, small: no sums whose order could differ."""
    text = zoo_path("faster_rcnn_resnet50_fpn").read_text()
    zoo = yaml.safe_load(text)
    layers = [
        {"name": "best", "use": "best", "input": "objects", "with": {"boxes": 12, "parts": 2}},
        {"name": "scores", "op": "top_k", "k": "best", "parts": 2, "input": "best.scores"},
        {"name": "probabilities", "op": "sigmoid"},
        {"name": "chosen", "op": "nms", "out": "kept", "threshold": 0.7,
         "inputs": ["best", "probabilities"]},
        {"name": "proposals", "op": "gather", "inputs": ["best", "chosen"], "axis": 1,
         "batch_axes": 1},
        {"name": "regions", "op": "roi_align", "inputs": ["level2", "level3", "proposals"],
         "out": [2, 2], "sampling_ratio": 1, "scales": [0.25, 0.125]},
    ]  # fmt: skip
    network = {
        "name": "detecting",
        "dtype": dtype,
        "parameters": {"best": 4, "kept": 2},
        "inputs": {
            "objects": ["batch", 2, 2, 3],
            "offsets": ["batch", 2, 2, 12],
            "level2": ["batch", 10, 8, 4],
            "level3": ["batch", 5, 4, 4],
        },
        "learned": zoo["learned"],
        "blocks": {"best": zoo["blocks"]["best"]},
        "layers": layers,
    }
    return parse_network(yaml.safe_dump(network, sort_keys=False), "detecting.yaml")


@pytest.mark.parametrize("dtype", ["int8", "bf16"])
def test_a_detectors_programs_are_proved_bit_by_bit(dtype: str) -> None:
    graph = detecting(dtype)
    types = {graph.tensors[name].dtype.name for name in ("best.boxes", "scores", "chosen")}
    assert types == {"fp32", dtype, "int32"}
    validation = validate_program(graph, MACHINES[0], seed=0)
    *layers, _ = validation.text.splitlines()
    assert [line for line in layers if not line.endswith(" equal")] == []
