"""Undoes what PyTorch's exporter folds into arrays, as far as the file says what they were.

Its optimizer multiplies batch normalization into convolutions, transposes weights, stores equal
arrays once, and drops biases of zeros. Each node keeps the names of the parameters that it read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING

from foundation.errors import WorkloadError
from workloads.loaders.onnx.exported import Signature, arrays_of, is_normalized, origin_of
from workloads.loaders.onnx.node import Held, Node

if TYPE_CHECKING:
    import onnx

#: Operators with a weight and a bias behind their first input.
_BIASED = ("Conv", "ConvTranspose", "Gemm", "LayerNormalization")


def unfolded(
    nodes: Sequence[Node],
    protos: Sequence[onnx.NodeProto],
    signature: Signature,
    held: dict[str, Held],
) -> list[Node]:
    """Return the nodes as they were before they were optimized.

    Parameters
    ----------
    nodes, protos
        The file's, in plain Python and as they are.
    signature
        The model's arrays.
    held
        The file's arrays, to which those are added that it has lost.
    """
    if not signature.lost(held):
        return list(nodes)
    unfold = _Unfold(nodes, protos, signature, held)
    return [each for pair in zip(nodes, protos, strict=True) for each in unfold.node(*pair)]


class _Unfold:
    def __init__(
        self,
        nodes: Sequence[Node],
        protos: Sequence[onnx.NodeProto],
        signature: Signature,
        held: dict[str, Held],
    ) -> None:
        self._signature, self._held = signature, held
        pairs = zip(nodes, protos, strict=True)
        #: Nodes of the exported program that add an array behind a product.
        self._biased = {
            origin_of(proto)
            for node, proto in pairs
            if node.operator == "Add" and any(name in held for name in node.inputs)
        }

    def node(self, node: Node, proto: onnx.NodeProto) -> Iterator[Node]:
        """Yield what a node was."""
        arrays = arrays_of(proto, self._signature)
        if not arrays or node.domain:
            yield node
        elif is_normalized(proto) and node.operator in ("Conv", "ConvTranspose"):
            yield from self._normalized(node, arrays)
        elif node.operator in _BIASED and len(node.inputs) > 1 and node.inputs[1] in self._held:
            yield from self._weighted(node, arrays)
        elif node.operator == "MatMul" and node.inputs[1:] and node.inputs[1] in self._held:
            yield from self._multiplied(node, arrays, origin_of(proto))
        else:
            yield self._renamed(node, arrays)

    def _normalized(self, node: Node, arrays: list[str]) -> Iterator[Node]:
        """Yield a convolution and the batch normalization that was folded into it."""
        weight = node.inputs[1]
        if len(arrays) != 4 or weight not in self._held:
            yield node
            return
        bias = f"{weight.removesuffix('weight')}bias"
        inputs = node.inputs[:2]  # the bias of the file is that of the normalization
        if self._signature.is_parameter(bias):
            inputs = (*inputs, bias)
        result, name = f"{node.outputs[0]}.convolved", weight.removesuffix(".weight")
        for vector in (*inputs[2:], *arrays):
            self._add(vector, node)
        yield replace(node, name=name, inputs=inputs, outputs=(result,))
        yield replace(node, operator="BatchNormalization", inputs=(result, *arrays), attributes={})

    def _weighted(self, node: Node, arrays: list[str]) -> Iterator[Node]:
        """Yield a node with its own weight and bias."""
        weight, extra = self._own(node.inputs[1], arrays[0])
        yield from extra
        inputs = [node.inputs[0], weight, *node.inputs[2:]]
        if len(arrays) > 1 and self._signature.is_parameter(arrays[1]):
            inputs[2:] = [arrays[1]]
            self._add(arrays[1], node)
        yield replace(node, inputs=tuple(inputs))

    def _multiplied(self, node: Node, arrays: list[str], origin: str) -> Iterator[Node]:
        """Yield a product with its own weight, and the sum with a bias that was dropped."""
        weight, extra = self._own(node.inputs[1], arrays[0])
        yield from extra
        lost = [name for name in arrays[1:] if name not in self._held]
        if not lost or origin in self._biased:
            yield replace(node, inputs=(node.inputs[0], weight))
            return
        result = f"{node.outputs[0]}.product"
        self._add(lost[0], node)
        yield replace(node, inputs=(node.inputs[0], weight), outputs=(result,))
        yield replace(node, operator="Add", inputs=(result, lost[0]))

    def _own(self, stored: str, name: str) -> tuple[str, list[Node]]:
        """Return a weight of the model instead of what is stored, and what turns it, if needed."""
        held, known = self._held[stored], self._held.get(name)
        if stored == name or not self._signature.is_parameter(name):
            return stored, []
        if known is None:
            self._held[name] = replace(held, is_learned=True)
            return name, []
        if known.shape == held.shape:
            return name, []
        if known.shape != held.shape[::-1]:
            return stored, []
        turned = f"{stored}.turned"
        transpose = Node(
            name=turned,
            operator="Transpose",
            domain="",
            version=13,
            inputs=(name,),
            outputs=(turned,),
            attributes={},
        )
        return turned, [transpose]

    def _renamed(self, node: Node, arrays: list[str]) -> Node:
        """Return a node with the array that it had for an equal one of another node."""
        stored = [name for name in node.inputs if name in self._held and name not in arrays]
        if node.operator in ("Mul", "Add") and len(arrays) == 2:  # of a normalization
            arrays = arrays[:1] if node.operator == "Mul" else arrays[1:]
            others = [name for name in stored if prod(self._held[name].shape) > 1]
        else:
            others = [name for name in stored if name in self._signature.kinds]
        lost = [name for name in arrays if name not in self._held]
        if len(lost) != 1 or len(others) != 1:
            return node
        is_learned = self._signature.is_parameter(lost[0])
        self._held[lost[0]] = replace(self._held[others[0]], is_learned=is_learned)
        inputs = tuple(lost[0] if name == others[0] else name for name in node.inputs)
        return replace(node, inputs=inputs)

    def _add(self, name: str, node: Node) -> None:
        """Add an array with an element for each channel of a node's result."""
        shape, axis, groups = self._held[node.inputs[1]].shape, -1, 1
        if node.operator == "Conv" or (node.operator == "Gemm" and node.integer("transB", 0)):
            axis = 0
        elif node.operator == "ConvTranspose":
            axis, groups = 1, node.integer("group", 1)
        if not -1 <= axis < len(shape) or not shape:
            raise WorkloadError(f"{node}: its weight {list(shape)} has too few axes")
        channels = shape[axis] * groups
        is_learned = self._signature.is_parameter(name)
        vector = Held(shape=(channels,), is_float=True, known=None, is_learned=is_learned)
        self._held.setdefault(name, vector)
