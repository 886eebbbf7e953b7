"""What PyTorch's ONNX exporter says of its model beside the graph: modules, parameters.

References
----------
.. [1] PyTorch, torch/onnx/_internal/exporter/_core.py, https://github.com/pytorch/pytorch
"""

from __future__ import annotations

import re
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx

_SIGNATURE = "pkg.torch.export.ExportedProgram.graph_signature"
_SCOPES, _CLASSES = "pkg.torch.onnx.name_scopes", "pkg.torch.onnx.class_hierarchy"
_NODE, _RULES = "pkg.torch.onnx.fx_node", "pkg.onnxscript.rewriter.rule_name"
_PRODUCTS = ("Conv", "ConvTranspose", "Gemm", "MatMul")


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

    def lost(self, held: Container[str]) -> list[str]:
        """Return the parameters that aren't among a file's arrays."""
        return [name for name in self.kinds if self.is_parameter(name) and name not in held]


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


def weights_of(graph: onnx.GraphProto) -> set[str]:
    """Return the arrays that are weights for what they do: operands of products, and vectors.

    Of an instance normalization they are ones and zeros, as the exporter writes one for groups.
    """
    read: dict[str, set[str]] = {node.op_type: set() for node in graph.node}
    for node in graph.node:
        read[node.op_type].update(node.input)
    products: set[str] = set().union(*(read.get(kind, ()) for kind in _PRODUCTS))
    vectors = {array.name for array in graph.initializer if len(array.dims) == 1}
    return products | vectors - read.get("InstanceNormalization", set())


def arrays_of(proto: onnx.NodeProto, signature: Signature) -> list[str]:
    """Return the model's arrays that a node read before it was optimized: weight before bias."""
    text = _said(proto.metadata_props).get(_NODE, "")
    places = re.findall(r"%(\w+)", text)
    found = [signature.places[place] for place in places if place in signature.places]
    return found[::-1] if "aten.addmm" in text else found


def origin_of(proto: onnx.NodeProto) -> str:
    """Return the name of the node of the exported program that a node was."""
    scopes = re.findall("'([^']*)'", _said(proto.metadata_props).get(_SCOPES, ""))
    return scopes[-1] if scopes else ""


def is_normalized(proto: onnx.NodeProto) -> bool:
    """Whether a batch normalization is folded into a node."""
    return "FuseBatchNorm" in _said(proto.metadata_props).get(_RULES, "")


def _said(entries: Sequence[onnx.StringStringEntryProto]) -> dict[str, str]:
    """Return a node's or graph's remarks; what isn't Unicode comes as bytes, and is none."""
    return {entry.key: entry.value for entry in entries if isinstance(entry.value, str)}
