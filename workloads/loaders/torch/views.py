"""What a program writes into, and what it needs: some operators change a tensor where it lies."""

from __future__ import annotations

from collections.abc import Sequence

from workloads.loaders.imported.importer import Importer
from workloads.loaders.imported.refused import UnsupportedError
from workloads.loaders.imported.values import Value, inverse
from workloads.loaders.torch.movement_nodes import replaced
from workloads.loaders.torch.node import Call, Name, Node

_RESHAPES = (
    *("view", "reshape", "_unsafe_view", "flatten", "unflatten", "squeeze", "unsqueeze"),
    *("alias", "detach", "contiguous", "view_as", "to", "dropout"),
)
_PARTS = ("slice", "select", "narrow")
_ORDERS = ("transpose", "permute", "t")
#: Operators whose results may lie where their first input does.
_VIEWS = frozenset((*_RESHAPES, *_PARTS, *_ORDERS, "expand", "unbind", "split", "chunk"))


class Views:
    """Which tensors of a program are views of which.

    Parameters
    ----------
    nodes
        All nodes.
    """

    def __init__(self, nodes: Sequence[Node]) -> None:
        self._makers: dict[str, Node] = {}
        for node in nodes:
            if node.operator in _VIEWS or node.is_in_place:
                self._makers.update({name: node for name in node.outputs if name})

    def maker(self, name: str) -> Node | None:
        """Return the node of which a tensor is a view of its input, or None."""
        return self._makers.get(name)

    def root(self, name: str) -> str:
        """Return the tensor in whose memory another one lies, perhaps."""
        for _ in range(len(self._makers) + 1):
            node = self._makers.get(name)
            source = None if node is None else first(node)
            if source is None:
                break
            name = source
        return name

    def live(self, nodes: Sequence[Node], outputs: Sequence[str]) -> list[Node]:
        """Return the nodes that outputs need, in order; also those that write into what is read."""
        needed = {*outputs, *map(self.root, outputs)}
        live = []
        for node in reversed(nodes):
            target = first(node) if node.is_in_place else None
            writes = target is not None and self.root(target) in needed
            if writes or needed.intersection(name for name in node.outputs if name):
                needed.update(node.names)
                needed.update(map(self.root, node.names))
                live.append(node)
        return live[::-1]


def first(node: Node) -> str | None:
    """Return the first tensor that a node reads."""
    found = next(iter(node.arguments.values()), None)
    return found.name if isinstance(found, Name) else None


def written_through(to: Importer, call: Call, base: Value, value: Value) -> Value:
    """Return what a tensor has become, of which a view was written.

    Parameters
    ----------
    to
        Where layers are put.
    call
        The node that made the view.
    base, value
        The tensor as it was, and what its view has become.

    Raises
    ------
    UnsupportedError
        The view isn't a part, another shape or another order of axes.
    """
    name = call.node.operator
    if name in _PARTS:
        return replaced(to, call, base, value)
    if name in _RESHAPES:
        return to.reshaped(value, base.shape)
    if name in _ORDERS:
        order = _order(call, base)
        return value.transposed(inverse(order))
    if call.node.is_in_place:
        return value
    raise UnsupportedError(f"writes into a view that '{name}' made, which isn't known")


def _order(call: Call, base: Value) -> list[int]:
    order = list(range(base.rank))
    if call.node.operator == "permute":
        return [axis % base.rank for axis in call.integers("dims")]
    if call.node.operator == "t":
        return order[::-1]
    a, b = (call.integer(name) % base.rank for name in ("dim0", "dim1"))
    order[a], order[b] = b, a
    return order
