"""What a gradient rule sees of the layer that it goes back through."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass

from workloads.graph import Graph, Layer, Tensor
from workloads.training.draft import Steps


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A layer on the way back.

    Parameters
    ----------
    graph
        The forward pass.
    layer
        The layer.
    gradient
        What the loss changes by with the layer's result, before its activation if it has one.
    steps
        Adds layers.
    value
        Name of a forward tensor to what holds its value now: itself, or what was computed again.
    wanted
        Tensors whose gradients are needed.
    """

    graph: Graph
    layer: Layer
    gradient: Tensor
    steps: Steps
    value: Callable[[str], Tensor]
    wanted: Collection[str]

    def operand(self, number: int = 0) -> Tensor:
        """Return an input's value."""
        return self.value(self.layer.inputs[number])

    def known(self, number: int = 0) -> Tensor:
        """Return an input whose value isn't needed, only its shape and type."""
        return self.graph.tensors[self.layer.inputs[number]]

    @property
    def parameters(self) -> Mapping[str, Tensor]:
        """What the layer has learned, by role."""
        return self.graph.parameter_tensors(self.layer)

    def wants(self, number: int = 0) -> bool:
        """Whether an input's gradient is needed."""
        return self.layer.inputs[number] in self.wanted

    def to(self, number: int, gradient: Tensor) -> tuple[str, Tensor]:
        """Return a gradient as an input's."""
        return self.layer.inputs[number], gradient


#: A rule yields the gradients of a layer's inputs and parameters as (tensor's name, gradient).
Rule = Callable[[Node], Iterator[tuple[str, Tensor]]]
