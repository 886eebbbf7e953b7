"""A net's layers as they run at inference: who reads whose result, and what goes into a product.

Caffe's layers write blobs, in place where a top has the name of a bottom. Here every layer has a
result of its own, named like the layer.

References
----------
.. [1] Caffe, src/caffe/proto/caffe.proto and src/caffe/net.cpp,
   https://github.com/BVLC/caffe
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from foundation.errors import WorkloadError
from foundation.names import Names
from workloads.loaders.caffe.text import Message

#: Types of the first format, ``layers { type: CONVOLUTION }``, whose names aren't only in capitals.
_FIRST_FORMAT = {
    "CONVOLUTION": "Convolution",
    "INNER_PRODUCT": "InnerProduct",
    "POOLING": "Pooling",
    "RELU": "ReLU",
    "SIGMOID": "Sigmoid",
    "TANH": "TanH",
    "ABSVAL": "AbsVal",
    "BNLL": "BNLL",
    "LRN": "LRN",
    "CONCAT": "Concat",
    "ELTWISE": "Eltwise",
    "DROPOUT": "Dropout",
    "FLATTEN": "Flatten",
    "SOFTMAX": "Softmax",
    "SPLIT": "Split",
    "DUMMY_DATA": "DummyData",
    "MEMORY_DATA": "MemoryData",
}
#: Layers that give what they get.
_SAME = ("Dropout", "Split")
#: Layers that give blobs of the shapes that they say.
SOURCES = ("Input", "DummyData", "MemoryData")
#: Type to the function of the vector unit.
ACTIVATIONS = {
    "ReLU": "relu",
    "Sigmoid": "sigmoid",
    "TanH": "tanh",
    "AbsVal": "absolute",
    "BNLL": "softplus",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A layer.

    Parameters
    ----------
    name, kind
        Its unique name, which is its result's, and its type.
    message
        What the file says of it.
    inputs
        Names of the results that it reads.
    tops
        Names of the blobs that it writes.
    is_normalized
        Whether the batch normalization or scale behind it is part of it.
    activation
        The function behind it that is part of it.
    """

    name: str
    kind: str
    message: Message
    inputs: tuple[str, ...]
    tops: tuple[str, ...]
    is_normalized: bool = False
    activation: str = "identity"

    def failure(self, message: str) -> WorkloadError:
        """Return the error that ``message`` is about this layer."""
        return self.message.failure(f"layer '{self.name}': {message}")

    def check_inputs(self, count: int) -> None:
        """Raise WorkloadError unless it reads as many results."""
        if len(self.inputs) != count:
            raise self.failure(
                f"{self.kind} needs {count} bottom{'s' * (count > 1)} but has {len(self.inputs)}"
            )


def read_nodes(net: Message) -> tuple[dict[str, tuple[int, ...]], list[Node]]:
    """Return shapes of the net's inputs, and its layers in order.

    Raises
    ------
    WorkloadError
        A layer reads what isn't there, or says things that no inference has.
    """
    names = Names()
    inputs: dict[str, tuple[int, ...]] = {}
    written: dict[str, str] = {}  # blob to the result that it has just now

    def give(shapes: Mapping[str, tuple[int, ...]]) -> None:
        for blob, shape in shapes.items():
            written[blob] = names.unique(blob)
            inputs[written[blob]] = shape

    give(_given(net))
    nodes: list[Node] = []
    for message in _layers(net):
        node = _node(message, written)
        if node.kind in SOURCES:
            give(_source_shapes(node))
        elif node.kind in _SAME:
            node.check_inputs(1)
            written.update(dict.fromkeys(node.tops, node.inputs[0]))
        else:
            node = replace(node, name=names.unique(node.name))
            written.update(dict.fromkeys(node.tops, node.name))
            nodes.append(node)
    _check_sharing(nodes)
    return inputs, joined(nodes)


def joined(nodes: Sequence[Node]) -> list[Node]:
    """Return the layers with what is applied as results leave the array joined to its product.

    A batch normalization, a scale with a shift and an activation belong to a convolution, a scale
    to a normalization, an activation to an inner product or an element-wise function of two, as
    far as nobody else reads what is between.
    """
    readers = Counter(name for node in nodes for name in node.inputs)
    by_name = {node.name: node for node in nodes}
    origin: dict[str, str] = {}  # a joined layer to the one that it has gone into
    for node in nodes:
        if len(node.inputs) != 1 or readers[node.inputs[0]] != 1:
            continue
        source = origin.get(node.inputs[0], node.inputs[0])
        host = by_name.get(source)
        if host is None or host.activation != "identity":
            continue
        if _normalizes(node, host):
            by_name[source] = replace(host, is_normalized=True)
        elif node.kind in ACTIVATIONS and _takes_activation(host):
            by_name[source] = replace(host, activation=activation_of(node))
        else:
            continue
        origin[node.name] = source
    return [
        replace(by_name[node.name], inputs=tuple(origin.get(name, name) for name in node.inputs))
        for node in nodes
        if node.name not in origin
    ]


def activation_of(node: Node) -> str:
    """Return the vector unit's function of an activation layer."""
    slope = node.message.message("relu_param").number("negative_slope", 0.0)
    if slope:
        raise node.failure(f"negative_slope is {slope:g} but only 0 is known")
    return ACTIVATIONS[node.kind]


def _takes_activation(host: Node) -> bool:
    return host.kind in ("Convolution", "InnerProduct") or (
        host.kind == "Eltwise" and len(host.inputs) == 2
    )


def _normalizes(node: Node, host: Node) -> bool:
    """Whether a layer scales and shifts the channels that ``host`` gives, as part of it.

    A Scale behind a BatchNorm changes its numbers only. One along another axis than the channels
    stays alone, to be refused.
    """
    param = node.message.message("scale_param")
    if param.integer("axis", 1, -4) != 1 or param.integer("num_axes", 1, -1) != 1:
        return False
    if node.kind == "Scale" and (host.kind == "BatchNorm" or host.is_normalized):
        return True
    return host.kind == "Convolution" and (node.kind == "BatchNorm" or shifts(node))


def shifts(node: Node) -> bool:
    """Whether a layer is a Scale that also shifts."""
    param = node.message.message("scale_param")
    return node.kind == "Scale" and param.flag("bias_term", default=False)


def _given(net: Message) -> dict[str, tuple[int, ...]]:
    """Return the inputs that stand at the top of a file, with their shapes."""
    blobs = net.texts("input")
    shapes = [tuple(x.integers("dim", 1)) for x in net.messages("input_shape")]
    dims = net.integers("input_dim", 1)
    shapes += [tuple(dims[at : at + 4]) for at in range(0, len(dims), 4)]
    if len(shapes) != len(blobs) or len(dims) % 4:
        raise net.failure(
            f"{len(blobs)} inputs have {len(shapes)} shapes; give each an input_shape, or 4 times"
            " input_dim"
        )
    return dict(zip(blobs, shapes, strict=True))


def _layers(net: Message) -> list[Message]:
    """Return the layers that run at inference."""
    layers = [*net.messages("layer"), *net.messages("layers")]
    if not layers:
        raise net.failure("has no layer")
    return [layer for layer in layers if _runs(layer)]


def _runs(layer: Message) -> bool:
    """Whether a layer's rules let it run in the phase TEST."""
    included, excluded = (
        [rule.word("phase", "TEST") in ("TEST", "1") for rule in layer.messages(kind)]
        for kind in ("include", "exclude")
    )
    return any(included) if included else not any(excluded)


def _node(message: Message, written: Mapping[str, str]) -> Node:
    """Return what a message says of a layer, with the results that its bottoms are."""
    given = message.word("name", "")
    kind = message.word("type", "")
    if not kind:
        raise message.failure(f"layer '{given}': has no type; add one")
    inputs = []
    for blob in message.values("bottom"):
        if blob.text not in written:
            raise message.failure(
                f"layer '{given}': no layer before it writes bottom '{blob.text}'", blob.line
            )
        inputs.append(written[blob.text])
    tops = tuple(message.texts("top"))
    kind = _FIRST_FORMAT.get(kind, kind)
    name = given or (tops[0] if tops else kind)
    return Node(name=name, kind=kind, message=message, inputs=tuple(inputs), tops=tops)


def _source_shapes(node: Node) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the blobs that a layer gives; one shape may be all blobs'."""
    if not node.tops:
        raise node.failure("has no top; add one")
    if node.kind == "MemoryData":
        size = node.message.message("memory_data_param")
        keys = ("batch_size", "channels", "height", "width")
        shape = tuple(size.integer(key, 0, 1) for key in keys)
        if 0 in shape:
            raise node.failure(f"memory_data_param must give {', '.join(keys)}")
        return {node.tops[0]: shape}
    param = "input_param" if node.kind == "Input" else "dummy_data_param"
    shapes = [
        tuple(shape.integers("dim", 1)) for shape in node.message.message(param).messages("shape")
    ]
    if len(shapes) == 1:
        shapes *= len(node.tops)
    if len(shapes) != len(node.tops):
        raise node.failure(
            f"{len(node.tops)} tops have {len(shapes)} shapes; give each a shape in {param}"
        )
    return dict(zip(node.tops, shapes, strict=True))


def _check_sharing(nodes: Sequence[Node]) -> None:
    """Raise WorkloadError for parameters that several layers have by name."""
    owners: dict[str, Node] = {}
    for node in nodes:
        for param in node.message.fields.get("param", []):
            name = param.word("name", "") if isinstance(param, Message) else param.text
            if name and owners.setdefault(name, node) is not node:
                raise node.failure(
                    f"shares parameters '{name}' with layer '{owners[name].name}', which isn't"
                    " known; give each its own"
                )
