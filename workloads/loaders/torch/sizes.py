"""Sizes of exported tensors: numbers, or SymPy's arithmetic over symbols.

It is written as a formula, ``2*s7 + 1``, or as calls, ``Add(Mul(Integer(2), Symbol('s7')), …)``.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from fractions import Fraction
from math import prod
from typing import Any

from foundation.errors import WorkloadError

_LONGEST = 2000
_OPERATORS: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.FloorDiv: lambda a, b: a // b,
    ast.Div: lambda a, b: a / b,
    ast.Mod: lambda a, b: a % b,
}
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "Add": lambda *terms: sum(terms),
    "Mul": lambda *factors: prod(factors),
    "Integer": lambda number: number,
    "Rational": lambda above, below: Fraction(above, below),
    "Max": max,
    "Min": min,
    "Mod": lambda a, b: a % b,
    "PythonMod": lambda a, b: a % b,
    "FloorDiv": lambda a, b: a // b,
    "CleanDiv": lambda a, b: a // b,
    "CeilDiv": lambda a, b: -(-a // b),
    "IntTrueDiv": lambda a, b: a / b,
    "FloatTrueDiv": lambda a, b: a / b,
    "ToFloat": float,
    "TruncToInt": int,
    "FloorToInt": lambda a: int(a // 1),
    "CeilToInt": lambda a: -int(-a // 1),
    "RoundToInt": round,
    "Abs": abs,
}


def size_of(expression: int | str, symbols: Mapping[str, int]) -> int:
    """Return a size, or the whole number that an expression over symbols is.

    Raises
    ------
    WorkloadError
        A symbol has no number, as sizes have that depend on data; or the expression isn't known.
    """
    if not isinstance(expression, str):
        return expression
    if expression in symbols:
        return symbols[expression]
    try:
        if len(expression) > _LONGEST:
            raise SyntaxError("too long")
        number = _walk(ast.parse(expression.strip(), mode="eval").body, symbols)
    except KeyError as error:
        raise WorkloadError(
            f"the size '{expression}' depends on {error}, which the data decides; export the"
            " network so that all sizes follow from those of its inputs"
        ) from None
    except (SyntaxError, TypeError, ArithmeticError, RecursionError, ValueError) as error:
        raise WorkloadError(f"the size '{expression[:60]}' can't be computed: {error}") from None
    if number != int(number):
        raise WorkloadError(f"the size '{expression[:60]}' is {number} but must be whole")
    return int(number)


def _walk(tree: ast.expr, symbols: Mapping[str, int]) -> Any:
    match tree:
        case ast.Constant(value=int() | float() as number):
            return number
        case ast.Name(id=name):
            return symbols[name]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_walk(operand, symbols)
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            return _power(_walk(left, symbols), _walk(right, symbols))
        case ast.Call(func=ast.Name(id="Pow"), args=[left, right]):
            return _power(_walk(left, symbols), _walk(right, symbols))
        case ast.Call(func=ast.Name(id="Symbol"), args=[ast.Constant(value=str() as name)]):
            return symbols[name]
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            return _OPERATORS[type(op)](_walk(left, symbols), _walk(right, symbols))
        case ast.Call(func=ast.Name(id=name), args=arguments) if name in _FUNCTIONS:
            return _FUNCTIONS[name](*(_walk(argument, symbols) for argument in arguments))
        case ast.Call(func=ast.Name(id="floor"), args=[argument]):
            return int(_walk(argument, symbols) // 1)
    raise ValueError(f"'{ast.unparse(tree)[:40]}' isn't known")


def _power(base: Any, exponent: Any) -> Any:
    if exponent == -1:
        return Fraction(1) / base
    if not 0 <= exponent <= 8:
        raise ValueError(f"power {exponent}")
    return prod([base] * exponent)
