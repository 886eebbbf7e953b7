"""Networks whose kernels are known: what doesn't depend on a machine's sizes, found once."""

from __future__ import annotations

from dataclasses import dataclass

from accel.spec import AcceleratorSpec
from mapper.held import memory_of
from mapper.kernel import Kernel, touched_bytes
from mapper.operators import kernels_of
from mapper.works import signature_of
from reports.labels import operator_label, shape_label
from reports.report import EMPTY, LayerReport, skipped_operations
from reports.stats import added
from rooftile.sources import find_network
from workloads.graph import Graph
from workloads.loaders.asked import Asked

#: Networks of other batches and types that are kept.
_KEPT = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A network whose kernels are known.

    Parameters
    ----------
    asked
        What was asked of it.
    graph
        The network.
    works
        Kernels of each distinct piece of work.
    least_bytes
        Main memory to the bytes that each piece of work moves at least.
    layers
        Reports of the layers without their works'.
    """

    asked: Asked
    graph: Graph
    works: tuple[tuple[Kernel, ...], ...]
    least_bytes: tuple[dict[str, int], ...]
    layers: tuple[LayerReport, ...]


class Preparer:
    """Prepares a network as it is asked for.

    Parameters
    ----------
    network
        A name of the zoo, or a file.
    spec
        The machine, whatever its sizes.
    """

    def __init__(self, network: str, spec: AcceleratorSpec) -> None:
        self._network, self._spec = network, spec
        self._known: dict[tuple[int | None, str | None], Prepared] = {}

    def prepared(self, asked: Asked) -> Prepared:
        """Return the network; what was prepared before is kept.

        Raises
        ------
        WorkloadError
            When it can't be built.
        """
        key = (asked.batch, asked.dtype)
        if key not in self._known:
            while len(self._known) >= _KEPT:
                del self._known[next(iter(self._known))]
            self._known[key] = _prepared(asked, find_network(self._network, asked), self._spec)
        return self._known[key]


def _prepared(asked: Asked, graph: Graph, spec: AcceleratorSpec) -> Prepared:
    numbers: dict[object, int] = {}
    works: list[tuple[Kernel, ...]] = []
    layers = []
    for layer in graph.layers:
        signature = signature_of(graph, layer)
        if signature not in numbers:
            numbers[signature] = len(works)
            works.append(kernels_of(graph, layer))
        kernels = works[numbers[signature]]
        layers.append(
            LayerReport(
                name=layer.name,
                operator=operator_label(layer),
                shape=shape_label(graph, layer),
                operations=graph.operations(layer) - skipped_operations(kernels, spec),
                work_number=numbers[signature],
                work=EMPTY,
            )
        )
    return Prepared(
        asked=asked,
        graph=graph,
        works=tuple(works),
        least_bytes=tuple(_least_bytes(kernels, spec) for kernels in works),
        layers=tuple(layers),
    )


def _least_bytes(kernels: tuple[Kernel, ...], spec: AcceleratorSpec) -> dict[str, int]:
    nothing = {memory.name: 0 for memory in spec.memories}
    touched = (
        {memory_of(operand, spec).name: touched_bytes(operand, kernel)}
        for kernel in kernels
        for operand in kernel.operands
    )
    return nothing | added(touched)
