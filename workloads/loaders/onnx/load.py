"""An ONNX file becomes a graph: ``load`` reads it, binds its dimensions and walks its nodes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from foundation.dtype import DTYPES
from foundation.errors import WorkloadError
from foundation.numerics import Array
from workloads.graph import Graph
from workloads.layers import Shape
from workloads.loaders.asked import Asked
from workloads.loaders.imported.dims import bound
from workloads.loaders.imported.importer import Imported, Importer
from workloads.loaders.imported.pending import Given
from workloads.loaders.imported.refused import UnsupportedError
from workloads.loaders.imported.values import Value, plain
from workloads.loaders.imported.walk import (
    check_input,
    computed,
    is_learned,
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
from workloads.loaders.onnx import product_nodes, sequence_nodes
from workloads.loaders.onnx.file import BYTES, FLOATS, MOST_AXES, Contents, contents
from workloads.loaders.onnx.fold import folded
from workloads.loaders.onnx.index_nodes import following
from workloads.loaders.onnx.node import Held, Node
from workloads.loaders.onnx.operators import HANDLERS
from workloads.loaders.onnx.patterns import Patterns
from workloads.loaders.onnx.unknown import as_vector

#: Inputs of operators that are the file's arrays, even where the file leaves them out.
_LEARNED = {
    **{"Conv": (1, 2), "BatchNormalization": (1, 2, 3, 4), "Gemm": (1, 2)},
    **{"LayerNormalization": (1, 2), "RMSNormalization": (1,), "QLinearConv": (3, 8)},
}
#: Operators that work on images, and those that leave the axes of their first input as they are.
_IMAGES = ("Conv", "MaxPool", "AveragePool", "QLinearConv", "ConvInteger")
#: Operators that give other places to a weight's axes, or none: it stays the file's array.
_AS_IT_IS = frozenset(
    ("Cast", "CastLike", "Flatten", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze")
)
_POINTWISE = (
    *("Add", "Sub", "Mul", "Div", "Cast", "Identity", "Clip", "BatchNormalization", "Pad"),
    *("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear"),
)


def load(path: Path, asked: Asked) -> Graph:
    """Return the network of an ONNX file.

    Raises
    ------
    WorkloadError
        The file can't be read, leaves a dimension open that isn't asked for, or has an operator
        that isn't known.
    """
    asked.check()
    return network(str(path), lambda: imported(contents(path), path.stem, asked))


def imported(file: Contents, name: str, asked: Asked) -> Imported:
    """Return the network of what a file holds, and where its tensors went.

    Raises
    ------
    WorkloadError
        As `load`.
    """
    asked.check_one_phase("an ONNX file")
    return _Walk(file, name, asked).done()


class _Walk:
    """One way through a file's nodes."""

    def __init__(self, file: Contents, name: str, asked: Asked) -> None:
        self._file, self._asked = file, asked
        self._nodes = _live(_with_patterns(file), file.outputs)
        self._dims, batch = bound({n: given.dims for n, given in file.inputs.items()}, asked)
        self._to = Importer(
            name,
            batch,
            DTYPES[asked.dtype or file.dtype],
            names_parameters=bool(file.named),
        )
        self._readers = Counter(
            source
            for node in self._nodes
            if node.operator not in ("Shape", "Size")
            for source in node.inputs
        )
        self._readers.update(file.outputs)
        self._values: dict[str, Value] = {}
        self._lists: dict[str, list[Value]] = {}

    def done(self) -> Imported:
        """Return the network of all nodes."""
        arrays = self._arrays()
        self._values.update(arrays)
        self._values.update(self._inputs())
        for node in self._nodes:
            for output, value in zip(node.outputs, self._outputs(node), strict=False):
                self._bind(output, value)
        outputs = {name: self._values.get(name) for name in self._file.outputs}
        found = self._to.finish(computed(outputs, "node"))
        if self._file.lost:
            first, *rest = self._file.lost
            names = f"'{first}'" + (f" and {len(rest)} more" if rest else "")
            self._to.note(f"{names}, parameters in PyTorch, aren't in the file and not counted")
        self._to.idle([arrays[name] for name in sorted(self._file.named)])
        return replace(found, graph=self._to.graph())

    def _arrays(self) -> dict[str, Value]:
        """Return the arrays of the file, and those that it needs but leaves out."""
        held = dict(self._file.held)
        for node in self._nodes:
            for place in _LEARNED.get(node.operator, ()):
                source = node.inputs[place] if place < len(node.inputs) else ""
                given = self._file.inputs.get(source)
                if given is not None:
                    shape = self._sizes(given.dims)
                    is_float = given.type_number in FLOATS
                    held[source] = Held(
                        shape=shape, is_float=is_float, known=None, is_learned=is_float
                    )
        return {name: self._weight(name, array) for name, array in held.items()}

    def _weight(self, name: str, held: Held) -> Value:
        dtype = self._to.dtype if held.is_float else DTYPES["int32"]
        return stored_array(
            self._to, name, held.shape, dtype, held.known, is_learned=held.is_learned
        )

    def _sizes(self, dims: Sequence[int | str]) -> Shape:
        return tuple(self._dims[dim] if isinstance(dim, str) else dim for dim in dims)

    def _inputs(self) -> dict[str, Value]:
        images = _images(self._nodes)
        values = {}
        for name, given in self._file.inputs.items():
            if name in self._values or name not in self._readers:
                continue
            if not given.type_number:
                raise WorkloadError(f"input '{name}': isn't a tensor, and nothing else is known")
            shape = self._sizes(given.dims)
            check_input(name, shape)
            numbers = (*FLOATS, *BYTES) if self._file.dtype == "int8" else FLOATS
            dtype = self._to.dtype if given.type_number in numbers else DTYPES["int32"]
            is_image = name in images and 3 <= len(shape) <= 4
            values[name] = plain(Given(self._to, name, shape, dtype, is_image=is_image))
        return values

    def _bind(self, name: str, value: Value) -> None:
        """Keep an output; what several nodes read gets nothing more at its end."""
        if value.rank > MOST_AXES:
            raise WorkloadError(f"'{name}' has {value.rank} axes but at most {MOST_AXES} are read")
        self._values[name] = value
        settle(value, self._readers[name])

    def _outputs(self, node: Node) -> Sequence[Value]:
        """Return the outputs of a node: known, computed by layers, or a guess if allowed."""
        inputs = []
        names = node.inputs[1:] if node.operator in sequence_nodes.READS else node.inputs
        for name in names:
            if name and name not in self._values:
                raise WorkloadError(f"{node}: reads '{name}', which nothing before it computes")
            inputs.append(self._values[name] if name else None)
        with located(node, "inputs or attributes"):
            if not node.domain and node.operator in sequence_nodes.GIVES:
                self._lists[node.outputs[0]] = sequence_nodes.listed(self._to, node, inputs)
                return []
            stored = self._known(node, inputs) or self._derived(node, inputs)
            outputs = stored or self._by_handler(node, inputs)
        return [outputs] if isinstance(outputs, Value) else outputs

    def _known(self, node: Node, inputs: Sequence[Value | None]) -> list[Value] | None:
        """Return a node's outputs if they are known while the file is read."""
        arrays: Sequence[Array] | None = None
        if node.domain:
            return None
        match node.operator:
            case "Constant":
                return [self._constant(node)]
            case "Shape" | "Size":
                arrays = _shape_of(node, inputs)
            case _:
                sources = [None if value is None else known_array(value) for value in inputs]
                pairs = zip(inputs, sources, strict=True)
                is_known = all((value is None) == (array is None) for value, array in pairs)
                if is_known and not any(map(is_learned, inputs)):
                    arrays = folded(node, sources)
        if arrays is None:
            return None
        return [
            constant_value(self._to, name, array)
            for name, array in zip(node.outputs, arrays, strict=False)
        ]

    def _derived(self, node: Node, inputs: Sequence[Value | None]) -> list[Value] | None:
        """Return what follows from stored arrays alone: it is computed once, before inference."""
        values = [value for value in inputs if value is not None]
        if node.domain or node.operator in _AS_IT_IS or node.operator in product_nodes.HANDLERS:
            return None
        if not values or any(weight_of(value) is None for value in values):
            return None
        if not any(map(is_learned, values)):
            return None
        blanks = [None if value is None else _blank(value) for value in inputs]
        shapes = [array.shape for array in folded(node, blanks) or ()]
        bases = {n: size for v in values for n, size in bases_of(v).items()}

        def recipe(arrays: Mapping[str, Array], number: int) -> Array:
            given = [None if value is None else recipe_of(value)(arrays) for value in inputs]
            return (folded(node, given) or ())[number]

        return [
            plain(
                Weight(
                    self._to,
                    name,
                    shape,
                    self._to.dtype,
                    partial(recipe, number=number),
                    None,
                    bases,
                )
            )
            for number, (name, shape) in enumerate(zip(node.outputs, shapes, strict=False))
        ] or None

    def _constant(self, node: Node) -> Value:
        array = constant_array(node)
        if array is None:
            raise WorkloadError("its value isn't in the file")
        return constant_value(self._to, node.outputs[0], array)

    def _by_handler(self, node: Node, inputs: Sequence[Value | None]) -> Value | Sequence[Value]:
        """Return a node's outputs as layers compute them."""
        if node.has_graph:
            raise WorkloadError(
                "has a graph of its own, of which nothing is read; export the model without control"
                " flow"
            )
        if not node.domain and node.operator in sequence_nodes.READS:
            items = self._lists.get(node.inputs[0], [])
            return sequence_nodes.read(self._to, node, items, inputs)
        integers = None if node.domain else following(self._to, node, inputs)
        if integers is not None:
            return integers
        return or_as_vector(
            self._asked,
            lambda: self._handled(node, inputs),
            lambda: as_vector(self._to, node, inputs, self._file, self._dims),
        )

    def _handled(self, node: Node, inputs: Sequence[Value | None]) -> Value | Sequence[Value]:
        handler = None if node.domain else HANDLERS.get(node.operator)
        if handler is None:
            domain = node.domain or "ai.onnx"
            raise UnsupportedError(
                f"operator '{node.operator}' of domain '{domain}', version {node.version}, isn't"
                " known"
            )
        return handler(self._to, node, inputs)


def _blank(value: Value) -> Array:
    """Return known elements, or zeros: enough for the shape of what is computed."""
    known = known_array(value)
    return np.broadcast_to(np.float32(0), value.shape) if known is None else known


def constant_array(node: Node) -> Array | None:
    """Return the value of a Constant node, or None where it isn't in the file."""
    for name, value in node.attributes.items():
        if name == "value":
            return None if value is None else np.asarray(value)
        if name in ("value_float", "value_floats"):
            return np.asarray(value, np.float32)
        if name in ("value_int", "value_ints"):
            return np.asarray(value, np.int64)
    return None


def _shape_of(node: Node, inputs: Sequence[Value | None]) -> list[Array]:
    value = inputs[0] if inputs else None
    if value is None:
        raise WorkloadError("its input is missing")
    if node.operator == "Size":
        return [np.asarray(value.size_elements, np.int64)]
    start, end = node.integer("start", 0), node.integer("end", value.rank)
    return [np.asarray(value.shape[start:end], np.int64)]


def _with_patterns(file: Contents) -> list[Node]:
    """Return the nodes, of which those that end a pattern are all of it."""
    known = {name: held.known for name, held in file.held.items() if held.known is not None}
    shapes = {name: held.shape for name, held in file.held.items()}
    for node in file.nodes:
        array = constant_array(node) if (node.operator, node.domain) == ("Constant", "") else None
        if array is not None and node.outputs:
            known[node.outputs[0]] = array
            shapes[node.outputs[0]] = array.shape
    patterns = Patterns(file.nodes, known, shapes)
    return [patterns.replaced(node) for node in file.nodes]


def _live(nodes: Sequence[Node], outputs: Sequence[str]) -> list[Node]:
    """Return the nodes that outputs need, in order."""
    needed, live = set(outputs), []
    for node in reversed(nodes):
        if needed.intersection(output for output in node.outputs if output):
            needed.update(node.inputs)
            live.append(node)
    return live[::-1]


def _images(nodes: Sequence[Node]) -> set[str]:
    """Return the tensors that operators on images read, or what only works on their elements."""
    images: set[str] = set()
    for node in reversed(nodes):
        reaches = node.operator in _POINTWISE and images.intersection(node.outputs)
        if node.inputs and (node.operator in _IMAGES or reaches):
            images.add(node.inputs[0])
    return images
