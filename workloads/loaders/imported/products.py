"""Convolutions and matrix products of foreign tensors, and what becomes their end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import prod
from string import ascii_letters

import numpy as np

from foundation.errors import WorkloadError
from foundation.numerics import Array
from workloads.graph import Tensor
from workloads.layers import Convolution, Linear, MatMul, Shape, Window
from workloads.loaders.imported.importer import Importer
from workloads.loaders.imported.pending import Product, fusable
from workloads.loaders.imported.refused import UnsupportedError
from workloads.loaders.imported.values import (
    Axes,
    Recipe,
    Value,
    as_it_lies,
    channels_last,
    lying,
    plain,
)
from workloads.loaders.imported.weights import Learned, learned_of, weight_of
from workloads.transposed import TransposedConvolution


def convolution(
    to: Importer,
    name: str,
    image: Value,
    weight: Value,
    bias: Value | None,
    windows: Sequence[Window],
    groups: int,
) -> Value:
    """Return the convolution of ``[N, C, spatial...]`` with ``[OC, IC/G, spatial...]``.

    Raises
    ------
    UnsupportedError
        The weight isn't the file's, or windows have more than three axes.
    WorkloadError
        Shapes don't fit.
    """
    _check_window(windows, weight)
    kernel = tuple(window.kernel for window in windows)
    channels = image.shape[1] if image.rank > 1 else 0
    expected = (weight.shape[0] if weight.shape else 0, channels // max(groups, 1), *kernel)
    if groups < 1 or weight.shape != expected or image.rank != len(windows) + 2:
        raise WorkloadError(
            f"an input {list(image.shape)} in {groups} groups needs a weight {list(expected)}"
            f" but it is {list(weight.shape)}"
        )
    lie = channels_last(image.rank)
    operator = Convolution(
        out_channels=weight.shape[0], windows=tuple(windows), groups=groups, bias=bias is not None
    )
    dtype = to.dtype.numpy
    learned = {"weight": learned_of(weight, lambda a: _grouped(a, groups).astype(dtype), groups)}
    if bias is not None:
        learned["bias"] = learned_of(_vector(bias, weight.shape[0]), _wide)
    tensor = to.tensor(image, lie)
    shape, _ = operator.output((tensor,))
    return lying(Product(to, name, operator, (tensor,), shape, learned), lie)


def transposed_convolution(
    to: Importer,
    name: str,
    image: Value,
    weight: Value,
    bias: Value | None,
    windows: Sequence[Window],
    output_padding: Sequence[int],
    groups: int,
) -> Value:
    """Return the transposed convolution of ``[N, C, spatial...]`` with ``[IC, OC/G, spatial...]``.

    Raises
    ------
    UnsupportedError
        As `convolution`.
    WorkloadError
        Shapes don't fit.
    """
    _check_window(windows, weight)
    kernel = tuple(window.kernel for window in windows)
    channels = image.shape[1] if image.rank > 1 else 0
    if weight.rank != image.rank or (weight.shape[0], *weight.shape[2:]) != (channels, *kernel):
        raise WorkloadError(
            f"an input {list(image.shape)} needs a weight {[channels, 'OC/G', *kernel]}"
            f" but it is {list(weight.shape)}"
        )
    lie = channels_last(image.rank)
    operator = TransposedConvolution(
        out_channels=weight.shape[1] * groups,
        windows=tuple(windows),
        output_padding=tuple(output_padding),
        groups=groups,
        bias=bias is not None,
    )
    dtype = to.dtype.numpy
    learned = {"weight": learned_of(weight, lambda a: _backwards(a, groups).astype(dtype), groups)}
    if bias is not None:
        learned["bias"] = learned_of(_vector(bias, operator.out_channels), _wide)
    tensor = to.tensor(image, lie)
    shape, _ = operator.output((tensor,))
    return lying(Product(to, name, operator, (tensor,), shape, learned), lie)


def _check_window(windows: Sequence[Window], weight: Value) -> None:
    if len(windows) > 3:
        raise UnsupportedError(
            f"its window has {len(windows)} axes but only 1-D, 2-D and 3-D convolutions are known"
        )
    if weight_of(weight) is None:
        raise UnsupportedError("its weight is computed but must be an array of the file")


def _backwards(array: Array, groups: int) -> Array:
    """Return ``[G, spatial..., IC/G, OC/G]``, last taps first, from ``[IC, OC/G, spatial...]``."""
    split = array.reshape(groups, -1, *array.shape[1:])
    spatial = tuple(range(3, split.ndim))
    return np.flip(split, spatial).transpose(0, *spatial, 1, 2)


def _grouped(array: Array, groups: int) -> Array:
    """Return ``[G, spatial..., IC/G, OC/G]`` from ``[OC, IC/G, spatial...]``."""
    split = array.reshape(groups, -1, *array.shape[1:])
    return split.transpose(0, *range(3, split.ndim), 2, 1)


def _wide(array: Array) -> Array:
    """Return an array in the type in which accumulators are."""
    return array.astype(np.float32)


def _vector(bias: Value, size: int) -> Value:
    """Return a bias of one element for each of ``size`` results."""
    if weight_of(bias) is None or bias.shape != (size,):
        raise UnsupportedError(
            f"its bias must be {[size]} and an array of the file but is {list(bias.shape)}"
        )
    return bias


def matmul(to: Importer, name: str, left: Value, right: Value) -> Value:
    """Return the product over the last axis of ``left`` and the last but one of ``right``.

    Axes before them follow NumPy's broadcasting, and vectors NumPy's rules.
    """
    if left.rank == 1:
        product = matmul(to, name, to.reshaped(left, (1, *left.shape)), right)
        gone = product.rank - min(right.rank, 2)  # M comes before N, where there is an N
        return to.reshaped(product, (*product.shape[:gone], *product.shape[gone + 1 :]))
    if right.rank == 1:
        product = matmul(to, name, left, to.reshaped(right, (*right.shape, 1)))
        return to.reshaped(product, product.shape[:-1])
    if not left.rank or not right.rank:
        raise WorkloadError("a matrix product needs operands of at least one axis")
    batch = ascii_letters[: max(left.rank, right.rank) - 2]
    first, second = batch[len(batch) + 2 - left.rank :], batch[len(batch) + 2 - right.rank :]
    sizes = dict(zip(first, left.shape, strict=False))
    for letter, size in zip(second, right.shape, strict=False):
        if size not in (1, sizes.get(letter, 1)) and sizes.get(letter, 1) != 1:
            raise WorkloadError(
                f"axes before the matrices must broadcast but are {list(left.shape)} and"
                f" {list(right.shape)}"
            )
        sizes[letter] = max(size, sizes.get(letter, 1))
    left, first = _dropped(to, left, f"{first}yz", sizes)
    right, second = _dropped(to, right, f"{second}zx", sizes)
    return contract(to, name, left, first, right, second, f"{batch}yx")


def _dropped(
    to: Importer, value: Value, letters: str, sizes: Mapping[str, int]
) -> tuple[Value, str]:
    """Return an operand without the axes of size 1 that the other one broadcasts."""
    pairs = zip(letters, value.shape, strict=True)
    kept = [(x, size) for x, size in pairs if size == sizes.get(x, size)]
    if len(kept) < value.rank:
        value = to.reshaped(value, tuple(size for _, size in kept))
    return value, "".join(letter for letter, _ in kept)


def contract(
    to: Importer,
    name: str,
    left: Value,
    first: str,
    right: Value,
    second: str,
    output: str,
) -> Value:
    """Return the sum of products of two tensors over the letters that the output lacks.

    Raises
    ------
    UnsupportedError
        A letter is in one operand only.
    WorkloadError
        Sizes don't agree.
    """
    sizes = _sizes(left, first, right, second)
    if any(letter not in output and (first + second).count(letter) < 2 for letter in sizes):
        raise UnsupportedError(
            f"equation {first},{second}->{output}: a letter is in one place only"
        )
    batch = [x for x in output if x in first and x in second]
    rows = [x for x in output if x in first and x not in second]
    columns = [x for x in output if x in second and x not in first]
    summed = [x for x in first if x not in output]
    if weight_of(right) is not None and not batch:
        value = _merged(to, left, first, rows, summed)
        product = linear(to, name, value, _merged(to, right, second, [], summed, columns))
        letters = [*rows, *columns]
    elif weight_of(left) is not None and not batch:
        value = _merged(to, right, second, columns, summed)
        product = linear(to, name, value, _merged(to, left, first, [], summed, rows))
        letters = [*columns, *rows]
    else:
        a = _merged(to, left, first, batch, rows, summed)
        b = _merged(to, right, second, batch, summed, columns)
        product = _matrix_product(to, name, a, b)
        letters = [*batch, *rows, *columns]
    product = to.reshaped(product, tuple(sizes[letter] for letter in letters))
    return product.transposed([letters.index(letter) for letter in output])


def _sizes(left: Value, first: str, right: Value, second: str) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for value, letters in ((left, first), (right, second)):
        for letter, size in zip(letters, value.shape, strict=True):
            if sizes.setdefault(letter, size) != size:
                raise WorkloadError(
                    f"'{letter}' of {first},{second} is {sizes[letter]} in {list(left.shape)} but"
                    f" {size} in {list(right.shape)}"
                )
    return sizes


def _merged(
    to: Importer, value: Value, letters: str, kept: Sequence[str], *groups: Sequence[str]
) -> Value:
    """Return an operand with one axis for each kept letter, and one for each group."""
    order = [letter for group in (kept, *groups) for letter in group]
    value = value.transposed([letters.index(letter) for letter in order])
    heads, merged = value.shape[: len(kept)], []
    start = len(kept)
    for group in groups:
        merged.append(prod(value.shape[start : start + len(group)]))
        start += len(group)
    return to.reshaped(value, (*heads, *merged))


def linear(to: Importer, name: str, value: Value, weight: Value) -> Value:
    """Return ``[..., K]`` times a weight of the file, ``[K, N]``."""
    width = weight.shape[-1]
    if weight.rank != 2 or not value.rank or value.shape[-1] != weight.shape[0]:
        raise WorkloadError(
            f"an input {list(value.shape)} needs a weight [{value.shape[-1]}, N] but it is"
            f" {list(weight.shape)}"
        )
    lie = last_axis_last(value)
    tensor = to.tensor(value, lie)
    shape = (*tensor.shape[:-1], width)
    table = _table(to, weight)
    if table is not None:
        operator = Linear(out_features=width, bias=False, tied=True)
        return lying(Product(to, name, operator, (tensor, table), shape), lie)
    operator = Linear(out_features=width, bias=False)
    dtype = to.dtype.numpy
    learned = {"weight": learned_of(weight, lambda array: array.astype(dtype))}
    return lying(Product(to, name, operator, (tensor,), shape, learned), lie)


def _table(to: Importer, value: Value) -> Tensor | None:
    """Return the embedding's table whose transpose a weight is, if it is one's."""
    weight = weight_of(value)
    if weight is None or value.order != (1, 0):
        return None
    table = to.tables.get(weight.name)
    return table if table is not None and table.shape == weight.shape else None


def last_axis_last(value: Value) -> Axes:
    """Return how a value lies, or nearly: its last axis comes last."""
    lie = as_it_lies(value)
    return (*(axis for axis in lie if axis != value.rank - 1), value.rank - 1)


def _matrix_product(to: Importer, name: str, left: Value, right: Value) -> Value:
    """Return ``[batch..., M, K]`` times ``[batch..., K, N]``, both as they lie."""
    batch = ascii_letters[: left.rank - 2]
    tensors, letters = [], []
    for value, named in ((left, f"{batch}yz"), (right, f"{batch}zx")):
        lie = as_it_lies(value)
        tensors.append(to.tensor(value, lie))
        letters.append("".join(named[axis] for axis in lie))
    operator = MatMul(equation=f"{letters[0]},{letters[1]}->{batch}yx")
    shape: Shape = (*left.shape[:-1], right.shape[-1])
    return plain(Product(to, name, operator, (tensors[0], tensors[1]), shape))


def with_bias(value: Value, bias: Value) -> Value | None:
    """Return a product with a bias at its end, or None where it can't have it there."""
    product, axis = fusable(value), _channel(value)
    if product is None or weight_of(bias) is None or axis is None:
        return None
    operator = product.operator
    biased = Convolution | TransposedConvolution | Linear
    if not isinstance(operator, biased) or operator.activation != "identity":
        return None
    if operator.bias or (isinstance(operator, Convolution) and operator.batch_norm):
        return None
    vector = _along(bias, value.rank, axis, value.shape[axis])
    if vector is None:
        return None
    product.operator = replace(operator, bias=True)
    product.learned["bias"] = vector
    return value


def _channel(value: Value) -> int | None:
    """Return the foreign axis that a pending product computes in its columns."""
    if value.pending is None or not value.rank:
        return None
    return value.order.index(value.rank - 1)


def _along(weight: Value, rank: int, axis: int, size: int) -> Learned | None:
    """Return the bias that a weight broadcasts along one axis, or None if it isn't one."""
    shape = (1,) * (rank - weight.rank) + weight.shape
    if len(shape) != rank or shape != tuple(size if a == axis else 1 for a in range(rank)):
        return None
    return learned_of(weight, lambda array: _wide(array.reshape(size)))


def with_batch_norm(value: Value, scale: Value, shift: Value, normal: Recipe) -> Value | None:
    """Return a convolution with a batch normalization folded into it, or None where it can't be.

    Parameters
    ----------
    value
        The convolution's.
    scale, shift
        Weights of the file that are counted as gamma and beta.
    normal
        Recipe of gamma and beta at inference, shape (2, channels).
    """
    product = fusable(value)
    if product is None or not isinstance(product.operator, Convolution):
        return None
    operator = product.operator
    if operator.activation != "identity" or operator.batch_norm:
        return None
    kernel, bias = product.learned["weight"], product.learned.get("bias")
    groups = operator.groups

    def folded(arrays: Mapping[str, Array]) -> Array:
        array = kernel.recipe(arrays)
        gamma = normal(arrays)[0].reshape(groups, *(1,) * (array.ndim - 2), -1)
        result: Array = (array.astype(np.float32) * gamma).astype(array.dtype)
        return result

    def shifted(arrays: Mapping[str, Array]) -> Array:
        gamma, beta = normal(arrays)
        shift: Array = beta if bias is None else beta + bias.recipe(arrays) * gamma
        return shift

    product.operator = replace(operator, bias=False, batch_norm=True)
    both = (*(() if bias is None else bias.weights), scale, shift)
    product.learned = {
        "weight": Learned(recipe=folded, weights=kernel.weights),
        "bias": Learned(recipe=lambda arrays: _wide(shifted(arrays)), weights=both),
    }
    return value


def with_activation(value: Value, function: str) -> Value | None:
    """Return a product with a function at its end, or None where it can't have it there."""
    product = fusable(value)
    if product is None or product.operator.activation != "identity":
        return None
    product.operator = replace(product.operator, activation=function)
    return value
