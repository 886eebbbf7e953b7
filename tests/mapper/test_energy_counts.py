"""The closed form's energy is that of the run, component by component."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from accel.spec import AcceleratorSpec
from mapper.cost import energies_pj, estimate
from mapper.kernel import Contraction, Kernel
from mapper.mapping import Mapping, results_of, tiling_of
from mapper.mapping_file import LayerMapping, mappings_text, parse_mappings
from mapper.nest import nest_of
from mapper.operators import kernels_of
from mapper.splits import Split
from reports.report import WorkReport
from rooftile.simulation import simulate
from tests.laws.graphs import OPERATORS, single_layers
from tests.mapper.energies import with_energies
from tests.mapper.nests import mappings
from tests.mapper.test_any_mapping import ROOMY
from workloads.graph import Graph

relaxed = settings(
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.filter_too_much,
    ],
)
LEAKING = [with_energies(spec, leakage_mw=7.0) for spec in ROOMY]


def run(graph: Graph, kernel: Kernel, mapping: Mapping, spec: AcceleratorSpec) -> WorkReport:
    """Return the report of a layer that is mapped so."""
    (layer,) = graph.layers
    written = LayerMapping(
        name=layer.name, also=(), kernels=(kernel,), splits=(Split(),), mappings=(mapping,)
    )
    text = mappings_text([written], spec, "one layer")
    report = simulate(graph, spec, mappings=parse_mappings(text, "mapping.yaml")).report
    return report.layers[0].work


def is_exact(kernel: Kernel, spec: AcceleratorSpec, mapping: Mapping, work: WorkReport) -> bool:
    """Whether the closed form counts all moves: not where ragged parts join moves."""
    if estimate(kernel, spec, mapping).dram_bytes != work.total_dram_bytes:
        return False
    nests = nest_of(kernel, mapping)
    results = len(results_of(kernel, tiling_of(kernel, mapping)))
    is_product = isinstance(kernel.body, Contraction)
    return not is_product or int(nests.moves(kernel.output, nests.depth).max()) == results


@pytest.mark.parametrize("operator", sorted(set(OPERATORS) - {"reshape", "concat"}))
@pytest.mark.parametrize("dtype", ["int8", "bf16"])
def test_the_energy_of_a_mapping_is_that_of_its_run(operator: str, dtype: str) -> None:
    @settings(relaxed, max_examples=30)
    @given(graph=single_layers(operator, dtype), spec=st.sampled_from(LEAKING), data=st.data())
    def check(graph: Graph, spec: AcceleratorSpec, data: st.DataObject) -> None:
        (kernel,) = kernels_of(graph, graph.layers[0])
        mapping = data.draw(mappings(kernel, spec))
        work = run(graph, kernel, mapping, spec)
        assume(is_exact(kernel, spec, mapping, work))
        expected = dict.fromkeys(work.energies_pj, 0.0)
        found = energies_pj(kernel, spec, mapping, work.total_cycles)
        assert {**expected, **found} == pytest.approx(work.energies_pj, rel=1e-12)

    check()
