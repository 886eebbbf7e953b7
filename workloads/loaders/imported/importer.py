"""What every importer of a foreign file ends in: a graph that grows while its nodes are read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from types import MappingProxyType

from foundation import numerics
from foundation.dtype import Dtype
from foundation.errors import WorkloadError
from foundation.names import LONGEST, Names
from workloads.build import GraphBuilder
from workloads.graph import Graph, Operator, Tensor
from workloads.layers import Reshape, Shape, Transpose
from workloads.loaders.imported.refused import check_operands
from workloads.loaders.imported.values import Axes, Pending, Recipe, Value, regrouped
from workloads.loaders.imported.weights import Learned, Weight, weight_of

#: Names of what layers learn: a layer may not have the name of another tensor without them.
_ROLES = ("weight", "bias", "gamma", "beta", "table")


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
    names_parameters
        Whether the file says which of its arrays are parameters. Otherwise constants that a layer
        has as its own count, too.
    """

    # Approximation: one number type for inputs, weights and activations of a whole network. There
    # is no layer that converts; foreign casts between floating-point types cost nothing.
    def __init__(
        self, name: str, batch: int, dtype: Dtype, *, names_parameters: bool = False
    ) -> None:
        self.dtype = dtype
        self._names_parameters = names_parameters
        self._name, self._batch = name, batch
        self._builder = GraphBuilder(name, batch)
        self._names = Names(self._is_taken)
        self._notes: dict[str, None] = {}
        self._inputs: dict[str, tuple[str, Axes]] = {}
        self._recipes: dict[str, Recipe] = {}
        self._owners: dict[Hashable, str] = {}
        self._copies: Counter[str] = Counter()
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
        learned: Mapping[str, Learned] | None = None,
    ) -> Tensor:
        """Add a layer under a name like ``name``, with what it learns by role.

        It shares what an earlier layer has learned of the same arrays of the file. Of each of those
        the elements count once, whatever is stored of them.

        Raises
        ------
        UnsupportedError
            It would compute on integers.
        WorkloadError
            The operator can't work on these inputs.
        """
        check_operands(operator, inputs)
        name = self.unique(name)
        learned = learned or {}
        owner = self._owner(name, operator, inputs, learned)
        result = self._builder.add_layer(name, operator, inputs, owner)
        if owner is None:
            for role, own in learned.items():
                self._recipes[f"{name}.{role}"] = own.recipe
                self._builder.count(name, role, self._claimed(own.weights, is_own=True))
        return result

    def compose(
        self,
        name: str,
        add: Callable[[GraphBuilder, str], Tensor],
        learned: Mapping[tuple[str, str], Learned] = MappingProxyType({}),
    ) -> Tensor:
        """Add several layers under a name like ``name``, and return the result of the last.

        Parameters
        ----------
        name
            What they are called.
        add
            Adds them to a builder under a name.
        learned
            Name of a layer behind that name, and role, to what is learned.
        """
        name = self.unique(name)
        result = add(self._builder, name)
        for (layer, role), own in learned.items():
            self._recipes[f"{name}.{layer}.{role}"] = own.recipe
            self._builder.count(f"{name}.{layer}", role, self._claimed(own.weights, is_own=True))
        return result

    def _owner(
        self,
        name: str,
        operator: Operator,
        inputs: tuple[Tensor, ...],
        learned: Mapping[str, Learned],
    ) -> str | None:
        """Return the earlier layer that has learned the same; without one, ``name`` is it."""
        if not learned or any(own.key is None for own in learned.values()):
            return None
        shapes = {role: own.shape for role, own in operator.parameters(inputs).items()}
        key = tuple((role, own.key, shapes[role]) for role, own in learned.items())
        owner = self._owners.setdefault(key, name)
        return None if owner == name else owner

    def _claimed(self, weights: Iterable[Value], *, is_own: bool) -> int:
        """Return the elements of the file's arrays behind weights that nothing counted so far."""
        total = 0
        for value in weights:
            weight = weight_of(value)
            if weight is None:
                continue
            bases = weight.bases
            if is_own and not bases and not self._names_parameters:
                bases = {weight.name: prod(weight.shape)}
            for name, elements in bases.items():
                self._copies[name] += 1
                total += elements if self._copies[name] == 1 else 0
        return total

    def parameter(self, layer: Tensor, role: str) -> Tensor:
        """Return what the layer that computes a tensor has learned as ``role``."""
        return self._builder.parameter(layer.name, role)

    def computed(self, name: str) -> Tensor:
        """Return the tensor that a layer computes."""
        return self._builder.tensors[name]

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

    def learn(self, name: str, shape: Shape, dtype: Dtype, learned: Learned) -> Tensor:
        """Add a stored tensor that belongs to no layer."""
        name = self.unique(name)
        self._recipes[name] = learned.recipe
        trainable = self._claimed(learned.weights, is_own=False)
        return self._builder.add_learned(name, shape, dtype, trainable=trainable)

    def idle(self, weights: Sequence[Value]) -> None:
        """Add those of the file's weights that nothing has read."""
        rest = [v.source for v in weights if isinstance(v.source, Weight)]
        rest = [weight for weight in rest if not self._copies.keys() & weight.bases.keys()]
        for weight in rest:
            weight.lay(tuple(range(len(weight.shape))))
        elements = sum(prod(weight.shape) for weight in rest)
        if rest:
            names = f"'{rest[0].name}'" + (f" and {len(rest) - 1} more" if rest[1:] else "")
            self.note(f"{names}, {elements} parameters of the file, are read by no layer")

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

    def graph(self) -> Graph:
        """Return the graph so far."""
        return replace(self._builder.build(), notes=tuple(self._notes))

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
        for name, count in self._copies.items():
            if count > 1:
                self.note(f"weight '{name}' is stored for {count} layers and counted once")
        return Imported(
            graph=self.graph(),
            inputs=self._inputs,
            recipes=self._recipes,
            outputs={name: value.settled for name, value in outputs.items()},
        )
