"""The functions a vector unit computes, by name, with the operations each costs per element."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class FunctionKind(Enum):
    """How a function consumes its operands."""

    UNARY = "unary"  # one operand, element by element
    BINARY = "binary"  # two operands of one shape, element by element
    CHANNEL = "channel"  # one operand, and a vector or two along its last axis
    REDUCTION = "reduction"  # one operand, or those of a sum of products: some axes disappear
    CONVERSION = "conversion"  # operands of one type, a result of another, element by element
    ROW = "row"  # one operand, or two of a scan: each row along the last axes as a whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """One function of the vector unit.

    Parameters
    ----------
    name
        As written in YAML and in assembly.
    kind
        How it consumes its operands.
    operations
        Lane operations per input element: the ops on the roofline, and the cycles on a lane that
        does one operation a cycle. Of a sort for each of its `passes`.
    """

    name: str
    kind: FunctionKind
    operations: int


def _functions(kind: FunctionKind, **operations: int) -> list[Function]:
    return [Function(name=name, kind=kind, operations=n) for name, n in operations.items()]


#: Functions whose gradient is one function of two operands, ``gradient · slope``: the slope at the
#: function's result, or at its operand where the result doesn't tell it.
SLOPES = {
    "relu": "result",
    "relu6": "result",
    "sigmoid": "result",
    "tanh": "result",
    "hard_sigmoid": "result",
    "gelu": "operand",
    "silu": "operand",
    "hard_swish": "operand",
    "absolute": "operand",
    "erf": "operand",
}

# Non-linear functions count one operation: a table look-up, as in TPU v1's activation unit
# (N. Jouppi et al., ISCA 2017, section 2) and NVDLA's SDP.
# softmax: max, subtract, exp, sum, divide. layer_norm: sum, square, sum of squares, subtract,
# multiply by 1/deviation, multiply by gamma, add beta. rms_norm: square, sum, two multiplications.
# A gradient of a function: a table look-up and a multiplication.
# rescale: what requantize does, behind a multiplication.
# scan: multiply, add. sort, argsort: half a compare-and-exchange, a minimum and a maximum, in each
# pass.
FUNCTIONS = {
    function.name: function
    for function in (
        *_functions(
            FunctionKind.UNARY,
            identity=1,
            relu=1,
            relu6=1,
            gelu=1,
            silu=1,
            sigmoid=1,
            tanh=1,
            hard_swish=1,
            hard_sigmoid=1,
            softplus=1,
            absolute=1,
            negative=1,
            exp=1,
            log=1,
            sqrt=1,
            reciprocal=1,
            erf=1,
            floor=1,
        ),
        *_functions(
            FunctionKind.BINARY,
            add=1,
            subtract=1,
            multiply=1,
            divide=1,
            maximum=1,
            minimum=1,
            greater=1,
            **{f"{name}_gradient": 2 for name in SLOPES},
        ),
        *_functions(FunctionKind.CONVERSION, cast=1, equal=1, floor_int32=1),
        *_functions(FunctionKind.CHANNEL, requantize=1, rescale=2, batch_norm=2),
        *_functions(FunctionKind.REDUCTION, sum=1, mean=1, max=1, dot=2, argmax=1, max_gradient=2),
        *_functions(
            FunctionKind.ROW, softmax=5, layer_norm=7, rms_norm=4, sort=1, argsort=1, scan=2
        ),
    )
}
#: Those that make results of psums.
OF_PSUMS = ("requantize", "rescale")

#: Functions that sort rows.
SORTS = ("sort", "argsort")
#: Functions whose results are int32 numbers of elements.
INDEXING = ("argmax", "argsort", "floor_int32")


def names(kind: FunctionKind) -> list[str]:
    """Return the names of all functions of one kind."""
    return [function.name for function in FUNCTIONS.values() if function.kind is kind]


def passes(function: str, row: int) -> int:
    """Return how often a function goes over rows of ``row`` elements: once, unless it sorts them.

    # Approximation: a sort takes the stages of a bitonic network over the next power of two,
    p (p + 1) / 2 of 2^p elements, whatever the vector unit would really do, and moves indices along
    with their values for nothing.

    References
    ----------
    .. [1] K. Batcher, "Sorting networks and their applications", AFIPS 1968.
    """
    if function not in SORTS:
        return 1
    exponent = (row - 1).bit_length()
    return max(1, exponent * (exponent + 1) // 2)
