"""Orders: what files say of a network's layers, how they run and what may not be tried."""

from __future__ import annotations

from collections.abc import Sequence

from foundation.errors import MappingError
from mapper.constraints import NO_RULES, Constraints, LayerRules
from mapper.kernel import Kernel
from mapper.mapping_file import MappingFile, WrittenLayer
from workloads.graph import Graph, Layer


class Orders:
    """What files say of layers.

    Parameters
    ----------
    graph
        The network.
    mappings, constraints
        The files; None without.
    across
        Passes over several layers that are asked for.

    Raises
    ------
    MappingError
        When there are files, and passes over several layers.
    """

    def __init__(
        self,
        graph: Graph,
        mappings: MappingFile | None,
        constraints: Constraints | None,
        across: Sequence[str],
    ) -> None:
        self._graph = graph
        self._mappings = mappings
        self._constraints = constraints
        for what, document in (
            ("mappings", mappings and mappings.document),
            ("constraints", constraints and constraints.document),
        ):
            if document and across:
                raise MappingError(
                    f"{what} '{document.name}': are of layers that run alone, but passes over"
                    f" several are asked for ({', '.join(across)}); leave out one of the two"
                )

    def check_names(self, kernels: Sequence[Sequence[Kernel]]) -> None:
        """Raise MappingError for a name in a file that the network hasn't.

        ``kernels`` are those of each layer.
        """
        layers = self._graph.layers
        if self._constraints is not None:
            self._constraints.check_names(
                [
                    (layer.name, layer.operator.kind, own)
                    for layer, own in zip(layers, kernels, strict=True)
                ]
            )
        if self._mappings is not None:
            self._mappings.check_names((layer.name for layer in layers), self._graph.name)

    def mapping(self, layer: Layer) -> WrittenLayer | None:
        """Return how a layer runs, None if no file says it."""
        return self._mappings.layers.get(layer.name) if self._mappings is not None else None

    def rules(self, layer: Layer) -> LayerRules:
        """Return what may not be tried for a layer."""
        if self._constraints is None:
            return NO_RULES
        return self._constraints.of(layer.name, layer.operator.kind)

    def signature(self, layer: Layer) -> object:
        """Return what layers must share of these files to be one piece of work."""
        written, entries = self.mapping(layer), tuple[int, ...]()
        if self._constraints is not None:
            entries = self._constraints.numbers(layer.name, layer.operator.kind)
        return written.name if written is not None else None, entries
