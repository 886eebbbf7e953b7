"""An ONNX file as plain Python: nodes, and shapes and types of what it holds.

Only the file itself is read: arrays that lie outside of it, or were taken out of it, keep their
shapes. Of those inside, only what is small enough to be a shape, a mask or a number is decoded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from foundation.errors import WorkloadError
from foundation.numerics import Array
from workloads.loaders.onnx.exported import (
    Signature,
    layer_of,
    signature_of,
    weights_of,
)
from workloads.loaders.onnx.node import Held, Node
from workloads.loaders.onnx.unfold import unfolded

if TYPE_CHECKING:
    import onnx

#: Floating-point types of ONNX (TensorProto.DataType) to ours; double is taken as fp32.
FLOATS = {1: "fp32", 10: "fp16", 11: "fp32", 16: "bf16"}
#: Types of a quantized network's numbers: uint8 and int8.
BYTES = (2, 3)
#: The most elements of an array that are decoded: floating point may be weights, all else is masks.
_MOST_NUMBERS, _MOST_INTEGERS = 1 << 12, 1 << 22
#: The most axes that an array may have: NumPy can do nearly everything with 64, and all with 32.
MOST_AXES = 32
_QUANTIZED = (
    *("QLinearConv", "QLinearMatMul", "QuantizeLinear", "DequantizeLinear"),
    *("MatMulInteger", "ConvInteger", "DynamicQuantizeLinear"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """An input of the file: sizes, with names for those that it leaves open, and ONNX's type."""

    dims: tuple[int | str, ...]
    type_number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What a file holds.

    Parameters
    ----------
    nodes
        In the file's order, in which each comes after what it reads.
    held, inputs
        Arrays and inputs by name.
    outputs
        Names.
    dtype
        The number type of most of its weights, or int8 for a quantized network.
    shapes
        What the file says of other tensors: sizes, or names of those that it leaves open.
    named
        Arrays of which the file says that they are parameters; none where it says nothing.
    lost
        Parameters that the file names and doesn't hold, nor other weights in their place.
    """

    nodes: tuple[Node, ...]
    held: Mapping[str, Held]
    inputs: Mapping[str, Given]
    outputs: tuple[str, ...]
    dtype: str
    shapes: Mapping[str, Given]
    named: frozenset[str]
    lost: tuple[str, ...]


def contents(path: Path) -> Contents:
    """Return what an ONNX file holds, without arrays in other files.

    Raises
    ------
    WorkloadError
        It can't be read as an ONNX model, or the package onnx isn't there.
    """
    try:
        import onnx.inliner
    except ImportError:
        raise WorkloadError(
            f"{path}: reading ONNX needs the package onnx; install it with"
            " pip install 'rooftile[onnx]'"
        ) from None
    if not path.is_file():
        raise WorkloadError(f"{path}: {'is a folder' if path.is_dir() else 'no such file'}")
    try:
        model = onnx.load(path, load_external_data=False)
        if model.functions:
            model = onnx.inliner.inline_local_functions(model)
    except Exception as error:  # the protobuf library has exceptions of its own for each fault
        raise WorkloadError(f"{path}: can't be read as an ONNX model: {error}") from error
    return contents_of(model)


def contents_of(model: onnx.ModelProto) -> Contents:
    """Return what a model holds."""
    graph = model.graph
    if not graph.node:
        raise WorkloadError("has no node; give an ONNX model")
    versions = {entry.domain: entry.version for entry in model.opset_import}
    signature, weights = signature_of(graph), weights_of(graph)
    held = {tensor.name: _held(tensor, signature, weights) for tensor in graph.initializer}
    for sparse in graph.sparse_initializer:
        shape = tuple(sparse.dims)
        held[sparse.values.name] = Held(shape=shape, is_float=True, known=None, is_learned=True)
    inputs = {entry.name: _given(entry) for entry in graph.input if entry.name not in held}
    plain = [_node(node, number, versions) for number, node in enumerate(graph.node)]
    nodes = tuple(unfolded(plain, graph.node, signature, held))
    read = {name for node in nodes for name in node.inputs}
    unnamed = [n for n in held.keys() & read if held[n].is_learned and n not in signature.kinds]
    return Contents(
        nodes=nodes,
        held=held,
        inputs=inputs,
        outputs=tuple(entry.name for entry in graph.output),
        dtype=_dtype(nodes, graph, inputs),
        shapes={entry.name: _given(entry) for entry in (*graph.value_info, *graph.output)},
        named=frozenset(filter(signature.is_parameter, held)),
        lost=tuple(signature.lost(held)[len(unnamed) :]),
    )


def _node(proto: onnx.NodeProto, number: int, versions: Mapping[str, int]) -> Node:
    domain = "" if proto.domain == "ai.onnx" else proto.domain
    return Node(
        name=layer_of(proto) or proto.name or next(filter(None, proto.output), f"node{number}"),
        operator=proto.op_type,
        domain=domain,
        version=versions.get(domain, versions.get("ai.onnx", 1)),
        inputs=tuple(proto.input),
        outputs=tuple(proto.output),
        attributes={attribute.name: _attribute(attribute) for attribute in proto.attribute},
        has_graph=any(a.HasField("g") or a.graphs for a in proto.attribute),
    )


def _attribute(proto: onnx.AttributeProto) -> Any:
    """Return an attribute in plain Python; None for a graph, and for what isn't in the file."""
    from onnx import AttributeProto, helper

    if proto.type == AttributeProto.TENSOR:
        return _decoded(proto.t)
    if proto.type in (AttributeProto.GRAPH, AttributeProto.GRAPHS):
        return None
    value = helper.get_attribute_value(proto)
    return list(value) if isinstance(value, (list, tuple)) or hasattr(value, "extend") else value


def _held(tensor: onnx.TensorProto, signature: Signature, weights: Container[str]) -> Held:
    """Return an array, and whether it counts as a parameter.

    One of which nothing is said does if it has more than a number. Where PyTorch says which arrays
    are parameters, others are weights that were computed anew, vectors or operands of products, or
    tables and masks.
    """
    shape, is_float = tuple(tensor.dims), tensor.data_type in FLOATS
    is_learned = prod(shape) > 1
    if tensor.name in signature.kinds:
        is_learned = signature.is_parameter(tensor.name)
    elif signature.kinds:
        is_learned = is_learned and tensor.name in weights
    return Held(
        shape=shape,
        is_float=is_float,
        known=_decoded(tensor),
        is_learned=is_float and is_learned,
    )


def _decoded(tensor: onnx.TensorProto) -> Array | None:
    """Return the elements of an array, or None where they are many, or not in the file."""
    from onnx import TensorProto, numpy_helper

    if any(size < 0 for size in tensor.dims):
        raise WorkloadError(f"array '{tensor.name}': shape {list(tensor.dims)} has negative sizes")
    if len(tensor.dims) > MOST_AXES:
        raise WorkloadError(
            f"array '{tensor.name}': has {len(tensor.dims)} axes but at most {MOST_AXES} are read"
        )
    most = _MOST_NUMBERS if tensor.data_type in FLOATS else _MOST_INTEGERS
    elements = prod(tensor.dims)
    if elements > most or tensor.data_location == TensorProto.EXTERNAL:
        return None
    try:
        array = np.asarray(numpy_helper.to_array(tensor))
    except (ValueError, TypeError, KeyError, OverflowError):
        return None  # the values were taken out of the file
    is_bfloat = tensor.data_type == TensorProto.BFLOAT16
    return array.astype(np.float32) if is_bfloat else array


def _given(entry: onnx.ValueInfoProto) -> Given:
    """Return sizes and type of an input; an unnamed size is called after it and the axis."""
    tensor = entry.type.tensor_type
    dims = [
        dim.dim_value if dim.HasField("dim_value") else dim.dim_param or f"{entry.name}.{axis}"
        for axis, dim in enumerate(tensor.shape.dim)
    ]
    return Given(dims=tuple(dims), type_number=tensor.elem_type)


def _dtype(nodes: tuple[Node, ...], graph: onnx.GraphProto, inputs: Mapping[str, Given]) -> str:
    """Return the number type of most weights, of most inputs where there are none."""
    if any(node.operator in _QUANTIZED for node in nodes):
        return "int8"
    elements: Counter[str] = Counter()
    for tensor in _arrays(graph):
        if tensor.data_type in FLOATS:
            elements[FLOATS[tensor.data_type]] += prod(tensor.dims)
    if not elements:
        elements.update(FLOATS[g.type_number] for g in inputs.values() if g.type_number in FLOATS)
    return max(elements, key=lambda name: elements[name], default="fp32")


def _arrays(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    yield from graph.initializer
    for node in graph.node:
        yield from (attribute.t for attribute in node.attribute if attribute.HasField("t"))
