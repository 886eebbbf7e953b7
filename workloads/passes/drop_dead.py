"""Dead code: layers, inputs and parameters that no output needs."""

from __future__ import annotations

from collections.abc import Collection

from workloads.graph import Graph, Layer
from workloads.passes.rewritten import Rewritten
from workloads.passes.sweep import Change, Sweep, known_outputs

NAME = "drop_dead"


def drop_dead(graph: Graph, outputs: Collection[str] | None = None) -> Rewritten:
    """Return a network without what its outputs don't need.

    By default the outputs are all activations that nobody reads, and then all layers are needed:
    other passes take away what they leave unread, and only a parameter that nothing reads can go.
    Naming ``outputs`` asks for the part of a network that computes them; inputs that only the rest
    reads go as well.
    """
    return Sweep(graph, known_outputs(graph, outputs), NAME).run(_keep, strictly=True)


def _keep(sweep: Sweep, layer: Layer) -> Change | None:
    del sweep, layer
    return None
