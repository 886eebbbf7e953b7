"""What layers take, equal layers of different networks simulated once."""

from __future__ import annotations

from collections.abc import Callable

from accel.spec import AcceleratorSpec
from mapper.pipeline import is_plain
from mapper.search.find import DEFAULT, SearchOptions
from mapper.works import signature_of
from rooftile.simulation import simulate
from workloads.graph import Graph


class LayerPrices:
    """Cycles of the layers of networks on one machine, as in a run of each.

    Where addresses matter (DRAM bank by bank, a shared buffer, a network on the chip) layers of
    different networks are never equal, and each network is simulated as a whole.

    Parameters
    ----------
    spec, split, options, engine
        As in `rooftile.simulation.simulate`.
    progress
        Called with what is about to be done.
    """

    def __init__(
        self,
        spec: AcceleratorSpec,
        *,
        split: str = "auto",
        options: SearchOptions = DEFAULT,
        engine: str = "analytical",
        progress: Callable[[str], None] | None = None,
    ) -> None:
        #: The machine.
        self.spec = spec
        self._split = split
        self._options = options
        self._engine = engine
        self._progress = progress
        self._cycles: dict[object, int] = {}

    def cycles(self, graph: Graph) -> dict[str, int]:
        """Return the name of each layer of a network to its cycles."""
        if not is_plain(self.spec):
            return self._simulated(graph)
        kinds = {layer.name: signature_of(graph, layer) for layer in graph.layers}
        new = {kinds[layer.name]: layer for layer in reversed(graph.layers)}
        layers = [layer for kind, layer in reversed(new.items()) if kind not in self._cycles]
        if layers:
            found = self._simulated(graph.only(layers))
            self._cycles.update({kinds[name]: cycles for name, cycles in found.items()})
        return {name: self._cycles[kind] for name, kind in kinds.items()}

    def _simulated(self, graph: Graph) -> dict[str, int]:
        """Return the name of each layer of a network that is simulated to its cycles."""
        report = simulate(
            graph,
            self.spec,
            split=self._split,
            options=self._options,
            engine=self._engine,
            progress=self._progress,
        ).report
        return {layer.name: layer.work.total_cycles for layer in report.layers}
