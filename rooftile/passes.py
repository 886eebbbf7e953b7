"""Rewrites a network before it is mapped, and says what was rewritten."""

from __future__ import annotations

from workloads.graph import Graph


def apply_passes(graph: Graph, passes: str) -> Graph:
    """Return a network after the passes that a user asks for: ``none``, ``all``, or names.

    Raises
    ------
    WorkloadError
        For an unknown pass.
    """
    if passes == "none":
        return graph
    from workloads.passes.pipeline import pass_names, rewrite

    return rewrite(graph, pass_names(passes)).graph


def passes_text(graph: Graph, passes: str, outputs: str | None) -> str:
    """Return every rewrite, before and after, and the counts before and after all of them.

    Parameters
    ----------
    graph
        The network.
    passes
        As in `apply_passes`.
    outputs
        Names of the layers to keep, with commas between; None for those that nobody reads.

    Raises
    ------
    WorkloadError
        For an unknown pass or output.
    """
    from workloads.passes.pipeline import pass_names, rewrite

    names = None if outputs is None else [name.strip() for name in outputs.split(",")]
    result = rewrite(graph, pass_names(passes), names)
    rows = [
        ("layers", len(graph.layers), len(result.graph.layers)),
        ("MACs", graph.total_macs, result.graph.total_macs),
        ("parameters", graph.total_parameters, result.graph.total_parameters),
    ]
    lines = [str(rewrite) for rewrite in result.rewrites] or ["nothing to rewrite"]
    lines += [f"{name:<11} {before:,} -> {after:,}" for name, before, after in rows]
    return "\n".join([f"{graph.name}, batch {graph.batch}", *lines])
