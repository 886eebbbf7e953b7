"""Gradients are those of finite differences in float64: every operator, and random graphs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from foundation.dtype import DTYPES, Dtype
from foundation.errors import WorkloadError
from foundation.functions import SLOPES, FunctionKind, names
from foundation.numerics import Array
from tests.laws.graphs import INDEXING, OPERATORS, branches, chains, single_layers
from workloads.build import GraphBuilder
from workloads.conversions import Cast
from workloads.evaluate import evaluate
from workloads.graph import Graph, TensorKind
from workloads.layers import Elementwise, Linear, Pool, Reduce, Window
from workloads.random_values import random_tensors
from workloads.training.functions import WITH_GRADIENT
from workloads.training.options import Training
from workloads.training.step import TrainingStep, build_step

FLOAT64 = Dtype(name="float64", size_bytes=8, is_integer=False, accumulator="float64")
relaxed = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
#: Of a parameter along a random direction of length near √elements.
DIFFERENCE = 1e-6
TOLERANCE = 1e-5
#: Operators that are of the backward pass themselves.
ONLY_BACKWARD = ("conv_gradient", "flip", "pool_gradient", "tied_conv", "cast")
#: Operators that no gradient goes back through, whose parameters are learned or not.
WITHOUT_GRADIENT = ("gather", "sort", "scan", "top_k", "mixture", "graph_conv", *INDEXING)
#: Operators that random graphs don't have: a cast is to fewer bits than differences need.
NOT_DRAWN = ("cast", *WITHOUT_GRADIENT)


@pytest.fixture(autouse=True, scope="module")
def _float64() -> Iterator[None]:
    """Let graphs be of a type that no machine has."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(DTYPES, "float64", FLOAT64)
        yield


def learned(graph: Graph) -> Graph:
    """Return a graph whose inputs are learned, as far as they are numbers."""
    tensors = {
        name: replace(tensor, kind=TensorKind.PARAMETER, trainable_elements=tensor.size_elements)
        if tensor.kind is TensorKind.INPUT and not tensor.dtype.is_integer
        else tensor
        for name, tensor in graph.tensors.items()
    }
    return replace(graph, tensors=tensors)


def step_of(graph: Graph, loss: str, recompute: tuple[str, ...] = ()) -> TrainingStep:
    how = Training(optimizer="sgd", loss=loss, precision="pure", recompute=recompute)
    return build_step(graph, how)


def check(step: TrainingStep, values: Mapping[str, Array], seed: int) -> None:
    """Compare each parameter's gradient with the loss's change along a random direction."""
    found = evaluate(step.graph, values)
    loss = float(found[step.loss][0])
    generator = np.random.default_rng(seed)
    for name, gradient in step.gradients.items():
        direction = generator.standard_normal(values[name].shape)
        ends = []
        for sign in (1, -1):
            moved = {**values, name: values[name] + sign * DIFFERENCE * direction}
            ends.append(float(evaluate(step.graph, moved)[step.loss][0]))
        measured = (ends[0] - ends[1]) / (2 * DIFFERENCE)
        computed = float((found[gradient] * direction).sum())
        length = float(np.sqrt((found[gradient] ** 2).sum()))
        allowed = TOLERANCE * max(abs(measured), length, 1e-3) + 1e-9 * abs(loss)
        assert abs(computed - measured) <= allowed, (name, computed, measured)


def check_any(step: TrainingStep, seed: int) -> None:
    """As `check` with random values, where the loss is a number that differences can tell."""
    values = random_tensors(step.graph, seed=seed)
    found = evaluate(step.graph, values)
    loss = float(found[step.loss][0])
    assume(np.isfinite(loss) and abs(loss) < 1e4)
    assume(not has_ties(step.graph, {**values, **found}))
    check(step, values, seed)


def has_ties(graph: Graph, values: Mapping[str, Array]) -> bool:
    """Whether several elements are a window's largest: each gets the whole gradient, as documented.

    No difference tells that, where they are copies of one number that moves.
    """
    for layer in graph.layers:
        if isinstance(layer.operator, (Pool, Reduce)) and layer.operator.function == "max":
            distinct, counts = np.unique(values[layer.inputs[0]], return_counts=True)
            if np.isin(distinct[counts > 1], values[layer.name]).any():
                return True
    return False


def test_equal_largest_elements_get_the_whole_gradient_each() -> None:
    builder = GraphBuilder("ties", 1)
    given = builder.add_learned("x", (1, 2, 2, 1), FLOAT64)
    builder.add_layer("pool", Pool(function="max", windows=(Window(2, 2),) * 2), [given])
    step = step_of(builder.build(), "mean_squared_error")
    image = np.array([3.0, 1, 3, 2]).reshape(1, 2, 2, 1)
    found = evaluate(step.graph, {**random_tensors(step.graph, seed=0), "x": image})
    (gradient,) = step.gradients.values()
    first, *others = found[gradient].ravel().tolist()
    assert first != 0
    assert others == [0, first, 0]


def has_gradients(graph: Graph) -> bool:
    """Whether no layer is a step, or itself a function of the backward pass."""
    functions = [getattr(layer.operator, "function", "") for layer in graph.layers]
    return not any(name.endswith("_gradient") or name in ("greater", "floor") for name in functions)


@pytest.mark.parametrize("operator", sorted(set(OPERATORS) - {*ONLY_BACKWARD, *WITHOUT_GRADIENT}))
def test_every_operator(operator: str) -> None:
    @settings(relaxed, max_examples=6)
    @given(
        graph=single_layers(operator, "float64"),
        loss=st.sampled_from(["mean_squared_error", "cross_entropy"]),
        seed=st.integers(0, 999),
    )
    def check_operator(graph: Graph, loss: str, seed: int) -> None:
        assume(has_gradients(graph))
        check_any(step_of(learned(graph), loss), seed)

    check_operator()


@pytest.mark.parametrize("function", sorted(WITH_GRADIENT))
@pytest.mark.parametrize("is_fused", [False, True])
def test_every_function(function: str, is_fused: bool) -> None:
    """As a layer, and behind a product or with an activation behind it."""
    builder = GraphBuilder("functions", 1)
    first = builder.add_learned("x", (2, 3), FLOAT64)
    if function in names(FunctionKind.BINARY):
        second = builder.add_learned("y", (2, 3), FLOAT64)
        activation = "gelu" if is_fused else "identity"
        operator = Elementwise(function=function, activation=activation)
        builder.add_layer("f", operator, [first, second])
    elif is_fused:
        builder.add_layer("f", Linear(out_features=2, activation=function), [first])
    else:
        builder.add_layer("f", Elementwise(function=function), [first])
    step = step_of(builder.build(), "mean_squared_error")
    drawn = random_tensors(step.graph, seed=3)
    # Logarithms and roots are of positive numbers.
    constants = {name for name, one in step.graph.tensors.items() if one.constant is not None}
    values = {
        name: value if name in constants else np.abs(value) + 0.1 for name, value in drawn.items()
    }
    check(step, values, 3)


@settings(relaxed, max_examples=40)
@given(
    graph=st.one_of(chains("float64", NOT_DRAWN), branches("float64", NOT_DRAWN)),
    seed=st.integers(0, 999),
    data=st.data(),
)
def test_random_graphs_whatever_is_kept(graph: Graph, seed: int, data: st.DataObject) -> None:
    assume(has_gradients(graph))
    layers = [layer.name for layer in graph.layers]
    again = data.draw(st.lists(st.sampled_from(layers), unique=True))
    kept = step_of(learned(graph), "mean_squared_error")
    check_any(kept, seed)
    dropped = step_of(learned(graph), "mean_squared_error", tuple(again))
    values = random_tensors(kept.graph, seed=seed)
    before, after = (evaluate(one.graph, values) for one in (kept, dropped))
    for name in kept.gradients:
        assert np.array_equal(
            before[kept.gradients[name]], after[dropped.gradients[name]], equal_nan=True
        )


@pytest.mark.parametrize("is_fused", [False, True])
def test_floor_has_no_gradient(is_fused: bool) -> None:
    builder = GraphBuilder("floors", 1)
    first = builder.add_learned("x", (2, 3), FLOAT64)
    operator = (
        Linear(out_features=2, activation="floor") if is_fused else Elementwise(function="floor")
    )
    builder.add_layer("f", operator, [first])
    with pytest.raises(WorkloadError, match="layer 'f': operator 'floor' has no gradient"):
        step_of(builder.build(), "mean_squared_error")


@pytest.mark.parametrize("operator", ["gather", "sort", "scan", "top_k", "mixture", "graph_conv"])
def test_an_operator_without_a_gradient_says_so(operator: str) -> None:
    @settings(relaxed, max_examples=5)
    @given(graph=single_layers(operator, "fp32"))
    def check_operator(graph: Graph) -> None:
        # Where an operator has no room there is a function of one operand in its place.
        assume(not isinstance(graph.layers[-1].operator, Elementwise))
        with pytest.raises(WorkloadError, match=r"has no gradient; train a network without it$"):
            step_of(learned(graph), "mean_squared_error")

    check_operator()


def test_a_cast_gives_its_gradient_back_in_the_type_that_it_came_from() -> None:
    builder = GraphBuilder("casts", 1)
    narrow = builder.add_layer(
        "narrow", Cast(dtype=DTYPES["bf16"]), [builder.add_learned("x", (2, 3), DTYPES["fp32"])]
    )
    builder.add_layer("f", Elementwise(function="relu"), [narrow])
    step = step_of(builder.build(), "mean_squared_error")
    values = random_tensors(step.graph, seed=1)
    found = evaluate(step.graph, values)
    given = found[step.gradients["x"]]
    assert given.dtype == np.float32
    error = np.maximum(values["x"], 0) - values["target"].astype(np.float32)
    assert given == pytest.approx(2 / 6 * error * (values["x"] > 0), rel=0.02, abs=0.01)


def test_every_slope_is_a_functions() -> None:
    assert set(SLOPES) <= set(names(FunctionKind.UNARY))
