"""Hypothesis strategies for small graphs: every operator, and chains of a few layers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from math import prod

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from foundation.dtype import DTYPES, Dtype
from foundation.functions import FunctionKind, names
from workloads.adjacency import Adjacency
from workloads.build import GraphBuilder
from workloads.conversions import cast_to
from workloads.experts import Collect, Dispatch, Mixture, Routing, add_mixture
from workloads.gradients import ConvolutionGradient, Flip, PoolGradient
from workloads.graph import Graph, Operator, Tensor
from workloads.indexing import Gather, OneHot, RowNumbers, add_gather, add_scatter_add
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
from workloads.normalization import GroupNormalize
from workloads.resize import Interpolate, Repeat
from workloads.sampling import FloorInt32, LookupTable, Ramp, WeightedSum
from workloads.scan import Scan
from workloads.selection import Sort, add_top_k
from workloads.sparse import (
    GraphConvolution,
    Neighbours,
    NeighbourSum,
    NodeOrder,
    add_graph_convolution,
)
from workloads.transposed import TransposedConvolution

Shape = tuple[int, ...]
ACTIVATIONS = st.sampled_from(["identity", "identity", "relu", "gelu", "hard_swish"])
#: A row that is normalised has to fit the smallest scratchpad of `tests.laws.machines`.
WIDEST_ROW_BYTES = 1024
#: What is reduced as a whole has to fit the inputs' scratchpad there.
LARGEST_REDUCED_BYTES = 5376
#: Functions that make of a small difference a large one: of rounded values only, in no chain.
STEEP = (
    *("greater", "divide", "exp", "floor", "log", "reciprocal", "sqrt"),
    *("relu_gradient", "relu6_gradient", "hard_sigmoid_gradient", "absolute_gradient"),
)


class Draft:
    """A graph in the making, whose tensors and layers are named by number."""

    def __init__(self, dtype: Dtype) -> None:
        self.dtype = dtype
        self._builder = GraphBuilder("random", 1)
        self._layers = 0

    def functions(self, kind: FunctionKind) -> list[str]:
        """Return the functions that may come next: after rounded layers no steep ones."""
        return [name for name in names(kind) if self.is_exact or name not in STEEP]

    def add_input(self, shape: Shape, dtype: Dtype | None = None) -> Tensor:
        name = f"x{len(self._builder.tensors)}"
        return self._builder.add_input(name, shape, dtype or self.dtype)

    def add_learned(self, shape: Shape, constant: float | None = None) -> Tensor:
        name = f"learned{len(self._builder.tensors)}"
        return self._builder.add_learned(name, shape, self.dtype, constant)

    def add(self, operator: Operator, inputs: Sequence[Tensor]) -> Tensor:
        self._layers += 1
        return self._builder.add_layer(f"layer{self._layers - 1}", operator, inputs)

    def compose(self, add: Callable[..., Tensor], *arguments: object) -> Tensor:
        """Add a composition of layers: a function of a builder, a name, and the arguments."""
        self._layers += 1
        return add(self._builder, f"layer{self._layers - 1}", *arguments)

    @property
    def is_exact(self) -> bool:
        """Whether values are those of NumPy in every bit: a choice among them is the same one."""
        return self.dtype.is_integer or not self._layers

    def graph(self) -> Graph:
        return self._builder.build()


def window(draw: DrawFn, size: int, *, extra_pad: int = 0) -> Window:
    """Draw a window that fits ``size`` elements; with extra padding some see nothing else."""
    kernel = draw(st.integers(1, min(3, size)))
    dilation = draw(st.integers(1, 2)) if (kernel - 1) * 2 < size else 1
    pad = st.integers(0, (kernel - 1) * dilation + extra_pad)
    return Window(
        kernel=kernel,
        stride=draw(st.integers(1, 3)),
        dilation=dilation,
        pad_before=draw(pad),
        pad_after=draw(pad),
    )


def image(draw: DrawFn) -> Shape:
    return (
        draw(st.integers(1, 2)),
        draw(st.integers(3, 8)),
        draw(st.integers(3, 8)),
        draw(st.integers(1, 10)),
    )


def signal(draw: DrawFn) -> Shape:
    return (draw(st.integers(1, 2)), draw(st.integers(3, 20)), draw(st.integers(1, 10)))


def volume(draw: DrawFn) -> Shape:
    return (
        draw(st.integers(1, 2)),
        draw(st.integers(2, 4)),
        draw(st.integers(3, 5)),
        draw(st.integers(3, 5)),
        draw(st.integers(1, 6)),
    )


def add_conv(draw: DrawFn, builder: Draft, tensor: Tensor) -> Tensor:
    channels = tensor.shape[-1]
    groups = draw(st.sampled_from([g for g in range(1, channels + 1) if channels % g == 0]))
    return builder.add(
        Convolution(
            out_channels=groups * draw(st.integers(1, 5)),
            windows=tuple(window(draw, size, extra_pad=2) for size in tensor.shape[1:-1]),
            groups=groups,
            bias=draw(st.booleans()),
            activation=draw(ACTIVATIONS),
        ),
        [tensor],
    )


def add_conv_transpose(draw: DrawFn, builder: Draft, tensor: Tensor) -> Tensor:
    """Add any transposed convolution: some outputs get no input, some inputs reach no output."""
    windows, more = [], []
    for size in tensor.shape[1:-1]:
        kernel, stride, dilation = (draw(st.integers(1, most)) for most in (4, 3, 3))
        output_padding = draw(st.integers(0, max(stride, dilation) - 1))
        window = Window(kernel, stride, dilation)
        whole = (size - 1) * stride + window.span + output_padding
        before = draw(st.integers(0, min(4, whole - 1)))
        after = draw(st.integers(0, min(4, whole - 1 - before)))
        windows.append(window._replace(pad_before=before, pad_after=after))
        more.append(output_padding)
    return _add_transposed(draw, builder, tensor, windows, more)


def add_upsampling(draw: DrawFn, builder: Draft, tensor: Tensor) -> Tensor:
    """Add a transposed convolution to ``size · stride`` outputs, each of which gets equally much.

    The products of its phases are then as many as input elements times taps.
    """
    windows = []
    for _ in tensor.shape[1:-1]:
        kernel = draw(st.integers(1, 4))
        stride = draw(st.integers(1, min(2, kernel)))
        before = draw(st.integers(0, kernel - stride))
        windows.append(Window(kernel, stride, 1, before, kernel - stride - before))
    return _add_transposed(draw, builder, tensor, windows, [0] * len(windows))


def _add_transposed(
    draw: DrawFn, builder: Draft, tensor: Tensor, windows: Sequence[Window], more: Sequence[int]
) -> Tensor:
    channels = tensor.shape[-1]
    groups = draw(st.sampled_from([g for g in range(1, channels + 1) if channels % g == 0]))
    return builder.add(
        TransposedConvolution(
            out_channels=groups * draw(st.integers(1, 3)),
            windows=tuple(windows),
            output_padding=tuple(more),
            groups=groups,
            bias=draw(st.booleans()),
            activation=draw(ACTIVATIONS),
        ),
        [tensor],
    )


def add_pool(draw: DrawFn, builder: Draft, tensor: Tensor) -> Tensor:
    windows = tuple(window(draw, size) for size in tensor.shape[1:-1])
    return builder.add(
        Pool(function=draw(st.sampled_from(["max", "mean"])), windows=windows), [tensor]
    )


def add_linear(draw: DrawFn, builder: Draft, tensor: Tensor) -> Tensor:
    features, bias = draw(st.integers(1, 12)), draw(st.booleans())
    tied = draw(st.booleans())
    inputs = [tensor]
    if tied:
        inputs.append(builder.add_learned((features, tensor.shape[-1])))
    operator = Linear(out_features=features, bias=bias, activation=draw(ACTIVATIONS), tied=tied)
    return builder.add(operator, inputs)


def add_unary(draw: DrawFn, builder: Draft, tensor: Tensor) -> Tensor:
    functions = [name for name in builder.functions(FunctionKind.UNARY) if name != "identity"]
    function = draw(st.sampled_from(functions))
    return builder.add(Elementwise(function=function), [tensor])


def add_binary(draw: DrawFn, builder: Draft, tensor: Tensor) -> Tensor:
    other = tuple(draw(st.sampled_from([1, size])) for size in tensor.shape)
    other = other[draw(st.integers(0, len(other) - 1)) :]
    function = draw(st.sampled_from(builder.functions(FunctionKind.BINARY)))
    operator = Elementwise(function=function, activation=draw(ACTIVATIONS))
    second = draw(st.sampled_from([tensor, builder.add_learned(other)]))
    return builder.add(operator, [tensor, second])


def add_normalize(draw: DrawFn, builder: Draft, tensor: Tensor) -> Tensor:
    function = draw(st.sampled_from(["softmax", "layer_norm", "rms_norm", "batch_norm"]))
    return builder.add(Normalize(function=function), [tensor])


def add_softmax(draw: DrawFn, builder: Draft, tensor: Tensor) -> Tensor:
    """Add a softmax along any axis; its whole rows have to fit."""
    axis = draw(st.integers(-len(tensor.shape), len(tensor.shape) - 1))
    return builder.add(Normalize(function="softmax", axis=axis), [tensor])


def add_group_normalize(draw: DrawFn, builder: Draft, tensor: Tensor) -> Tensor:
    channels = tensor.shape[-1]
    fits = [
        groups
        for groups in range(1, channels + 1)
        if channels % groups == 0
        and tensor.size_bytes // (tensor.shape[0] * groups) <= WIDEST_ROW_BYTES // 2
    ]
    if not fits:
        return add_unary(draw, builder, tensor)
    return builder.add(GroupNormalize(groups=draw(st.sampled_from(fits))), [tensor])


def add_reduce(draw: DrawFn, builder: Draft, tensor: Tensor) -> Tensor:
    rank = len(tensor.shape)
    axes = draw(st.sets(st.integers(0, rank - 1), min_size=1, max_size=rank))
    function = draw(st.sampled_from(["sum", "mean", "max"]))
    return builder.add(Reduce(function=function, axes=tuple(axes)), [tensor])


def add_slice(draw: DrawFn, builder: Draft, tensor: Tensor) -> Tensor:
    axis = draw(st.integers(0, len(tensor.shape) - 1))
    start = draw(st.integers(0, tensor.shape[axis] - 1))
    stop = draw(st.integers(start + 1, tensor.shape[axis]))
    operator = Slice(axis=axis, start=start, stop=stop, step=draw(st.integers(1, 3)))
    return builder.add(operator, [tensor])


def add_transpose(draw: DrawFn, builder: Draft, tensor: Tensor) -> Tensor:
    permutation = draw(st.permutations(range(len(tensor.shape))))
    return builder.add(Transpose(permutation=tuple(permutation)), [tensor])


def add_concat(draw: DrawFn, builder: Draft, tensor: Tensor) -> Tensor:
    axis = draw(st.integers(0, len(tensor.shape) - 1))
    other = list(tensor.shape)
    other[axis] = draw(st.integers(1, 5))
    return builder.add(Concat(axis=axis), [tensor, builder.add_input(tuple(other)), tensor])


def add_reshape(draw: DrawFn, builder: Draft, tensor: Tensor) -> Tensor:
    is_row_small = tensor.size_bytes // tensor.shape[0] <= WIDEST_ROW_BYTES
    shape = (tensor.shape[0], -1) if is_row_small else (-1, tensor.shape[-1])
    return builder.add(Reshape(shape=shape), [tensor])


def add_repeat(draw: DrawFn, builder: Draft, tensor: Tensor) -> Tensor:
    factors = [1] * len(tensor.shape)
    for factor in (2, 3):
        factors[draw(st.integers(0, len(factors) - 1))] = factor
    return builder.add(Repeat(factors=tuple(factors)), [tensor])


def add_interpolate(draw: DrawFn, builder: Draft, tensor: Tensor) -> Tensor:
    axis = draw(st.integers(0, len(tensor.shape) - 1))
    return builder.add(Interpolate(axis=axis, factor=draw(st.integers(2, 4))), [tensor])


def add_matmul(draw: DrawFn, builder: Draft, tensor: Tensor) -> Tensor:
    batch, _, heads, depth = tensor.shape
    columns = draw(st.integers(1, 9))
    second = builder.add_input((batch, columns, heads, depth))
    return builder.add(MatMul(equation="bshd,bthd->bhst"), [tensor, second])


def add_embedding(draw: DrawFn, builder: Draft, tensor: Tensor) -> Tensor:
    indices = builder.add_input(tensor.shape[:2], DTYPES["int32"])
    operator = Embedding(
        entries=draw(st.integers(1, 30)), features=draw(st.integers(1, 9)), dtype=builder.dtype
    )
    return builder.add(operator, [indices])


def add_conv_gradient(draw: DrawFn, builder: Draft, tensor: Tensor) -> Tensor:
    """Add a gradient by weights, of all of a convolution's positions or of the first ones."""
    channels = tensor.shape[-1]
    groups = draw(st.sampled_from([g for g in range(1, channels + 1) if channels % g == 0]))
    windows = tuple(window(draw, size, extra_pad=2) for size in tensor.shape[1:-1])
    most = [w.output_size(size, "") for w, size in zip(windows, tensor.shape[1:-1], strict=True)]
    positions = [draw(st.sampled_from([size, max(1, size - 1)])) for size in most]
    columns = groups * draw(st.integers(1, 4))
    gradient = builder.add_input((tensor.shape[0], *positions, columns))
    return builder.add(ConvolutionGradient(windows=windows, groups=groups), [tensor, gradient])


def add_pool_gradient(draw: DrawFn, builder: Draft, tensor: Tensor) -> Tensor:
    """Add a pooling and its gradient, or only the sum of an average's."""
    windows, sizes = tuple(window(draw, size) for size in tensor.shape[1:-1]), tensor.shape[1:-1]
    if draw(st.booleans()):
        largest = builder.add(Pool(function="max", windows=windows), [tensor])
        operator = PoolGradient(function="max", windows=windows, sizes=sizes)
        return builder.add(operator, [tensor, largest, builder.add_input(largest.shape)])
    positions = [w.output_size(size, "") for w, size in zip(windows, sizes, strict=True)]
    gradient = builder.add_input((tensor.shape[0], *positions, tensor.shape[-1]))
    builder.add(PoolGradient(function="sum", windows=windows, sizes=sizes), [gradient])
    return builder.add(Elementwise(function="relu"), [tensor])


def add_tied_conv(draw: DrawFn, builder: Draft, tensor: Tensor) -> Tensor:
    """Add a convolution, or a transposed one, whose weight is an input."""
    columns = draw(st.integers(1, 5))
    windows = tuple(window(draw, size) for size in tensor.shape[1:-1])
    weight = builder.add_input((1, *(w.kernel for w in windows), columns, tensor.shape[-1]))
    operator: Operator = Convolution(out_channels=columns, windows=windows, tied=True)
    if draw(st.booleans()):
        plain = tuple(w._replace(pad_before=0, pad_after=0) for w in windows)
        operator = TransposedConvolution(
            out_channels=columns, windows=plain, output_padding=(0,) * len(windows), tied=True
        )
    return builder.add(operator, [tensor, weight])


def add_flip(draw: DrawFn, builder: Draft, tensor: Tensor) -> Tensor:
    return builder.add(Flip(axis=draw(st.integers(0, len(tensor.shape) - 1))), [tensor])


def add_cast(draw: DrawFn, builder: Draft, tensor: Tensor) -> Tensor:
    """Add a cast to another type and, changed there, back; to int8 where values are exact."""
    types = ["fp32", "fp16", "bf16", *(["int8"] if builder.is_exact else [])]
    function = "negative" if builder.is_exact else "tanh"
    there = builder.add(cast_to(tensor, DTYPES[draw(st.sampled_from(types))]), [tensor])
    changed = builder.add(Elementwise(function=function), [there])
    return builder.add(cast_to(changed, builder.dtype), [changed])


def _add_indices(draw: DrawFn, builder: Draft, shape: Shape, entries: int) -> Tensor:
    """Add indices: given ones, or, where values are exact, the places of the largest of others."""
    if not builder.is_exact or draw(st.booleans()):
        return builder.add_input(shape, DTYPES["int32"])
    values = builder.add_input((*shape, entries))
    return builder.add(Reduce(function="argmax", axes=(-1,)), [values])


def add_gathered(draw: DrawFn, builder: Draft, tensor: Tensor) -> Tensor:
    fits = [
        axis
        for axis in range(len(tensor.shape))
        if prod(tensor.shape[axis + 1 :]) * builder.dtype.size_bytes <= WIDEST_ROW_BYTES // 2
    ]
    axis = draw(st.sampled_from(fits))
    batch_axes = draw(st.integers(0, axis))
    shape = (*tensor.shape[:batch_axes], draw(st.integers(1, 4)))
    if draw(st.booleans()):
        shape = (*shape, 2)
    indices = _add_indices(draw, builder, shape, tensor.shape[axis])
    return builder.compose(add_gather, tensor, indices, axis, batch_axes)


def add_scattered(draw: DrawFn, builder: Draft, tensor: Tensor) -> Tensor:
    rank = draw(st.integers(1, min(3, len(tensor.shape))))
    rows = draw(st.integers(1, 9))
    indices = _add_indices(draw, builder, tensor.shape[:rank], rows)
    return builder.compose(add_scatter_add, tensor, indices, rows)


def add_sorted(draw: DrawFn, builder: Draft, tensor: Tensor) -> Tensor:
    axis = draw(st.integers(-len(tensor.shape), len(tensor.shape) - 1))
    return builder.add(Sort(function="sort", axis=axis), [tensor])


def add_chosen(draw: DrawFn, builder: Draft, tensor: Tensor) -> Tensor:
    """Add the largest elements of each row by their places."""
    if not builder.is_exact or tensor.shape[-1] > WIDEST_ROW_BYTES // 8:
        return add_sorted(draw, builder, tensor)
    rank, count = len(tensor.shape), draw(st.integers(1, tensor.shape[-1]))
    divisors = [parts for parts in (1, 2, 3) if tensor.shape[-1] % parts == 0]
    parts = draw(st.sampled_from(divisors))
    places = builder.compose(add_top_k, tensor, count, -1, "argsort", parts)
    return builder.compose(add_gather, tensor, places, -1, rank - 1)


def add_rows(draw: DrawFn, builder: Draft, tensor: Tensor) -> Tensor:
    """Add a look-up of rows along the first axis, nothing else."""
    rows = builder.add_input((draw(st.integers(1, 30)), *tensor.shape[3:]))
    indices = builder.add_input(tensor.shape[:2], DTYPES["int32"])
    return builder.add(Gather(), [rows, indices])


def add_row_numbers(draw: DrawFn, builder: Draft, tensor: Tensor) -> Tensor:
    batch_axes = draw(st.integers(0, 2))
    indices = builder.add_input((*tensor.shape[:batch_axes], 5), DTYPES["int32"])
    operator = RowNumbers(rows=7, tables=tensor.shape[:2], batch_axes=batch_axes)
    return builder.add(operator, [indices])


def add_one_hot(draw: DrawFn, builder: Draft, tensor: Tensor) -> Tensor:
    indices = builder.add_input(tensor.shape[:2], DTYPES["int32"])
    return builder.add(OneHot(classes=draw(st.integers(1, 30)), dtype=builder.dtype), [indices])


def add_places(draw: DrawFn, builder: Draft, tensor: Tensor) -> Tensor:
    """Add int32 places of elements: the largest one's, or those of all in order."""
    axis = draw(st.integers(0, len(tensor.shape) - 1))
    if draw(st.booleans()):
        return builder.add(Sort(function="argsort", axis=axis), [tensor])
    last = range(draw(st.integers(0, axis)), axis + 1)
    return builder.add(Reduce(function="argmax", axes=tuple(last)), [tensor])


def _routing(draw: DrawFn, tokens: int) -> Routing:
    experts = draw(st.integers(1, 5))
    return Routing(
        tokens=tokens,
        experts=experts,
        per_token=draw(st.integers(1, min(3, experts))),
        skew=draw(st.sampled_from([0.0, 1.5])),
        seed=draw(st.integers(0, 9)),
        capacity=draw(st.sampled_from([None, 0.5, 1.25])),
    )


def add_experts(draw: DrawFn, builder: Draft, tensor: Tensor) -> Tensor:
    tokens, features = prod(tensor.shape[:-1]), tensor.shape[-1]
    if features * builder.dtype.size_bytes > WIDEST_ROW_BYTES // 2 or tensor.size_elements > 500:
        return add_unary(draw, builder, tensor)
    mixture = Mixture(
        hidden=draw(st.integers(1, 6)),
        activation=draw(ACTIVATIONS),
        gated=draw(st.booleans()),
        normalized=builder.is_exact and draw(st.booleans()),
    )
    return builder.compose(add_mixture, tensor, _routing(draw, tokens), mixture)


def add_dispatch(draw: DrawFn, builder: Draft, tensor: Tensor) -> Tensor:
    routing = _routing(draw, tensor.shape[1])
    crew = draw(st.sampled_from(routing.crews))
    tokens = builder.add_input((tensor.shape[1], tensor.shape[-1]))
    return builder.add(Dispatch(routing=routing, rows=crew.rows), [tokens])


def add_collect(draw: DrawFn, builder: Draft, tensor: Tensor) -> Tensor:
    routing = _routing(draw, tensor.shape[1])
    shape = (routing.rows + bool(routing.dropped), tensor.shape[-1])
    return builder.add(Collect(routing=routing), [builder.add_input(shape)])


def _adjacency(draw: DrawFn, nodes: int) -> Adjacency:
    copies = draw(st.sampled_from([1, 1, nodes]))
    each = nodes // copies
    return Adjacency(
        nodes=nodes,
        copies=copies,
        edges=draw(st.integers(0, min(3 * each, each * (each - 1)))),
        exponent=draw(st.sampled_from([0.0, 1.0])),
        seed=draw(st.integers(0, 9)),
        weights=draw(st.sampled_from(["symmetric", "mean", "sum"])),
        self_loops=draw(st.booleans()),
    )


def add_graph_conv(draw: DrawFn, builder: Draft, tensor: Tensor) -> Tensor:
    features = tensor.shape[-1]
    if features * builder.dtype.size_bytes > WIDEST_ROW_BYTES // 2 or tensor.size_elements > 500:
        return add_unary(draw, builder, tensor)
    rows = builder.add(Reshape(shape=(-1, features)), [tensor])
    convolution = GraphConvolution(
        features=draw(st.integers(1, 9)),
        bias=draw(st.booleans()),
        activation=draw(ACTIVATIONS),
        order=draw(st.sampled_from([None, "A(XW)", "(AX)W"])),
    )
    adjacency = _adjacency(draw, rows.shape[0])
    return builder.compose(add_graph_convolution, rows, adjacency, convolution)


def add_neighbours(draw: DrawFn, builder: Draft, tensor: Tensor) -> Tensor:
    adjacency = _adjacency(draw, tensor.shape[1])
    width = draw(st.sampled_from(sorted(adjacency.parts)))
    rows = builder.add_input((tensor.shape[1], tensor.shape[-1]))
    return builder.add(Neighbours(adjacency=adjacency, width=width), [rows])


def add_neighbour_sum(draw: DrawFn, builder: Draft, tensor: Tensor) -> Tensor:
    adjacency = _adjacency(draw, tensor.shape[1])
    width = draw(st.sampled_from(sorted(adjacency.parts)))
    shape = (len(adjacency.parts[width].rows), width, tensor.shape[-1])
    operator = NeighbourSum(adjacency=adjacency, width=width)
    return builder.add(operator, [builder.add_input(shape)])


def add_node_order(draw: DrawFn, builder: Draft, tensor: Tensor) -> Tensor:
    rows = builder.add_input((tensor.shape[1], tensor.shape[-1]))
    return builder.add(NodeOrder(adjacency=_adjacency(draw, rows.shape[0])), [rows])


def add_scan(draw: DrawFn, builder: Draft, tensor: Tensor) -> Tensor:
    axis = draw(st.integers(-len(tensor.shape), len(tensor.shape) - 1))
    if tensor.shape[axis] * builder.dtype.size_bytes > WIDEST_ROW_BYTES // 2:
        return add_unary(draw, builder, tensor)
    return builder.add(Scan(axis=axis), [tensor, builder.add_input(tensor.shape)])


def add_ramp(draw: DrawFn, builder: Draft, tensor: Tensor) -> Tensor:
    axis = draw(st.integers(-len(tensor.shape), len(tensor.shape) - 1))
    size = tensor.shape[axis]
    operator = Ramp(
        function=draw(st.sampled_from(["add", "multiply"])),
        axis=axis,
        count=draw(st.integers(1, 5)) if size == 1 else size,
        start=draw(st.sampled_from([-1.0, 0.25])),
        step=0.125,
    )
    return builder.add(operator, [tensor])


def add_table(draw: DrawFn, builder: Draft, tensor: Tensor) -> Tensor:
    indices = builder.add_input(tensor.shape[:2], DTYPES["int32"])
    width = draw(st.integers(1, 5))
    rows = tuple(tuple(row / 4 - column for column in range(width)) for row in range(7))
    return builder.add(LookupTable(rows=rows, dtype=builder.dtype), [indices])


def add_weighted_sum(draw: DrawFn, builder: Draft, tensor: Tensor) -> Tensor:
    del draw
    if tensor.shape[-2] * builder.dtype.size_bytes > WIDEST_ROW_BYTES // 2:
        return tensor
    return builder.add(WeightedSum(), [tensor, builder.add_input(tensor.shape[:-1])])


def add_floors(draw: DrawFn, builder: Draft, tensor: Tensor) -> Tensor:
    del draw
    return builder.add(FloorInt32(), [tensor])


Adder = Callable[[DrawFn, Draft, Tensor], Tensor]
ON_IMAGES: dict[str, Adder] = {
    "conv": add_conv,
    "upsampling": add_upsampling,
    "pool": add_pool,
    "matmul": add_matmul,
    "softmax": add_softmax,
    "group_normalize": add_group_normalize,
}
ON_ALL: dict[str, Adder] = {
    "linear": add_linear,
    "unary": add_unary,
    "binary": add_binary,
    "normalize": add_normalize,
    "reduce": add_reduce,
    "slice": add_slice,
    "transpose": add_transpose,
    "concat": add_concat,
    "reshape": add_reshape,
    "repeat": add_repeat,
    "interpolate": add_interpolate,
    "gather": add_gathered,
    "scatter_add": add_scattered,
    "sort": add_sorted,
    "scan": add_scan,
    "top_k": add_chosen,
    "mixture": add_experts,
    "graph_conv": add_graph_conv,
    "cast": add_cast,
}
#: Operators that read or make indices, or need sizes of their own: they are in no chain.
INDEXING: dict[str, Adder] = {
    "rows": add_rows,
    "row_numbers": add_row_numbers,
    "one_hot": add_one_hot,
    "places": add_places,
    "dispatch": add_dispatch,
    "collect": add_collect,
    "neighbours": add_neighbours,
    "neighbour_sum": add_neighbour_sum,
    "node_order": add_node_order,
    "ramp": add_ramp,
    "table": add_table,
    "weighted_sum": add_weighted_sum,
    "floor_int32": add_floors,
}
OPERATORS: dict[str, Adder] = {
    **ON_IMAGES,
    **ON_ALL,
    "conv_transpose": add_conv_transpose,
    "embedding": add_embedding,
    "conv_gradient": add_conv_gradient,
    "pool_gradient": add_pool_gradient,
    "tied_conv": add_tied_conv,
    "flip": add_flip,
    **INDEXING,
}
WINDOWED = (
    *("conv", "conv_transpose", "pool", "upsampling"),
    *("conv_gradient", "pool_gradient", "tied_conv"),
)
#: Operators that may be several layers, or whose layers may have several kernels, or none.
NOT_ONE_KERNEL = (
    *("concat", "conv_transpose", "reshape", "upsampling"),
    *("gather", "scatter_add", "top_k", "mixture", "graph_conv"),
    *("cast", "flip", "pool_gradient", "tied_conv"),
)


@st.composite
def single_layers(draw: DrawFn, operator: str, dtype: str) -> Graph:
    """Draw a graph of one layer of an operator on an image, or of windows on one to three axes."""
    builder = Draft(DTYPES[dtype])
    shape = draw(st.sampled_from([signal, image, volume])) if operator in WINDOWED else image
    OPERATORS[operator](draw, builder, builder.add_input(shape(draw)))
    return builder.graph()


@st.composite
def chains(draw: DrawFn, dtype: str, without: Collection[str] = ()) -> Graph:
    """Draw a graph of two to five layers, each on any tensor there is by then."""
    builder = Draft(DTYPES[dtype])
    tensors = [builder.add_input(image(draw))]
    for _ in range(draw(st.integers(2, 5))):
        tensors.append(add_any(draw, builder, draw(st.sampled_from(tensors)), without))
    return builder.graph()


@st.composite
def branches(draw: DrawFn, dtype: str, without: Collection[str] = ()) -> Graph:
    """Draw a graph of two to four branches of one or two layers, which may begin on each other."""
    builder = Draft(DTYPES[dtype])
    roots = [builder.add_input(image(draw)) for _ in range(draw(st.integers(1, 2)))]
    for _ in range(draw(st.integers(2, 4))):
        first = add_any(draw, builder, draw(st.sampled_from(roots)), without)
        if draw(st.booleans()):
            add_any(draw, builder, first, without)
        if draw(st.booleans()):
            roots.append(first)
    return builder.graph()


def add_any(draw: DrawFn, builder: Draft, tensor: Tensor, without: Collection[str] = ()) -> Tensor:
    """Add any layer that a tensor's shape and size allow, but some."""
    large_enough = len(tensor.shape) == 4 and min(tensor.shape[1:3]) >= 3
    choices = {**ON_ALL, **(ON_IMAGES if large_enough else {})}
    choices = {name: add for name, add in choices.items() if name not in without}
    if tensor.size_elements > 2000:
        choices = {"reduce": add_reduce, "slice": add_slice}
    if tensor.size_elements > LARGEST_REDUCED_BYTES:
        choices = {"slice": add_slice}
    return choices[draw(st.sampled_from(sorted(choices)))](draw, builder, tensor)


def graphs(dtype: str) -> SearchStrategy[Graph]:
    """Return a strategy for chains of a dtype."""
    return chains(dtype=dtype)
