"""Arithmetic over the values of a point: what is derived from them, and what they must satisfy.

The text is parsed, never evaluated: names, numbers with units, arithmetic, comparisons and a few
functions are all that it may hold.
"""

from __future__ import annotations

import ast
import math
import operator
import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from accel.units import Quantity
from foundation.errors import nearest
from rooftile.sweep.quantities import KIND_OF, Amount, amount_of

_LONGEST = 500
_NUMBER = r"(?<![\w.])(\d[\d_]*\.?\d*(?:[eE][-+]?\d{1,3})?)\s*"
_QUANTITY = re.compile(
    _NUMBER + "(" + "|".join(sorted(map(re.escape, KIND_OF), key=len, reverse=True)) + r")(?!\w)"
)
_ADD = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mod: operator.mod}
_SCALE = {ast.Mult: operator.mul, ast.Div: operator.truediv, ast.FloorDiv: operator.floordiv}
_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_PLAIN: dict[str, Callable[[float], float]] = {
    "ceil": math.ceil,
    "floor": math.floor,
    "log2": math.log2,
    "round": round,
    "sqrt": math.sqrt,
}
_SAME = {"max": max, "min": min}
FUNCTIONS = (*_PLAIN, *_SAME)


@dataclass(frozen=True, slots=True)
class Expression:
    """A parsed text.

    Parameters
    ----------
    text
        As the user wrote it.
    names
        Of the values that it reads.
    """

    text: str
    names: tuple[str, ...]
    _tree: ast.expr
    _quantities: Mapping[str, Amount]

    def value(self, values: Mapping[str, Amount]) -> Amount:
        """Return the number that it is.

        Raises
        ------
        ValueError
            For what has no value: units that don't go together, a division by zero.
        """
        try:
            return self._amount(self._tree, values)
        except (ZeroDivisionError, OverflowError) as error:
            raise ValueError(f"'{self.text}': has no value ({error})") from None

    def holds(self, values: Mapping[str, Amount]) -> bool:
        """Return whether a comparison holds; as `value`."""
        tree = self._tree
        assert isinstance(tree, ast.Compare), "that was parsed"
        parts = [self._amount(part, values) for part in (tree.left, *tree.comparators)]
        for left, right in pairwise(parts):
            self._same(left, right, "compared")
        return all(
            _COMPARE[type(op)](left.value, right.value)
            for op, (left, right) in zip(tree.ops, pairwise(parts), strict=True)
        )

    def sides(self, values: Mapping[str, Amount]) -> str:
        """Return the numbers that a comparison compares, as text."""
        tree = self._tree
        assert isinstance(tree, ast.Compare), "that was parsed"
        parts = [self._amount(part, values) for part in (tree.left, *tree.comparators)]
        return ", ".join(part.text for part in parts)

    def _amount(self, tree: ast.expr, values: Mapping[str, Amount]) -> Amount:
        match tree:
            case ast.Constant(value=int() | float() as value):
                return Amount(value)
            case ast.Name() | ast.Attribute():
                name = _dotted(tree)
                return self._quantities[name] if name in self._quantities else values[name]
            case ast.UnaryOp(operand=operand):
                one = self._amount(operand, values)
                return Amount(-one.value, one.kind) if isinstance(tree.op, ast.USub) else one
            case ast.BinOp():
                left, right = (self._amount(side, values) for side in (tree.left, tree.right))
                return self._combined(tree.op, left, right)
            case ast.Call(func=ast.Name(id=name)):
                return self._called(name, [self._amount(one, values) for one in tree.args])
        raise AssertionError("what was parsed has a value")

    def _combined(self, op: ast.operator, left: Amount, right: Amount) -> Amount:
        if type(op) in _ADD:
            self._same(left, right, "added")
            return Amount(_ADD[type(op)](left.value, right.value), left.kind)
        if isinstance(op, ast.Pow):
            if left.kind or right.kind or abs(right.value) > 64:
                raise ValueError(f"'{self.text}': powers are of plain numbers, and at most 64")
            return Amount(float(left.value) ** right.value)
        value = _SCALE[type(op)](left.value, right.value)
        return Amount(value, self._kind(op, left.kind, right.kind))

    def _kind(
        self, op: ast.operator, left: Quantity | None, right: Quantity | None
    ) -> Quantity | None:
        if right is None:
            return left
        if isinstance(op, ast.Mult) and left is None:
            return right
        if not isinstance(op, ast.Mult) and left == right:
            return None
        shown = left.name if left is not None else "a plain number"
        raise ValueError(f"'{self.text}': {shown} and {right.name} can't be combined like this")

    def _same(self, left: Amount, right: Amount, what: str) -> None:
        if left.kind == right.kind:
            return
        one, other = (x.kind.name if x.kind else "a plain number" for x in (left, right))
        raise ValueError(f"'{self.text}': {one} and {other} can't be {what}")

    def _called(self, name: str, arguments: list[Amount]) -> Amount:
        if name in _PLAIN:
            (one,) = arguments
            if one.kind is not None and name in ("log2", "sqrt"):
                raise ValueError(f"'{self.text}': {name} is of plain numbers, not {one.kind.name}")
            return Amount(_PLAIN[name](one.value), one.kind)
        for other in arguments[1:]:
            self._same(arguments[0], other, "compared")
        return _SAME[name](arguments, key=lambda one: one.value)


def parse_expression(text: object, known: Mapping[str, object], *, compares: bool) -> Expression:
    """Return the expression of a text.

    Parameters
    ----------
    text
        Such as ``array.rows * 0.5GB/s``, or with ``compares`` such as ``array.rows <= 64``.
    known
        Names that it may read.
    compares
        Whether it must be a comparison, or must not.

    Raises
    ------
    ValueError
        For anything else, with what is wrong.
    """
    if not isinstance(text, str):
        text = str(text)
    if len(text) > _LONGEST:
        raise ValueError(f"has {len(text)} characters but at most {_LONGEST} are read")
    quantities: dict[str, Amount] = {}

    def named(match: re.Match[str]) -> str:
        amount = amount_of(match[1].replace("_", "") + match[2])
        assert amount is not None, "a number and a unit"
        name = f"quantity{len(quantities)}"
        quantities[name] = amount
        return name

    try:
        with warnings.catch_warnings(action="error", category=SyntaxWarning):
            tree = ast.parse(_QUANTITY.sub(named, text).strip(), mode="eval").body
    except (SyntaxError, SyntaxWarning, ValueError, RecursionError, MemoryError):
        raise ValueError(f"'{text}': isn't arithmetic; write 'array.rows * 2'") from None
    if compares != isinstance(tree, ast.Compare):
        wanted = (
            "a comparison such as array.rows <= 64" if compares else "a value, not a comparison"
        )
        raise ValueError(f"'{text}': must be {wanted}")
    parts = [tree.left, *tree.comparators] if isinstance(tree, ast.Compare) else [tree]
    if isinstance(tree, ast.Compare) and any(type(op) not in _COMPARE for op in tree.ops):
        raise ValueError(f"'{text}': compares with one of <, <=, >, >=, ==, !=")
    names = dict.fromkeys(name for part in parts for name in _names(part, text))
    unknown = [name for name in names if name not in quantities and name not in known]
    if unknown:
        raise ValueError(f"'{text}': '{unknown[0]}' is unknown{nearest(unknown[0], known)}")
    read = tuple(name for name in names if name not in quantities)
    return Expression(text, read, tree, quantities)


def _names(tree: ast.expr, text: str) -> list[str]:
    """Return the names that arithmetic reads; raise ValueError for what isn't arithmetic."""
    match tree:
        case ast.Constant(value=int() | float()) if not isinstance(tree.value, bool):
            return []
        case ast.Name() | ast.Attribute():
            return [_dotted(tree)]
        case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=operand):
            return _names(operand, text)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in (*_ADD, *_SCALE, ast.Pow):
            return [*_names(left, text), *_names(right, text)]
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in FUNCTIONS:
            if arguments and (name in _SAME or len(arguments) == 1):
                return [found for one in arguments for found in _names(one, text)]
    raise ValueError(
        f"'{text}': may hold numbers, names, + - * / // % **, and {', '.join(FUNCTIONS)} only"
    )


def _dotted(tree: ast.expr) -> str:
    match tree:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=name):
            return f"{_dotted(value)}.{name}"
    raise ValueError("a name is letters with dots between")
