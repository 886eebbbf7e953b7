"""A graph's builder with the words of transformers: short layers, in scopes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from foundation.dtype import DTYPES, Dtype
from workloads.build import GraphBuilder
from workloads.graph import Operator, Tensor
from workloads.indexing import Gather
from workloads.layers import (
    Concat,
    Convolution,
    Elementwise,
    Embedding,
    Linear,
    MatMul,
    Normalize,
    Reduce,
    Reshape,
    Slice,
    Transpose,
    Window,
)
from workloads.scan import add_selective_scan


class NetworkBuilder:
    """Adds layers to a graph; names are those of the open scopes and the layer's own.

    Parameters
    ----------
    name
        The network's name.
    batch
        Sequences at once.
    dtype
        Type of all but indices.
    """

    def __init__(self, name: str, batch: int, dtype: Dtype) -> None:
        self.graph = GraphBuilder(name, batch)
        self.dtype = dtype
        self._prefix = ""

    @contextmanager
    def scope(self, name: str) -> Iterator[None]:
        """Put ``name.`` before all names in the block."""
        outer = self._prefix
        self._prefix = f"{outer}{name}."
        yield
        self._prefix = outer

    def add(
        self, name: str, operator: Operator, *inputs: Tensor, share: str | None = None
    ) -> Tensor:
        """Add a layer, maybe with another one's parameters, and return its output."""
        return self.graph.add_layer(self._prefix + name, operator, inputs, share)

    def input(self, name: str, *shape: int) -> Tensor:
        """Add a tensor that is given with every inference."""
        return self.graph.add_input(self._prefix + name, shape, self.dtype)

    def indices(self, name: str, *shape: int) -> Tensor:
        """Add indices that are given with every inference."""
        return self.graph.add_input(self._prefix + name, shape, DTYPES["int32"])

    def learned(self, name: str, *shape: int) -> Tensor:
        """Add a learned tensor that belongs to no layer."""
        return self.graph.add_learned(self._prefix + name, shape, self.dtype)

    def embedding(
        self, name: str, indices: Tensor, entries: int, features: int, share: str | None = None
    ) -> Tensor:
        """Look up a row of a table, maybe that of another embedding, for every index."""
        operator = Embedding(entries=entries, features=features, dtype=self.dtype)
        return self.add(name, operator, indices, share=share)

    def gather(self, name: str, indices: Tensor, rows: Tensor) -> Tensor:
        """Look up a row of a tensor for every index."""
        return self.add(name, Gather(), rows, indices)

    def table(self, name: str) -> Tensor:
        """Return the table of an embedding by its full name."""
        return self.graph.tensors[f"{name}.table"]

    def linear(
        self, name: str, x: Tensor, out: int, *, bias: bool, activation: str = "identity"
    ) -> Tensor:
        """Multiply by a learned weight."""
        return self.add(name, Linear(out_features=out, bias=bias, activation=activation), x)

    def tied(
        self,
        name: str,
        x: Tensor,
        table: Tensor,
        *,
        bias: bool = False,
        activation: str = "identity",
    ) -> Tensor:
        """Multiply by an embedding's table."""
        operator = Linear(out_features=table.shape[0], bias=bias, tied=True, activation=activation)
        return self.add(name, operator, x, table)

    def product(
        self,
        name: str,
        equation: str,
        first: Tensor,
        second: Tensor,
        *,
        activation: str = "identity",
    ) -> Tensor:
        """Multiply two tensors as an equation says."""
        return self.add(name, MatMul(equation=equation, activation=activation), first, second)

    def convolution(
        self,
        name: str,
        x: Tensor,
        out: int,
        *windows: Window,
        groups: int = 1,
        bias: bool = True,
        activation: str = "identity",
    ) -> Tensor:
        """Convolve along all spatial axes."""
        operator = Convolution(
            out_channels=out, windows=windows, groups=groups, bias=bias, activation=activation
        )
        return self.add(name, operator, x)

    def function(self, name: str, function: str, *inputs: Tensor) -> Tensor:
        """Compute a function of one or two operands, element by element."""
        return self.add(name, Elementwise(function=function), *inputs)

    def normalize(self, name: str, function: str, x: Tensor) -> Tensor:
        """Normalize rows along the last axis."""
        return self.add(name, Normalize(function=function), x)

    def scale(self, name: str, x: Tensor, factor: float) -> Tensor:
        """Multiply by a number.

        Approximation: in int8 it is part of requantization and no layer.
        """
        if self.dtype.is_integer:
            return x
        constant = self.graph.add_learned(
            f"{self._prefix}{name}_factor", (1,), self.dtype, constant=factor
        )
        return self.function(name, "multiply", x, constant)

    def reshape(self, name: str, x: Tensor, *shape: int) -> Tensor:
        """Give the same elements another shape."""
        return self.add(name, Reshape(shape=shape), x)

    def transpose(self, name: str, x: Tensor, *permutation: int) -> Tensor:
        """Put the axes into another order."""
        return self.add(name, Transpose(permutation=permutation), x)

    def cut(self, name: str, x: Tensor, axis: int, start: int, stop: int) -> Tensor:
        """Return elements ``start`` to ``stop`` along an axis."""
        return self.add(name, Slice(axis=axis, start=start, stop=stop), x)

    def join(self, name: str, tensors: Sequence[Tensor], axis: int) -> Tensor:
        """Put tensors one after the other."""
        return self.add(name, Concat(axis=axis), *tensors)

    def scan(self, name: str, x: Tensor, time: Tensor, write: Tensor, read: Tensor) -> Tensor:
        """Move a state by every token, and read it."""
        return add_selective_scan(self.graph, self._prefix + name, x, time, write, read)

    def sum(self, name: str, x: Tensor, axis: int) -> Tensor:
        """Add up along an axis."""
        return self.add(name, Reduce(function="sum", axes=(axis,)), x)

    def maximum(self, name: str, x: Tensor, axis: int) -> Tensor:
        """Return the largest along an axis."""
        return self.add(name, Reduce(function="max", axes=(axis,)), x)
