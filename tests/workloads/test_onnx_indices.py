"""ONNX's operators on indices and choices, against the reference evaluator, and as programs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import NodeProto

from accel.spec_file import load_preset
from foundation.errors import WorkloadError
from foundation.numerics import Array
from rooftile.validate.program import validate_program
from tests.workloads.foreign import outputs_of
from tests.workloads.onnx_models import check, model, node, read


def integers(*numbers: Any) -> Array:
    return np.array(numbers, dtype=np.int64)


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("operator", ["Gather", "GatherElements"])
def test_computed_indices_of_what_is_computed(operator: str, axis: int) -> None:
    nodes = [node("Relu", ["x"], ["r"]), node(operator, ["r", "i"], ["y"], axis=axis)]
    indices = (3, 2, 4) if operator == "Gather" else (4, 4, 4)
    check(model(nodes, {"x": (4, 4, 4), "i": indices}, indices=["i"]))


def test_indices_of_fewer_places_leave_out_the_others() -> None:
    proto = model(
        [node("GatherElements", ["x", "i"], ["y"])], {"x": (4, 4)}, {"i": integers([3, 0])}
    )
    data = np.arange(16, dtype=np.float32).reshape(4, 4)
    found = outputs_of(read(proto), {"x": data})["y"]
    assert found.tolist() == [[12, 1]]


@pytest.mark.parametrize("largest", [0, 1])
@pytest.mark.parametrize("axis", [1, 3])
def test_the_largest_of_an_image_and_where_they_are(axis: int, largest: int) -> None:
    """The image lies channels-last: its channels are ours of another axis."""
    nodes = [
        node("MaxPool", ["x"], ["p"], kernel_shape=[2, 2]),
        node("TopK", ["p", "k"], ["y", "places"], axis=axis, largest=largest),
        node("ArgMax", ["p"], ["best"], axis=axis, keepdims=0),
        node("ArgMin", ["p"], ["least"], axis=axis, select_last_index=1),
    ]
    outputs = ("y", "places", "best", "least")
    check(model(nodes, {"x": (2, 5, 4, 6)}, {"k": integers(3)}, outputs))


def test_what_nobody_reads_of_the_largest_is_no_layer() -> None:
    top = node("TopK", ["x", "k"], ["y", "places"])
    graph = read(model([top], {"x": (2, 8)}, {"k": integers(3)})).graph
    assert [layer.operator.kind for layer in graph.layers] == ["sort", "slice"]


ADDED = {"reduction": "add"}


@pytest.mark.parametrize(
    "scatter",
    [
        node("ScatterND", ["x", "i", "u"], ["y"], **ADDED),
        node("ScatterND", ["x", "known", "u"], ["y"]),
        node("ScatterElements", ["x", "j", "u"], ["y"], axis=0, **ADDED),
        node("ScatterElements", ["x", "j", "u"], ["y"], axis=1, **ADDED),
        node("ScatterElements", ["x", "places", "u"], ["y"], axis=0),
    ],
)
def test_scatters(scatter: NodeProto) -> None:
    """Those that replace have known indices, some of them negative."""
    used = set(scatter.input)
    inputs = {"x": (4, 4), "u": (4, 4), "i": (4, 1), "j": (4, 4)}
    known = {
        "known": integers([0], [-1], [2], [1]),
        "places": np.tile(integers(1, 0, 3, -2), (4, 1)),
    }
    known["places"] = known["places"].T
    proto = model(
        [scatter],
        {name: shape for name, shape in inputs.items() if name in used},
        {name: array for name, array in known.items() if name in used},
        indices=["i", "j"],
        opset=18,
    )
    check(proto)


@pytest.mark.parametrize("exclusive", [0, 1])
@pytest.mark.parametrize("reverse", [0, 1])
def test_running_sums(exclusive: int, reverse: int) -> None:
    sums = node("CumSum", ["x", "axis"], ["y"], exclusive=exclusive, reverse=reverse)
    check(model([sums], {"x": (2, 5, 3)}, {"axis": integers(1).reshape(())}))


@pytest.mark.parametrize("known", ["stored", "stored and many", "slices"])
def test_many_known_pieces_are_looked_up(known: str) -> None:
    size = 200 if known == "stored and many" else 40
    backwards = np.arange(size)[::-1] if known != "slices" else np.arange(0, size, 2)
    loaded = check(
        model([node("Gather", ["x", "i"], ["y"], axis=1)], {"x": (2, size)}, {"i": backwards})
    )
    kinds = {layer.operator.kind for layer in loaded.graph.layers}
    assert ("gather" in kinds) == (known == "stored and many")


@pytest.mark.parametrize(
    "choice",
    [
        [node("Greater", ["a", "b"], ["c"]), node("Where", ["c", "a", "b"], ["y"])],
        [
            node("LessOrEqual", ["a", "b"], ["c"]),
            node("Not", ["c"], ["d"]),
            node("Or", ["c", "d"], ["e"]),
            node("Where", ["e", "a", "b"], ["y"]),
        ],
    ],
)
def test_choices_by_what_is_computed(choice: list[NodeProto]) -> None:
    check(model(choice, {"a": (3, 4), "b": (3, 4)}))


@pytest.mark.parametrize("mode", ["half_pixel", "asymmetric", "align_corners"])
@pytest.mark.parametrize("rule", ["floor", "ceil", "round_prefer_floor", "round_prefer_ceil"])
def test_the_nearest_pixels_are_exact(mode: str, rule: str) -> None:
    attributes = {"coordinate_transformation_mode": mode, "nearest_mode": rule}
    resize = node("Resize", ["x", "", "", "s"], ["y"], mode="nearest", **attributes)
    check(model([resize], {"x": (1, 2, 5, 4)}, {"s": integers(1, 2, 8, 3)}))


@pytest.mark.parametrize("mode", ["half_pixel", "output_half_pixel"])
def test_boxes_of_an_image(mode: str) -> None:
    attributes: dict[str, Any] = {
        "output_height": 3,
        "output_width": 2,
        "sampling_ratio": 2,
        "spatial_scale": 0.5,
    }
    pooled = node(
        "RoiAlign", ["p", "b", "n"], ["y"], coordinate_transformation_mode=mode, **attributes
    )
    nodes = [node("MaxPool", ["x"], ["p"], kernel_shape=[2, 2]), pooled]
    numbers = {"n": np.zeros(4, np.int64)}
    check(model(nodes, {"x": (1, 3, 8, 7), "b": (4, 4)}, numbers), positive=True)


def test_taps_by_computed_offsets() -> None:
    generator = np.random.default_rng(0)
    weights = {
        "w": generator.standard_normal((3, 4, 2, 2)).astype(np.float32),
        "v": generator.standard_normal((16, 4, 2, 2)).astype(np.float32),
        "c": generator.standard_normal(3).astype(np.float32),
    }
    nodes = [
        node("Conv", ["x", "v"], ["o"], kernel_shape=[2, 2]),
        node("DeformConv", ["x", "w", "o", "c"], ["y"], offset_group=2, kernel_shape=[2, 2]),
    ]
    check(model(nodes, {"x": (1, 4, 5, 4)}, weights, opset=19), tolerance=1e-3)


def detector(kept: int = 3) -> Any:
    """Return a model of two classes that suppresses boxes and looks up those that it keeps."""
    nodes = [
        node("NonMaxSuppression", ["boxes", "scores", "kept", "overlap"], ["chosen"]),
        node("Gather", ["chosen", "column"], ["places"], axis=1),
        node("Gather", ["flat", "places"], ["y"], axis=0),
        node("Reshape", ["boxes", "rows"], ["flat"]),
    ]
    nodes = [nodes[0], nodes[1], nodes[3], nodes[2]]
    weights = {
        "kept": integers(kept),
        "overlap": np.array([0.25], np.float32),
        "column": integers(2),
        "rows": integers(-1, 4),
    }
    return model(nodes, {"boxes": (1, 6, 4), "scores": (1, 2, 6)}, weights)


def test_classes_choose_among_the_same_boxes() -> None:
    """Six boxes on a line, each overlapping its neighbour by a third."""
    low = np.stack([np.zeros(6), np.arange(6)], axis=1)
    boxes = np.concatenate([low, low + np.array([1, 2])], axis=1)[np.newaxis].astype(np.float32)
    scores = np.array([[[6, 5, 4, 3, 2, 1], [1, 2, 9, 4, 5, 6]]], np.float32)
    weights = {"kept": integers(3), "column": integers(2), "rows": integers(-1, 4)}
    loaded = read(detector())
    found = outputs_of(loaded, {**weights, "boxes": boxes, "scores": scores})["y"]
    assert found.reshape(-1, 4)[:, 1].tolist() == [0, 2, 4, 2, 5, 0]
    assert any("where fewer are left, box 0 again" in note for note in loaded.graph.notes)


def test_its_programs_are_proved() -> None:
    validation = validate_program(read(detector(2)).graph, load_preset("edge_32x32"), seed=0)
    assert validation.passed, validation.text


def test_elements_replaced_at_computed_indices_are_the_first() -> None:
    nodes = [node("ArgMax", ["x"], ["i"]), node("ScatterElements", ["x", "i", "z"], ["y"])]
    loaded = read(model(nodes, {"x": (4, 4), "z": (1, 4)}))
    x, z = np.arange(16.0).reshape(4, 4), -np.ones((1, 4))
    assert outputs_of(loaded, {"x": x, "z": z})["y"][0].tolist() == [-1] * 4
    notes = [note for note in loaded.graph.notes if "replaces by indices" in note]
    assert notes == [
        "node 'y' (ScatterElements) replaces by indices: its elements are taken as the first ones"
    ]


@pytest.mark.parametrize(
    ("nodes", "weights", "message"),
    [
        (
            [node("TopK", ["x", "k"], ["y", "p"])],
            {"k": integers(9)},
            "node 'y' (TopK): k is 9 but must lie in 1..4, the elements of axis 1",
        ),
        (
            [node("ScatterElements", ["x", "i", "x"], ["y"], reduction="mul")],
            {"i": np.zeros((4, 4), np.int64)},
            "its reduction is 'mul' but only 'none' and 'add' are known",
        ),
        (
            [node("GatherElements", ["x", "i"], ["y"])],
            {"i": np.full((4, 4), 4)},
            "its indices must lie in -4..3 but are",
        ),
        (
            [node("GatherND", ["x", "i"], ["y"])],
            {"i": np.zeros((2, 3), np.int64)},
            "indices [2, 3] name 3 axes behind 0 of [4, 4]",
        ),
        (
            [node("RoiAlign", ["x", "b", "n"], ["y"])],
            {"b": np.zeros((1, 4), np.float32), "n": integers(0)},
            "takes as many samples as a box is large; give a sampling_ratio",
        ),
        (
            [node("Resize", ["x", "", "", "s"], ["y"])],
            {"s": integers(4, 0)},
            "resizes [4, 4] to [4, 0]: to nothing",
        ),
    ],
)
def test_bad_indices(nodes: list[NodeProto], weights: dict[str, Array], message: str) -> None:
    with pytest.raises(WorkloadError) as raised:
        read(model(nodes, {"x": (4, 4)}, weights))
    assert message in str(raised.value)
