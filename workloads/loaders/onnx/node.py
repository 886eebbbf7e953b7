"""Nodes and arrays of an ONNX graph in plain Python, and what attributes have to be."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from foundation.errors import WorkloadError
from foundation.numerics import Array
from workloads.layers import Shape
from workloads.loaders.imported.importer import Importer
from workloads.loaders.imported.values import Value
from workloads.loaders.imported.weights import known_array

#: What a node's handler gets: an absent optional input is None.
Inputs = Sequence[Value | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One operator of the file.

    Parameters
    ----------
    name
        Its own, or its first output's.
    operator, domain
        What it computes; the standard operators' domain is empty.
    version
        Of the operator set in which it is meant.
    inputs, outputs
        Names of tensors, empty for those that are left out.
    attributes
        Numbers, lists of numbers, text as bytes, tensors as NumPy arrays.
    has_graph
        Whether a graph is among the attributes, as control flow has them.
    """

    name: str
    operator: str
    domain: str
    version: int
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]
    has_graph: bool = False

    def __str__(self) -> str:
        return f"node '{self.name}' ({self.operator})"

    def integer(self, name: str, default: int) -> int:
        """Return a whole number."""
        return int(self._typed(name, default, int))

    def number(self, name: str, default: float) -> float:
        """Return a real number."""
        return float(self._typed(name, default, (int, float)))

    def text(self, name: str, default: str) -> str:
        """Return text."""
        value = self._typed(name, default, (bytes, str))
        return value.decode(errors="replace") if isinstance(value, bytes) else str(value)

    def integers(self, name: str, default: Sequence[int] | None = None) -> tuple[int, ...] | None:
        """Return whole numbers."""
        value = self._typed(name, default, (list, tuple, type(None)))
        if value is None:
            return None
        if not all(isinstance(item, int) for item in value):
            raise WorkloadError(f"attribute '{name}' must be whole numbers but is {value}")
        return tuple(value)

    def _typed(self, name: str, default: Any, types: Any) -> Any:
        value = self.attributes.get(name, default)
        if not isinstance(value, types):
            raise WorkloadError(f"attribute '{name}' is of the wrong type: {str(value)[:60]}")
        return value


#: Returns the outputs of a node as layers of the graph so far compute them.
Handler = Callable[[Importer, Node, Inputs], Value | Sequence[Value]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """An array of the file.

    Parameters
    ----------
    shape
        Its sizes.
    is_float
        Whether it holds floating-point numbers.
    known
        Its elements, if they are in the file and few.
    is_learned
        Whether it counts as a parameter.
    """

    shape: Shape
    is_float: bool
    known: Array | None
    is_learned: bool


def needed(inputs: Inputs, place: int) -> Value:
    """Return an input that may not be left out."""
    value = inputs[place] if place < len(inputs) else None
    if value is None:
        raise WorkloadError(f"its input {place} is missing")
    return value


def optional(inputs: Inputs, place: int) -> Value | None:
    """Return an input, or None where it is left out."""
    return inputs[place] if place < len(inputs) else None


def array_of(value: Value, what: str) -> Array:
    """Return the elements of an input that have to be known while the file is read."""
    array = known_array(value)
    if array is None:
        raise WorkloadError(
            f"{what} must be known while the file is read, but it is computed from inputs or its"
            " values aren't in the file"
        )
    return array


def integers_of(node: Node, inputs: Inputs, name: str, place: int) -> tuple[int, ...] | None:
    """Return what is an attribute in older operator sets and an input in newer ones."""
    value = optional(inputs, place)
    if value is None:
        return node.integers(name)
    array = array_of(value, f"'{name}'")
    if not np.issubdtype(array.dtype, np.integer):
        raise WorkloadError(f"'{name}' must be whole numbers but is {array.dtype}")
    return tuple(int(item) for item in array.flat)


def axis_of(axis: int, rank: int) -> int:
    """Return an axis counted from the front."""
    if not -rank <= axis < rank:
        raise WorkloadError(f"axis {axis} must lie in {-rank}..{rank - 1} for {rank} axes")
    return axis % rank


def axes_of(axes: Sequence[int], rank: int) -> tuple[int, ...]:
    """Return axes counted from the front, each once."""
    positive = tuple(axis_of(axis, rank) for axis in axes)
    if len(set(positive)) != len(positive):
        raise WorkloadError(f"axes {list(axes)} must be different")
    return positive
