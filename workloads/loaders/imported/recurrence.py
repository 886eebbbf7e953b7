"""LSTM and GRU of foreign tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from workloads.build import GraphBuilder
from workloads.graph import Tensor
from workloads.loaders.imported import movement
from workloads.loaders.imported.importer import Importer
from workloads.loaders.imported.values import Value, lying
from workloads.loaders.imported.weights import Learned
from workloads.recurrent import STATES, Recurrence, add_recurrence


@dataclass(frozen=True, slots=True, kw_only=True)
class Direction:
    """One direction of one recurrent layer.

    Parameters
    ----------
    learned
        ``(layer, role)`` to what is learned: the products of the input and of the state with their
        biases, as `workloads.recurrent` names them.
    hidden
        Size of the state.
    states
        h, and c of an LSTM, before the first step, shape ``[batch, hidden]``; none for zeros.
    reverse
        Whether it goes from the sequence's end to its start.
    """

    learned: Mapping[tuple[str, str], Learned]
    hidden: int
    states: Sequence[Value] = ()
    reverse: bool = False


def recurrence(
    to: Importer, name: str, kind: str, sequence: Value, directions: Sequence[Direction]
) -> tuple[Value, list[list[Value]]]:
    """Return the states h after every step, and all states after the last one.

    Parameters
    ----------
    to, name
        Where the layers are put, and what they are called.
    kind
        ``lstm`` or ``gru``.
    sequence
        Shape ``[batch, steps, features]``.
    directions
        One or two, whose results lie side by side.

    Returns
    -------
    tuple
        ``[batch, steps, hidden · directions]``; h of each direction, and c of an LSTM, each
        ``[batch, hidden]``.
    """
    tensor = to.tensor(sequence, (0, 1, 2))
    batch, steps, _ = sequence.shape
    results: list[Value] = []
    ends: list[list[Value]] = [[] for _ in range(STATES[kind])]
    for direction in directions:
        own = Recurrence(
            kind=kind,
            hidden=direction.hidden,
            bias=("input", "bias") in direction.learned,
            reverse=direction.reverse,
        )
        shape = (batch, 1, direction.hidden)
        states = [to.tensor(to.reshaped(v, shape), (0, 1, 2)) for v in direction.states]
        add = partial(_added, sequence=tensor, own=own, states=states)
        result = lying(to.compose(name, add, direction.learned), (0, 1, 2))
        results.append(result)
        place = 0 if direction.reverse else steps - 1
        end = movement.cut(to, f"{name}.last", result, 1, place, place + 1)
        ends[0].append(to.reshaped(end, (batch, direction.hidden)))
        if kind == "lstm":
            assert isinstance(result.source, Tensor)
            cell = lying(to.computed(f"{result.source.name}.{steps - 1}.c"), (0, 1, 2))
            ends[1].append(to.reshaped(cell, (batch, direction.hidden)))
    return movement.concat(to, name, results, 2), ends


def _added(
    builder: GraphBuilder,
    name: str,
    *,
    sequence: Tensor,
    own: Recurrence,
    states: Sequence[Tensor],
) -> Tensor:
    return add_recurrence(builder, name, sequence, own, states)
