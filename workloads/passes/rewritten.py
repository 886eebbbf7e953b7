"""What a pass hands on: the new network, what changed in words, and where new values come from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from foundation.numerics import Array
from workloads.graph import Graph, Layer, TensorKind
from workloads.layers import MatMul, Reshape, Slice, Transpose
from workloads.loaders.write import operator_name


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewrite:
    """One change in words.

    Parameters
    ----------
    by
        Name of the pass.
    before, after
        The layers that were there, and what stands in their place.
    reason
        Why the value stays the same.
    """

    by: str
    before: str
    after: str
    reason: str

    def __str__(self) -> str:
        return f"{self.by}: {self.before} -> {self.after} ({self.reason})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How the value of a new parameter follows from older values.

    Parameters
    ----------
    name
        The new parameter.
    sources
        The parameters that it follows from, which may be new ones themselves.
    compute
        Takes the values of ``sources`` in their order and returns the new one.
    """

    name: str
    sources: tuple[str, ...]
    compute: Callable[..., Array]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewritten:
    """A network after passes.

    What keeps its name keeps its value: tensors are dropped and added, never changed.

    Parameters
    ----------
    graph
        The network as it is now.
    outputs
        Names of the layers whose values are kept whatever happens.
    rewrites
        What changed, in order.
    recipes
        Where the values of new parameters come from, in an order in which they can be computed.
    """

    graph: Graph
    outputs: tuple[str, ...]
    rewrites: tuple[Rewrite, ...] = ()
    recipes: tuple[Recipe, ...] = ()

    def tensors(self, original: Mapping[str, Array]) -> dict[str, Array]:
        """Return the values of the new network's inputs and parameters.

        Parameters
        ----------
        original
            Values of the original network's inputs and parameters, as `workloads.evaluate` takes
            them.
        """
        values = dict(original)
        for recipe in self.recipes:
            values[recipe.name] = recipe.compute(*(values[name] for name in recipe.sources))
        return {
            tensor.name: values[tensor.name]
            for tensor in self.graph.tensors.values()
            if tensor.kind is not TensorKind.ACTIVATION
        }

    def then(self, later: Rewritten) -> Rewritten:
        """Return both changes as one; ``later`` started from this graph."""
        return Rewritten(
            graph=later.graph,
            outputs=later.outputs,
            rewrites=self.rewrites + later.rewrites,
            recipes=self.recipes + later.recipes,
        )


def in_words(layers: Sequence[Layer]) -> str:
    """Return layers as ``b = relu(a), c = add(b, a)``."""
    return ", ".join(_assignment(layer) for layer in layers)


def _assignment(layer: Layer) -> str:
    operands = [*layer.inputs]
    match layer.operator:
        case MatMul() as operator:
            operands.append(operator.equation.replace(" ", ""))
        case Reshape() as operator:
            operands.append(str(list(operator.shape)))
        case Transpose() as operator:
            operands.append(str(list(operator.permutation)))
        case Slice() as operator:
            steps = f":{operator.step}" if operator.step > 1 else ""
            operands.append(f"{operator.start}:{operator.stop}{steps}")
    return f"{layer.name} = {operator_name(layer.operator)}({', '.join(operands)})"
