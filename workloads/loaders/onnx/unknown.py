"""Operators that aren't known, taken as functions of the vector unit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from foundation.dtype import DTYPES
from foundation.errors import WorkloadError
from workloads.layers import Shape
from workloads.loaders.imported import vector
from workloads.loaders.imported.importer import Importer
from workloads.loaders.imported.pending import Given
from workloads.loaders.imported.values import Value, plain
from workloads.loaders.imported.weights import known_array
from workloads.loaders.onnx.file import FLOATS, Contents
from workloads.loaders.onnx.node import Inputs, Node


def as_vector(
    to: Importer, node: Node, inputs: Inputs, contents: Contents, dims: Mapping[str, int]
) -> Sequence[Value]:
    """Return outputs of the right shapes for a node that isn't known.

    Raises
    ------
    WorkloadError
        Neither shape inference nor the file says how large an output is.
    """
    # Approximation: each output takes one operation per element on the first input that is computed
    # on. An output of integers is an input of the network: what computes it costs nothing.
    shapes = {**_said(contents, dims), **_inferred(node, inputs)}
    to.note(f"{node} isn't known: taken as a function of the vector unit")
    values = [value for value in inputs if value is not None]
    outputs = []
    for output in node.outputs:
        if output and output not in shapes:
            raise WorkloadError(
                f"neither the file nor shape inference says how large its output '{output}' is"
            )
        shape, is_float = shapes.get(output, ((), False))
        if is_float:
            outputs.append(vector.unknown(to, node.name, values, shape))
        else:
            outputs.append(plain(Given(to, output, shape, DTYPES["int32"])))
    return outputs


def _said(contents: Contents, dims: Mapping[str, int]) -> dict[str, tuple[Shape, bool]]:
    """Return shapes that the file says, and whether they are of floating point."""
    said = {}
    for name, given in contents.shapes.items():
        sizes = [dims.get(size, 0) if isinstance(size, str) else size for size in given.dims]
        if min(sizes, default=1) > 0:
            said[name] = (tuple(sizes), given.type_number in FLOATS)
    return said


def _inferred(node: Node, inputs: Inputs) -> dict[str, tuple[Shape, bool]]:
    """Return the shapes that ONNX's own inference gives for a model of this node alone."""
    from onnx import TensorProto, helper, numpy_helper, shape_inference

    givens, held = [], []
    for name, value in zip(node.inputs, inputs, strict=True):
        if value is None:
            continue
        known = known_array(value)
        if known is not None:
            held.append(numpy_helper.from_array(known, name))
        else:
            kind = TensorProto.INT64 if value.dtype.name == "int32" else TensorProto.FLOAT
            givens.append(helper.make_tensor_value_info(name, kind, value.shape))
    attributes = {name: value for name, value in node.attributes.items() if value is not None}
    try:
        proto = helper.make_node(node.operator, node.inputs, node.outputs, domain=node.domain)
        proto.attribute.extend(
            helper.make_attribute(name, value) for name, value in attributes.items()
        )
        outputs = [helper.make_empty_tensor_value_info(name) for name in node.outputs if name]
        graph = helper.make_graph([proto], "node", givens, outputs, held)
        opset = helper.make_opsetid(node.domain, node.version)
        model = helper.make_model(graph, opset_imports=[opset])
        inferred = shape_inference.infer_shapes(model, data_prop=True)
    except Exception:  # inference has exceptions of its own; the file may still say the shape
        return {}
    shapes = {}
    for entry in inferred.graph.output:
        tensor = entry.type.tensor_type
        dims = [dim.dim_value for dim in tensor.shape.dim]
        if tensor.HasField("shape") and min(dims, default=1) > 0:
            shapes[entry.name] = (tuple(dims), tensor.elem_type in FLOATS)
    return shapes
