"""What PyTorch's ONNX exporter says of its model beside the graph: modules, parameters.

Its optimizer multiplies batch normalization into the convolution before it and drops a bias of
zeros. Nodes keep the names of what they were, and the file those of all parameters: what is folded
so becomes again what it was.

References
----------
.. [1] PyTorch, torch/onnx/_internal/exporter/_core.py, https://github.com/pytorch/pytorch
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from workloads.loaders.onnx.node import Node

if TYPE_CHECKING:
    import onnx

_SIGNATURE = "pkg.torch.export.ExportedProgram.graph_signature"
_SCOPES, _CLASSES = "pkg.torch.onnx.name_scopes", "pkg.torch.onnx.class_hierarchy"
_NODE, _RULES = "pkg.torch.onnx.fx_node", "pkg.onnxscript.rewriter.rule_name"
#: Operators whose second input is a weight, and of whose results channels are the second axis.
_CONVOLUTIONS = ("Conv", "ConvTranspose")
_PRODUCTS = (*_CONVOLUTIONS, "Gemm", "MatMul")


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """The model's arrays.

    Parameters
    ----------
    kinds
        Name of an array to what it is: ``PARAMETER``, ``BUFFER`` or ``TENSOR_CONSTANT``. Empty for
        the file of another exporter.
    places
        Name of an array among the arguments of the exported program to its name in the model.
    """

    kinds: Mapping[str, str] = field(default_factory=dict)
    places: Mapping[str, str] = field(default_factory=dict)

    def is_parameter(self, name: str) -> bool:
        """Whether an array is one of the model's parameters."""
        return self.kinds.get(name) == "PARAMETER"

    def lost(self, held: Sequence[str]) -> list[str]:
        """Return the parameters that aren't among a file's arrays."""
        found = set(held)
        return [name for name in self.kinds if self.is_parameter(name) and name not in found]


def signature_of(graph: onnx.GraphProto) -> Signature:
    """Return what a graph says of the model's arrays."""
    said = _said(graph.metadata_props).get(_SIGNATURE, "")
    found = re.findall(r"^(\w+): ([A-Z_]+) target='([^']+)'", said, re.MULTILINE)
    return Signature(
        kinds={name: kind for _, kind, name in found}, places={p: name for p, _, name in found}
    )


def layer_of(proto: onnx.NodeProto) -> str:
    """Return the name of a node's module, as in a `.pt2` file, or "" where the file hasn't it."""
    said = _said(proto.metadata_props)
    scopes, classes = (re.findall("'([^']*)'", said.get(key, "")) for key in (_SCOPES, _CLASSES))
    if len(scopes) < 2 or len(classes) < 2:
        return ""
    is_leaf = classes[-2].startswith("torch.nn.modules.")
    module = scopes[-2].partition("@")[0]
    return module if is_leaf and module else ".".join(filter(None, (module, scopes[-1])))


def products_read(graph: onnx.GraphProto) -> set[str]:
    """Return the tensors that are operands of products: arrays among them are weights."""
    return {name for node in graph.node if node.op_type in _PRODUCTS for name in node.input}


def unfolded(
    node: Node, proto: onnx.NodeProto, signature: Signature, held: Mapping[str, object]
) -> tuple[list[Node], list[str]]:
    """Return the nodes that one was before it was optimized, and arrays that they need besides.

    Those have an element for each channel of the result.
    """
    said = _said(proto.metadata_props)
    if node.operator not in _CONVOLUTIONS or _RULES not in said or len(node.inputs) < 2:
        return [node], []
    weight = node.inputs[1]
    bias = f"{weight.removesuffix('weight')}bias"
    inputs, needed = list(node.inputs), []
    vectors = list(_arrays(said.get(_NODE, ""), signature))
    is_normalized = "FuseBatchNorm" in said[_RULES] and len(vectors) == 4
    if is_normalized:  # the bias of the file is that of the normalization
        inputs = inputs[:2]
    if signature.is_parameter(bias) and bias not in held and len(inputs) == 2:
        inputs.append(bias)
        needed.append(bias)
    if not is_normalized:
        return [replace(node, inputs=tuple(inputs))], needed
    result = f"{node.outputs[0]}.convolved"
    name = weight.removesuffix(".weight")
    convolution = replace(node, name=name, inputs=tuple(inputs), outputs=(result,))
    normal = replace(node, operator="BatchNormalization", inputs=(result, *vectors), attributes={})
    return [convolution, normal], [*needed, *vectors]


def _arrays(text: str, signature: Signature) -> Iterator[str]:
    """Yield the model's arrays that a node of the exported program reads."""
    for place in re.findall(r"%(\w+)", text):
        if place in signature.places:
            yield signature.places[place]


def _said(entries: Sequence[onnx.StringStringEntryProto]) -> dict[str, str]:
    return {entry.key: entry.value for entry in entries}
