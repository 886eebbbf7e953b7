"""What is said of kernels on machines of many paces, against a search on each of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from accel.spec import AcceleratorSpec
from accel.spec_file import load_preset
from mapper.cost import NestCosts, estimate
from mapper.nest import nest_of
from mapper.operators import kernels_of
from mapper.paces import CLOSED_FORM, WITHIN, Paces, pace_of, restored, stored
from mapper.search.find import find_mapping
from workloads.loaders.yaml import load_zoo


def at(spec: AcceleratorSpec, clock_hz: int, bandwidth: float, latency_fs: int) -> AcceleratorSpec:
    """Return a machine with another pace of all its memories."""
    memories = tuple(
        replace(memory, bandwidth_bytes_per_s=bandwidth * (n + 1), latency_fs=latency_fs)
        for n, memory in enumerate(spec.memories)
    )
    return replace(spec, clock_hz=clock_hz, memories=memories)


def machines(name: str, count: int) -> list[AcceleratorSpec]:
    """Return machines of random pace."""
    draws = np.random.default_rng(0)
    return [
        at(
            load_preset(name),
            int(10 ** draws.uniform(8.5, 9.5)),
            float(round(10 ** draws.uniform(9, 11))),
            int(10 ** draws.uniform(6, 9)),
        )
        for _ in range(count)
    ]


@pytest.mark.parametrize("name", ["edge_32x32", "tpu_v1", "gemmini_default"])
def test_no_kernel_takes_much_more_than_a_search_finds(name: str) -> None:
    graph, every = load_zoo("lenet"), machines(name, 12)
    kernels = [(k, layer.name) for layer in graph.layers for k in kernels_of(graph, layer)]
    paces = np.array([pace_of(spec) for spec in every])
    found = Paces.searched(kernels, every.__getitem__, paces)
    cycles = found.taken(paces).cycles
    assert (found.gaps(paces) <= WITHIN).all()
    for number, spec in enumerate(every):
        for place, (kernel, layer) in enumerate(kernels):
            least = find_mapping(kernel, spec, layer, CLOSED_FORM).coverage.least
            assert least * (1 - 1e-9) <= cycles[number, place] <= least * (1 + WITHIN)


def test_rows_of_numbers_are_the_closed_form() -> None:
    """Of every mapping that is chosen for a layer, at any pace."""
    graph, every = load_zoo("lenet"), machines("edge_32x32", 4)
    for layer in graph.layers:
        for kernel in kernels_of(graph, layer):
            best = find_mapping(kernel, every[0], layer.name, CLOSED_FORM).chosen[0].mapping
            slots = tuple(count > 1 for count in best.num_buffers)
            place = NestCosts(nest_of(kernel, best), every[0]).at(best.held)
            rows = place.coefficients(slots)
            for spec in every:
                numbers = rows @ np.array([1.0, *pace_of(spec)])
                assert numbers.max() == pytest.approx(estimate(kernel, spec, best).cycles)


def test_what_is_known_survives_being_written() -> None:
    graph, every = load_zoo("lenet"), machines("edge_32x32", 3)
    kernels = [(k, layer.name) for layer in graph.layers for k in kernels_of(graph, layer)]
    paces = np.array([pace_of(spec) for spec in every])
    found = Paces.searched(kernels, every.__getitem__, paces)
    again = Paces(kernels, restored(stored(found.known)))
    assert np.array_equal(found.taken(paces).cycles, again.taken(paces).cycles)
    assert np.array_equal(found.taken(paces).dram_bytes, again.taken(paces).dram_bytes)
