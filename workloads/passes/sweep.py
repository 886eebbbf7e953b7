"""One walk over a network that puts layers in the place of others: what every pass is made of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import NamedTuple

from foundation.dtype import Dtype
from foundation.errors import WorkloadError, nearest
from foundation.numerics import Array
from workloads.graph import Graph, Layer, Operator, Tensor, TensorKind
from workloads.layers import Reshape, Shape
from workloads.passes.rewritten import Recipe, Rewrite, Rewritten, in_words
from workloads.random_values import filled


class Derived(NamedTuple):
    """The value of a new parameter: a function of the values of others."""

    sources: tuple[str, ...]
    compute: Callable[..., Array]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a rule puts in a layer's place: other layers, or a tensor that there is already.

    Parameters
    ----------
    reason
        Why the value stays the same.
    same_as
        The tensor that has the layer's value; empty where ``layers`` compute it.
    layers
        Layers in execution order. One has the layer's own name, and its value; what has the name
        of a later layer takes the place of that one.
    absorbed
        Other layers that the change takes in, to be named before it.
    """

    reason: str
    same_as: str = ""
    layers: tuple[Layer, ...] = ()
    absorbed: tuple[Layer, ...] = ()


#: Says what takes the place of a layer, of which all that it reads is done; None keeps it.
Rule = Callable[["Sweep", Layer], Change | None]


class Sweep:
    """A network in the middle of a pass: layers up to one are new, the others as they were.

    Parameters
    ----------
    graph
        The network before the pass.
    outputs
        Names of the layers whose names and values stay.
    by
        Name of the pass.
    """

    def __init__(self, graph: Graph, outputs: tuple[str, ...], by: str) -> None:
        self.graph = graph
        self.outputs = frozenset(outputs)
        self._names = outputs
        self.tensors = dict(graph.tensors)
        self._by = by
        self._done: dict[str, Layer] = {}
        self._later: dict[str, Layer] = {}
        self._same: dict[str, str] = {}
        self._uses = Counter(name for layer in graph.layers for name in layer.inputs)
        self._numbers = {layer.name: number for number, layer in enumerate(graph.layers)}
        self._changes: list[tuple[Layer, Change]] = []
        self._recipes: list[Recipe] = []

    def producer(self, tensor: str) -> Layer | None:
        """Return the layer that computes a tensor, None for an input or a parameter."""
        return self._done.get(tensor)

    def is_read_once(self, tensor: str) -> bool:
        """Whether one operand of one layer, and nobody else, needs a tensor."""
        return self._uses[tensor] == 1 and tensor not in self.outputs

    def is_read(self, tensor: str) -> bool:
        """Whether any layer reads a tensor."""
        return self._uses[tensor] > 0

    def is_free(self, layer: Layer) -> bool:
        """Whether a layer is an output that only gives a name: nothing can be gained."""
        return layer.name in self.outputs and isinstance(layer.operator, Reshape)

    def constant(self, name: str, shape: Shape, dtype: Dtype, value: float) -> str:
        """Add a parameter of which every element is ``value``, and return its name."""
        tensor = Tensor(
            name=self.unused(name),
            shape=shape,
            dtype=dtype,
            kind=TensorKind.PARAMETER,
            constant=value,
        )
        return self._add(tensor, Derived((), lambda: filled(tensor, value)))

    def parameter(self, name: str, shape: Shape, dtype: Dtype, derived: Derived) -> str:
        """Add a parameter that belongs to no layer, and return its name."""
        tensor = Tensor(
            name=self.unused(name),
            shape=shape,
            dtype=dtype,
            kind=TensorKind.PARAMETER,
            trainable_elements=prod(shape),
        )
        return self._add(tensor, derived)

    def layer(
        self,
        name: str,
        operator: Operator,
        inputs: Sequence[str],
        derived: Mapping[str, Derived] | None = None,
    ) -> Layer:
        """Return a layer with new parameters, of which ``derived`` says the value by role."""
        operands = [self.tensors[tensor] for tensor in inputs]
        roles = {}
        for role, parameter in operator.parameters(operands).items():
            trainable = parameter.trainable_elements
            tensor = Tensor(
                name=f"{name}.{role}",
                shape=parameter.shape,
                dtype=parameter.dtype,
                kind=TensorKind.PARAMETER,
                trainable_elements=prod(parameter.shape) if trainable is None else trainable,
            )
            roles[role] = self._add(tensor, (derived or {})[role])
        return Layer(name=name, operator=operator, inputs=tuple(inputs), parameters=roles)

    def unused(self, name: str) -> str:
        """Return ``name``, or that with a number behind it if a tensor or parameter has it."""
        number, found = 1, name
        while found in self.tensors or not self.may_learn(found):
            number += 1
            found = f"{name}{number}"
        return found

    def may_learn(self, name: str) -> bool:
        """Whether a layer of this name can get a weight and a bias: their names aren't taken."""
        return f"{name}.weight" not in self.tensors and f"{name}.bias" not in self.tensors

    def run(self, rule: Rule, *, strictly: bool = False) -> Rewritten:
        """Return the network with ``rule`` applied to each layer, without what nothing needs then.

        Unless ``strictly``, inputs stay, and so does what nothing needed before the pass.
        """
        for original in self.graph.layers:
            layer = self._redirected(original)
            if layer.name in self._later:
                self._uses.subtract(layer.inputs)
                self._emit(self._later[layer.name])
                continue
            change = rule(self, layer)
            if change is None or (change.same_as and self.is_free(layer)):
                self._done[layer.name] = layer
            else:
                self._put(layer, change)
        graph = self._pruned(strictly=strictly)
        rewrites = self._in_words(graph, with_tensors=strictly)
        if not rewrites:
            return Rewritten(graph=self.graph, outputs=self._names)
        return Rewritten(
            graph=graph,
            outputs=self._names,
            rewrites=tuple(rewrites),
            recipes=tuple(self._recipes),
        )

    def _redirected(self, layer: Layer) -> Layer:
        """Return the layer as it reads the tensors that stand in for others."""
        if not any(name in self._same for name in layer.inputs):
            return layer
        return replace(layer, inputs=tuple(self._same.get(name, name) for name in layer.inputs))

    def _put(self, layer: Layer, change: Change) -> None:
        """Put what a rule has found in the place of a layer."""
        self._uses.subtract(layer.inputs)
        if change.same_as and layer.name in self.outputs:
            # An output keeps its name: a reshape gives it, and moves nothing.
            named = Reshape(shape=self.tensors[layer.name].shape)
            named_layer = self.layer(layer.name, named, [change.same_as])
            change = replace(change, layers=(named_layer,), same_as="")
        for new in change.layers:
            if self._numbers.get(new.name, 0) > self._numbers[layer.name]:
                self._later[new.name] = new
            else:
                self._emit(new)
        if change.same_as:
            self._same[layer.name] = change.same_as
            self._uses[change.same_as] += self._uses[layer.name]
        self._changes.append((layer, change))

    def _emit(self, layer: Layer) -> None:
        operands = [self.tensors[name] for name in layer.inputs]
        shape, dtype = layer.operator.output(operands)
        tensor = Tensor(name=layer.name, shape=shape, dtype=dtype, kind=TensorKind.ACTIVATION)
        known = self.tensors.setdefault(layer.name, tensor)
        assert known == tensor, "a name keeps its tensor"
        self._uses.update(layer.inputs)
        self._done[layer.name] = layer

    def _add(self, tensor: Tensor, derived: Derived) -> str:
        assert tensor.name not in self.tensors, "a new parameter has a new name"
        self.tensors[tensor.name] = tensor
        sources, compute = derived
        self._recipes.append(Recipe(name=tensor.name, sources=sources, compute=compute))
        return tensor.name

    def _pruned(self, *, strictly: bool) -> Graph:
        needed = self._roots(strictly=strictly)
        kept: list[Layer] = []
        for layer in reversed(self._done.values()):
            if layer.name in needed:
                kept.append(layer)
                needed.update(layer.inputs, layer.parameters.values())
        kept.reverse()
        return replace(self.graph, tensors=self._ordered(needed, kept), layers=tuple(kept))

    def _in_words(self, graph: Graph, *, with_tensors: bool) -> list[Rewrite]:
        """Return what changed from layer to layer, then what went because nothing needs it."""
        rewrites = []
        told = set(graph.tensors)
        for layer, change in self._changes:
            # What was absorbed but stays, for others that need it, is no part of the change.
            new = {each.name for each in change.layers}
            gone = [x for x in change.absorbed if x.name in new or x.name not in graph.tensors]
            told.update(each.name for each in gone)
            before = sorted([*gone, layer], key=lambda each: self._numbers[each.name])
            after = change.same_as or in_words(change.layers)
            rewrites.append(self._rewrite(in_words(before), after, change.reason))
        dead = [layer for layer in self._done.values() if layer.name not in told]
        rewrites += [self._rewrite(in_words([x]), "nothing", "no output needs it") for x in dead]
        if with_tensors:
            rewrites += self._tensors_in_words(graph)
        return rewrites

    def _tensors_in_words(self, graph: Graph) -> list[Rewrite]:
        """Return inputs and parameters that went without a layer that owns them."""
        owned = {name for layer in self.graph.layers for name in layer.parameters.values()}
        return [
            self._rewrite(f"{tensor.kind.value} {tensor.name}", "nothing", "no output needs it")
            for tensor in self.graph.tensors.values()
            if tensor.kind is not TensorKind.ACTIVATION
            and tensor.name not in graph.tensors
            and tensor.name not in owned
        ]

    def _rewrite(self, before: str, after: str, reason: str) -> Rewrite:
        return Rewrite(by=self._by, before=before, after=after, reason=reason)

    def _ordered(self, needed: Collection[str], layers: Sequence[Layer]) -> dict[str, Tensor]:
        """Return the tensors as `GraphBuilder` orders them, so that a file gives equal addresses.

        First come inputs, then parameters without an owner, then each layer's tensors.
        """
        owned = {name for layer in layers for name in layer.parameters.values()}
        order = [
            tensor.name
            for kind in (TensorKind.INPUT, TensorKind.PARAMETER)
            for tensor in self.tensors.values()
            if tensor.kind is kind and tensor.name in needed and tensor.name not in owned
        ]
        for layer in layers:
            order += [*layer.parameters.values(), layer.name]
        return {name: self.tensors[name] for name in order}

    def _roots(self, *, strictly: bool) -> set[str]:
        """Return the names of the tensors that stay even if nothing reads them."""
        layers = self.graph.layers
        read = {name for layer in layers for name in (*layer.inputs, *layer.parameters.values())}
        roots = set(self.outputs)
        for tensor in self.graph.tensors.values():
            is_input, is_unread = tensor.kind is TensorKind.INPUT, tensor.name not in read
            if (is_input and is_unread) or (not strictly and (is_input or is_unread)):
                roots.add(tensor.name)
        return roots


def swept(
    graph: Graph, outputs: Collection[str] | None, by: str, rule_of: Callable[[Graph], Rule]
) -> Rewritten:
    """Return a network after as many walks over it as change something.

    Parameters
    ----------
    graph
        The network.
    outputs
        Names of the layers whose names and values stay, `Graph.outputs` by default.
    by
        Name of the pass.
    rule_of
        Returns the rule for a walk over a graph, so that a rule may look at it first.
    """
    result = Rewritten(graph=graph, outputs=known_outputs(graph, outputs))
    while True:
        step = Sweep(result.graph, result.outputs, by).run(rule_of(result.graph))
        if not step.rewrites:
            return result
        result = result.then(step)


def known_outputs(graph: Graph, outputs: Collection[str] | None) -> tuple[str, ...]:
    """Return the names of outputs, `Graph.outputs` by default.

    Raises
    ------
    WorkloadError
        No layer has one of the names: the nearest one is suggested.
    """
    if outputs is None:
        return graph.outputs
    layers = {layer.name for layer in graph.layers}
    for name in outputs:
        if name not in layers:
            raise WorkloadError(
                f"output '{name}': network '{graph.name}' has no such layer{nearest(name, layers)}"
            )
    return tuple(outputs)
