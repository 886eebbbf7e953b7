"""Whole numbers written as arithmetic over parameters: ``4 * width``, ``sequence // 2 + 1``."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from functools import lru_cache

from foundation.errors import WorkloadError, nearest

MAX_LENGTH = 200  # which also bounds how deep an expression nests
MAX_MAGNITUDE = 10**12

_ALLOWED = re.compile(r"[A-Za-z0-9_+\-*/() ]+\Z", re.ASCII)
#: ``2x``: a number run into a word, which Python's tokenizer would only warn about.
_NUMBER_AND_WORD = re.compile(r"\b[0-9]+[A-Za-z_]", re.ASCII)
_RULE = "must be a whole number, or whole numbers and parameters joined by + - * // ( )"


def evaluate(expression: int | str, values: Mapping[str, int]) -> int:
    """Return the number that an expression stands for.

    Parameters
    ----------
    expression
        A number, or arithmetic over whole numbers and names.
    values
        What the names stand for.

    Raises
    ------
    WorkloadError
        The expression isn't one, has an unknown name, or is beyond ``MAX_MAGNITUDE``.
    """
    if isinstance(expression, str):
        direct = values.get(expression)
        if direct is not None:
            return direct
        number = _walk(_parsed(expression), expression, values)
    else:
        number = expression
    return _bounded(number, expression)


def _bounded(number: int, expression: int | str) -> int:
    if abs(number) > MAX_MAGNITUDE:
        text = expression if isinstance(expression, str) else str(number)
        raise WorkloadError(
            f"expression '{_short(text)}': its value must lie within ±{MAX_MAGNITUDE}"
        )
    return number


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:60]}…"


@lru_cache(maxsize=4096)
def _parsed(text: str) -> ast.expr:
    if len(text) > MAX_LENGTH:
        raise WorkloadError(
            f"expression '{_short(text)}': has {len(text)} characters but at most"
            f" {MAX_LENGTH} are read"
        )
    if not _ALLOWED.match(text) or _NUMBER_AND_WORD.search(text):
        raise WorkloadError(f"expression '{_short(text)}': {_RULE}")
    try:
        return ast.parse(text.strip(), mode="eval").body
    except SyntaxError:
        raise WorkloadError(f"expression '{_short(text)}': {_RULE}") from None


def _walk(node: ast.expr, text: str, values: Mapping[str, int]) -> int:
    match node:
        case ast.Constant(value=int(number)) if not isinstance(number, bool):
            return _bounded(number, text)
        case ast.Name(id=name):
            if name not in values:
                raise WorkloadError(
                    f"expression '{text}': unknown parameter '{name}'{nearest(name, values)}"
                )
            return values[name]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_walk(operand, text, values)
        case ast.BinOp(left=left, op=operator, right=right):
            a, b = _walk(left, text, values), _walk(right, text, values)
            return _bounded(_binary(operator, a, b, text), text)
        case _:
            raise WorkloadError(f"expression '{text}': {_RULE}")


def _binary(operator: ast.operator, a: int, b: int, text: str) -> int:
    match operator:
        case ast.Add():
            return a + b
        case ast.Sub():
            return a - b
        case ast.Mult():
            return a * b
        case ast.FloorDiv():
            if b == 0:
                raise WorkloadError(f"expression '{text}': divides by zero")
            return a // b
        case _:
            raise WorkloadError(f"expression '{text}': {_RULE}")
