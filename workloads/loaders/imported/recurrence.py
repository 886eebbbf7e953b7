"""LSTM and GRU of foreign tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from workloads.loaders.imported import movement
from workloads.loaders.imported.importer import Importer, Learned
from workloads.loaders.imported.values import Value, lying
from workloads.recurrent import Recurrence, add_recurrence


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
) -> tuple[Value, list[Value]]:
    """Return the states after every step, and after the last one of each direction.

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
        ``[batch, steps, hidden · directions]``, and ``[batch, hidden]`` for each direction.
    """
    tensor = to.tensor(sequence, (0, 1, 2))
    batch, steps, _ = sequence.shape
    results, last = [], []
    for direction in directions:
        own = Recurrence(
            kind=kind,
            hidden=direction.hidden,
            bias=("input", "bias") in direction.learned,
            reverse=direction.reverse,
        )
        shape = (batch, 1, direction.hidden)
        states = [to.tensor(to.reshaped(v, shape), (0, 1, 2)) for v in direction.states]
        result = lying(
            to.compose(
                name,
                lambda builder, called, own=own, states=states: add_recurrence(  # type: ignore[misc]
                    builder, called, tensor, own, states
                ),
                direction.learned,
            ),
            (0, 1, 2),
        )
        results.append(result)
        place = 0 if direction.reverse else steps - 1
        end = movement.cut(to, f"{name}.last", result, 1, place, place + 1)
        last.append(to.reshaped(end, (batch, direction.hidden)))
    return movement.concat(to, name, results, 2), last
