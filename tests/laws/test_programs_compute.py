"""Every program computes what NumPy computes: all operators, random graphs, several machines."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accel.spec import AcceleratorSpec
from rooftile.validate.program import validate_program
from tests.laws.graphs import OPERATORS, chains, single_layers
from tests.laws.machines import ALL_DTYPES, MACHINES
from workloads.graph import Graph

relaxed = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


def prove(graph: Graph, spec: AcceleratorSpec, seed: int) -> None:
    validation = validate_program(graph, spec, seed=seed)
    assert validation.passed, f"{graph.layers}\n{validation.text}"


@pytest.mark.parametrize("dtype", ALL_DTYPES)
@pytest.mark.parametrize("operator", sorted(OPERATORS))
def test_every_operator_equals_numpy(operator: str, dtype: str) -> None:
    @settings(relaxed, max_examples=25 if dtype == "int8" else 8)
    @given(
        graph=single_layers(operator, dtype),
        spec=st.sampled_from(MACHINES),
        seed=st.integers(0, 999),
    )
    def check(graph: Graph, spec: AcceleratorSpec, seed: int) -> None:
        prove(graph, spec, seed)

    check()


@settings(relaxed, max_examples=120)
@given(graph=chains("int8"), spec=st.sampled_from(MACHINES), seed=st.integers(0, 999))
def test_random_graphs_equal_numpy(graph: Graph, spec: AcceleratorSpec, seed: int) -> None:
    prove(graph, spec, seed)
