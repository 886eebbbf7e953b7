"""The door to the passes: which there are, and `rewrite`, which runs them to a fixed point."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from foundation.errors import WorkloadError, nearest
from workloads.graph import Graph
from workloads.passes.cancel_inverses import cancel_inverses
from workloads.passes.drop_dead import drop_dead
from workloads.passes.fold_batch_norm import fold_batch_norm
from workloads.passes.fold_constants import fold_constants
from workloads.passes.merge_products import merge_all_products, merge_products
from workloads.passes.remove_transposes import remove_transposes
from workloads.passes.rewritten import Rewritten
from workloads.passes.share_equal_layers import share_equal_layers
from workloads.passes.simplify import simplify
from workloads.passes.sweep import known_outputs


class Pass(Protocol):
    """A function from a network to one that computes the same."""

    def __call__(self, graph: Graph, outputs: Collection[str] | None = None) -> Rewritten:
        """Return the network in which the layers named ``outputs`` keep name and value."""


#: Every pass by name, in the order in which they run. Products are merged last: a batch
#: normalization behind a slice can't be folded any more.
PASSES: Mapping[str, Pass] = {
    "simplify": simplify,
    "cancel_inverses": cancel_inverses,
    "fold_constants": fold_constants,
    "remove_transposes": remove_transposes,
    "fold_batch_norm": fold_batch_norm,
    "share_equal_layers": share_equal_layers,
    "drop_dead": drop_dead,
    "merge_products": merge_products,
    "merge_all_products": merge_all_products,
}
#: All that move no more bytes: merging whatever the slices cost has to be asked for by name.
ALL = tuple(name for name in PASSES if name != "merge_all_products")


def rewrite(
    graph: Graph, passes: Sequence[str] = ALL, outputs: Collection[str] | None = None
) -> Rewritten:
    """Return a network after passes, repeated until none of them finds anything.

    That comes to an end: each rewrite takes a layer away, reads past one, or puts one in the place
    of another that no pass puts back.

    Parameters
    ----------
    graph
        The network.
    passes
        Names from `PASSES`; they run in that order, whatever theirs is.
    outputs
        Names of the layers whose names and values stay. By default those that nobody reads.

    Raises
    ------
    WorkloadError
        For an unknown pass or output.
    """
    for name in passes:
        if name not in PASSES:
            raise _unknown(name)
    result = Rewritten(graph=graph, outputs=known_outputs(graph, outputs))
    while True:
        before = len(result.rewrites)
        for name, apply in PASSES.items():
            if name in passes:
                result = result.then(apply(result.graph, result.outputs))
        if len(result.rewrites) == before:
            return result


def pass_names(text: str) -> tuple[str, ...]:
    """Return the passes that a user asks for: ``all``, ``none``, or names with commas between.

    Raises
    ------
    WorkloadError
        For an unknown name: the nearest one is suggested.
    """
    if text == "none":
        return ()
    names: list[str] = []
    for word in text.split(","):
        name = word.strip()
        if name != "all" and name not in PASSES:
            raise _unknown(name)
        names += ALL if name == "all" else (name,)
    return tuple(dict.fromkeys(names))


def _unknown(name: str) -> WorkloadError:
    known = ("all", "none", *PASSES)
    return WorkloadError(f"pass '{name}': must be one of {', '.join(known)}{nearest(name, known)}")
