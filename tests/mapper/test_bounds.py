"""Lower bounds hold for every mapping of the map space, and for hand-counted cases."""

from __future__ import annotations

from dataclasses import replace
from math import sqrt

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accel.shared_buffer_spec import SharedBufferSpec
from accel.spec import AcceleratorSpec
from accel.spec_file import load_preset
from foundation.dtype import DTYPES
from mapper.bounds import bounds, capacity_bound_bytes, capacity_bytes, stream_cycles
from mapper.cost import NestCosts
from mapper.kernel import Kernel
from mapper.mapping import Loop, Mapping
from mapper.operators import kernels_of
from mapper.space import map_space
from tests.laws.machines import MACHINES
from workloads.build import GraphBuilder
from workloads.layers import Convolution, Linear, MatMul, Window

relaxed = settings(
    max_examples=200, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def product_kernel(m: int, n: int, k: int, batch: int = 1, dtype: str = "int8") -> Kernel:
    builder = GraphBuilder("net", 1)
    if batch == 1:
        data = builder.add_input("x", (m, k), DTYPES[dtype])
        builder.add_layer("layer", Linear(out_features=n, bias=False), [data])
    else:
        inputs = [
            builder.add_input(name, (batch, *shape), DTYPES[dtype])
            for name, shape in (("x", (m, k)), ("y", (k, n)))
        ]
        builder.add_layer("layer", MatMul(equation="bmk,bkn->bmn"), inputs)
    graph = builder.build()
    return kernels_of(graph, graph.layers[0])[0]


def conv_kernel(size: int, channels: int, filters: int, window: Window, dtype: str) -> Kernel:
    builder = GraphBuilder("net", 1)
    data = builder.add_input("x", (1, size, size + 1, channels), DTYPES[dtype])
    layer = Convolution(out_channels=filters, windows=(window, window))
    builder.add_layer("layer", layer, [data])
    graph = builder.build()
    return kernels_of(graph, graph.layers[0])[0]


@st.composite
def kernels(draw: st.DrawFn) -> Kernel:
    """Draw products that are large for machines of a few KiB."""
    dtype = draw(st.sampled_from(["int8", "bf16"]))
    if draw(st.booleans()):
        m, n, k = (draw(st.integers(1, 300)) for _ in range(3))
        return product_kernel(m, n, k, draw(st.sampled_from([1, 1, 3])), dtype)
    taps = draw(st.integers(1, 4))
    window = Window(
        kernel=taps,
        stride=draw(st.integers(1, 3)),
        dilation=draw(st.integers(1, 2)),
        pad_before=draw(st.integers(0, 2)),
        pad_after=draw(st.integers(0, 2)),
    )
    size = draw(st.integers(8, 20))
    return conv_kernel(size, draw(st.integers(1, 40)), draw(st.integers(1, 60)), window, dtype)


@relaxed
@given(kernel=kernels(), spec=st.sampled_from(MACHINES))
def test_no_mapping_beats_the_bounds(kernel: Kernel, spec: AcceleratorSpec) -> None:
    least = bounds(kernel, spec)
    assert least.traffic_bytes >= least.compulsory_bytes
    for family in map_space(kernel, spec):
        costs = NestCosts(family.nests, spec)
        for held, rows in family.places:
            tried = np.broadcast_to(rows, family.nests.shape).reshape(-1)
            for is_doubled in (True, False):
                scores = costs.score(held, (is_doubled,) * len(kernel.operands))
                fits = tried & scores.fits(spec)
                assert np.all(scores.dram_bytes[fits] >= least.traffic_bytes * (1 - 1e-9))
                assert np.all(scores.cycles[fits] >= least.cycles * (1 - 1e-9))


@given(st.integers(1, 4096), st.integers(1, 4096), st.integers(1, 4096))
def test_the_bound_of_a_product_is_no_weaker_than_the_published_one(m: int, n: int, k: int) -> None:
    spec = load_preset("ref32")
    capacity = capacity_bytes(spec)
    assert capacity == 256 * 1024 + 8 * 1024
    published = 2 * m * n * k / sqrt(capacity) - 2 * capacity
    # Psums of 4 bytes weigh twice in the leading term, and 3 bytes each in what need not be read.
    weighted = 2 * published + 2 * capacity - 3 * m * n
    assert capacity_bound_bytes(product_kernel(m, n, k), spec) >= weighted - 1e-6 * abs(weighted)


@given(kernel=kernels(), spec=st.sampled_from(MACHINES), factor=st.integers(2, 8))
def test_more_capacity_never_raises_the_bound(
    kernel: Kernel, spec: AcceleratorSpec, factor: int
) -> None:
    pads = tuple(replace(p, capacity_bytes=p.capacity_bytes * factor) for p in spec.scratchpads)
    larger = bounds(kernel, replace(spec, scratchpads=pads))
    assert larger.traffic_bytes <= bounds(kernel, spec).traffic_bytes * (1 + 1e-9)


def test_the_capacity_is_that_of_all_cores_and_of_the_shared_buffer() -> None:
    spec = replace(MACHINES[1], cores=3)
    one = sum(pad.capacity_bytes for pad in spec.scratchpads)
    assert capacity_bytes(spec) == 3 * one
    preset = load_preset("mesh_64core")
    shared = preset.shared_buffer
    assert isinstance(shared, SharedBufferSpec)
    pads = sum(pad.capacity_bytes for pad in preset.scratchpads)
    assert capacity_bytes(preset) == 64 * pads + shared.capacity_bytes


@pytest.mark.parametrize(
    ("steps", "cycles"), [((64, 32, 64), 2 * 2 * 64), ((40, 20, 64), 2 * 4 * 64)]
)
def test_streams_count_all_folds(steps: tuple[int, int, int], cycles: int) -> None:
    """64 x 64 x 64 on a 32 x 32 WS array: K in two folds, N in two, or in 4 ragged tiles."""
    kernel = product_kernel(64, 64, 64)
    loops = tuple(Loop(d, step) for d, step in enumerate(steps))
    mapping = Mapping(loops=loops, held=(3, 3, 3), num_buffers=(1, 1, 1))
    assert stream_cycles(kernel, load_preset("ref32"), mapping) == cycles


def test_a_product_of_one_row_is_bound_by_its_weights() -> None:
    least = bounds(product_kernel(1, 4096, 4096), load_preset("ref32"))
    assert least.resource == "main memory"
    assert least.traffic_bytes == least.compulsory_bytes == 4096 * 4096 + 2 * 4096
    assert least.cycles == least.traffic_bytes / 16
