"""ONNX's LSTM and GRU as calls of the importer."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from foundation.errors import WorkloadError
from foundation.numerics import Array
from workloads.loaders.imported import movement
from workloads.loaders.imported.importer import Importer
from workloads.loaders.imported.recurrence import Direction, recurrence
from workloads.loaders.imported.refused import UnsupportedError
from workloads.loaders.imported.values import Value
from workloads.loaders.imported.weights import Learned, learned_of, number_of, weight_of
from workloads.loaders.onnx.node import Handler, Inputs, Node, needed, optional

#: Places of PyTorch's gates among ONNX's: i o f c becomes i f g o, and z r h becomes r z n.
_ORDERS = {"lstm": (0, 2, 3, 1), "gru": (1, 0, 2)}
_ACTIVATIONS = {"lstm": ["sigmoid", "tanh", "tanh"], "gru": ["sigmoid", "tanh"]}


def _recurrent(to: Importer, node: Node, inputs: Inputs, *, kind: str) -> Sequence[Value]:
    """Return the states after every step, and after the last one."""
    _check(node, kind, inputs)
    sequence, weight, state = (needed(inputs, place) for place in range(3))
    hidden, count = state.shape[-1], weight.shape[0]
    way = node.text("direction", "forward")
    first = [optional(inputs, place) for place in ((5, 6) if kind == "lstm" else (5,))]
    directions = [
        Direction(
            learned=_gates(to, kind, weight, state, optional(inputs, 3), number),
            hidden=hidden,
            states=_states(to, node, first, number),
            reverse=way == "reverse" or number == 1,
        )
        for number in range(count)
    ]
    batched = sequence if node.integer("layout", 0) else sequence.transposed((1, 0, 2))
    whole, ends = recurrence(to, node.name, kind, batched, directions)
    batch, steps, _ = whole.shape
    apart = to.reshaped(whole, (batch, steps, count, hidden))
    results = [movement.stack(to, f"{node.name}.ends", each, 0) for each in ends]
    if node.integer("layout", 0):
        return [apart, *(end.transposed((1, 0, 2)) for end in results)]
    return [apart.transposed((1, 2, 0, 3)), *results]


def _check(node: Node, kind: str, inputs: Inputs) -> None:
    named = node.attributes.get("activations")
    names = [n.decode().lower() if isinstance(n, bytes) else str(n).lower() for n in named or ()]
    if any(names[at : at + len(_ACTIVATIONS[kind])] != _ACTIVATIONS[kind] for at in _starts(names)):
        raise UnsupportedError(f"its activations are {names} but only the usual ones are known")
    if kind == "gru" and not node.integer("linear_before_reset", 0):
        raise UnsupportedError("resets the state before its product; only behind it is known")
    if node.attributes.get("clip") or node.integer("input_forget", 0):
        raise UnsupportedError("clips its gates or joins two, which isn't known")
    if optional(inputs, 7) is not None:
        raise UnsupportedError("has peepholes, which aren't known")
    # Approximation: all sequences are as long as the longest; other lengths are left out.


def _starts(names: Sequence[str]) -> range:
    return range(0, len(names), 3 if len(names) % 3 == 0 else 2)


def _gates(
    to: Importer, kind: str, weight: Value, state: Value, bias: Value | None, number: int
) -> dict[tuple[str, str], Learned]:
    """Return what one direction learns, gates in PyTorch's order."""
    if any(value is not None and weight_of(value) is None for value in (weight, state, bias)):
        raise UnsupportedError("its weights are computed but must be arrays of the file")
    dtype, order = to.dtype.numpy, list(_ORDERS[kind])

    def turned(array: Array) -> Array:
        own = array[number]
        gates = own.reshape(len(order), -1, own.shape[-1])[order]
        result: Array = gates.reshape(own.shape).T.astype(dtype)
        return result

    def half(array: Array, place: int) -> Array:
        gates = np.split(array[number], 2)[place].reshape(len(order), -1)[order]
        return gates.reshape(-1).astype(np.float32)

    learned = {
        ("input", "weight"): learned_of(weight, turned, number),
        ("0.state", "weight"): learned_of(state, turned, number),
    }
    if bias is not None:
        learned["input", "bias"] = learned_of(bias, lambda array: half(array, 0), number, 0)
        learned["0.state", "bias"] = learned_of(bias, lambda array: half(array, 1), number, 1)
    return learned


def _states(to: Importer, node: Node, first: Sequence[Value | None], number: int) -> list[Value]:
    """Return the states that a direction starts with; none for zeros."""
    given = [state for state in first if state is not None and number_of(state) != 0]
    if not given:
        return []
    if len(given) < len(first):
        raise WorkloadError("needs all first states, or none")
    axis = 1 if node.integer("layout", 0) else 0
    return [movement.pick(to, f"{node.name}.first", state, axis, number) for state in given]


HANDLERS: dict[str, Handler] = {
    "GRU": partial(_recurrent, kind="gru"),
    "LSTM": partial(_recurrent, kind="lstm"),
}
