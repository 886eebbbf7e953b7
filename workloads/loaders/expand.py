"""Blocks and repeats become a flat list of layers, every reference a tensor's full name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from foundation.document import Document, Path_, dotted
from foundation.errors import WorkloadError, nearest
from workloads.build import MAX_LAYERS
from workloads.loaders.expression import evaluate
from workloads.loaders.models import (
    BlockUse,
    Item,
    LayerItem,
    LearnedEntry,
    NetworkFile,
    TensorEntry,
)

#: What layers learn: ``LAYER.ROLE`` is a tensor that others may read.
ROLES = ("weight", "bias", "gamma", "beta", "table")
MAX_BLOCK_NESTING = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a layer or tensor comes from, for messages and expressions.

    Parameters
    ----------
    document
        The file.
    path
        The entry in it.
    what
        What to call it: ``layer 'stage1.0.conv1'``.
    parameters
        What the names in its expressions stand for.
    """

    document: Document
    path: Path_
    what: str
    parameters: Mapping[str, int]

    def failure(self, message: str, *keys: str | int) -> WorkloadError:
        """Return the error that ``message`` is about this entry, at the line of a key in it."""
        line = self.document.line((*self.path, *keys))
        return WorkloadError(f"{self.document.name}:{line}: {self.what}: {message}")

    def integer(self, value: int | str, *keys: str | int, minimum: int | None = None) -> int:
        """Return the number that the expression under ``keys`` stands for."""
        key = dotted(keys)
        try:
            number = evaluate(value, self.parameters)
        except WorkloadError as error:
            raise self.failure(f"{key}: {error}", *keys) from None
        if minimum is not None and number < minimum:
            raise self.failure(f"{key} is {number} but must be at least {minimum}", *keys)
        return number

    def integers(
        self, values: Sequence[int | str], key: str, minimum: int | None = None
    ) -> tuple[int, ...]:
        """Return the numbers of a list."""
        return tuple(
            self.integer(value, key, item, minimum=minimum) for item, value in enumerate(values)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FlatLayer:
    """One layer after expansion: ``inputs`` are full names of tensors."""

    name: str
    item: LayerItem
    place: Place
    inputs: tuple[str, ...]
    tied_to: str | None
    share: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FlatTensor:
    """One network input or learned tensor after expansion."""

    name: str
    entry: TensorEntry
    place: Place
    constant: float | None = None
    trainable: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Expansion:
    """A network without blocks."""

    inputs: tuple[FlatTensor, ...]
    learned: tuple[FlatTensor, ...]
    layers: tuple[FlatLayer, ...]


#: Finds a tensor's full name, once all layers are known, for the layer at a place.
_Source = Callable[[Place], str]


@dataclass(slots=True)
class _Scope:
    """The names visible inside one use of a block, or at the top of the file."""

    prefix: str
    outer: _Scope | None
    names: dict[str, str] = field(default_factory=dict)
    flows_in: _Source | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pending:
    """A layer whose references aren't resolved yet."""

    name: str
    item: LayerItem
    place: Place
    scope: _Scope
    previous: _Source


class Expander:
    """Expands one file; `expand` returns the result.

    Parameters
    ----------
    document
        The file, for messages.
    network
        Its content.
    batch
        What ``batch`` stands for.
    """

    def __init__(self, document: Document, network: NetworkFile, batch: int) -> None:
        self._document = document
        self._network = network
        self._pending: list[_Pending] = []
        self._owners: dict[str, Place] = {}
        self._outputs: dict[str, str] = {}  # full names of layers and blocks to tensors
        self._inputs: list[FlatTensor] = []
        self._learned: list[FlatTensor] = []
        self._globals: dict[str, int] = {"batch": batch}

    def expand(self) -> Expansion:
        """Return the network without blocks."""
        network = self._network
        top = Place(document=self._document, path=(), what="network", parameters=self._globals)
        # A parameter may use those before it.
        self._globals.update(self._evaluated(network.parameters, top, self._globals))
        self._globals["index"] = 0
        scope = _Scope(prefix="", outer=None)
        self._add_tensors(network.inputs, "input", (), self._globals, scope)
        self._add_tensors(network.learned, "learned tensor", (), self._globals, scope)
        scope.flows_in = self._sole_input
        self._items(network.layers, ("layers",), self._globals, scope, ())
        layers = tuple(self._resolved(pending) for pending in self._pending)
        return Expansion(inputs=tuple(self._inputs), learned=tuple(self._learned), layers=layers)

    def _evaluated(
        self, parameters: Mapping[str, int | str], place: Place, known: Mapping[str, int]
    ) -> dict[str, int]:
        """Return the numbers of ``parameters``, each of which may use those before it."""
        values = dict(known)
        for name, value in parameters.items():
            try:
                values[name] = evaluate(value, values)
            except WorkloadError as error:
                raise place.failure(f"parameter '{name}': {error}", "parameters", name) from None
        return {name: values[name] for name in parameters}

    def _sole_input(self, asking: Place) -> str:
        if len(self._inputs) == 1:
            return self._inputs[0].name
        names = ", ".join(flat.name for flat in self._inputs)
        count = len(self._inputs)
        raise asking.failure(f"needs 'input': the network has {count} inputs ({names})")

    def _add_tensors(
        self,
        entries: Mapping[str, TensorEntry],
        what: str,
        path: Path_,
        parameters: Mapping[str, int],
        scope: _Scope,
    ) -> None:
        flats, key = (self._inputs, "inputs") if what == "input" else (self._learned, "learned")
        for name, entry in entries.items():
            full = scope.prefix + name
            place = Place(
                document=self._document,
                path=(*path, key, name),
                what=f"{what} '{full}'",
                parameters=parameters,
            )
            self._claim(full, place)
            scope.names[name] = self._outputs[full] = full
            flat = FlatTensor(name=full, entry=entry, place=place)
            if isinstance(entry, LearnedEntry):
                flat = replace(flat, constant=entry.constant, trainable=entry.trainable)
            flats.append(flat)

    def _claim(self, name: str, place: Place) -> None:
        """Note who has a name, which must be the only one."""
        owner = self._owners.setdefault(name, place)
        if owner is not place:
            line = self._document.line(owner.path)
            raise place.failure(f"the name is taken by {owner.what} on line {line}; rename one")

    def _items(
        self,
        items: Sequence[Item],
        path: Path_,
        parameters: Mapping[str, int],
        scope: _Scope,
        using: tuple[str, ...],
    ) -> str:
        """Expand a list of layers and return the name of its output."""
        assert scope.flows_in is not None
        previous: _Source = scope.flows_in
        output = ""
        for number, item in enumerate(items):
            full = scope.prefix + item.name
            where = (*path, number)
            kind = "block" if isinstance(item, BlockUse) else "layer"
            place = Place(
                document=self._document,
                path=where,
                what=f"{kind} '{full}'",
                parameters=parameters,
            )
            self._claim(full, place)
            if isinstance(item, BlockUse):
                output = self._block(item, place, scope, previous, using)
            else:
                self._pending.append(
                    _Pending(name=full, item=item, place=place, scope=scope, previous=previous)
                )
                output = full
                if len(self._pending) > MAX_LAYERS:
                    raise place.failure(f"is beyond the {MAX_LAYERS} layers a network may have")
            scope.names[item.name] = self._outputs[full] = output
            previous = _fixed(output)
        return output

    def _block(
        self,
        item: BlockUse,
        place: Place,
        scope: _Scope,
        previous: _Source,
        using: tuple[str, ...],
    ) -> str:
        """Expand all repeats of a block and return the name of its output."""
        block = self._network.blocks.get(item.use)
        if block is None:
            hint = nearest(item.use, self._network.blocks)
            raise place.failure(f"uses unknown block '{item.use}'{hint}", "use")
        if item.use in using:
            chain = " → ".join((*using[using.index(item.use) :], item.use))
            raise place.failure(f"uses itself ({chain}); remove one use", "use")
        if len(using) == MAX_BLOCK_NESTING:
            raise place.failure(f"is nested deeper than {MAX_BLOCK_NESTING} blocks", "use")
        for name in item.with_:
            if name not in block.parameters:
                hint = nearest(name, block.parameters)
                message = f"block '{item.use}' has no parameter '{name}'{hint}"
                raise place.failure(message, "with", name)
        if item.input is not None:
            previous = self._reference(item.input, scope, place, "input")
        repeats = 1 if item.repeat is None else place.integer(item.repeat, "repeat", minimum=1)
        output = ""
        for index in range(repeats):
            prefix = f"{scope.prefix}{item.name}."
            inner = _Scope(
                prefix=prefix if item.repeat is None else f"{prefix}{index}.",
                outer=scope,
                flows_in=previous,
            )
            parameters = self._arguments(item, place, index)
            path: Path_ = ("blocks", item.use)
            self._add_tensors(block.inputs, "input", path, parameters, inner)
            self._add_tensors(block.learned, "learned tensor", path, parameters, inner)
            output = self._items(
                block.layers, (*path, "layers"), parameters, inner, (*using, item.use)
            )
            self._outputs[inner.prefix[:-1]] = output
            previous = _fixed(output)
        return output

    def _arguments(self, item: BlockUse, place: Place, index: int) -> dict[str, int]:
        """Return what a block's expressions may use: all but the parameters of blocks around."""
        block = self._network.blocks[item.use]
        known = {**self._globals, "index": index}
        if item.repeat is not None:
            place = replace(place, parameters={**place.parameters, "index": index})
        given = {name: place.integer(value, "with", name) for name, value in item.with_.items()}
        defaults = {name: given.get(name, value) for name, value in block.parameters.items()}
        where = replace(place, path=("blocks", item.use))
        return {**known, **self._evaluated(defaults, where, known)}

    def _reference(self, name: str, scope: _Scope, place: Place, key: str) -> _Source:
        """Return what finds the tensor that ``name`` means in ``scope``."""

        def find(asking: Place) -> str:
            if name == "input" and scope.outer is not None and scope.flows_in is not None:
                return scope.flows_in(asking)
            around: _Scope | None = scope
            while around is not None:
                if name in around.names:
                    return around.names[name]
                if around.prefix + name in self._outputs:
                    return self._outputs[around.prefix + name]
                around = around.outer
            owner = learned_by(name)
            if owner is not None:
                return self._reference(owner, scope, place, key)(asking) + name[len(owner) :]
            raise place.failure(f"unknown {key} '{name}'{self._nearest(name, scope)}", key)

        return find

    def _nearest(self, name: str, scope: _Scope) -> str:
        visible: set[str] = set()
        around: _Scope | None = scope
        while around is not None:
            visible.update(around.names)
            around = around.outer
        return nearest(name, visible)

    def _resolved(self, pending: _Pending) -> FlatLayer:
        item, place, scope = pending.item, pending.place, pending.scope
        sources = [pending.previous]
        if item.input is not None:
            sources = [self._reference(item.input, scope, place, "input")]
        elif item.inputs is not None:
            sources = [self._reference(name, scope, place, "inputs") for name in item.inputs]
        tied = getattr(item, "tied_to", None)
        inputs = tuple(source(place) for source in sources)
        tied_to = tied and self._reference(tied, scope, place, "tied_to")(place)
        share = item.share and self._reference(item.share, scope, place, "share")(place)
        return FlatLayer(
            name=pending.name, item=item, place=place, inputs=inputs, tied_to=tied_to, share=share
        )


def learned_by(name: str) -> str | None:
    """Return the layer whose parameter ``LAYER.ROLE`` may be; None where it isn't a role's name."""
    owner, _, role = name.rpartition(".")
    return owner if owner and role in ROLES else None


def _fixed(name: str) -> _Source:
    return lambda _: name
