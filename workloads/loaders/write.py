"""A graph as YAML, everything written out: what ``rooftile show`` prints."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from foundation.errors import WorkloadError
from workloads.adjacency import Adjacency
from workloads.conversions import Cast
from workloads.experts import Collect, Dispatch, Routing
from workloads.gradients import ConvolutionGradient, Flip, PoolGradient
from workloads.graph import Graph, Layer, Tensor, TensorKind
from workloads.indexing import Gather, OneHot, RowNumbers
from workloads.layers import (
    Concat,
    Convolution,
    Elementwise,
    Embedding,
    Linear,
    MatMul,
    Normalize,
    Pool,
    Reduce,
    Reshape,
    Slice,
    Transpose,
    Window,
)
from workloads.loaders.weights import weights_text
from workloads.normalization import GroupNormalize
from workloads.resize import Interpolate, Repeat
from workloads.sampling import FloorInt32, LookupTable, Ramp, WeightedSum
from workloads.scan import Scan
from workloads.selection import Sort
from workloads.sparse import Neighbours, NeighbourSum, NodeOrder
from workloads.transposed import TransposedConvolution
from workloads.weights import Weights

_PLAIN = re.compile(r"(?!(?:null|true|false)\Z)[a-z_][a-z0-9_./-]*\Z", re.IGNORECASE)


def network_text(graph: Graph) -> str:
    """Return ``graph`` as YAML that loads as an equal graph, shapes and counts as comments."""
    lines = [
        f"name: {_text(graph.name)}",
        f"batch: {graph.batch}",
        *([f"notes: {json.dumps(graph.notes, ensure_ascii=False)}"] if graph.notes else []),
        f"# {graph.total_macs} MACs, {graph.total_parameters} parameters",
        *_tensor_lines("inputs", graph, TensorKind.INPUT),
        *_tensor_lines("learned", graph, TensorKind.PARAMETER),
        "layers:",
    ]
    owners: dict[frozenset[tuple[str, str]], str] = {}
    for layer in graph.layers:
        owner = owners.setdefault(frozenset(layer.parameters.items()), layer.name)
        lines.append(f"  - {{{', '.join(_entry(graph, layer, owner))}}}")
        lines.append(f"    # {_comment(graph, layer)}")
    return "\n".join(lines) + "\n"


def _tensor_lines(key: str, graph: Graph, kind: TensorKind) -> list[str]:
    """Return the section of tensors that no layer computes or owns."""
    owned = {name for layer in graph.layers for name in layer.parameters.values()}
    read = {name for layer in graph.layers for name in layer.inputs}
    lines = [
        f"  {_text(tensor.name)}: {{shape: {list(tensor.shape)}, dtype: {tensor.dtype}"
        + ("" if tensor.constant is None else f", constant: {json.dumps(tensor.constant)}")
        + _trainable(tensor)
        + (", idle: true" if kind is TensorKind.PARAMETER and tensor.name not in read else "")
        + "}"
        f"  # {tensor.size_bytes} bytes"
        for tensor in graph.tensors.values()
        if tensor.kind is kind and tensor.name not in owned
    ]
    return [f"{key}:", *lines] if lines else []


def _trainable(tensor: Tensor) -> str:
    """Return the key of a stored tensor that counts as other than its elements."""
    is_stored = tensor.kind is TensorKind.PARAMETER and tensor.constant is None
    if not is_stored or tensor.trainable_elements == tensor.size_elements:
        return ""
    return f", trainable: {tensor.trainable_elements}"


def _counted(graph: Graph, layer: Layer) -> dict[str, int]:
    """Return the roles of a layer's own tensors that count as other than the operator says."""
    expected = layer.operator.parameters(graph.input_tensors(layer))
    found = {}
    for role, tensor in graph.parameter_tensors(layer).items():
        trainable = expected[role].trainable_elements
        own = tensor.size_elements if trainable is None else trainable
        if tensor.trainable_elements != own:
            found[role] = tensor.trainable_elements
    return found


def _comment(graph: Graph, layer: Layer) -> str:
    output = graph.output_tensor(layer)
    learned = sum(t.trainable_elements for t in graph.parameter_tensors(layer).values())
    counts = [f"output {list(output.shape)} {output.dtype}, {output.size_bytes} bytes"]
    if graph.macs(layer):
        counts.append(f"{graph.macs(layer)} MACs")
    elif graph.operations(layer):
        counts.append(f"{graph.operations(layer)} operations")
    if learned:
        counts.append(f"{learned} parameters")
    return ", ".join(counts)


def _entry(graph: Graph, layer: Layer, owner: str) -> list[str]:
    """Return the keys and values of a layer's entry.

    ``owner`` is the first layer that has its parameters: itself, unless it shares them.
    """
    operator = layer.operator
    inputs = list(layer.inputs)
    attributes = _attributes(operator, graph.input_tensors(layer))
    if isinstance(operator, Linear) and operator.tied:
        attributes["tied_to"] = _text(_tied_name(graph, inputs.pop()))
    if layer.parameters and owner != layer.name:
        attributes["share"] = _text(owner)
    elif counted := _counted(graph, layer):
        attributes["trainable"] = json.dumps(counted)
    names = [_text(name) for name in inputs]
    sources = {"input": names[0]} if len(names) == 1 else {"inputs": f"[{', '.join(names)}]"}
    entry = {"name": _text(layer.name), "op": operator_name(operator), **sources, **attributes}
    return [f"{key}: {value}" for key, value in entry.items()]


def _tied_name(graph: Graph, tensor: str) -> str:
    """Return the embedding whose table ``tensor`` is, or the learned tensor's own name."""
    owners = (layer.name for layer in graph.layers if layer.parameters.get("table") == tensor)
    return next(owners, tensor)


def operator_name(operator: object) -> str:
    """Return what ``op`` calls an operator in YAML."""
    match operator:
        case Pool():
            return "max_pool" if operator.function == "max" else "average_pool"
        case Elementwise() | Normalize() | Sort():
            return operator.function
        case (
            Convolution()
            | TransposedConvolution()
            | Linear()
            | MatMul()
            | Reduce()
            | Embedding()
            | Concat()
            | Slice()
            | Reshape()
            | Transpose()
            | Repeat()
            | Interpolate()
            | GroupNormalize()
            | Gather()
            | RowNumbers()
            | OneHot()
            | Dispatch()
            | Collect()
            | Neighbours()
            | NeighbourSum()
            | NodeOrder()
            | Scan()
            | ConvolutionGradient()
            | PoolGradient()
            | Flip()
            | Cast()
            | FloorInt32()
            | Ramp()
            | LookupTable()
            | WeightedSum()
        ):
            return operator.kind
        case _:
            raise WorkloadError(f"operator {type(operator).__name__}: has no YAML form")


def _attributes(operator: object, inputs: Sequence[Tensor]) -> dict[str, object]:
    """Return an operator's attributes as they stand in YAML."""
    for found in (
        _of_product(operator),
        _of_function(operator, inputs),
        _of_look_up(operator),
        _of_move(operator),
    ):
        if found is not None:
            return found
    return {}


def _of_product(operator: object) -> dict[str, object] | None:
    """Return the attributes of what the array computes."""
    match operator:
        case Convolution():
            return {
                "out": operator.out_channels,
                **_windows(operator.windows),
                "groups": operator.groups,
                "bias": _flag(operator.bias),
                "batch_norm": _flag(operator.batch_norm),
                **_epilogue(operator.activation, operator.shift),
                **_weights(operator.weights),
            }
        case TransposedConvolution():
            return {
                "out": operator.out_channels,
                **_windows(operator.windows),
                "output_padding": list(operator.output_padding),
                "groups": operator.groups,
                "bias": _flag(operator.bias),
                **_epilogue(operator.activation, operator.shift),
                **_weights(operator.weights),
            }
        case Linear():
            return {
                "out": operator.out_features,
                "bias": _flag(operator.bias),
                **_epilogue(operator.activation, operator.shift),
                **_weights(operator.weights),
            }
        case MatMul():
            equation = json.dumps(operator.equation)
            return {"equation": equation, **_epilogue(operator.activation, operator.shift)}
        case ConvolutionGradient():
            return {**_windows(operator.windows), "groups": operator.groups}
    return None


def _of_function(operator: object, inputs: Sequence[Tensor]) -> dict[str, object] | None:
    """Return the attributes of what the vector unit computes."""
    match operator:
        case Elementwise():
            return _epilogue(operator.activation, None) if len(inputs) == 2 else {}
        case Pool():
            return _windows(operator.windows)
        case Reduce():
            return {"function": operator.function, "axes": list(operator.axes)}
        case Normalize():
            return {} if operator.axis == -1 else {"axis": operator.axis}
        case GroupNormalize():
            return {"groups": operator.groups}
        case PoolGradient():
            return {
                "function": operator.function,
                "sizes": list(operator.sizes),
                **_windows(operator.windows),
            }
        case Cast():
            return {"dtype": operator.dtype}
        case Interpolate():
            return {"axis": operator.axis, "factor": operator.factor}
        case Ramp():
            return {
                "function": operator.function,
                "axis": operator.axis,
                "count": operator.count,
                "start": json.dumps(operator.start),
                "step": json.dumps(operator.step),
            }
        case Sort() | Scan():
            return {"axis": operator.axis}
    return None


def _of_look_up(operator: object) -> dict[str, object] | None:
    """Return the attributes of what looks up rows, or computes their numbers."""
    match operator:
        case Embedding():
            return {
                "entries": operator.entries,
                "out": operator.features,
                "dtype": operator.dtype,
            }
        case RowNumbers():
            return {
                "rows": operator.rows,
                "tables": list(operator.tables),
                "batch_axes": operator.batch_axes,
            }
        case Neighbours() | NeighbourSum():
            return {**_adjacency(operator.adjacency), "width": operator.width}
        case NodeOrder():
            return _adjacency(operator.adjacency)
        case Dispatch():
            return {**_routing(operator.routing), "rows": operator.rows}
        case Collect():
            return _routing(operator.routing)
        case LookupTable():
            return {"rows": json.dumps(operator.rows), "dtype": operator.dtype}
        case OneHot():
            return {"out": operator.classes, "dtype": operator.dtype}
    return None


def _of_move(operator: object) -> dict[str, object] | None:
    """Return the attributes of what only moves data."""
    match operator:
        case Concat():
            return {"axis": operator.axis}
        case Slice():
            return {
                "axis": operator.axis,
                "start": operator.start,
                "stop": operator.stop,
                "step": operator.step,
            }
        case Reshape():
            return {"shape": list(operator.shape)}
        case Flip():
            return {"axis": operator.axis}
        case Repeat():
            return {"factors": list(operator.factors)}
        case Transpose():
            return {"permutation": list(operator.permutation)}
    return None


def _routing(routing: Routing) -> dict[str, object]:
    return {
        "tokens": routing.tokens,
        "experts": routing.experts,
        "per_token": routing.per_token,
        "skew": routing.skew,
        "seed": routing.seed,
        **({} if routing.capacity is None else {"capacity": routing.capacity}),
    }


def _adjacency(adjacency: Adjacency) -> dict[str, object]:
    source: dict[str, object] = {"graph": json.dumps(adjacency.file)}
    if adjacency.file is None:
        source = {
            "edges": adjacency.edges,
            "exponent": adjacency.exponent,
            "seed": adjacency.seed,
        }
    return {
        "nodes": adjacency.nodes,
        **source,
        "copies": adjacency.copies,
        "weights": adjacency.weights,
        "self_loops": _flag(adjacency.self_loops),
    }


def _windows(windows: Sequence[Window]) -> dict[str, object]:
    return {
        "kernel": [window.kernel for window in windows],
        "stride": [window.stride for window in windows],
        "dilation": [window.dilation for window in windows],
        "padding": [[window.pad_before, window.pad_after] for window in windows],
    }


def _epilogue(activation: str, shift: int | None) -> dict[str, object]:
    return {"activation": activation, **({} if shift is None else {"shift": shift})}


def _weights(weights: Weights | None) -> dict[str, object]:
    return {} if weights is None else {"weights": weights_text(weights)}


def _flag(value: bool) -> str:
    return str(value).lower()


def _text(text: str) -> str:
    """Return text as a YAML scalar that stays text."""
    return text if _PLAIN.match(text) else json.dumps(text, ensure_ascii=False)
