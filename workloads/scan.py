"""A linear recurrence along an axis, and the selective scan of state space models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from foundation.dtype import Dtype
from foundation.errors import WorkloadError
from foundation.functions import FUNCTIONS
from workloads.build import GraphBuilder
from workloads.graph import Operator, Parameter, Tensor
from workloads.layers import Elementwise, MatMul, Reshape, Shape, positive_axis


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """``state[t] = first[t] · state[t - 1] + second[t]`` along an axis, from zeros: every state.

    In floating point a state stays in fp32 until the next one; an int8 state is rounded each time.
    """

    kind: ClassVar[str] = "scan"
    axis: int

    def output(self, inputs: Sequence[Tensor]) -> tuple[Shape, Dtype]:
        """Return the shape that both inputs have."""
        decay, added = inputs
        positive_axis(self.axis, len(decay.shape))
        if (decay.shape, decay.dtype) != (added.shape, added.dtype):
            raise WorkloadError(
                f"'{decay.name}' {list(decay.shape)} {decay.dtype} and '{added.name}'"
                f" {list(added.shape)} {added.dtype} must have one shape and one dtype"
            )
        return decay.shape, decay.dtype

    def parameters(self, inputs: Sequence[Tensor]) -> dict[str, Parameter]:
        """Return no parameters."""
        del inputs
        return {}

    def macs(self, inputs: Sequence[Tensor]) -> int:
        """Return zero: the vector unit does it."""
        del inputs
        return 0

    def operations(self, inputs: Sequence[Tensor]) -> int:
        """Return a multiplication and an addition for each element."""
        return inputs[0].size_elements * FUNCTIONS["scan"].operations


def add_selective_scan(
    builder: GraphBuilder,
    name: str,
    sequence: Tensor,
    time: Tensor,
    write: Tensor,
    read: Tensor,
) -> Tensor:
    """Add a selective scan: a state for each feature, which every token moves and reads.

    Of feature i, state s and token t, with the learned A:
    ``h[t] = exp(time[t, i] · A[i, s]) · h[t - 1] + time[t, i] · sequence[t, i] · write[t, s]``, and
    the result is the sum over s of ``h[t, i, s] · read[t, s]``.

    # Approximation: layers one after the other, where a fused kernel keeps decays and states on the
    chip; ``--across fusion`` does as far as they fit. A row, all tokens of a state, must fit the
    scratchpads.

    Parameters
    ----------
    builder
        Gets the layers, and A as ``name.decay_rate``.
    name
        Of the last layer, and before a dot of all others.
    sequence, time
        Shape ``[batch, tokens, features]``.
    write, read
        Shape ``[batch, tokens, states]``: B and C.

    Returns
    -------
    Tensor
        Shape ``[batch, tokens, features]``.

    Raises
    ------
    WorkloadError
        Shapes don't fit.

    References
    ----------
    .. [1] A. Gu and T. Dao, "Mamba: Linear-Time Sequence Modeling with Selective State Spaces",
       arXiv:2312.00752, algorithm 2.
    """
    _check(name, sequence, time, write, read)
    batch, tokens, features = sequence.shape
    states = write.shape[2]

    def add(own: str, operator: Operator, *inputs: Tensor) -> Tensor:
        return builder.add_layer(f"{name}.{own}", operator, inputs)

    multiply = Elementwise(function="multiply")
    rates = builder.add_learned(f"{name}.decay_rate", (features, states), sequence.dtype)
    rows = add("time_rows", Reshape(shape=(batch, tokens, features, 1)), time)
    decay = add("decayed", Elementwise(function="multiply", activation="exp"), rows, rates)
    moved = add("token_time", multiply, sequence, time)
    moved = add("moved", Reshape(shape=(batch, tokens, features, 1)), moved)
    columns = add("write_columns", Reshape(shape=(batch, tokens, 1, states)), write)
    added = add("added", multiply, moved, columns)
    every = add("states", Scan(axis=1), decay, added)
    column = add("read_column", Reshape(shape=(batch, tokens, states, 1)), read)
    result = add("state_read", MatMul(equation="btis,btso->btio"), every, column)
    return builder.add_layer(name, Reshape(shape=sequence.shape), [result])


def _check(name: str, sequence: Tensor, time: Tensor, write: Tensor, read: Tensor) -> None:
    if len(sequence.shape) != 3 or time.shape != sequence.shape:
        raise WorkloadError(
            f"layer '{name}': '{sequence.name}' {list(sequence.shape)} and the time"
            f" '{time.name}' {list(time.shape)} must both be [batch, tokens, features]"
        )
    fits = len(write.shape) == 3 and write.shape[:2] == sequence.shape[:2]
    if not fits or read.shape != write.shape:
        raise WorkloadError(
            f"layer '{name}': '{write.name}' {list(write.shape)} and '{read.name}'"
            f" {list(read.shape)} must both be [{sequence.shape[0]}, {sequence.shape[1]}, states]"
        )
