"""Fusion: which neighbours of a network run as groups."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf

from accel.spec import AcceleratorSpec
from mapper.group import make_group
from mapper.group_search import FusedGroup, best_group, least
from mapper.group_tiles import MemberTiles
from mapper.kernel import Kernel
from workloads.graph import Graph

#: Layers of a group, at most.
LONGEST = 8
#: A unit's estimated cycles and bytes; infinite where it doesn't fit.
Costs = Callable[[range], tuple[float, float]]


class Fuser:
    """Chooses which neighbours of a network run as groups.

    Parameters
    ----------
    graph, spec
        What is mapped, onto what.
    """

    def __init__(self, graph: Graph, spec: AcceleratorSpec) -> None:
        self._graph = graph
        self._spec = spec
        several = bool(spec.array.other_dataflows)
        self._inner = {
            name: MemberTiles(spec.with_dataflow(name), name if several else None)
            for name in spec.array.dataflows
        }
        self._last_use: dict[str, float] = dict.fromkeys(graph.outputs, inf)
        for number, layer in enumerate(graph.layers):
            for name in layer.inputs:
                self._last_use[name] = max(number, self._last_use.get(name, 0))

    def of(self, graph: Graph) -> Fuser:
        """Return a fuser of another graph on the same machine; both share what they find."""
        other = Fuser(graph, self._spec)
        other._inner = self._inner
        return other

    def units(self, costs: Costs) -> list[range]:
        """Return the network as ranges of layers, each alone or a group, with the least cost."""
        count = len(self._graph.layers)
        best: list[tuple[float, float, int]] = [(0.0, 0.0, 0)]
        for end in range(1, count + 1):
            choices = []
            for start in range(max(0, end - LONGEST), end):
                unit = range(start, end)
                cost = costs(unit) if len(unit) == 1 or self.is_group(unit) else (inf, inf)
                cycles, moved, _ = best[start]
                choices.append((cycles + cost[0], moved + cost[1], start))
            best.append(min(choices))
        units = []
        while count:
            units.append(range(best[count][2], count))
            count = best[count][2]
        return units[::-1]

    def is_group(self, layers: range) -> bool:
        """Whether only the last of some neighbours is needed by others."""
        names = [self._graph.layers[n].name for n in layers]
        return all(self._last_use.get(name, 0) < layers.stop for name in names[:-1])

    def fused(
        self, layers: range, kernels: Sequence[Sequence[Kernel]], spec: AcceleratorSpec
    ) -> FusedGroup | None:
        """Return the best way to run neighbours as a group; None where there is none.

        ``kernels`` are theirs, as they are where tensors are kept; ``spec`` has the scratchpads'
        free bytes.

        # Approximation: all members run in one dataflow, that of the least estimate: an array that
        changes between two of them would have to be drained first.
        """
        group = make_group([self._graph.layers[n] for n in layers], kernels)
        if group is None:
            return None
        found = (
            best_group(group, spec.with_dataflow(name), inner)
            for name, inner in self._inner.items()
        )
        return least(one for one in found if one is not None)
