"""Every pass, and all of them together, keep what a random network computes."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from accel.spec import AcceleratorSpec
from rooftile.validate.program import validate_program
from tests.laws.graphs import chains
from tests.laws.machines import MACHINES
from tests.workloads.passes.equality import assert_same, assert_sound, is_finite
from tests.workloads.passes.patterns import patterned
from workloads.graph import Graph
from workloads.passes.pipeline import PASSES, rewrite

relaxed = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
#: Passes that change no rounding, so that floating point is equal in every bit.
EXACT = ("simplify", "fold_constants", "share_equal_layers", "drop_dead")


@pytest.mark.parametrize("name", PASSES)
def test_each_pass_keeps_int8_bit_for_bit(name: str) -> None:
    @settings(relaxed, max_examples=120)
    @given(graph=st.one_of(patterned("int8", name), chains("int8")), seed=st.integers(0, 99))
    def check(graph: Graph, seed: int) -> None:
        result = PASSES[name](graph)
        assert_same(graph, result, exactly=True, seed=seed)
        assert_sound(graph, result)

    check()


@pytest.mark.parametrize("name", PASSES)
def test_each_pass_keeps_floating_point(name: str) -> None:
    dtypes = ("fp32", "fp16", "bf16") if name in EXACT else ("fp32",)

    @settings(relaxed, max_examples=100)
    @given(data=st.data(), dtype=st.sampled_from(dtypes), seed=st.integers(0, 99))
    def check(data: st.DataObject, dtype: str, seed: int) -> None:
        graph = data.draw(patterned(dtype, name))
        assume(is_finite(graph, seed))
        result = PASSES[name](graph)
        assert_same(graph, result, exactly=name in EXACT, seed=seed)
        assert_sound(graph, result)

    check()


@pytest.mark.parametrize("dtype", ["int8", "fp32"])
def test_all_passes_together(dtype: str) -> None:
    @settings(relaxed, max_examples=300)
    @given(graph=patterned(dtype), seed=st.integers(0, 99))
    def check(graph: Graph, seed: int) -> None:
        assume(dtype == "int8" or is_finite(graph, seed))
        result = rewrite(graph, tuple(PASSES))
        assert_same(graph, result, exactly=dtype == "int8", seed=seed)
        assert_sound(graph, result)

    check()


@pytest.mark.parametrize("name", [*PASSES, "all"])
def test_a_second_time_changes_nothing(name: str) -> None:
    apply = rewrite if name == "all" else PASSES[name]

    @settings(relaxed, max_examples=80)
    @given(graph=st.one_of(patterned("int8", name), patterned("fp32", name)))
    def check(graph: Graph) -> None:
        once = apply(graph)
        again = apply(once.graph)
        assert again.rewrites == ()
        assert again.graph == once.graph

    check()


@settings(relaxed, max_examples=120)
@given(graph=patterned("int8"), data=st.data())
def test_named_outputs_are_kept_and_nothing_else(graph: Graph, data: st.DataObject) -> None:
    names = [layer.name for layer in graph.layers]
    outputs = data.draw(st.lists(st.sampled_from(names), min_size=1, max_size=3, unique=True))
    result = rewrite(graph, tuple(PASSES), outputs)
    assert result.outputs == tuple(outputs)
    assert_same(graph, result, exactly=True)
    assert set(result.graph.outputs) <= set(outputs)


@settings(relaxed, max_examples=60)
@given(graph=patterned("int8"), spec=st.sampled_from(MACHINES))
def test_what_comes_out_can_be_mapped_and_run(graph: Graph, spec: AcceleratorSpec) -> None:
    validation = validate_program(rewrite(graph, tuple(PASSES)).graph, spec, seed=0)
    assert validation.passed, validation.text
