"""Recurrent networks over a sequence, step by step: LSTM and GRU with PyTorch's weights.

The input's share of the gates is one product over the whole sequence; each step multiplies the
state before it by weights that all steps share. Steps are layers called ``NAME.0.…``, ``NAME.1.…``
in the order in which they run; what is given to the builder under ``NAME`` has all their results.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from workloads.build import GraphBuilder
from workloads.graph import Operator, Tensor
from workloads.layers import Concat, Elementwise, Linear, Reshape, Slice

#: Gates of each kind of cell: i, f, g and o of an LSTM, r, z and n of a GRU, in PyTorch's order.
GATES = {"lstm": 4, "gru": 3}
#: State tensors of each: h and c, or h.
STATES = {"lstm": 2, "gru": 1}
#: Layers of a step at most, for limits.
LAYERS_A_STEP = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Recurrence:
    """A recurrent layer.

    Parameters
    ----------
    kind
        ``lstm`` or ``gru``.
    hidden
        Size of the state.
    bias
        Whether both products have one, as in PyTorch.
    reverse
        Whether it goes from the sequence's end to its start.

    References
    ----------
    .. [1] PyTorch, "torch.nn.LSTM" and "torch.nn.GRU",
       https://docs.pytorch.org/docs/stable/generated/torch.nn.LSTM.html
    """

    kind: str
    hidden: int
    bias: bool = True
    reverse: bool = False


def add_recurrence(
    builder: GraphBuilder,
    name: str,
    sequence: Tensor,
    recurrence: Recurrence,
    states: Sequence[Tensor] = (),
) -> Tensor:
    """Add a recurrent layer, and return the state h after every step.

    Parameters
    ----------
    builder
        Gets the layers, and zeros as the first state where none is given.
    name
        Of the last layer, and before a dot of all others.
    sequence
        Shape ``[batch, steps, features]``.
    recurrence
        What is computed.
    states
        h, and c of an LSTM, before the first step, shape ``[batch, 1, hidden]``; none for zeros.

    Returns
    -------
    Tensor
        Shape ``[batch, steps, hidden]``, in the sequence's order.
    """
    batch, steps, _ = sequence.shape
    gates = GATES[recurrence.kind] * recurrence.hidden
    product = Linear(out_features=gates, bias=recurrence.bias)
    projected = builder.add_layer(f"{name}.input", product, [sequence])
    if not states:
        shape = (batch, 1, recurrence.hidden)
        zeros = builder.add_learned(f"{name}.zeros", shape, sequence.dtype, constant=0.0)
        states = (zeros,) * STATES[recurrence.kind]
    step_of = _lstm_step if recurrence.kind == "lstm" else _gru_step
    results: dict[int, Tensor] = {}
    order = range(steps)
    for number, place in enumerate(reversed(order) if recurrence.reverse else order):
        step = _Step(builder, f"{name}.{number}.", recurrence.hidden)
        now = step.add("input", Slice(axis=1, start=place, stop=place + 1), projected)
        shared = f"{name}.0.state" if number else None
        before = builder.add_layer(f"{name}.{number}.state", product, [states[0]], share=shared)
        states = step_of(step, now, before, states)
        results[place] = states[0]
    ordered = [results[place] for place in order]
    if steps == 1:
        return builder.add_layer(name, Reshape(shape=ordered[0].shape), ordered)
    return builder.add_layer(name, Concat(axis=1), ordered)


def add_bidirectional(
    builder: GraphBuilder, name: str, sequence: Tensor, recurrence: Recurrence
) -> Tensor:
    """Add a recurrent layer in both directions; results lie side by side, forwards first."""
    both = [
        add_recurrence(
            builder,
            f"{name}.{direction}",
            sequence,
            Recurrence(
                kind=recurrence.kind,
                hidden=recurrence.hidden,
                bias=recurrence.bias,
                reverse=direction == "backwards",
            ),
        )
        for direction in ("forwards", "backwards")
    ]
    return builder.add_layer(name, Concat(axis=2), both)


class _Step:
    """Adds the layers of one step."""

    def __init__(self, builder: GraphBuilder, prefix: str, hidden: int) -> None:
        self._builder = builder
        self._prefix = prefix
        self._hidden = hidden

    def add(self, name: str, operator: Operator, *inputs: Tensor) -> Tensor:
        """Add any layer."""
        return self._builder.add_layer(self._prefix + name, operator, inputs)

    def apply(self, name: str, function: str, *inputs: Tensor, activation: str = "") -> Tensor:
        """Add a function, and an activation behind it."""
        operator = Elementwise(function=function, activation=activation or "identity")
        return self.add(name, operator, *inputs)

    def gate(self, name: str, tensor: Tensor, first: int, count: int = 1) -> Tensor:
        """Take some gates, from number ``first`` on."""
        start, stop = first * self._hidden, (first + count) * self._hidden
        return self.add(name, Slice(axis=2, start=start, stop=stop), tensor)


def _lstm_step(
    step: _Step, now: Tensor, before: Tensor, states: Sequence[Tensor]
) -> tuple[Tensor, ...]:
    """Return h = o · tanh(c) and c = f · c + i · g."""
    total = step.apply("gates", "add", now, before)
    i, f, g, o = (
        step.apply(letter, function, step.gate(f"{letter}_sum", total, number))
        for number, (letter, function) in enumerate(
            (("i", "sigmoid"), ("f", "sigmoid"), ("g", "tanh"), ("o", "sigmoid"))
        )
    )
    kept = step.apply("kept", "multiply", f, states[1])
    cell = step.apply("c", "add", kept, step.apply("new", "multiply", i, g))
    return step.apply("h", "multiply", o, step.apply("c_tanh", "tanh", cell)), cell


def _gru_step(
    step: _Step, now: Tensor, before: Tensor, states: Sequence[Tensor]
) -> tuple[Tensor, ...]:
    """Return h = n + z · (h - n), which is (1 - z) · n + z · h."""
    own, others = step.gate("rz_input", now, 0, 2), step.gate("rz_state", before, 0, 2)
    rz = step.apply("rz", "add", own, others, activation="sigmoid")
    r, z = step.gate("r", rz, 0), step.gate("z", rz, 1)
    reset = step.apply("reset", "multiply", r, step.gate("n_state", before, 2))
    n = step.apply("n", "add", step.gate("n_input", now, 2), reset, activation="tanh")
    change = step.apply("change", "subtract", states[0], n)
    return (step.apply("h", "add", n, step.apply("kept", "multiply", z, change)),)
