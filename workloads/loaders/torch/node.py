"""A node of an exported program in plain Python, and what its arguments have to be."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from foundation.errors import WorkloadError
from workloads.layers import Shape
from workloads.loaders.imported.importer import Importer
from workloads.loaders.imported.values import Value
from workloads.loaders.torch.archive import FLOATS

#: Second names of operators, without and with the sign that they write into their input.
_ALIASES = {
    f"{alias}{sign}": f"{name}{sign}"
    for alias, name in {
        **{"absolute": "abs", "clip": "clamp", "concat": "cat", "divide": "div"},
        **{"greater": "gt", "greater_equal": "ge", "less": "lt", "less_equal": "le"},
        **{"moveaxis": "movedim", "multiply": "mul", "negative": "neg", "not_equal": "ne"},
        **{"subtract": "sub", "true_divide": "div", "special_expit": "sigmoid"},
    }.items()
    for sign in ("", "_")
}


class Name(NamedTuple):
    """A tensor, or a number that the graph computes, among a node's arguments."""

    name: str


class Meta(NamedTuple):
    """Type and sizes of a tensor; open sizes are expressions over symbols."""

    dtype: int
    sizes: tuple[int | str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One operator of the program.

    Parameters
    ----------
    name
        Its own, or its first output's.
    target
        What it computes: ``torch.ops.aten.conv2d.default``.
    arguments
        Those that are given, by their names in the operator's signature.
    outputs
        Names of what it computes, None for what nobody wants.
    module
        Where in the model it stands: ``layer1.0.conv1``.
    is_leaf
        Whether that is a layer of ``torch.nn``.
    """

    name: str
    target: str
    arguments: Mapping[str, Any]
    outputs: tuple[str | None, ...]
    module: str = ""
    is_leaf: bool = False

    def __str__(self) -> str:
        return f"node '{self.name}' ({self.operator})"

    @property
    def operator(self) -> str:
        """Its operator without namespace and overload; others than aten's have their namespace."""
        if not self.target.startswith("torch.ops."):
            return self.target
        space, _, rest = self.target.removeprefix("torch.ops.").partition(".")
        name = rest.partition(".")[0]
        return _ALIASES.get(name, name) if space == "aten" else f"{space}::{name}"

    @property
    def overload(self) -> str:
        """The form of its operator: ``Tensor_Scalar``."""
        return self.target.rpartition(".")[2]

    @property
    def is_in_place(self) -> bool:
        """Whether it writes into its first argument."""
        name = self.operator
        return name.endswith("_") and not name.endswith("__")

    @property
    def names(self) -> list[str]:
        """The tensors and numbers that it reads."""
        return [item.name for item in _flat(list(self.arguments.values())) if _is_name(item)]

    @property
    def layer(self) -> str:
        """The name of what it becomes: that of the layer of ``torch.nn`` that it is in."""
        if not self.module:
            return self.name
        return self.module if self.is_leaf else f"{self.module}.{self.name}"


def _is_name(item: object) -> bool:
    return isinstance(item, Name)


def _flat(items: Sequence[Any]) -> list[Any]:
    """Return the items of lists within lists."""
    flat = []
    for item in items:
        flat.extend(_flat(item) if isinstance(item, list) else [item])
    return flat


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A node whose arguments have become values, or arrays where all of them are known.

    Parameters
    ----------
    node
        The node.
    arguments
        By name: values or arrays, numbers, text, lists of them, None.
    shapes
        Of its outputs, as the file says; empty for what isn't a tensor.
    dtypes
        PyTorch's types of them.
    """

    node: Node
    arguments: Mapping[str, Any]
    shapes: Sequence[Shape] = field(default_factory=list)
    dtypes: Sequence[int] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Name of the layer that it becomes."""
        return self.node.layer

    @property
    def shape(self) -> Shape:
        """Shape of its first output."""
        return self.shapes[0]

    @property
    def is_float(self) -> bool:
        """Whether its first output holds floating-point numbers."""
        return bool(self.dtypes) and self.dtypes[0] in FLOATS

    @property
    def tensors(self) -> list[Any]:
        """All values, or arrays, among its arguments."""
        return [item for item in _flat(list(self.arguments.values())) if hasattr(item, "shape")]

    def any(self, *names: str, default: Any = None) -> Any:
        """Return the first of some arguments that is given: forms of an operator differ in them."""
        return next(
            (self.arguments[n] for n in names if self.arguments.get(n) is not None), default
        )

    def tensor(self, *names: str) -> Any:
        """Return a value that may not be left out."""
        found = self.any(*(names or ("self", "input", "x")))
        if not hasattr(found, "shape"):
            raise WorkloadError(f"its argument '{(names or ('self',))[0]}' must be a tensor")
        return found

    def integer(self, name: str, default: int | None = None) -> int:
        """Return a whole number."""
        return int(self._typed(name, default, int))

    def number(self, *names: str, default: float | None = None) -> float:
        """Return a real number."""
        found = self.any(*names, default=default)
        if not isinstance(found, int | float):
            raise WorkloadError(f"its argument '{names[0]}' must be a number but is {_text(found)}")
        return float(found)

    def flag(self, name: str, *, default: bool = False) -> bool:
        """Return whether something is so."""
        return bool(self.any(name, default=default))

    def text(self, name: str, default: str = "") -> str:
        """Return text."""
        return str(self._typed(name, default, str))

    def integers(self, name: str, default: Sequence[int] | None = None) -> tuple[int, ...]:
        """Return whole numbers, of which one alone stands for a list of one."""
        found = self.any(name, default=default)
        listed = found if isinstance(found, list | tuple) else [found]
        if not all(isinstance(item, int) for item in listed):
            raise WorkloadError(
                f"its argument '{name}' must be whole numbers but is {_text(found)}"
            )
        return tuple(int(item) for item in listed)

    def per_axis(self, name: str, count: int, default: int | None = None) -> tuple[int, ...]:
        """Return a whole number for each of some axes: one alone stands for all."""
        found = self.integers(name, None if default is None else [default])
        if len(found) not in (1, count):
            raise WorkloadError(
                f"its argument '{name}' needs {count} numbers but has {list(found)}"
            )
        return found * count if len(found) == 1 else found

    def _typed(self, name: str, default: Any, kind: type) -> Any:
        found = self.any(name, default=default)
        if not isinstance(found, kind):
            raise WorkloadError(
                f"its argument '{name}' must be {kind.__name__} but is {_text(found)}"
            )
        return found


def _text(value: object) -> str:
    return str(value)[:60]


#: Returns the outputs of a node as layers of the graph so far compute them.
Handler = Callable[[Importer, Call], Value | Sequence[Value]]
