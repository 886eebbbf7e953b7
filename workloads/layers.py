"""The operators: for each its attributes, shape rule, parameters and exact counts.

Images are channels-last: ``[batch, height, width, channels]``; a 1-D signal is
``[batch, width, channels]``, a volume ``[batch, depth, height, width, channels]``. Everything else
is ``[..., features]``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import ClassVar, NamedTuple

from foundation.dtype import DTYPES, Dtype
from foundation.errors import WorkloadError
from foundation.functions import FUNCTIONS, INDEXING
from workloads.graph import Parameter, Tensor
from workloads.weights import Weights, parts_of

Shape = tuple[int, ...]


class Window(NamedTuple):
    """A window that slides along one spatial axis, in elements."""

    kernel: int
    stride: int = 1
    dilation: int = 1
    pad_before: int = 0
    pad_after: int = 0

    @property
    def span(self) -> int:
        """Elements from its first tap to its last, both counted."""
        return (self.kernel - 1) * self.dilation + 1

    def output_size(self, size: int, axis: str) -> int:
        """Return the number of positions along an axis of ``size`` elements."""
        span = self.span
        padded = size + self.pad_before + self.pad_after
        if span > padded:
            raise WorkloadError(
                f"window spans {span} elements along {axis} but the padded input has {padded}"
                f" ({self.pad_before} + {size} + {self.pad_after}); reduce kernel or dilation,"
                " or pad more"
            )
        return (padded - span) // self.stride + 1


def _windowed_shape(tensor: Tensor, windows: Sequence[Window]) -> Shape:
    """Return batch and spatial output sizes of ``windows`` over a channels-last tensor."""
    if len(tensor.shape) != len(windows) + 2:
        raise WorkloadError(
            f"a {len(windows)}-D window needs an input of {len(windows) + 2} axes"
            f" but '{tensor.name}' has {len(tensor.shape)}: {list(tensor.shape)}"
        )
    axes = ("depth", "height", "width")[-len(windows) :]
    spatial = zip(windows, tensor.shape[1:-1], axes, strict=True)
    return (tensor.shape[0], *(w.output_size(size, axis) for w, size, axis in spatial))


class _NoParameters:
    """An operator that learns nothing."""

    def parameters(self, inputs: Sequence[Tensor]) -> dict[str, Parameter]:
        """Return no parameters."""
        del inputs
        return {}


class _NoMacs:
    """An operator of the vector unit, or one that only moves data."""

    def macs(self, inputs: Sequence[Tensor]) -> int:
        """Return zero."""
        del inputs
        return 0


class _NoOperations(_NoMacs, _NoParameters):
    """An operator that only moves data."""

    def operations(self, inputs: Sequence[Tensor]) -> int:
        """Return zero."""
        del inputs
        return 0


def product_parameters(
    weights: Weights | None, shape: Shape, dtype: Dtype, outputs: int
) -> dict[str, Parameter]:
    """Return the weights of a product, by role, and its scales if it has any.

    Parameters
    ----------
    weights
        How they are stored.
    shape
        Of all of them, (..., K, N).
    dtype
        Type of the activations.
    outputs
        Number of outputs of all groups.
    """
    found = {
        part.role: Parameter(
            shape=(*shape[:-1], part.size),
            dtype=dtype if part.stored is None else part.stored.value,
            stored=part.stored,
            pattern_seed=0 if weights is None else weights.seed,
        )
        for part in parts_of(weights, shape, dtype)
    }
    scales = 0 if weights is None else weights.scale_count(outputs, dtype)
    if scales:
        accumulator = DTYPES[dtype.accumulator]
        found["scale"] = Parameter(shape=(scales,), dtype=accumulator, trainable_elements=0)
    return found


def _epilogue_parameters(
    channels: int, dtype: Dtype, *, bias: bool, batch_norm: bool
) -> dict[str, Parameter]:
    """Return the bias that the accumulators get: a layer's own, or a folded batch norm's.

    Batch normalization at inference folds into weight and bias; it has gamma and beta to learn,
    and makes a bias before it redundant.
    """
    if not bias and not batch_norm:
        return {}
    trainable = channels * (2 if batch_norm else 1)
    accumulator = DTYPES[dtype.accumulator]
    return {"bias": Parameter(shape=(channels,), dtype=accumulator, trainable_elements=trainable)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Convolution:
    """A convolution over one to three axes, with bias, folded batch norm and activation.

    With ``tied`` the second input is the weight, stored as ``(G, FY, FX, OC/G, IC/G)``.
    """

    kind: ClassVar[str] = "conv"
    out_channels: int
    windows: tuple[Window, ...]
    groups: int = 1
    bias: bool = False
    batch_norm: bool = False
    activation: str = "identity"
    shift: int | None = None
    tied: bool = False
    weights: Weights | None = None

    def output(self, inputs: Sequence[Tensor]) -> tuple[Shape, Dtype]:
        """Return ``[batch, OY, OX, OC]``, with OZ before OY for a volume."""
        tensor = inputs[0]
        channels = tensor.shape[-1]
        for name, count in (("input", channels), ("output", self.out_channels)):
            if count % self.groups:
                raise WorkloadError(
                    f"{count} {name} channels don't divide into {self.groups} groups"
                )
        if self.tied:
            check_tied(inputs, self.windows, self.groups, self.out_channels)
        return (*_windowed_shape(tensor, self.windows), self.out_channels), tensor.dtype

    def parameters(self, inputs: Sequence[Tensor]) -> dict[str, Parameter]:
        """Return weight, shape (G, FY, FX, IC/G, OC/G), FZ before FY, and bias, shape (OC,).

        A tied weight isn't among them.
        """
        tensor = inputs[0]
        kernel = tuple(window.kernel for window in self.windows)
        shape = (
            self.groups,
            *kernel,
            tensor.shape[-1] // self.groups,
            self.out_channels // self.groups,
        )
        weights = product_parameters(self.weights, shape, tensor.dtype, self.out_channels)
        return {
            **({} if self.tied else weights),
            **_epilogue_parameters(
                self.out_channels, tensor.dtype, bias=self.bias, batch_norm=self.batch_norm
            ),
        }

    def macs(self, inputs: Sequence[Tensor]) -> int:
        """Return output elements times the window's taps times IC/G."""
        shape, _ = self.output(inputs)
        kernel = prod(window.kernel for window in self.windows)
        return prod(shape) * kernel * (inputs[0].shape[-1] // self.groups)

    def operations(self, inputs: Sequence[Tensor]) -> int:
        """Return 2 per MAC."""
        return 2 * self.macs(inputs)


def check_tied(
    inputs: Sequence[Tensor], windows: Sequence[Window], groups: int, out_channels: int
) -> None:
    """Raise WorkloadError where the second input can't be the weight of a convolution."""
    image, weight = inputs
    kernel = [window.kernel for window in windows]
    expected = [groups, *kernel, out_channels // groups, image.shape[-1] // groups]
    if list(weight.shape) != expected:
        raise WorkloadError(
            f"a tied weight must be [groups, *kernel, output, input channels] = {expected}"
            f" but '{weight.name}' is {list(weight.shape)}"
        )
    _same_dtype(inputs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Linear:
    """``input[..., K]`` times ``weight[K, N]``, with bias and activation at its end.

    With ``tied`` the second input is the weight, stored as ``[N, K]``: an embedding table.
    """

    kind: ClassVar[str] = "linear"
    out_features: int
    bias: bool = True
    activation: str = "identity"
    tied: bool = False
    shift: int | None = None
    weights: Weights | None = None

    def output(self, inputs: Sequence[Tensor]) -> tuple[Shape, Dtype]:
        """Return the input's shape with its last axis replaced by N."""
        tensor = inputs[0]
        if self.tied:
            expected = (self.out_features, tensor.shape[-1])
            if inputs[1].shape != expected:
                raise WorkloadError(
                    f"a tied weight must be [N, K] = {list(expected)}"
                    f" but '{inputs[1].name}' is {list(inputs[1].shape)}"
                )
        return (*tensor.shape[:-1], self.out_features), tensor.dtype

    def parameters(self, inputs: Sequence[Tensor]) -> dict[str, Parameter]:
        """Return weight, shape (K, N), unless tied, and bias, shape (N,)."""
        tensor = inputs[0]
        shape = (tensor.shape[-1], self.out_features)
        weights = product_parameters(self.weights, shape, tensor.dtype, self.out_features)
        return {
            **({} if self.tied else weights),
            **_epilogue_parameters(
                self.out_features, tensor.dtype, bias=self.bias, batch_norm=False
            ),
        }

    def macs(self, inputs: Sequence[Tensor]) -> int:
        """Return M * N * K."""
        return inputs[0].size_elements * self.out_features

    def operations(self, inputs: Sequence[Tensor]) -> int:
        """Return 2 per MAC."""
        return 2 * self.macs(inputs)


@dataclass(frozen=True, slots=True, kw_only=True)
class MatMul(_NoParameters):
    """A batched product of two activations, written like einsum: ``bshd,bthd->bhst``.

    A letter in both inputs and the output is a batch dimension; in the first input and the output
    M; in the second and the output N; in both inputs only K. M, N and K are one letter each.
    """

    kind: ClassVar[str] = "matmul"
    equation: str
    activation: str = "identity"
    shift: int | None = None

    def subscripts(self) -> tuple[str, str, str]:
        """Return the letters of first input, second input and output."""
        left, _, output = self.equation.replace(" ", "").partition("->")
        first, _, second = left.partition(",")
        for letters in (first, second, output):
            if not letters.isalpha() or len(set(letters)) != len(letters):
                raise WorkloadError(
                    f"equation '{self.equation}': each operand needs distinct letters,"
                    " as in 'bshd,bthd->bhst'"
                )
        return first, second, output

    def roles(self) -> tuple[str, str, str, str]:
        """Return the letters of batch (any number), M, N and K (one each)."""
        first, second, output = self.subscripts()
        batch = "".join(x for x in output if x in first and x in second)
        rows = "".join(x for x in output if x in first and x not in second)
        columns = "".join(x for x in output if x in second and x not in first)
        reduced = "".join(x for x in first if x in second and x not in output)
        known = len(batch + rows + columns) == len(output)
        complete = set(first + second) <= set(batch + rows + columns + reduced)
        if not known or not complete or not len(rows) == len(columns) == len(reduced) == 1:
            raise WorkloadError(
                f"equation '{self.equation}': needs one letter each for M, N and K and any number"
                f" of batch letters, but M = '{rows}', N = '{columns}', K = '{reduced}'"
            )
        return batch, rows, columns, reduced

    def extents(self, inputs: Sequence[Tensor]) -> dict[str, int]:
        """Return letter to size."""
        sizes: dict[str, int] = {}
        for letters, tensor in zip(self.subscripts()[:2], inputs, strict=True):
            if len(letters) != len(tensor.shape):
                raise WorkloadError(
                    f"equation '{self.equation}': '{letters}' has {len(letters)} letters"
                    f" but '{tensor.name}' has {len(tensor.shape)} axes: {list(tensor.shape)}"
                )
            for letter, size in zip(letters, tensor.shape, strict=True):
                if sizes.setdefault(letter, size) != size:
                    raise WorkloadError(
                        f"equation '{self.equation}': '{letter}' is {sizes[letter]} in"
                        f" '{inputs[0].name}' but {size} in '{tensor.name}'"
                    )
        return sizes

    def output(self, inputs: Sequence[Tensor]) -> tuple[Shape, Dtype]:
        """Return the sizes of the output's letters."""
        self.roles()
        sizes = self.extents(inputs)
        _same_dtype(inputs)
        return tuple(sizes[letter] for letter in self.subscripts()[2]), inputs[0].dtype

    def macs(self, inputs: Sequence[Tensor]) -> int:
        """Return the product of all sizes."""
        return prod(self.extents(inputs).values())

    def operations(self, inputs: Sequence[Tensor]) -> int:
        """Return 2 per MAC."""
        return 2 * self.macs(inputs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Elementwise(_NoMacs, _NoParameters):
    """A unary or binary function; two operands follow NumPy's broadcasting."""

    kind: ClassVar[str] = "elementwise"
    function: str
    activation: str = "identity"

    def output(self, inputs: Sequence[Tensor]) -> tuple[Shape, Dtype]:
        """Return the broadcast shape."""
        _same_dtype(inputs)
        rank = max(len(tensor.shape) for tensor in inputs)
        padded = [(1,) * (rank - len(tensor.shape)) + tensor.shape for tensor in inputs]
        for sizes in zip(*padded, strict=True):
            if len({size for size in sizes if size != 1}) > 1:
                shapes = " and ".join(f"'{t.name}' {list(t.shape)}" for t in inputs)
                raise WorkloadError(f"shapes of {shapes} don't broadcast together")
        return tuple(max(sizes) for sizes in zip(*padded, strict=True)), inputs[0].dtype

    def operations(self, inputs: Sequence[Tensor]) -> int:
        """Return one function and one activation per output element."""
        shape, _ = self.output(inputs)
        per_element = FUNCTIONS[self.function].operations
        if self.activation != "identity":
            per_element += FUNCTIONS[self.activation].operations
        return prod(shape) * per_element


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool(_NoMacs, _NoParameters):
    """The max or the mean of a sliding window; a mean counts padding as zeros."""

    kind: ClassVar[str] = "pool"
    function: str
    windows: tuple[Window, ...]

    def output(self, inputs: Sequence[Tensor]) -> tuple[Shape, Dtype]:
        """Return ``[batch, OY, OX, C]``, with OZ before OY for a volume."""
        (tensor,) = inputs
        for window in self.windows:
            pad = max(window.pad_before, window.pad_after)
            if pad >= window.span:
                raise WorkloadError(
                    f"padding is {pad} but must be less than the window's {window.span}"
                )
        return (*_windowed_shape(tensor, self.windows), tensor.shape[-1]), tensor.dtype

    def operations(self, inputs: Sequence[Tensor]) -> int:
        """Return one per element of every window."""
        shape, _ = self.output(inputs)
        return prod(shape) * prod(window.kernel for window in self.windows)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reduce(_NoMacs, _NoParameters):
    """The sum, mean or max over some axes, which disappear; or the max's number, row-major."""

    kind: ClassVar[str] = "reduce"
    function: str
    axes: tuple[int, ...]

    def positive_axes(self, rank: int) -> tuple[int, ...]:
        """Return the axes counted from the front, sorted."""
        return tuple(sorted({positive_axis(axis, rank) for axis in self.axes}))

    def output(self, inputs: Sequence[Tensor]) -> tuple[Shape, Dtype]:
        """Return the shape without the reduced axes, or (1,) if none is left."""
        (tensor,) = inputs
        axes = self.positive_axes(len(tensor.shape))
        kept = tuple(size for axis, size in enumerate(tensor.shape) if axis not in axes)
        dtype = DTYPES["int32"] if self.function in INDEXING else tensor.dtype
        return kept or (1,), dtype

    def operations(self, inputs: Sequence[Tensor]) -> int:
        """Return one per input element."""
        return inputs[0].size_elements * FUNCTIONS[self.function].operations


@dataclass(frozen=True, slots=True, kw_only=True)
class Normalize(_NoMacs):
    """Softmax, layer or RMS normalization of rows along the last axis, or batch norm.

    A softmax may go along another axis.
    """

    kind: ClassVar[str] = "normalize"
    function: str
    axis: int = -1

    def output(self, inputs: Sequence[Tensor]) -> tuple[Shape, Dtype]:
        """Return the input's shape."""
        (tensor,) = inputs
        rank = len(tensor.shape)
        is_last = positive_axis(self.axis, rank) == rank - 1
        if self.function != "softmax" and not is_last:
            raise WorkloadError(
                f"{self.function} goes along the last axis but has axis {self.axis}; move it with a"
                " transpose"
            )
        return tensor.shape, tensor.dtype

    def parameters(self, inputs: Sequence[Tensor]) -> dict[str, Parameter]:
        """Return gamma and beta, shape (features,), as far as the function has them."""
        (tensor,) = inputs
        roles = {"softmax": (), "rms_norm": ("gamma",)}.get(self.function, ("gamma", "beta"))
        return {role: Parameter(shape=tensor.shape[-1:], dtype=tensor.dtype) for role in roles}

    def operations(self, inputs: Sequence[Tensor]) -> int:
        """Return the function's operations per element."""
        return inputs[0].size_elements * FUNCTIONS[self.function].operations


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedding(_NoMacs):
    """A row of a table for every index."""

    kind: ClassVar[str] = "embedding"
    entries: int
    features: int
    dtype: Dtype

    def output(self, inputs: Sequence[Tensor]) -> tuple[Shape, Dtype]:
        """Return the indices' shape with a last axis of ``features``."""
        (indices,) = inputs
        if indices.dtype.name != "int32":
            raise WorkloadError(f"indices must be int32 but '{indices.name}' is {indices.dtype}")
        return (*indices.shape, self.features), self.dtype

    def parameters(self, inputs: Sequence[Tensor]) -> dict[str, Parameter]:
        """Return the table, shape (entries, features)."""
        del inputs
        return {"table": Parameter(shape=(self.entries, self.features), dtype=self.dtype)}

    def operations(self, inputs: Sequence[Tensor]) -> int:
        """Return zero: rows are only moved."""
        del inputs
        return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Concat(_NoOperations):
    """Tensors one after the other along one axis."""

    kind: ClassVar[str] = "concat"
    axis: int

    def output(self, inputs: Sequence[Tensor]) -> tuple[Shape, Dtype]:
        """Return the common shape with the sizes along the axis added up."""
        _same_dtype(inputs)
        first = inputs[0].shape
        axis = positive_axis(self.axis, len(first))
        for tensor in inputs[1:]:
            if tensor.shape[:axis] != first[:axis] or tensor.shape[axis + 1 :] != first[axis + 1 :]:
                raise WorkloadError(
                    f"'{inputs[0].name}' {list(first)} and '{tensor.name}' {list(tensor.shape)}"
                    f" must agree on every axis but {axis}"
                )
        total = sum(tensor.shape[axis] for tensor in inputs)
        return (*first[:axis], total, *first[axis + 1 :]), inputs[0].dtype


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice(_NoOperations):
    """Elements ``start`` to ``stop`` (exclusive) in steps of ``step`` along one axis."""

    kind: ClassVar[str] = "slice"
    axis: int
    start: int
    stop: int
    step: int = 1

    def output(self, inputs: Sequence[Tensor]) -> tuple[Shape, Dtype]:
        """Return the input's shape with the slice's length along the axis."""
        (tensor,) = inputs
        axis = positive_axis(self.axis, len(tensor.shape))
        size = tensor.shape[axis]
        if not 0 <= self.start < self.stop <= size:
            raise WorkloadError(
                f"slice {self.start}:{self.stop} must lie in 0:{size}, axis {axis} of"
                f" '{tensor.name}' {list(tensor.shape)}"
            )
        length = -(-(self.stop - self.start) // self.step)
        return (*tensor.shape[:axis], length, *tensor.shape[axis + 1 :]), tensor.dtype


@dataclass(frozen=True, slots=True, kw_only=True)
class Reshape(_NoOperations):
    """The same elements in another shape: no data moves."""

    kind: ClassVar[str] = "reshape"
    shape: Shape

    def output(self, inputs: Sequence[Tensor]) -> tuple[Shape, Dtype]:
        """Return the shape, in which one size may be -1: whatever is left."""
        (tensor,) = inputs
        known = prod(size for size in self.shape if size != -1)
        shape = self.shape
        if self.shape.count(-1) == 1 and tensor.size_elements % known == 0:
            shape = tuple(tensor.size_elements // known if s == -1 else s for s in self.shape)
        if prod(shape) != tensor.size_elements or -1 in shape:
            raise WorkloadError(
                f"shape {list(self.shape)} has {known} elements"
                f" but '{tensor.name}' {list(tensor.shape)} has {tensor.size_elements}"
            )
        return shape, tensor.dtype


@dataclass(frozen=True, slots=True, kw_only=True)
class Transpose(_NoOperations):
    """The axes in another order."""

    kind: ClassVar[str] = "transpose"
    permutation: tuple[int, ...]

    def output(self, inputs: Sequence[Tensor]) -> tuple[Shape, Dtype]:
        """Return the sizes in the order of ``permutation``."""
        (tensor,) = inputs
        if sorted(self.permutation) != list(range(len(tensor.shape))):
            raise WorkloadError(
                f"permutation {list(self.permutation)} must name each of the"
                f" {len(tensor.shape)} axes of '{tensor.name}' once"
            )
        return tuple(tensor.shape[axis] for axis in self.permutation), tensor.dtype


def positive_axis(axis: int, rank: int) -> int:
    """Return ``axis`` counted from the front."""
    if not -rank <= axis < rank:
        raise WorkloadError(f"axis {axis} must lie in {-rank}..{rank - 1} for {rank} axes")
    return axis % rank


def _same_dtype(inputs: Sequence[Tensor]) -> None:
    for tensor in inputs[1:]:
        if tensor.dtype != inputs[0].dtype:
            raise WorkloadError(
                f"'{inputs[0].name}' is {inputs[0].dtype} but '{tensor.name}' is {tensor.dtype};"
                " both must have one dtype"
            )
