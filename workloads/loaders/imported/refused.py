"""What foreign operators may do and no layer of ours does."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from foundation.errors import WorkloadError
from workloads.build import takes_indices
from workloads.graph import Operator, Tensor
from workloads.loaders.imported.values import Pending


class UnsupportedError(WorkloadError):
    """What a foreign operator may do and no layer of ours does."""


def check_numbers(inputs: Iterable[Tensor | Pending]) -> None:
    """Refuse to compute on integers.

    Raises
    ------
    UnsupportedError
        There are some.
    """
    for source in inputs:
        if source.dtype.name == "int32":
            raise UnsupportedError(f"computes on '{source.name}', which holds integers")


def check_operands(operator: Operator, inputs: Sequence[Tensor]) -> None:
    """Refuse to compute on integers, but for operators that take indices.

    Raises
    ------
    UnsupportedError
        There are some.
    """
    if not takes_indices(operator):
        check_numbers(inputs)
