"""Gradients of functions of one operand, as layers or behind others, and of two."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from foundation.functions import FUNCTIONS, SLOPES, FunctionKind, names
from workloads.graph import Tensor
from workloads.layers import Elementwise
from workloads.training.draft import Steps
from workloads.training.node import Node

#: Functions whose gradient depends on the operand, where the result doesn't tell it.
FROM_OPERAND = frozenset(
    {*(name for name, where in SLOPES.items() if where == "operand"), "softplus", "log"}
)
#: Functions of layers that have a gradient: that of `floor` is zero wherever there is one.
WITH_GRADIENT = frozenset(
    {
        *names(FunctionKind.UNARY),
        *("add", "subtract", "multiply", "divide", "maximum", "minimum"),
    }
    - {"floor"}
)


def function_gradient(
    steps: Steps, function: str, gradient: Tensor, at: Callable[[], Tensor]
) -> Tensor:
    """Return the gradient of a function's operand.

    Parameters
    ----------
    steps
        Adds layers.
    function
        Of one operand.
    gradient
        Of its result.
    at
        Returns the value of its operand, for functions in ``FROM_OPERAND``, or of its result.
    """
    if function in SLOPES:
        return steps.apply("slope", f"{function}_gradient", gradient, at())
    match function:
        case "identity":
            return gradient
        case "negative":
            return steps.apply("slope", "negative", gradient)
        case "exp":
            return steps.apply("slope", "multiply", gradient, at())
        case "log":
            return steps.apply("slope", "divide", gradient, at())
        case "softplus":
            return steps.apply(
                "slope", "multiply", gradient, steps.apply("sigmoid", "sigmoid", at())
            )
        case "sqrt":
            twice = steps.apply("twice", "add", at(), at())
            return steps.apply("slope", "divide", gradient, twice)
        case _:
            assert function == "reciprocal", f"{function} has a gradient"
            square = steps.apply("square", "multiply", at(), at())
            return steps.apply("slope", "multiply", gradient, square, activation="negative")


def elementwise(node: Node) -> Iterator[tuple[str, Tensor]]:
    """Go back through a function of one operand or two."""
    operator = node.layer.operator
    assert isinstance(operator, Elementwise)
    if FUNCTIONS[operator.function].kind is FunctionKind.UNARY:
        name = node.layer.name
        if operator.function in FROM_OPERAND:
            name = node.layer.inputs[0]
        at = partial(node.value, name)
        yield node.to(0, function_gradient(node.steps, operator.function, node.gradient, at))
        return
    for number, share in _shares(node, operator.function):
        shape = node.known(number).shape
        yield node.to(number, node.steps.unbroadcast(f"input{number}", share, shape))


def _shares(node: Node, function: str) -> Iterator[tuple[int, Tensor]]:
    """Yield number and gradient of each operand that wants one, in the result's shape."""
    steps, gradient = node.steps, node.gradient
    first, second = node.wants(0), node.wants(1)
    match function:
        case "add" | "subtract":
            if first:
                yield 0, gradient
            if second and function == "add":
                yield 1, gradient
            elif second:
                yield 1, steps.apply("input1", "negative", gradient)
        case "multiply":
            if first:
                yield 0, steps.apply("input0", "multiply", gradient, node.operand(1))
            if second:
                yield 1, steps.apply("input1", "multiply", gradient, node.operand(0))
        case "divide":
            quotient = steps.apply("input0", "divide", gradient, node.operand(1))
            if first:
                yield 0, quotient
            if second:
                product = steps.apply("product", "multiply", quotient, node.operand(0))
                yield (
                    1,
                    steps.apply(
                        "input1", "divide", product, node.operand(1), activation="negative"
                    ),
                )
        case _:
            # max(a, b) = b + relu(a - b) and min(a, b) = b - relu(b - a); of equals b gets all.
            operands = [node.operand(0), node.operand(1)]
            if function == "minimum":
                operands.reverse()
            difference = steps.apply("difference", "subtract", *operands)
            share = steps.apply("input0", "relu_gradient", gradient, difference)
            if first:
                yield 0, share
            if second:
                yield 1, steps.apply("input1", "subtract", gradient, share)
