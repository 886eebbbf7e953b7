"""Functions that exporters write as several nodes: GELU, SiLU, hard swish, layer and RMS norm."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from math import inf
from typing import Any

import numpy as np

from foundation.numerics import Array
from workloads.loaders.imported.values import uniform
from workloads.loaders.onnx.node import Node

#: An operator and patterns of its inputs, a number, or the name of a variable: equal names are
#: equal tensors, and ``one axis`` stands where a reduction's axes are.
Pattern = Any
Found = Mapping[str, str]

_CENTRED = ("Sub", "x", ("ReduceMean", "x"))
_SQUARED = ("Pow", _CENTRED, 2.0)
_DEVIATION = ("Sqrt", ("Add", ("ReduceMean", _SQUARED), "epsilon"))
_ROOT = ("Sqrt", ("Add", ("ReduceMean", ("Pow", "x", 2.0)), "epsilon"))
_SCALED_ROWS = (("Mul", "x", ("Reciprocal", _ROOT)), ("Div", "x", _ROOT))
_ERF = tuple(
    ("Add", ("Erf", scaled), 1.0) for scaled in (("Div", "x", 2**0.5), ("Mul", "x", 0.5**0.5))
)
_TANH = (
    "Add",
    (
        "Tanh",
        ("Mul", ("Add", "x", ("Mul", ("Pow", "x", 3.0), 0.044715)), (2 / np.pi) ** 0.5),
    ),
    1.0,
)
_CUT = ("Clip", ("Add", "x", 3.0), 0.0, 6.0)


def _halves(factor: Pattern) -> Iterator[Pattern]:
    """Yield the ways to write ``0.5 * x * factor``."""
    yield ("Mul", ("Mul", "x", factor), 0.5)
    yield ("Mul", ("Mul", "x", 0.5), factor)
    yield ("Mul", "x", ("Mul", factor, 0.5))


#: The operator that a pattern is, and the variables that are its inputs.
_PATTERNS: tuple[tuple[str, tuple[str, ...], Pattern], ...] = (
    *(("Gelu", ("x",), p) for factor in (*_ERF, _TANH) for p in _halves(factor)),
    ("Swish", ("x",), ("Mul", "x", ("Sigmoid", "x"))),
    ("HardSwish", ("x",), ("Div", ("Mul", "x", _CUT), 6.0)),
    ("HardSwish", ("x",), ("Mul", "x", ("Div", _CUT, 6.0))),
    ("HardSwish", ("x",), ("Mul", "x", ("HardSigmoid", "x"))),
    (
        "LayerNormalization",
        ("x", "gamma", "beta"),
        ("Add", ("Mul", ("Div", _CENTRED, _DEVIATION), "gamma"), "beta"),
    ),
    *(("RMSNormalization", ("x", "gamma"), ("Mul", rows, "gamma")) for rows in _SCALED_ROWS),
)
_COMMUTATIVE = ("Add", "Mul")
#: Operators that a pattern looks through.
_SEE_THROUGH = ("Identity", "Cast", "Dropout")


class Patterns:
    """Finds the patterns in a file's nodes.

    Parameters
    ----------
    nodes
        All nodes.
    known
        Arrays by name, where they are known before anything is computed.
    shapes
        Shapes of the file's arrays by name.
    """

    def __init__(
        self,
        nodes: Sequence[Node],
        known: Mapping[str, Array],
        shapes: Mapping[str, tuple[int, ...]],
    ) -> None:
        self._producers = {output: node for node in nodes for output in node.outputs}
        self._known, self._shapes = known, shapes

    def replaced(self, node: Node) -> Node:
        """Return the one node that ends here as several, or the node itself."""
        if (node.operator, node.domain) == ("Conv", ""):
            return self._with_padding(node)
        if (node.operator, node.domain) == ("Where", ""):
            return self._without_guard(node)
        if node.domain or node.operator not in ("Mul", "Add", "Div"):
            return node
        for operator, variables, pattern in _PATTERNS:
            for found in self._node(pattern, node, {}):
                if self._fits(found):
                    return replace(
                        node,
                        operator=operator,
                        inputs=tuple(found[variable] for variable in variables),
                        attributes=self._attributes(operator, found),
                    )
        return node

    def _without_guard(self, node: Node) -> Node:
        """Return the tensor of a choice that only replaces what isn't a number.

        Exporters guard a softmax so whose row is masked as a whole.
        """
        guard = self._producers.get(node.inputs[0]) if len(node.inputs) == 3 else None
        if guard is None or guard.operator != "IsNaN" or guard.inputs[:1] != node.inputs[2:]:
            return node
        return replace(node, operator="Identity", inputs=node.inputs[2:])

    def _with_padding(self, node: Node) -> Node:
        """Return a convolution with the zeros that a node before it puts around its input."""
        pad = self._producers.get(node.inputs[0]) if node.inputs else None
        if pad is None or (pad.operator, pad.domain) != ("Pad", "") or not pad.inputs:
            return node
        pads = self._zeros_around(pad)
        if pads is None or node.text("auto_pad", "NOTSET") not in ("NOTSET", "VALID"):
            return node
        own = node.integers("pads") or (0,) * len(pads)
        if len(own) != len(pads):
            return node
        both = [first + second for first, second in zip(own, pads, strict=True)]
        attributes = {**node.attributes, "auto_pad": b"NOTSET", "pads": both}
        return replace(node, inputs=(pad.inputs[0], *node.inputs[1:]), attributes=attributes)

    def _zeros_around(self, pad: Node) -> tuple[int, ...] | None:
        """Return the pads before and after each spatial axis, if zeros and nothing else are put."""
        names = (*pad.inputs, "", "", "")[1:4]
        known = [self._known.get(name) for name in names]
        listed = pad.integers("pads") if known[0] is None else tuple(map(int, known[0].flat))
        number = pad.number("value", 0.0) if not names[1] else uniform(known[1])
        if listed is None or len(listed) % 2 or names[2] or number != 0:
            return None
        if pad.text("mode", "constant") != "constant" or min(listed, default=0) < 0:
            return None
        before, after = listed[: len(listed) // 2], listed[len(listed) // 2 :]
        return None if any((*before[:2], *after[:2])) else (*before[2:], *after[2:])

    def _fits(self, found: Found) -> bool:
        """Whether gamma and beta are vectors of the file."""
        roles = [found[role] for role in ("gamma", "beta") if role in found]
        return all(len(self._shapes.get(role, ())) == 1 for role in roles)

    def _attributes(self, operator: str, found: Found) -> dict[str, Any]:
        return {"axis": int(found["axis"])} if operator.endswith("Normalization") else {}

    def _tensor(self, pattern: Pattern, name: str, found: Found) -> Iterator[Found]:
        """Yield the ways in which a tensor fits a pattern."""
        if isinstance(pattern, float):
            number = uniform(self._known.get(name))
            if number is not None and abs(number - pattern) <= 1e-3 * abs(pattern):
                yield found
            return
        if isinstance(pattern, str):
            if pattern not in found or found[pattern] == self._origin(name):
                yield {**found, pattern: self._origin(name)}
            return
        node = self._producers.get(self._origin(name))
        if node is not None and not node.domain:
            yield from self._node(pattern, node, found)

    def _origin(self, name: str) -> str:
        """Return the tensor that a name stands for, without casts."""
        for _ in self._producers:
            node = self._producers.get(name)
            if node is None or node.operator not in _SEE_THROUGH or not node.inputs:
                break
            name = node.inputs[0]
        return name

    def _node(self, pattern: Pattern, node: Node, found: Found) -> Iterator[Found]:
        operator, *operands = pattern
        if node.operator != operator:
            return
        inputs: Sequence[str] = node.inputs
        if operator == "ReduceMean":
            axis = self._axis(node)
            if axis is None or found.get("axis", str(axis)) != str(axis):
                return
            inputs, found = inputs[:1], {**found, "axis": str(axis)}
        elif operator == "HardSigmoid" and abs(node.number("alpha", 0.2) - 1 / 6) > 1e-3:
            return
        elif operator == "Clip" and len(inputs) == 1:  # bounds are attributes in old files
            if (node.number("min", -inf), node.number("max", inf)) != tuple(operands[1:]):
                return
            operands = operands[:1]
        if len(inputs) != len(operands):
            return
        orders = [operands, operands[::-1]] if operator in _COMMUTATIVE else [operands]
        for order in orders:
            yield from self._all(order, inputs, found)

    def _all(
        self, patterns: Sequence[Pattern], names: Sequence[str], found: Found
    ) -> Iterator[Found]:
        if not patterns:
            yield found
            return
        for first in self._tensor(patterns[0], names[0], found):
            yield from self._all(patterns[1:], names[1:], first)

    def _axis(self, node: Node) -> int | None:
        """Return the one axis that a mean keeps as an axis of size 1."""
        if node.attributes.get("keepdims", 1) != 1:
            return None
        axes = node.attributes.get("axes")
        if axes is None and len(node.inputs) > 1:
            known = self._known.get(node.inputs[1])
            axes = None if known is None else [int(axis) for axis in known.flat]
        return axes[0] if axes is not None and len(axes) == 1 else None
