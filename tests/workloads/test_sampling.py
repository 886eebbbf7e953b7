"""RoI align and deformable convolution, against loops over every sample."""

from __future__ import annotations

from collections.abc import Mapping
from math import floor, log2

import numpy as np
import pytest

from accel.spec_file import load_preset
from foundation.errors import WorkloadError
from foundation.numerics import Array
from rooftile.validate.program import validate_program
from workloads.evaluate import evaluate
from workloads.graph import Graph
from workloads.loaders.yaml import parse_network, to_yaml
from workloads.random_values import filled, fixed_tensors, random_tensors


def parsed(text: str) -> Graph:
    graph = parse_network(text, "a.yaml")
    assert parse_network(to_yaml(graph), "resolved.yaml") == graph
    return graph


def computed(graph: Graph, given: Mapping[str, Array]) -> dict[str, Array]:
    """Return what a graph computes on given inputs, with random weights."""
    constants = {
        t.name: filled(t, t.constant) for t in graph.tensors.values() if t.constant is not None
    }
    drawn = random_tensors(graph, seed=0)
    values = {**drawn, **fixed_tensors(graph), **constants, **given}
    return {**values, **evaluate(graph, values)}


def bilinear(image: Array, y: float, x: float) -> Array:
    """Return a map's value between its positions, zeros around it."""
    total = np.zeros(image.shape[2])
    for row in (floor(y), floor(y) + 1):
        for column in (floor(x), floor(x) + 1):
            if 0 <= row < image.shape[0] and 0 <= column < image.shape[1]:
                total += image[row, column] * (1 - abs(y - row)) * (1 - abs(x - column))
    return total


def of_a_box(image: Array, y: float, x: float) -> Array:
    """Return RoI align's sample: the outermost values go on for one position."""
    height, width, channels = image.shape
    if y < -1 or y > height or x < -1 or x > width:
        return np.zeros(channels)
    return bilinear(image, min(max(y, 0), height - 1), min(max(x, 0), width - 1))


def pooled(image: Array, box: Array, scale: float, bins: int, ratio: int, aligned: bool) -> Array:
    """Return RoI align of one box."""
    first_x, first_y, end_x, end_y = box * scale - (0.5 if aligned else 0)
    least = -np.inf if aligned else 1.0
    height, width = max(end_y - first_y, least) / bins, max(end_x - first_x, least) / bins
    result = np.zeros((bins, bins, image.shape[2]))
    for row in range(bins):
        for column in range(bins):
            for sample in range(ratio**2):
                y = first_y + (row + (sample // ratio + 0.5) / ratio) * height
                x = first_x + (column + (sample % ratio + 0.5) / ratio) * width
                result[row, column] += of_a_box(image, y, x) / ratio**2
    return result


def roi_network(aligned: bool, bins: int, ratio: int, maps: int = 1, count: int = 5) -> Graph:
    sizes = [8 >> number for number in range(maps)]
    inputs = ", ".join(f"f{n}: [2, {size}, {size + 1}, 3]" for n, size in enumerate(sizes))
    names = ", ".join(f"f{n}" for n in range(maps))
    return parsed(
        f"name: n\ndtype: fp32\ninputs: {{{inputs}, b: [2, {count}, 4]}}\nlayers:\n"
        f"  - {{name: r, op: roi_align, inputs: [{names}, b], out: [{bins}, {bins}],"
        f" sampling_ratio: {ratio}, scales: {[0.5 ** (1 + n) for n in range(maps)]},"
        f" aligned: {str(aligned).lower()}, canonical_size: 8, canonical_level: 2}}"
    )


def random_boxes(generator: np.random.Generator, count: int) -> Array:
    """Return boxes, some of which reach beyond the map or lie outside of it."""
    low = generator.uniform(-6, 18, (2, count, 2))
    return np.concatenate([low, low + generator.uniform(0, 12, (2, count, 2))], -1).astype("f")


@pytest.mark.parametrize("aligned", [False, True])
@pytest.mark.parametrize(("bins", "ratio"), [(2, 1), (3, 2)])
@pytest.mark.parametrize("maps", [1, 3])
def test_boxes_are_sampled(aligned: bool, bins: int, ratio: int, maps: int) -> None:
    generator = np.random.default_rng(bins + maps)
    graph = roi_network(aligned, bins, ratio, maps)
    boxes = random_boxes(generator, 5)
    features = {
        f"f{n}": generator.standard_normal(graph.tensors[f"f{n}"].shape).astype("f")
        for n in range(maps)
    }
    found = computed(graph, {**features, "b": boxes})["r"]
    assert found.shape == (2, 5, bins, bins, 3)
    for inference in range(2):
        for number, box in enumerate(boxes[inference]):
            size = max(np.sqrt((box[2:] - box[:2]).prod()), 1e-9)
            level = min(max(floor(2 + log2(size / 8) + 1e-6), 1), maps) - 1
            image = features[f"f{level}"][inference]
            expected = pooled(image, box, 0.5 ** (1 + level), bins, ratio, aligned)
            np.testing.assert_allclose(found[inference, number], expected, atol=1e-4)


def deform_network(groups: int, has_mask: bool, options: str, size: str = "[2, 6, 5, 4]") -> Graph:
    """Return a network whose offsets and mask are computed."""
    mask = (
        "  - {name: m, op: conv, out: 9 * groups, kernel: 3, input: x, OPTIONS,"
        " activation: sigmoid}\n"
        if has_mask
        else ""
    )
    return parsed(
        f"name: n\ndtype: fp32\nparameters: {{groups: {groups}}}\ninputs: {{x: {size}}}\nlayers:\n"
        "  - {name: o, op: conv, out: 18 * groups, kernel: 3, input: x, OPTIONS}\n".replace(
            "OPTIONS", options
        )
        + mask.replace("OPTIONS", options)
        + f"  - {{name: d, op: deform_conv, out: 3, kernel: 3, {options}, offset_groups: groups,"
        f" bias: true, inputs: [x, o{', m' * has_mask}]}}"
    )


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("has_mask", [False, True])
@pytest.mark.parametrize(("stride", "padding", "dilation"), [(1, 1, 1), (2, 2, 2), (1, 0, 1)])
def test_taps_look_where_offsets_say(
    groups: int, has_mask: bool, stride: int, padding: int, dilation: int
) -> None:
    options = f"stride: {stride}, padding: {padding}, dilation: {dilation}"
    graph = deform_network(groups, has_mask, options)
    image = np.random.default_rng(1).standard_normal((2, 6, 5, 4)).astype("f")
    values = computed(graph, {"x": image})
    batch, height, width, _ = values["o"].shape
    offset = values["o"].reshape(batch, height, width, groups, 3, 3, 2)
    mask = values["m"].reshape(offset.shape[:-1]) if has_mask else np.ones(offset.shape[:-1])
    weight = values["d.weight"].reshape(groups, 3, 3, 4 // groups, 3)
    expected = np.zeros((batch, height, width, 3)) + values["d.bias"]
    for place in np.ndindex(batch, height, width, groups, 3, 3):
        inference, row, column, group, tap_y, tap_x = place
        y = row * stride - padding + tap_y * dilation + offset[place][0]
        x = column * stride - padding + tap_x * dilation + offset[place][1]
        own = slice(group * 4 // groups, (group + 1) * 4 // groups)
        sample = bilinear(image[inference, :, :, own], y, x) * mask[place]
        expected[inference, row, column] += sample @ weight[group, tap_y, tap_x]
    np.testing.assert_allclose(values["d"], expected, atol=2e-3)


def test_without_offsets_it_is_a_convolution() -> None:
    graph = parsed(
        "name: n\ndtype: fp32\ninputs: {x: [1, 6, 6, 2], o: [1, 6, 6, 18]}\nlayers:\n"
        "  - {name: c, op: conv, out: 3, kernel: 3, padding: 1, input: x}\n"
        "  - {name: d, op: deform_conv, out: 3, kernel: 3, padding: 1, inputs: [x, o]}\n"
        "  - {name: s, op: add, inputs: [c, d]}"
    )
    weight = np.random.default_rng(0).standard_normal((1, 3, 3, 2, 3)).astype("f")
    values = computed(
        graph,
        {
            "o": np.zeros((1, 6, 6, 18), "f"),
            "c.weight": weight.reshape(graph.tensors["c.weight"].shape),
            "d.weight": weight.reshape(18, 3),
        },
    )
    np.testing.assert_allclose(values["d"], values["c"], atol=1e-5)
    layers = {layer.name: graph.macs(layer) for layer in graph.layers}
    assert layers["c"] == layers["d"]


def test_programs_of_boxes_are_proved() -> None:
    graph = roi_network(aligned=False, bins=2, ratio=1, maps=2, count=2)
    validation = validate_program(graph, load_preset("edge_32x32"), seed=0)
    assert validation.passed, validation.text


@pytest.mark.slow
def test_programs_of_deformed_windows_are_proved() -> None:
    graph = parsed(
        "name: n\ndtype: bf16\n"
        "inputs: {x: [1, 3, 3, 2], o: [1, 2, 2, 8], m: [1, 2, 2, 4]}\nlayers:\n"
        "  - {name: d, op: deform_conv, out: 3, kernel: 2, inputs: [x, o, m]}"
    )
    validation = validate_program(graph, load_preset("tpu_v4i_like"), seed=0)
    assert validation.passed, validation.text


def test_floors_to_indices_saturate() -> None:
    graph = parsed(
        "name: n\ndtype: fp32\ninputs: {x: [6]}\nlayers:\n"
        "  - {name: i, op: floor_int32}\n  - {name: o, op: one_hot, out: 3}"
    )
    given = np.array([-0.5, 1.9, 2, np.nan, np.inf, -1e30], "f")
    found = computed(graph, {"x": given})["i"]
    assert found.tolist() == [-1, 1, 2, 0, 2**31 - 1, -(2**31)]


def test_rows_beyond_what_a_type_counts_are_refused() -> None:
    with pytest.raises(WorkloadError) as raised:
        parse_network(
            "name: n\ndtype: bf16\ninputs: {x: [1, 20, 20, 3], o: [1, 19, 19, 8]}\nlayers:\n"
            "  - {name: d, op: deform_conv, inputs: [x, o], out: 2, kernel: 2}",
            "a.yaml",
        )
    assert "its map has 400 rows but bf16 holds whole numbers up to 256; use fp32" in str(
        raised.value
    )
