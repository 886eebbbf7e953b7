"""What a vector instruction computes, and which ones make sense."""

from __future__ import annotations

from typing import assert_never

import numpy as np

from foundation import numerics
from foundation.dtype import ACTIVATION_DTYPES, Dtype
from foundation.errors import nearest
from foundation.functions import FUNCTIONS, INDEXING, OF_PSUMS, SORTS, FunctionKind, names
from foundation.numerics import Array
from isa.instruction import Vector
from isa.shadow import QueueState

#: Operands of the functions for which their kind doesn't say it: least and most.
_OPERANDS = {
    "requantize": (1, 2),
    "rescale": (2, 3),
    "batch_norm": (3, 3),
    "softmax": (1, 1),
    "layer_norm": (3, 3),
    "rms_norm": (2, 2),
    "dot": (2, 2),
    "max_gradient": (3, 3),
    "cast": (1, 1),
    "equal": (2, 2),
    "floor_int32": (1, 1),
    "sort": (1, 1),
    "argsort": (1, 1),
    "scan": (2, 2),
}
_OPERANDS_OF_KIND = {
    FunctionKind.UNARY: (1, 1),
    FunctionKind.BINARY: (2, 2),
    FunctionKind.REDUCTION: (1, 1),
}
#: A psum has 32 bits: nothing is left of it after a longer shift.
_MAX_SHIFT = 31


def check_vector(queue: QueueState, vector: Vector) -> None:
    """Check that a vector instruction means something.

    Raises
    ------
    SimulationError
        Unknown function, wrong number of operands or reduced dimensions, types or a shift that
        the function doesn't have.
    """
    name = vector.function
    if name not in FUNCTIONS:
        raise queue.error(f"unknown function '{name}'{nearest(name, FUNCTIONS)}")
    unary = names(FunctionKind.UNARY)
    if vector.activation not in unary:
        raise queue.error(
            f"activation '{vector.activation}' must be one of {', '.join(unary)}"
            f"{nearest(vector.activation, unary)}"
        )
    kind = FUNCTIONS[name].kind
    least, most = _OPERANDS.get(name) or _OPERANDS_OF_KIND[kind]
    if not least <= len(vector.inputs) <= most:
        takes = str(least) if least == most else f"{least} or {most}"
        raise queue.error(f"'{name}' takes {takes} inputs but has {len(vector.inputs)}")
    reduces = kind in (FunctionKind.REDUCTION, FunctionKind.ROW) or name in OF_PSUMS
    reducible = len(vector.shape) if reduces else 0
    if not 0 <= vector.reduced <= reducible:
        raise queue.error(
            f"'{name}' over {len(vector.shape)} dimensions can reduce {reducible} but not"
            f" {vector.reduced}"
        )
    if kind is FunctionKind.ROW and not vector.shape:
        raise queue.error(f"'{name}' needs at least 1 dimension")
    _check_types(queue, vector, kind)


def _check_types(queue: QueueState, vector: Vector, kind: FunctionKind) -> None:
    name, dtype = vector.function, vector.output_dtype
    expected = _read_by(name, vector)
    if vector.input_dtype.name != expected:
        raise queue.error(f"'{name}' to {dtype} reads {expected} but has {vector.input_dtype}")
    if name in INDEXING and dtype.name != "int32":
        raise queue.error(f"'{name}' makes int32 but has {dtype}")
    if name == "cast" and not _is_cast(vector.input_dtype, dtype):
        raise queue.error(
            "'cast' goes from floats or int8 to floats or int8, and from int32 to floats, but not"
            f" from {vector.input_dtype} to {dtype}"
        )
    tabled = kind in (FunctionKind.UNARY, FunctionKind.ROW) and name not in ("identity", *SORTS)
    for function in (name if tabled else "identity", vector.activation):
        if function != "identity" and dtype.is_integer and dtype.name != "int8":
            raise queue.error(f"'{function}' has no table for {dtype}; use int8")
    limit = _MAX_SHIFT if name in OF_PSUMS and dtype.is_integer else 0
    if not 0 <= vector.shift <= limit:
        raise queue.error(f"shift {vector.shift} of '{name}' to {dtype} must lie in 0..{limit}")


def _is_cast(source: Dtype, dtype: Dtype) -> bool:
    """Whether numbers of one type can be cast to another."""
    holds_numbers = dtype.name in ACTIVATION_DTYPES
    if source.name == "int32":
        return holds_numbers and not dtype.is_integer
    return holds_numbers and source.name in ACTIVATION_DTYPES


def _read_by(name: str, vector: Vector) -> str:
    """Return the type that a function must read to make its output's type."""
    if name in OF_PSUMS:
        return vector.output_dtype.accumulator
    if name == "equal":
        return "int32"
    reads_any = name == "cast" or name in INDEXING
    return vector.input_dtype.name if reads_any else vector.output_dtype.name


def apply_vector(vector: Vector, inputs: list[Array]) -> Array:
    """Return a vector function's result, before its activation.

    Parameters
    ----------
    vector
        An instruction that `check_vector` accepts.
    inputs
        Its operands, each of shape ``vector.shape``.
    """
    dtype = vector.output_dtype
    name = vector.function
    match FUNCTIONS[name].kind:
        case FunctionKind.UNARY:
            return numerics.unary(name, inputs[0], dtype)
        case FunctionKind.BINARY:
            return numerics.binary(name, inputs[0], inputs[1], dtype)
        case FunctionKind.REDUCTION:
            axes = _reduced_axes(vector)
            if name == "dot":
                return numerics.dot(inputs[0], inputs[1], axes, dtype)
            if name == "max_gradient":
                return numerics.max_gradient(inputs[0], inputs[1], inputs[2], axes, dtype)
            return numerics.reduction(name, inputs[0], axes, dtype)
        case FunctionKind.CONVERSION:
            if name == "equal":
                return numerics.equal(inputs[0], inputs[1], dtype)
            if name == "floor_int32":
                return numerics.floor_int32(inputs[0])
            return numerics.cast(inputs[0], dtype)
        case FunctionKind.CHANNEL:
            if name == "batch_norm":
                return numerics.batch_norm(inputs[0], inputs[1], inputs[2], dtype)
            return _requantize(vector, inputs, dtype)
        case FunctionKind.ROW:
            others = vector.shape[: len(vector.shape) - max(vector.reduced, 1)]
            rows = [values.reshape(*others, -1) for values in inputs]
            return _rows(name, rows, dtype).reshape(vector.shape)
        case unknown:
            assert_never(unknown)


def _reduced_axes(vector: Vector) -> tuple[int, ...]:
    rank = len(vector.shape)
    return tuple(range(rank - vector.reduced, rank))


def _requantize(vector: Vector, inputs: list[Array], dtype: Dtype) -> Array:
    """Return the results of psums, added up along the dimensions that are reduced."""
    psums, others = inputs[0], inputs[1:]
    if vector.reduced:
        axes = _reduced_axes(vector)
        psums = numerics.reduction("sum", psums, axes, vector.input_dtype)
        others = [other.reshape(*psums.shape, -1)[..., 0] for other in others]
    if vector.function == "rescale":
        bias = others[1] if len(others) > 1 else None
        return numerics.rescale(psums, others[0], bias, vector.shift, dtype)
    return numerics.requantize(psums, others[0] if others else None, vector.shift, dtype)


def _rows(name: str, inputs: list[Array], dtype: Dtype) -> Array:
    match name:
        case "softmax":
            return numerics.softmax(inputs[0], dtype)
        case "layer_norm":
            return numerics.layer_norm(inputs[0], inputs[1], inputs[2], dtype)
        case "scan":
            return numerics.scan(inputs[0], inputs[1], dtype)
        case "argsort":
            return numerics.order(inputs[0])
        case "sort":
            return np.take_along_axis(inputs[0], numerics.order(inputs[0]), axis=-1)
        case _:
            return numerics.rms_norm(inputs[0], inputs[1], dtype)
