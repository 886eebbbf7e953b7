"""What every importer of a foreign file ends in: a graph that grows while its nodes are read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from foundation import numerics
from foundation.dtype import DTYPES, Dtype
from foundation.errors import WorkloadError
from foundation.names import LONGEST, Names
from workloads.build import GraphBuilder
from workloads.graph import Graph, Operator, Tensor
from workloads.layers import (
    Concat,
    Convolution,
    Elementwise,
    Embedding,
    Linear,
    MatMul,
    Reshape,
    Shape,
    Slice,
    Transpose,
)
from workloads.loaders.imported.values import (
    Array,
    Axes,
    Pending,
    Recipe,
    Value,
    channels_last,
    plain,
    regrouped,
    reshaped,
    uniform,
)

#: Operators that take indices: they only move data.
_MOVES = (Concat, Embedding, Reshape, Slice, Transpose)
#: Names of what layers learn: a layer may not have the name of another tensor without them.
_ROLES = ("weight", "bias", "gamma", "beta", "table")


class UnsupportedError(WorkloadError):
    """What a foreign operator may do and no layer of ours does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """A foreign network as a graph, and how values of the one follow from the other's.

    Parameters
    ----------
    graph
        The network.
    inputs
        Name of an input tensor of ours to the foreign one, and the foreign axes as they lie.
    recipes
        Name of a learned tensor to how its value follows from the file's arrays.
    outputs
        Foreign output to where it lies.
    """

    graph: Graph
    inputs: Mapping[str, tuple[str, Axes]]
    recipes: Mapping[str, Recipe]
    outputs: Mapping[str, Value]


class Importer:
    """The graph so far.

    Parameters
    ----------
    name
        The network's.
    batch
        Inferences at once.
    dtype
        Type of all that isn't an index.
    """

    # Approximation: one number type for inputs, weights and activations of a whole network. There
    # is no layer that converts; foreign casts between floating-point types cost nothing.
    def __init__(self, name: str, batch: int, dtype: Dtype) -> None:
        self.dtype = dtype
        self._name, self._batch = name, batch
        self._builder = GraphBuilder(name, batch)
        self._names = Names(self._is_taken)
        self._notes: dict[str, None] = {}
        self._inputs: dict[str, tuple[str, Axes]] = {}
        self._recipes: dict[str, Recipe] = {}
        self._roles: Counter[str] = Counter()
        self._moved: dict[tuple[str, Shape, Axes], Tensor] = {}
        self._constants: dict[float, Tensor] = {}
        #: Tables of embeddings, by the weight that they are.
        self.tables: dict[str, Tensor] = {}

    def note(self, text: str) -> None:
        """Keep a remark that reports repeat."""
        self._notes[text] = None

    def unique(self, name: str) -> str:
        """Return a name that the graph doesn't have, of the characters that ours may have."""
        return self._names.unique(name.strip("/")[-LONGEST:])

    def _is_taken(self, name: str) -> bool:
        tensors = self._builder.tensors
        return name in tensors or any(f"{name}.{role}" in tensors for role in _ROLES)

    def layer(
        self,
        name: str,
        operator: Operator,
        inputs: tuple[Tensor, ...],
        learned: Mapping[str, Recipe] | None = None,
    ) -> Tensor:
        """Add a layer under a name like ``name``, with the recipes of what it learns by role.

        Raises
        ------
        UnsupportedError
            It would compute on integers.
        WorkloadError
            The operator can't work on these inputs.
        """
        _check_numbers(operator, inputs)
        name = self.unique(name)
        result = self._builder.add_layer(name, operator, inputs)
        self._recipes.update({f"{name}.{role}": make for role, make in (learned or {}).items()})
        return result

    def parameter(self, layer: Tensor, role: str) -> Tensor:
        """Return what the layer that computes a tensor has learned as ``role``."""
        return self._builder.tensors[f"{layer.name}.{role}"]

    def counted(self, weight: Weight) -> None:
        """Count a layer that has a file's weight as its own."""
        self._roles[weight.name] += 1

    def tensor(self, value: Value, lie: Axes) -> Tensor:
        """Return our tensor whose axis j is the foreign axis ``lie[j]``.

        Nothing moves where only axes of size 1 lie elsewhere; otherwise a transposition is added,
        once for all readers.
        """
        if isinstance(value.source, Pending):
            value.source.lay(tuple(value.order[axis] for axis in lie))
        value = value.settled
        assert isinstance(value.source, Tensor)
        moved = tuple(value.order[axis] for axis in lie)
        large = [axis for axis in moved if value.view[axis] > 1]
        if large == sorted(large):
            return self._seen_as(value.source, tuple(value.shape[axis] for axis in lie))
        key = (value.source.name, value.view, moved)
        if key not in self._moved:
            source = self._seen_as(value.source, value.view)
            operator = Transpose(permutation=moved)
            self._moved[key] = self.layer(f"{source.name}.transposed", operator, (source,))
        return self._moved[key]

    def _seen_as(self, tensor: Tensor, shape: Shape) -> Tensor:
        """Return a tensor in another shape; a scalar has the shape (1,)."""
        shape = shape or (1,)
        if tensor.shape == shape:
            return tensor
        key = (tensor.name, shape, ())
        if key not in self._moved:
            operator = Reshape(shape=shape)
            self._moved[key] = self.layer(f"{tensor.name}.reshaped", operator, (tensor,))
        return self._moved[key]

    def constant(self, number: float) -> Tensor:
        """Return a tensor of one element that broadcasts against any other."""
        if number not in self._constants:
            low, high = numerics.limits(self.dtype)
            held = min(max(number, low), high)  # masks are filled with -inf
            self._constants[number] = self.filled(f"constant.{held:g}", (1,), held)
        return self._constants[number]

    def filled(self, name: str, shape: Shape, number: float) -> Tensor:
        """Return a tensor whose elements are all one number."""
        return self._builder.add_learned(self.unique(name), shape, self.dtype, number)

    def learn(self, name: str, shape: Shape, dtype: Dtype, recipe: Recipe) -> Tensor:
        """Add a learned tensor that belongs to no layer."""
        name = self.unique(name)
        self._recipes[name] = recipe
        return self._builder.add_learned(name, shape, dtype)

    def give(self, name: str, foreign: str, shape: Shape, dtype: Dtype, lie: Axes) -> Tensor:
        """Add an input whose axis j is the foreign input's axis ``lie[j]``."""
        name = self.unique(name)
        self._inputs[name] = (foreign, lie)
        return self._builder.add_input(name, tuple(shape[axis] for axis in lie), dtype)

    def reshaped(self, value: Value, shape: Shape) -> Value:
        """Return a value in another foreign shape, moving data only where it has to.

        Raises
        ------
        WorkloadError
            The shapes have different numbers of elements.
        """
        if value.shape == shape:
            return value
        elements = Value(shape=shape, source=value.source, view=shape, order=()).size_elements
        if elements != value.size_elements:
            raise WorkloadError(
                f"shape {list(shape)} has {elements} elements but {list(value.shape)} has"
                f" {value.size_elements}"
            )
        if isinstance(value.pending, Weight):
            return value.pending.reshaped(value, shape)
        natural = tuple(range(value.rank))
        if isinstance(value.source, Pending):
            value.source.lay(value.order)
        found = regrouped(value.settled, shape)
        if found is not None:
            return found
        tensor = self.tensor(value, natural)
        return Value(shape=shape, source=tensor, view=shape, order=tuple(range(len(shape))))

    def finish(self, outputs: Mapping[str, Value]) -> Imported:
        """Return the graph of everything that the outputs need.

        Parameters
        ----------
        outputs
            Foreign names to values.
        """
        for value in outputs.values():
            if isinstance(value.source, Pending):
                value.source.lay(value.order)
        for name, count in self._roles.items():
            if count > 1:
                self.note(f"weight '{name}' is read by {count} layers and counted for each of them")
        graph = self._builder.build()
        return Imported(
            graph=replace(graph, notes=tuple(self._notes)),
            inputs=self._inputs,
            recipes=self._recipes,
            outputs={name: value.settled for name, value in outputs.items()},
        )


def _check_numbers(operator: Operator, inputs: Sequence[Tensor]) -> None:
    for tensor in inputs:
        if tensor.dtype.name == "int32" and not isinstance(operator, _MOVES):
            raise UnsupportedError(f"computes on '{tensor.name}', which holds integers")


class Given(Pending):
    """An input of the network.

    Parameters
    ----------
    to
        Where it is put.
    foreign
        The input's name in the file.
    is_image
        Whether it lies channels-last whoever reads it first.
    """

    def __init__(
        self, to: Importer, foreign: str, shape: Shape, dtype: Dtype, *, is_image: bool = False
    ) -> None:
        super().__init__(foreign, shape, dtype)
        self._to = to
        self.fixed = channels_last(len(shape)) if is_image else None

    def put(self, axes: Axes) -> tuple[Tensor, Axes]:
        """Add the input."""
        lie = self.fixed or axes
        return self._to.give(self.name, self.name, self.shape, self.dtype, lie), lie

    def of_type(self, dtype: Dtype) -> Given:
        """Return an input of the same shape and another type, for a cast of it."""
        return Given(self._to, self.name, self.shape, dtype)


class Weight(Pending):
    """An array of the file: learned, or a constant.

    Parameters
    ----------
    to
        Where it is put if a layer reads it like an activation.
    recipe
        How it follows from the file's arrays.
    known
        Its elements, where they are known.
    """

    def __init__(
        self,
        to: Importer,
        name: str,
        shape: Shape,
        dtype: Dtype,
        recipe: Recipe,
        known: Array | None = None,
    ) -> None:
        super().__init__(name, shape, dtype)
        self._to, self.recipe, self.known = to, recipe, known
        #: Whether it counts as learned, even if all its elements happen to be one number.
        self.is_learned = False

    def put(self, axes: Axes) -> tuple[Tensor, Axes]:
        """Add a learned tensor."""
        shape = tuple(self.shape[axis] for axis in axes) or (1,)

        def value(arrays: Mapping[str, Array]) -> Array:
            array = self.recipe(arrays).transpose(axes).reshape(shape)
            return array.astype(self.dtype.numpy)

        self.counted()
        return self._to.learn(self.name, shape, self.dtype, value), axes

    def counted(self) -> None:
        """Count a layer that has it as its own."""
        self._to.counted(self)

    def reshaped(self, value: Value, shape: Shape) -> Value:
        """Return ``value``, which is this weight's, in another shape."""
        permutation = value.order

        def reshape(array: Array) -> Array:
            return reshaped(array.transpose(permutation), shape)

        known = None if self.known is None else reshape(self.known)
        recipe = self.recipe
        new = Weight(self._to, self.name, shape, self.dtype, lambda a: reshape(recipe(a)), known)
        new.is_learned = self.is_learned
        return plain(new)

    def of_type(self, dtype: Dtype) -> Weight:
        """Return the same array in another type."""
        new = Weight(self._to, self.name, self.shape, dtype, self.recipe, self.known)
        new.is_learned = self.is_learned
        return new


class Product(Pending):
    """A layer whose bias, normalization or activation may still come.

    Parameters
    ----------
    to
        Where it is put.
    operator, inputs
        What it computes, on what.
    shape
        Its output's.
    learned
        Recipes of what it learns, by role.

    Raises
    ------
    UnsupportedError
        It would compute on integers.
    """

    def __init__(
        self,
        to: Importer,
        name: str,
        operator: Convolution | Linear | MatMul | Elementwise,
        inputs: tuple[Tensor, ...],
        shape: Shape,
        learned: Mapping[str, Recipe] | None = None,
    ) -> None:
        _check_numbers(operator, inputs)
        super().__init__(name, shape, inputs[0].dtype)
        self._to, self._inputs = to, inputs
        self.operator = operator
        self.learned = dict(learned or {})
        self.fixed = None if isinstance(operator, MatMul) else tuple(range(len(shape)))
        #: Whether nobody else reads it: what follows may become its end.
        self.is_read_once = True

    def put(self, axes: Axes) -> tuple[Tensor, Axes]:
        """Add the layer; a matrix product computes its axes in any order."""
        if self.fixed is not None or not isinstance(self.operator, MatMul):
            tensor = self._to.layer(self.name, self.operator, self._inputs, self.learned)
            return tensor, self.fixed or axes
        first, second, letters = self.operator.subscripts()
        turned = "".join(letters[axis] for axis in axes)
        operator = replace(self.operator, equation=f"{first},{second}->{turned}")
        return self._to.layer(self.name, operator, self._inputs), axes


def fusable(value: Value) -> Product | None:
    """Return the product behind a value, if something may still become its end."""
    product = value.pending
    return product if isinstance(product, Product) and product.is_read_once else None


def weight_of(value: Value) -> Weight | None:
    """Return the weight that a value is, transposed perhaps."""
    return value.source if isinstance(value.source, Weight) else None


def recipe_of(value: Value) -> Recipe:
    """Return how the foreign array of a weight's value follows from the file's arrays."""
    weight, order = weight_of(value), value.order
    assert weight is not None
    recipe = weight.recipe
    return lambda arrays: recipe(arrays).transpose(order)


def known_array(value: Value) -> Array | None:
    """Return the elements of a value, where they are known."""
    weight = weight_of(value)
    return None if weight is None or weight.known is None else weight.known.transpose(value.order)


def number_of(value: Value) -> float | None:
    """Return the number that all elements of a constant are, where they are known to be one."""
    weight = weight_of(value)
    return None if weight is None or weight.is_learned else uniform(known_array(value))


def constant_value(to: Importer, name: str, array: Array) -> Value:
    """Return a value of known elements; NumPy booleans and integers are indices."""
    dtype = to.dtype if np.issubdtype(array.dtype, np.floating) else DTYPES["int32"]
    return plain(Weight(to, name, array.shape, dtype, lambda _: array, array))
