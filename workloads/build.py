"""Put a graph together layer by layer, inferring shapes: what every loader ends in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import prod

from foundation.dtype import Dtype
from foundation.errors import WorkloadError
from foundation.stored import Stored
from workloads.graph import Graph, Layer, Operator, Parameter, Tensor, TensorKind
from workloads.layers import (
    Concat,
    Convolution,
    Embedding,
    Linear,
    Reshape,
    Shape,
    Slice,
    Transpose,
)
from workloads.transposed import TransposedConvolution

#: More elements than any machine holds: a typing error, and a limit for 64-bit addresses.
MAX_ELEMENTS = 10**15
#: More layers than any network has, and what fits memory.
MAX_LAYERS = 100_000
#: The operators that take indices: they only move data, or say so with ``takes_indices``.
_MOVES = (Embedding, Concat, Slice, Reshape, Transpose)
#: The operators whose weight may be given.
_PRODUCTS = (Convolution, TransposedConvolution, Linear)


class GraphBuilder:
    """Collects tensors and layers; `build` returns the graph.

    Parameters
    ----------
    name
        The network's name.
    batch
        Inferences computed at once.
    """

    def __init__(self, name: str, batch: int) -> None:
        self._name = name
        self._batch = batch
        self._layers: dict[str, Layer] = {}
        self.tensors: dict[str, Tensor] = {}

    @classmethod
    def of(cls, graph: Graph) -> GraphBuilder:
        """Return a builder that has everything of a graph already."""
        builder = cls(graph.name, graph.batch)
        builder._layers.update({layer.name: layer for layer in graph.layers})
        builder.tensors.update(graph.tensors)
        return builder

    @property
    def layer_count(self) -> int:
        """Layers added so far."""
        return len(self._layers)

    def add_input(self, name: str, shape: Shape, dtype: Dtype) -> Tensor:
        """Add a tensor that is given with every inference."""
        return self._add(f"input '{name}'", name, shape, dtype, TensorKind.INPUT, 0)

    def add_learned(
        self,
        name: str,
        shape: Shape,
        dtype: Dtype,
        constant: float | None = None,
        trainable: int | None = None,
    ) -> Tensor:
        """Add a learned tensor that belongs to no layer: a position embedding, a class token.

        With ``constant`` nothing is learned: all elements are that number, rounded to the dtype.
        ``trainable`` is how many parameters it counts as, where those aren't its elements: 0 for a
        stored table that nobody learns.

        Raises
        ------
        WorkloadError
            The name is taken, or the dtype doesn't reach as far as the constant.
        """
        what = f"learned tensor '{name}'"
        if constant is None:
            count = prod(shape) if trainable is None else trainable
            return self._add(what, name, shape, dtype, TensorKind.PARAMETER, count)
        held = _held(what, constant, dtype)
        return self._add(what, name, shape, dtype, TensorKind.PARAMETER, 0, held)

    def add_layer(
        self,
        name: str,
        operator: Operator,
        inputs: Sequence[Tensor],
        share: str | None = None,
    ) -> Tensor:
        """Add a layer with its parameters, and return its output.

        With ``share`` it has the parameters of an earlier layer of that name.

        Raises
        ------
        WorkloadError
            ``layer '<name>': <rule>`` when the operator can't work on these inputs, or the other
            layer's parameters aren't what it needs.
        """
        what = f"layer '{name}'"
        if len(self._layers) == MAX_LAYERS:
            raise WorkloadError(f"{what}: is beyond the {MAX_LAYERS} layers a network may have")
        try:
            _check_types(operator, inputs)
            shape, dtype = operator.output(inputs)
            parameters = operator.parameters(inputs)
        except WorkloadError as error:
            raise WorkloadError(f"{what}: {error}") from None
        if share is not None:
            roles = self._shared(what, share, parameters)
            parameters = {}
        else:
            roles = {role: f"{name}.{role}" for role in parameters}
        for role, parameter in parameters.items():
            trainable = parameter.trainable_elements
            self._add(
                what,
                roles[role],
                parameter.shape,
                parameter.dtype,
                TensorKind.PARAMETER,
                prod(parameter.shape) if trainable is None else trainable,
                stored=parameter.stored,
                pattern_seed=parameter.pattern_seed,
            )
        names = tuple(tensor.name for tensor in inputs)
        result = self._add(what, name, shape, dtype, TensorKind.ACTIVATION, 0)
        self._layers[name] = Layer(name=name, operator=operator, inputs=names, parameters=roles)
        return result

    def _shared(
        self, what: str, other: str, parameters: Mapping[str, Parameter]
    ) -> Mapping[str, str]:
        """Return another layer's parameters by role, if they are the ones that are needed."""
        if other not in self._layers:
            raise WorkloadError(f"{what}: shares parameters with '{other}', which isn't a layer")
        roles = self._layers[other].parameters
        there = {role: _kind_of(self.tensors[n]) for role, n in roles.items()}
        needed = {role: _kind_of(parameter) for role, parameter in parameters.items()}
        if there != needed:
            raise WorkloadError(
                f"{what}: needs {_described(needed)} but '{other}' has {_described(there)}; share"
                " with an equal layer"
            )
        return roles

    def parameter(self, layer: str, role: str) -> Tensor:
        """Return what a layer has learned in a role, or shares with another one."""
        return self.tensors[self._layers[layer].parameters[role]]

    def count(self, layer: str, role: str, trainable: int) -> None:
        """Say as how many parameters a layer's own tensor counts, where not as its elements.

        Raises
        ------
        WorkloadError
            The layer has no such tensor.
        """
        name = f"{layer}.{role}"
        if name not in self.tensors:
            own = self._layers[layer].parameters if layer in self._layers else ()
            raise WorkloadError(
                f"layer '{layer}': has no parameter '{role}' to count; it has"
                f" {', '.join(own) or 'none'}"
            )
        self.tensors[name] = replace(self.tensors[name], trainable_elements=trainable)

    def build(self) -> Graph:
        """Return the graph of everything added."""
        layers = tuple(self._layers.values())
        return Graph(name=self._name, batch=self._batch, tensors=self.tensors, layers=layers)

    def _add(
        self,
        what: str,
        name: str,
        shape: Shape,
        dtype: Dtype,
        kind: TensorKind,
        trainable_elements: int,
        constant: float | None = None,
        stored: Stored | None = None,
        pattern_seed: int = 0,
    ) -> Tensor:
        if name in self.tensors:
            raise WorkloadError(f"{what}: a tensor '{name}' exists already; rename one")
        if prod(shape) > MAX_ELEMENTS:
            raise WorkloadError(
                f"{what}: tensor '{name}' {list(shape)} has {prod(shape)} elements but at most"
                f" {MAX_ELEMENTS} are possible; reduce a size"
            )
        self.tensors[name] = Tensor(
            name=name,
            shape=shape,
            dtype=dtype,
            kind=kind,
            trainable_elements=trainable_elements,
            constant=constant,
            stored=stored,
            pattern_seed=pattern_seed,
        )
        return self.tensors[name]


def _kind_of(parameter: Parameter | Tensor) -> tuple[Shape, str]:
    """Return what layers that share a parameter must agree on: its shape, and its type in words."""
    stored = "" if parameter.stored is None else f" as {parameter.stored}"
    return parameter.shape, f"{parameter.dtype}{stored}"


def _described(parameters: Mapping[str, tuple[Shape, str]]) -> str:
    """Return parameters in words."""
    found = [f"{role} {list(shape)} {dtype}" for role, (shape, dtype) in parameters.items()]
    return ", ".join(found) or "no parameters"


def _held(what: str, constant: float, dtype: Dtype) -> float:
    """Return the number that ``dtype`` holds for a constant."""
    from foundation import numerics

    low, high = numerics.limits(dtype)
    if not low <= constant <= high:
        raise WorkloadError(
            f"{what}: constant is {constant:g} but {dtype} holds {low:g} to {high:g};"
            " use another dtype"
        )
    return numerics.real(numerics.stored(constant, dtype), dtype)


def takes_indices(operator: Operator) -> bool:
    """Whether an operator works on int32: what it does with indices isn't computing."""
    return isinstance(operator, _MOVES) or getattr(operator, "takes_indices", False)


def _check_types(operator: Operator, inputs: Sequence[Tensor]) -> None:
    for tensor in inputs:
        if tensor.dtype.name == "int32" and not takes_indices(operator):
            raise WorkloadError(
                f"'{tensor.name}' is int32, which holds indices and isn't computed on;"
                " give it another dtype, or look it up with op: embedding"
            )
        if tensor.stored is not None:
            raise WorkloadError(
                f"'{tensor.name}' is stored as {tensor.stored}, which only its own layer reads;"
                " remove that layer's 'weights'"
            )
    if isinstance(operator, _PRODUCTS) and operator.tied and operator.weights is not None:
        raise WorkloadError(
            f"has 'weights' but its weight '{inputs[1].name}' is given, as it is; remove 'weights'"
        )
    if isinstance(operator, Linear) and operator.tied and inputs[0].dtype != inputs[1].dtype:
        raise WorkloadError(
            f"'{inputs[0].name}' is {inputs[0].dtype} but the tied weight '{inputs[1].name}' is"
            f" {inputs[1].dtype}; both must have one dtype"
        )
