"""The closed form by which mappings are chosen, against the simulation, layer by layer."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from accel.spec import AcceleratorSpec
from mapper.stages import estimated_cycles
from rooftile.simulation import simulate
from rooftile.validate.validation import Validation
from workloads.graph import Graph


def validate_engines(
    graph: Graph,
    spec: AcceleratorSpec,
    *,
    within_percent: float,
    progress: Callable[[str], None] | None = None,
) -> Validation:
    """Simulate a network and compare each layer's cycles with its closed form.

    Parameters
    ----------
    graph, spec
        What runs, on what.
    within_percent
        How far the closed form of the whole network may be off to pass.
    progress
        As in `rooftile.simulation.simulate`.
    """
    result = simulate(graph, spec, progress=progress)
    rows = []
    for layer in result.report.layers:
        simulated = layer.work.total_cycles
        if simulated:
            stages = result.plan.works[layer.work_number].stages
            rows.append((layer.name, simulated, estimated_cycles(stages)))
    lines = [f"{'layer':<32} {'simulated':>14} {'closed form':>14}  difference"]
    lines += [
        f"{name:<32} {simulated:>14,} {closed:>14,.0f}  {closed / simulated - 1:>+10.1%}"
        for name, simulated, closed in rows
    ]
    totals = np.array([row[1:] for row in rows], dtype=np.float64).reshape(-1, 2)
    simulated_total, closed_total = totals.sum(axis=0)
    if not simulated_total:
        return Validation(text="no layer takes any time", passed=True)
    off = closed_total / simulated_total - 1
    layers = np.abs(totals[:, 1] / totals[:, 0] - 1)
    lines.append(
        f"{graph.name} on {spec.name}: {simulated_total:,.0f} cycles simulated,"
        f" {closed_total:,.0f} in closed form ({off:+.1%}, {within_percent:g} % is allowed);"
        f" layers: median {np.median(layers):.1%}, 90th percentile {np.quantile(layers, 0.9):.1%}"
    )
    return Validation(text="\n".join(lines), passed=bool(abs(off) * 100 <= within_percent))
