"""ONNX's functions that several functions of the vector unit make up, exactly."""

from __future__ import annotations

from functools import partial

import numpy as np

from foundation.errors import WorkloadError
from workloads.loaders.imported import functions, vector
from workloads.loaders.imported.importer import Importer
from workloads.loaders.imported.indices import operand
from workloads.loaders.imported.refused import UnsupportedError
from workloads.loaders.imported.values import Value
from workloads.loaders.imported.weights import constant_value
from workloads.loaders.onnx.node import Handler, Inputs, Node, array_of, axes_of, axis_of, needed


def _compared(to: Importer, node: Node, inputs: Inputs, *, swapped: bool, negated: bool) -> Value:
    """Return 1 where one number is greater than the other, else 0; of numbers that are any."""
    left, right = needed(inputs, 0), needed(inputs, 1)
    pair = (right, left) if swapped else (left, right)
    found = vector.binary(to, node.name, "greater", *pair)
    return functions.negation(to, f"{node.name}.not", found) if negated else found


def _equal(to: Importer, node: Node, inputs: Inputs) -> Value:
    return functions.equal(to, node.name, needed(inputs, 0), needed(inputs, 1))


def _not(to: Importer, node: Node, inputs: Inputs) -> Value:
    return functions.negation(to, node.name, operand(to, needed(inputs, 0)))


def _both(to: Importer, node: Node, inputs: Inputs, *, function: str) -> Value:
    both = [operand(to, needed(inputs, place)) for place in range(2)]
    return vector.binary(to, node.name, function, *both)


def _either(to: Importer, node: Node, inputs: Inputs) -> Value:
    """Return 1 where one of two is 1, not both: their distance."""
    apart = _both(to, node, inputs, function="subtract")
    return vector.unary(to, f"{node.name}.absolute", "absolute", apart)


def _sign(to: Importer, node: Node, inputs: Inputs) -> Value:
    return functions.sign(to, node.name, needed(inputs, 0))


def _celu(to: Importer, node: Node, inputs: Inputs) -> Value:
    return functions.celu(to, node.name, needed(inputs, 0), node.number("alpha", 1.0))


def _thresholded_relu(to: Importer, node: Node, inputs: Inputs) -> Value:
    value = needed(inputs, 0)
    above = _beyond(to, f"{node.name}.above", value, node.number("alpha", 1.0))
    return vector.binary(to, node.name, "multiply", value, above)


def _beyond(to: Importer, name: str, value: Value, bound: float) -> Value:
    limit = constant_value(to, f"{name}.limit", np.asarray(bound, np.float32))
    return vector.binary(to, name, "greater", value, limit)


def _shrink(to: Importer, node: Node, inputs: Inputs) -> Value:
    """Return 0 within a distance of 0, and what is beyond that nearer by a number."""
    value, bias = needed(inputs, 0), node.number("bias", 0.0)
    bound = node.number("lambd", 0.5)
    if bound < 0:
        raise UnsupportedError(f"its lambd is {bound:g} but only distances are known")
    sides = []
    negative = vector.unary(to, f"{node.name}.negative", "negative", value)
    for side, turned, function in (("above", value, "subtract"), ("below", negative, "add")):
        beyond = _beyond(to, f"{node.name}.{side}", turned, bound)
        moved = vector.with_number(to, f"{node.name}.{side}", function, value, bias)
        sides.append(vector.binary(to, f"{node.name}.{side}", "multiply", moved, beyond))
    return vector.binary(to, node.name, "add", *sides)


def _running_sum(to: Importer, node: Node, inputs: Inputs) -> Value:
    value = needed(inputs, 0)
    axis = axis_of(int(array_of(needed(inputs, 1), "'axis'").reshape(())), value.rank)
    return functions.running_sum(
        to,
        node.name,
        value,
        axis,
        exclusive=bool(node.integer("exclusive", 0)),
        reverse=bool(node.integer("reverse", 0)),
    )


def _norm(to: Importer, node: Node, inputs: Inputs) -> Value:
    """Return a value over the root of its squares' sum along an axis, or over its magnitudes'."""
    value = needed(inputs, 0)
    axis, power = axis_of(node.integer("axis", -1), value.rank), node.integer("p", 2)
    if power not in (1, 2):
        raise WorkloadError(f"its p is {power} but must be 1 or 2")
    if power == 1:
        size = vector.unary(to, f"{node.name}.absolute", "absolute", value)
    else:
        size = functions.square(to, f"{node.name}.square", value)
    total = vector.reduce(to, f"{node.name}.sum", "sum", size, [axis], keeps=True)
    if power == 2:
        total = vector.unary(to, f"{node.name}.root", "sqrt", total)
    total = functions.nonzero_sum(to, f"{node.name}.norm", total)
    return vector.binary(to, node.name, "divide", value, total)


def _response_norm(to: Importer, node: Node, inputs: Inputs) -> Value:
    value, size = needed(inputs, 0), node.integer("size", 1)
    if value.rank < 2 or size < 1:
        raise WorkloadError(f"needs channels and a size of at least 1 but has {size}")
    alpha, beta = node.number("alpha", 1e-4), node.number("beta", 0.75)
    return functions.response_norm(
        to, node.name, value, size, alpha, beta, node.number("bias", 1.0)
    )


def _standard(to: Importer, node: Node, inputs: Inputs) -> Value:
    """Return a value with mean 0 and deviation 1 over some axes."""
    value = needed(inputs, 0)
    axes = axes_of(node.integers("axes") or (0, 2, 3), value.rank)
    mean, variance = functions.moments(to, node.name, value, axes, keeps=True)
    centred = vector.binary(to, f"{node.name}.distance", "subtract", value, mean)
    deviation = vector.unary(to, f"{node.name}.deviation", "sqrt", variance)
    return vector.binary(to, node.name, "divide", centred, deviation)


HANDLERS: dict[str, Handler] = {
    "And": partial(_both, function="multiply"),
    "Celu": _celu,
    "CumSum": _running_sum,
    "Equal": _equal,
    "Greater": partial(_compared, swapped=False, negated=False),
    "GreaterOrEqual": partial(_compared, swapped=True, negated=True),
    "LRN": _response_norm,
    "Less": partial(_compared, swapped=True, negated=False),
    "LessOrEqual": partial(_compared, swapped=False, negated=True),
    "LpNormalization": _norm,
    "MeanVarianceNormalization": _standard,
    "Not": _not,
    "Or": partial(_both, function="maximum"),
    "Shrink": _shrink,
    "Sign": _sign,
    "ThresholdedRelu": _thresholded_relu,
    "Xor": _either,
}
