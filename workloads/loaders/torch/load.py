"""A `.pt2` file becomes a graph: ``load`` reads it, binds its dimensions and walks its nodes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from foundation.dtype import DTYPES
from foundation.errors import WorkloadError
from foundation.numerics import Array
from workloads.graph import Graph
from workloads.layers import Shape
from workloads.loaders.asked import Asked
from workloads.loaders.imported import vector
from workloads.loaders.imported.dims import bound
from workloads.loaders.imported.importer import Imported, Importer
from workloads.loaders.imported.indices import given
from workloads.loaders.imported.pending import Given
from workloads.loaders.imported.refused import UnsupportedError
from workloads.loaders.imported.values import Recipe, Value, plain
from workloads.loaders.imported.walk import (
    check_input,
    computed,
    located,
    network,
    or_as_vector,
    settle,
    stored_array,
)
from workloads.loaders.imported.weights import (
    Weight,
    bases_of,
    constant_value,
    known_array,
    recipe_of,
    weight_of,
)
from workloads.loaders.torch import product_nodes
from workloads.loaders.torch.archive import FLOATS
from workloads.loaders.torch.file import Contents, Stored, contents
from workloads.loaders.torch.fold import FUNCTIONS, folded
from workloads.loaders.torch.movement_nodes import FRESH, MOVES
from workloads.loaders.torch.node import Call, Meta, Name, Node
from workloads.loaders.torch.operators import HANDLERS
from workloads.loaders.torch.sizes import size_of
from workloads.loaders.torch.views import Views, first, written_through

_IMAGES = ("conv", "max_pool", "avg_pool", "adaptive", "batch_norm", "group_norm", "upsample")
#: Operators that leave the axes of their first input as they are.
_POINTWISE = frozenset(("add", "sub", "mul", "div", "to", "pad", "clone", "contiguous", "dropout"))
#: Operators that give other places to a weight's axes, or none: it stays the file's array.
_AS_IT_IS = frozenset(
    ("alias", "contiguous", "detach", "permute", "t", "to", "transpose", "dropout", "clone")
)
#: Operators that give places or truths, and cost nothing.
_PLACES = frozenset(
    ("argmax", "argmin", "argsort", "bucketize", "isfinite", "multinomial", "searchsorted")
)
_SYMBOL = re.compile(r"[a-z_]+\d+")


def load(path: Path, asked: Asked) -> Graph:
    """Return the network of a `.pt2` file.

    Raises
    ------
    WorkloadError
        The file can't be read, leaves a dimension open that isn't asked for, or has an operator
        that isn't known.
    """
    return load_as(path, path.stem, asked, str(path))


def load_as(path: Path, name: str, asked: Asked, what: str) -> Graph:
    """As `load`, for a network of another name and with ``what`` it is called in messages."""
    asked.check()
    file = contents(path)
    return network(what, lambda: imported(file, name, asked))


def imported(file: Contents, name: str, asked: Asked) -> Imported:
    """Return the network of what a file holds, and where its tensors went.

    Raises
    ------
    WorkloadError
        As `load`.
    """
    asked.check_one_phase("an exported program")
    return _Walk(file, name, asked).done()


class _Walk:
    """One way through a program's nodes."""

    def __init__(self, file: Contents, name: str, asked: Asked) -> None:
        self._file, self._asked = file, asked
        self._symbols, batch = _bound(file, asked)
        dtype = DTYPES[asked.dtype or file.dtype]
        self._to = Importer(name, batch, dtype, names_parameters=True)
        self._views = Views(file.nodes)
        self._nodes = self._views.live(file.nodes, file.outputs)
        sized = [node for node in self._nodes if not node.operator.startswith("sym_")]
        self._readers = Counter(source for node in sized for source in node.names)
        self._readers.update(file.outputs)
        self._last = {name: n for n, node in enumerate(self._nodes) for name in node.names}
        self._last.update(dict.fromkeys(file.outputs, len(self._nodes)))
        self._values: dict[str, Value] = {}
        self._place = 0

    def done(self) -> Imported:
        """Return the network of all nodes."""
        stored = {name: self._weight(array) for name, array in self._file.stored.items()}
        self._values.update(stored)
        self._values.update(self._inputs())
        for place, node in enumerate(self._nodes):
            self._place = place
            self._walk(node)
        outputs = {name: self._values.get(name) for name in self._file.outputs}
        found = self._to.finish(computed(outputs, "node"))
        learned = [value for name, value in stored.items() if self._file.stored[name].is_parameter]
        self._to.idle(learned)
        return replace(found, graph=self._to.graph())

    def _weight(self, array: Stored) -> Value:
        shape = self._sizes(array.meta.sizes)
        dtype = self._to.dtype if array.meta.dtype in FLOATS else DTYPES["int32"]
        return stored_array(
            self._to, array.name, shape, dtype, array.known, is_learned=array.is_parameter
        )

    def _sizes(self, sizes: Sequence[int | str]) -> Shape:
        return tuple(size_of(size, self._symbols) for size in sizes)

    def _inputs(self) -> dict[str, Value]:
        images = _images(self._nodes)
        values = {}
        for name, meta in self._file.inputs.items():
            if name not in self._readers:
                continue
            shape = self._sizes(meta.sizes)
            check_input(name, shape)
            dtype = self._to.dtype if meta.dtype in FLOATS else DTYPES["int32"]
            is_image = name in images and 3 <= len(shape) <= 5
            values[name] = plain(Given(self._to, name, shape, dtype, is_image=is_image))
        return values

    def _walk(self, node: Node) -> None:
        """Keep the outputs of a node."""
        if all(name is None or name not in self._file.metas for name in node.outputs):
            return  # numbers, of which the file has the expressions
        # Another kind of argument than a tensor has no shape.
        with located(node, "inputs", AttributeError):
            outputs = self._outputs(node)
        for name, value in zip(node.outputs, outputs, strict=False):
            if name:
                self._bind(name, value)

    def _bind(self, name: str, value: Value) -> None:
        """Keep an output; what several nodes read gets nothing more at its end."""
        self._values[name] = value
        settle(value, self._readers[name])

    def _outputs(self, node: Node) -> Sequence[Value]:
        """Return the outputs of a node: known, stored, or computed by layers."""
        call = self._call(node)
        if node.operator in FRESH:  # of the shape of a tensor, whatever that holds
            call = replace(call, arguments={**call.arguments, "self": None})
        tensors = [value for value in call.tensors if isinstance(value, Value)]
        # What PyTorch multiplies at every inference is a layer, even of stored arrays.
        is_product = node.operator in product_nodes.HANDLERS
        if not is_product and all(weight_of(value) is not None for value in tensors):
            stored = self._stored(call, tensors)
            if stored is not None:
                return stored
        outputs = self._computed(call)
        self._check(call, outputs)
        if node.is_in_place:
            self._write(str(first(node)), outputs[0])
        return outputs

    def _call(self, node: Node) -> Call:
        """Return a node with values as its arguments."""
        metas = [self._file.metas.get(name or "", Meta(0, ())) for name in node.outputs]
        return Call(
            node=node,
            arguments={name: self._resolved(item) for name, item in node.arguments.items()},
            shapes=[self._sizes(meta.sizes) for meta in metas],
            dtypes=[meta.dtype for meta in metas],
        )

    def _resolved(self, item: Any) -> Any:
        if isinstance(item, list):
            return [self._resolved(each) for each in item]
        if not isinstance(item, Name):
            return item
        if item.name in self._values:
            return self._values[item.name]
        if item.name in self._file.symbols:
            return size_of(self._file.symbols[item.name], self._symbols)
        if item.name in self._file.numbers:
            return self._file.numbers[item.name]
        raise WorkloadError(f"reads '{item.name}', which nothing before it computes")

    def _stored(self, call: Call, tensors: Sequence[Value]) -> list[Value] | None:
        """Return what follows from stored arrays alone: it is computed once, before inference."""
        known = [known_array(value) for value in tensors]
        is_known = all(array is not None for array in known)
        bases = {n: size for v in tensors for n, size in bases_of(v).items()}
        if is_known and not bases:
            arrays = folded(_with_arrays(call, lambda value: known_array(value)))
            if arrays is not None:
                return [
                    constant_value(self._to, name or call.name, array)
                    for name, array in zip(call.node.outputs, arrays, strict=False)
                ]
        if call.node.operator in _AS_IT_IS or not tensors or call.node.is_in_place:
            return None
        return [
            self._derived(call, number, shape, dtype, bases)
            for number, (shape, dtype) in enumerate(zip(call.shapes, call.dtypes, strict=True))
        ]

    def _derived(
        self, call: Call, number: int, shape: Shape, dtype: int, bases: Mapping[str, int]
    ) -> Value:
        """Return an array that follows from those of the file."""

        def recipe(arrays: Mapping[str, Array]) -> Array:
            found = folded(_with_arrays(call, lambda value: recipe_of(value)(arrays)))
            if found is None:
                raise WorkloadError(f"{call.node}: isn't known of arrays")
            return found[number]

        ours = self._to.dtype if dtype in FLOATS else DTYPES["int32"]
        name = call.node.outputs[number] or call.name
        make: Recipe = recipe
        return plain(Weight(self._to, name, shape, ours, make, None, bases))

    def _computed(self, call: Call) -> Sequence[Value]:
        """Return a node's outputs as layers compute them."""
        operator = call.node.operator.rstrip("_") if call.node.is_in_place else call.node.operator
        is_plain = not call.is_float and operator not in MOVES
        if is_plain and (operator in FUNCTIONS or operator in HANDLERS or operator in _PLACES):
            return [
                given(self._to, name or call.name, shape, is_index=True)
                for name, shape in zip(call.node.outputs, call.shapes, strict=True)
            ]
        return or_as_vector(
            self._asked, lambda: self._handled(call, operator), lambda: self._guessed(call)
        )

    def _handled(self, call: Call, operator: str) -> Sequence[Value]:
        handler = HANDLERS.get(operator)
        if handler is None:
            raise UnsupportedError(f"operator '{call.node.target}' isn't known")
        outputs = handler(self._to, call)
        return [outputs] if isinstance(outputs, Value) else outputs

    def _guessed(self, call: Call) -> list[Value]:
        """Return outputs of the right shapes for a node that isn't known."""
        # Approximation: each output takes one operation per element on the first input that is
        # computed on. An output of integers is an input of the network, and costs nothing.
        self._to.note(f"{call.node} isn't known: taken as a function of the vector unit")
        outputs = []
        for name, shape, dtype in zip(call.node.outputs, call.shapes, call.dtypes, strict=True):
            if dtype in FLOATS:
                outputs.append(vector.unknown(self._to, call.name, call.tensors, shape))
            else:
                outputs.append(given(self._to, name or call.name, shape, is_index=True))
        return outputs

    def _check(self, call: Call, outputs: Sequence[Value]) -> None:
        """Compare shapes with those that the file says."""
        for name, value, shape in zip(call.node.outputs, outputs, call.shapes, strict=False):
            if name and value.shape != shape:
                raise WorkloadError(
                    f"its output '{name}' is {list(value.shape)} but the file says {list(shape)}"
                )

    def _write(self, name: str, value: Value) -> None:
        """Keep what a tensor has become that was written, and those of which it is a view."""
        chain = [name]
        while (node := self._views.maker(chain[-1])) is not None and (base := first(node)):
            chain.append(base)
        later = [n for n, each in enumerate(chain) if self._last.get(each, -1) > self._place]
        self._values[name] = value
        for view, base in pairwise(chain[: max(later, default=0) + 1]):
            made = self._views.maker(view)
            assert made is not None
            value = written_through(self._to, self._call(made), self._values[base], value)
            self._values[base] = value


def _with_arrays(call: Call, array: Any) -> Call:
    """Return a call whose values have become arrays."""

    def changed(item: Any) -> Any:
        if isinstance(item, list):
            return [changed(each) for each in item]
        return array(item) if isinstance(item, Value) else item

    return replace(call, arguments={n: changed(item) for n, item in call.arguments.items()})


def _images(nodes: Sequence[Node]) -> set[str]:
    """Return the tensors that operators on images read, or what only works on their elements."""
    images: set[str] = set()
    for node in reversed(nodes):
        operator, source = node.operator.strip("_"), first(node)
        reaches = operator in _POINTWISE and images.intersection(n for n in node.outputs if n)
        if source and (operator.startswith(_IMAGES) or reaches):
            images.add(source)
    return images


def _bound(file: Contents, asked: Asked) -> tuple[dict[str, int], int]:
    """Return the sizes of symbols, and the batch; an open size is called ``INPUT.AXIS``."""
    called: dict[str, str] = {}
    dims: dict[str, list[int | str]] = {}
    for name, meta in file.inputs.items():
        dims[name] = []
        for axis, size in enumerate(meta.sizes):
            symbols = _SYMBOL.findall(size) if isinstance(size, str) else []
            for symbol in symbols:
                called.setdefault(symbol, f"{name}.{axis}")
            dims[name].append(called[symbols[0]] if symbols else size)
    translated = {called.get(name, name): size for name, size in asked.dims.items()}
    sizes, batch = bound(dims, replace(asked, dims=translated))
    return {symbol: sizes[name] for symbol, name in called.items()}, batch
