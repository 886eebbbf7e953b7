"""The functions a vector unit computes, by name, with the operations each costs per element."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class FunctionKind(Enum):
    """How a function consumes its operands."""

    UNARY = "unary"  # one operand, element by element
    BINARY = "binary"  # two operands of one shape, element by element
    CHANNEL = "channel"  # one operand, and a vector or two along its last axis
    REDUCTION = "reduction"  # one operand, or two of a dot product: some axes disappear
    ROW = "row"  # one operand, each row along the last axes as a whole


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
        does one operation a cycle.
    """

    name: str
    kind: FunctionKind
    operations: int


def _functions(kind: FunctionKind, **operations: int) -> list[Function]:
    return [Function(name=name, kind=kind, operations=n) for name, n in operations.items()]


# Non-linear functions count one operation: a table look-up, as in TPU v1's activation unit
# (N. Jouppi et al., ISCA 2017, section 2) and NVDLA's SDP.
# softmax: max, subtract, exp, sum, divide. layer_norm: sum, square, sum of squares, subtract,
# multiply by 1/deviation, multiply by gamma, add beta. rms_norm: square, sum, two multiplications.
# rescale: what requantize does, behind a multiplication.
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
        ),
        *_functions(
            FunctionKind.BINARY, add=1, subtract=1, multiply=1, divide=1, maximum=1, minimum=1
        ),
        *_functions(FunctionKind.CHANNEL, requantize=1, rescale=2, batch_norm=2),
        *_functions(FunctionKind.REDUCTION, sum=1, mean=1, max=1, dot=2),
        *_functions(FunctionKind.ROW, softmax=5, layer_norm=7, rms_norm=4),
    )
}
#: Those that make results of psums.
OF_PSUMS = ("requantize", "rescale")


def names(kind: FunctionKind) -> list[str]:
    """Return the names of all functions of one kind."""
    return [function.name for function in FUNCTIONS.values() if function.kind is kind]
