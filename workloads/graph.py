"""A network: tensors, and layers in the order in which they run. Not one word of hardware."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from math import prod
from typing import Any, Protocol, runtime_checkable

from foundation.dtype import Dtype
from foundation.html import html_lines, html_table, html_title
from foundation.stored import Stored


class TensorKind(Enum):
    """Where a tensor's values come from."""

    INPUT = "input"  # given with every inference
    PARAMETER = "parameter"  # learned, the same for every inference
    ACTIVATION = "activation"  # computed by a layer


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """An array that layers read or write, stored row-major without gaps.

    Parameters
    ----------
    name
        Unique in its graph. An activation has the name of the layer that computes it; a parameter
        is called ``layer.role`` (``conv1.weight``).
    shape
        Elements along each axis; images are ``[batch, height, width, channels]``.
    dtype
        Type of every element.
    kind
        Where its values come from.
    trainable_elements
        Elements that count as parameters: ``size`` for a plain parameter. A folded batch
        normalization's bias counts its gamma and beta, twice its size; a constant counts nothing.
    constant
        The real number that every element of a parameter is, exactly; None for learned values.
    stored
        How a product's weights are stored, if not as they are: in segments along the axis before
        the last one.
    pattern_seed
        Of the places at which such weights aren't zero.
    """

    name: str
    shape: tuple[int, ...]
    dtype: Dtype
    kind: TensorKind
    trainable_elements: int = 0
    constant: float | None = None
    stored: Stored | None = None
    pattern_seed: int = 0

    @property
    def size_elements(self) -> int:
        """Number of elements."""
        return prod(self.shape)

    @property
    def size_bytes(self) -> int:
        """Bytes in memory."""
        if self.stored is not None:
            return self.size_elements // self.stored.length * self.stored.size_bytes
        return self.size_elements * self.dtype.size_bytes


class Operator(Protocol):
    """What a layer computes: ``workloads.layers`` has one frozen dataclass per operator."""

    @property
    def kind(self) -> str:
        """The operator's name in YAML."""

    def output(self, inputs: Sequence[Tensor]) -> tuple[tuple[int, ...], Dtype]:
        """Return shape and dtype of the result, or raise WorkloadError with the rule broken."""

    def parameters(self, inputs: Sequence[Tensor]) -> dict[str, Parameter]:
        """Return what has to be learned, by role."""

    def macs(self, inputs: Sequence[Tensor]) -> int:
        """Return the multiply-accumulates, zero for an operator that isn't a matrix product."""

    def operations(self, inputs: Sequence[Tensor]) -> int:
        """Return the operations: 2 per MAC, or those of the vector function per element."""


@runtime_checkable
class Fixes(Protocol):
    """An operator that says what some of its parameters are: they aren't learned."""

    def fixed(self, parameters: Mapping[str, Tensor]) -> Mapping[str, Sequence[Any]]:
        """Return real numbers for each of those roles, nested or row-major."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """What an operator has to learn: ``trainable_elements`` is None where it is the size.

    ``stored`` and ``pattern_seed`` are as in `Tensor`.
    """

    shape: tuple[int, ...]
    dtype: Dtype
    trainable_elements: int | None = None
    stored: Stored | None = None
    pattern_seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One operator applied to named tensors.

    Parameters
    ----------
    name
        Unique in its graph; also the name of its output tensor.
    operator
        What it computes.
    inputs
        Names of the tensors it computes on, in the operator's order.
    parameters
        Role (``weight``, ``bias``, ``gamma``, ...) to tensor name, for what it has learned.
    """

    name: str
    operator: Operator
    inputs: tuple[str, ...]
    parameters: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """A network as layers in an order in which every tensor is computed before it is read.

    Parameters
    ----------
    name
        The network's name.
    batch
        Inferences computed at once.
    tensors
        Every tensor by name.
    layers
        In execution order.
    notes
        What the reader of its numbers should know of how it was loaded.
    """

    name: str
    batch: int
    tensors: Mapping[str, Tensor]
    layers: tuple[Layer, ...]
    notes: tuple[str, ...] = ()

    def input_tensors(self, layer: Layer) -> tuple[Tensor, ...]:
        """Return the tensors that ``layer`` computes on, in order."""
        return tuple(self.tensors[name] for name in layer.inputs)

    def output_tensor(self, layer: Layer) -> Tensor:
        """Return the tensor that ``layer`` computes."""
        return self.tensors[layer.name]

    def parameter_tensors(self, layer: Layer) -> dict[str, Tensor]:
        """Return role to tensor for what ``layer`` has learned."""
        return {role: self.tensors[name] for role, name in layer.parameters.items()}

    def macs(self, layer: Layer) -> int:
        """Return the multiply-accumulates of ``layer``."""
        return layer.operator.macs(self.input_tensors(layer))

    def operations(self, layer: Layer) -> int:
        """Return the operations of ``layer``: 2 per MAC, or those of its vector function."""
        return layer.operator.operations(self.input_tensors(layer))

    def only(self, layers: Sequence[Layer]) -> Graph:
        """Return the graph of some of the layers; what the others compute is given."""
        own = {layer.name for layer in layers}
        names = own.union(*((*layer.inputs, *layer.parameters.values()) for layer in layers))
        tensors = {
            name: replace(tensor, kind=TensorKind.INPUT)
            if tensor.kind is TensorKind.ACTIVATION and name not in own
            else tensor
            for name, tensor in self.tensors.items()
            if name in names
        }
        return replace(self, tensors=tensors, layers=tuple(layers))

    def _repr_html_(self) -> str:
        rows = [
            (
                layer.name,
                layer.operator.kind,
                ", ".join(layer.inputs),
                f"{'×'.join(map(str, tensor.shape))} {tensor.dtype}",
                f"{sum(t.trainable_elements for t in self.parameter_tensors(layer).values()):,}",
                f"{self.macs(layer):,}",
            )
            for layer, tensor in ((one, self.output_tensor(one)) for one in self.layers)
        ]
        title = (
            f"{self.name}, batch {self.batch}: {self.total_macs:,} MACs,"
            f" {self.total_parameters:,} parameters"
        )
        heads = ("layer", "operator", "inputs", "output", "parameters", "MACs")
        return html_title(title) + html_table(heads, rows) + html_lines(self.notes)

    @property
    def total_macs(self) -> int:
        """Multiply-accumulates of the whole network."""
        return sum(self.macs(layer) for layer in self.layers)

    @property
    def total_parameters(self) -> int:
        """Learned elements of the whole network, shared tensors once."""
        return sum(tensor.trainable_elements for tensor in self.tensors.values())

    @property
    def parameter_bytes(self) -> int:
        """Bytes of all parameters as they are stored, scales and metadata included."""
        return sum(
            tensor.size_bytes
            for tensor in self.tensors.values()
            if tensor.kind is TensorKind.PARAMETER
        )

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the activations that no layer reads."""
        read = {name for layer in self.layers for name in layer.inputs}
        return tuple(layer.name for layer in self.layers if layer.name not in read)
