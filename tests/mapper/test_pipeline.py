"""Scripts of a kernel's mappings, one after the other, are those of their programs."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accel.program_script import scripts_of
from accel.spec import AcceleratorSpec
from mapper.held import memory_of
from mapper.lower import lower
from mapper.operands import Placement
from mapper.operators import kernels_of
from mapper.pipeline import Pipeline
from tests.laws.graphs import single_layers
from tests.laws.machines import MACHINES
from tests.laws.test_engines import operations
from tests.mapper.nests import mappings
from workloads.graph import Graph


def with_banks(spec: AcceleratorSpec) -> AcceleratorSpec:
    """Return a machine whose scratchpads have banks in which accesses conflict."""
    pads = tuple(
        replace(pad, banks=3, width_bytes=4, bandwidth_bytes_per_cycle=8.0, layout="row_major")
        for pad in spec.scratchpads
    )
    return replace(spec, scratchpads=pads)


ROOMY = [
    replace(
        spec,
        scratchpads=tuple(replace(pad, capacity_bytes=1 << 16) for pad in spec.scratchpads),
    )
    for spec in MACHINES
]


@pytest.mark.parametrize("operator", ["conv", "conv_gradient", "linear", "pool", "binary"])
def test_scripts_of_any_mappings_are_those_of_their_programs(operator: str) -> None:
    @settings(
        max_examples=25,
        deadline=None,
        suppress_health_check=[
            HealthCheck.too_slow,
            HealthCheck.data_too_large,
            HealthCheck.filter_too_much,
        ],
    )
    @given(
        graph=single_layers(operator, "int8"),
        spec=st.sampled_from([*ROOMY, *map(with_banks, ROOMY)]),
        data=st.data(),
    )
    def check(graph: Graph, spec: AcceleratorSpec, data: st.DataObject) -> None:
        (kernel,) = kernels_of(graph, graph.layers[-1])
        places = {
            operand.role: Placement(memory=memory_of(operand, spec).name, address=0)
            for operand in kernel.operands
        }
        nothing = {memory.name: 0 for memory in spec.memories}
        pipeline = Pipeline(spec)
        for mapping in data.draw(st.lists(mappings(kernel, spec), min_size=1, max_size=4)):
            if mapping.psums_wait:
                continue
            program = lower([kernel], [mapping], spec, places, nothing, {})
            (lowered,) = scripts_of(program, spec)
            woven = pipeline.woven([kernel], [mapping]).script
            for queue in range(4):
                assert operations(woven, queue) == operations(lowered, queue)
                assert woven.queues[queue].sizes == lowered.queues[queue].sizes
                assert woven.queues[queue].memories == lowered.queues[queue].memories
            assert woven.tokens == lowered.tokens

    check()
