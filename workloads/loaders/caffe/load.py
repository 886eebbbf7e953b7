"""Networks from Caffe's prototxt files: the door."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from foundation.dtype import DTYPES
from foundation.errors import WorkloadError, nearest
from foundation.names import plain_name
from foundation.text_file import read_text
from workloads.build import GraphBuilder
from workloads.graph import Graph, Tensor
from workloads.loaders.asked import Asked
from workloads.loaders.caffe.net import SOURCES, Node, read_nodes
from workloads.loaders.caffe.operators import TRANSLATIONS, UNKNOWN, Network
from workloads.loaders.caffe.text import Message, parse

_DATABASE = "doesn't say the shapes of what it reads; put an Input layer in its place"
_TRAINING = "belongs to training; give the net that is deployed"
#: Types that Caffe has and no network here, with what to do.
_REASONS = {
    **dict.fromkeys(("Data", "ImageData", "HDF5Data", "WindowData"), _DATABASE),
    **dict.fromkeys(
        (
            *("SoftmaxWithLoss", "EuclideanLoss", "HingeLoss", "SigmoidCrossEntropyLoss"),
            *("ContrastiveLoss", "InfogainLoss", "MultinomialLogisticLoss", "Accuracy"),
        ),
        _TRAINING,
    ),
}


def load(path: Path, asked: Asked) -> Graph:
    """Return the network of a prototxt file as it runs at inference.

    Parameters
    ----------
    path
        The file; its layers say their types as in ``layer { type: "Convolution" }``.
    asked
        Batch (by default the first size of the inputs), dtype, and whether layers that aren't known
        are taken as functions of the vector unit.

    Raises
    ------
    WorkloadError
        The file can't be read, or isn't such a network: which line, and what to change.
    """
    asked.check_fixed(str(path))
    net = parse(read_text(path, WorkloadError, "a prototxt file of Caffe"), str(path))
    inputs, nodes = read_nodes(net)
    for node in nodes:
        _check(node, asked)
    read = {name for node in nodes for name in node.inputs}
    shapes = {name: _our_shape(net, name, shape) for name, shape in inputs.items() if name in read}
    batch = asked.batch or _batch(net, shapes.values())
    dtype = DTYPES[asked.dtype or "int8"]
    builder = GraphBuilder(plain_name(net.word("name", path.stem) or path.stem), batch)
    tensors = {
        name: builder.add_input(name, (batch, *shape[1:]), dtype) for name, shape in shapes.items()
    }
    network = Network(builder, dtype)
    for node in nodes:
        tensors[node.name] = _translated(network, node, tensors)
    return builder.build()


def _check(node: Node, asked: Asked) -> None:
    """Raise WorkloadError for a layer of a type that isn't known, or with too many blobs."""
    if node.kind not in TRANSLATIONS and not asked.unknown_as_vector:
        known = (*TRANSLATIONS, *SOURCES)
        reason = _REASONS.get(node.kind, f"isn't known{nearest(node.kind, known)}")
        raise node.failure(f"type {node.kind} {reason}")
    if TRANSLATIONS.get(node.kind, UNKNOWN).reads_one:
        node.check_inputs(1)
    if not node.inputs:
        raise node.failure(f"{node.kind} must have a bottom but has none")
    if len(node.tops) > 1:
        raise node.failure(f"{node.kind} must have 1 top but has {len(node.tops)}")


def _translated(network: Network, node: Node, tensors: dict[str, Tensor]) -> Tensor:
    """Add a layer, with its place before the message of any error."""
    translate = TRANSLATIONS.get(node.kind, UNKNOWN).translate
    inputs = [tensors[name] for name in node.inputs]
    try:
        return translate(network, node, inputs)
    except WorkloadError as error:
        place = f"{node.message.file}:"
        if str(error).startswith(place):
            raise
        raise WorkloadError(f"{place}{node.message.line}: {error}") from None


def _our_shape(net: Message, name: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return [N, C, H, W] as [N, H, W, C]; [N, C] stays."""
    if len(shape) not in (2, 4):
        raise net.failure(
            f"input '{name}': has {len(shape)} axes but 4 [N, C, H, W] or 2 [N, C] are known"
        )
    number, channels, *sizes = shape
    return (number, *sizes, channels)


def _batch(net: Message, shapes: Iterable[tuple[int, ...]]) -> int:
    batches = sorted({shape[0] for shape in shapes})
    if len(batches) != 1:
        found = " and ".join(map(str, batches)) or "no input"
        raise net.failure(f"its inputs must have one batch but there is {found}; ask for --batch")
    return batches[0]
