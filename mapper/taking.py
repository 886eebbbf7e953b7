"""Values of some nests, taken out of arrays over a grid of nests, and lists of them joined."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]
Reals = NDArray[np.float64]

#: The part of a grid up to which it pays to leave the others out.
_NARROW = 0.75


class Take(Protocol):
    """Takes the values of some nests out of arrays over a grid of nests."""

    def __call__(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return the values of an array that broadcasts to the grid: of one for all just that."""

    def each(self, values: Counts) -> Counts:
        """Return the values of a column: an axis for each of the new arrangement of nests."""


class Listed:
    """Takes nests one by one.

    Parameters
    ----------
    shape
        Of the grid.
    numbers
        Of the nests that are taken.
    """

    def __init__(self, shape: tuple[int, ...], numbers: Counts) -> None:
        self._count = len(numbers)
        self._index = np.unravel_index(numbers, shape)
        self._flat: dict[tuple[int, ...], Counts] = {}

    def __call__(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return values as `Take` says."""
        if values.size == 1:
            return values.reshape(())
        shape = values.shape
        if shape not in self._flat:
            numbers: Any = 0
            for size, index in zip(shape, self._index[-len(shape) :], strict=True):
                numbers = numbers * size + (index if size > 1 else 0)
            self._flat[shape] = numbers
        return values.take(self._flat[shape])

    def each(self, values: Counts) -> Counts:
        """Return one value for each of the nests."""
        found = self(values)
        return found if found.ndim else np.full(self._count, found)


class Narrowed:
    """Takes the nests of some choices along each axis of the grid: a smaller grid.

    Parameters
    ----------
    choices
        Along each axis the choices that are taken; None for all.
    """

    def __init__(self, choices: Sequence[Counts | None]) -> None:
        self._choices = [(axis, some) for axis, some in enumerate(choices) if some is not None]

    @classmethod
    def to(cls, rows: NDArray[np.bool_]) -> Narrowed | None:
        """Return what takes the least grid with all nests that are true; None for all, or none."""
        choices: list[Counts | None] = []
        left = 1.0
        for axis, size in enumerate(rows.shape):
            others = tuple(other for other in range(rows.ndim) if other != axis)
            some = np.flatnonzero(rows.any(axis=others)) if size > 1 else None
            choices.append(some if some is not None and len(some) < size else None)
            left *= 1 if some is None else len(some) / size
        return cls(choices) if 0 < left <= _NARROW else None

    def __call__(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return values as `Take` says."""
        if values.size > 1:
            for axis, some in self._choices:
                if values.shape[axis] > 1:
                    values = values.take(some, axis)
        return values

    each = __call__


def joined(columns: Sequence[NDArray[Any]], counts: Sequence[int]) -> NDArray[Any]:
    """Return one column of several, of which each is of so many nests, or one value for all."""
    if len(columns) == 1:
        return columns[0]
    if not any(column.ndim for column in columns) and len({c.item() for c in columns}) == 1:
        return columns[0]
    pairs = zip(columns, counts, strict=True)
    return np.concatenate([c if c.ndim else np.full(count, c) for c, count in pairs])
