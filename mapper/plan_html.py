"""A plan as a table for notebooks."""

from __future__ import annotations

from collections.abc import Iterable

from accel.units import format_bytes
from foundation.html import html_table, html_title
from mapper.kernel import Contraction, Kernel
from mapper.mapping import Mapping
from mapper.plan import Plan

_HEADS = ("layer", "layers alike", "dataflow", "loops, outermost first", "tiles", "DRAM")


def plan_html(plan: Plan) -> str:
    """Return how layers are mapped: equal work once, under the name of the first layer.

    A loop is a dimension and its step; dimensions that an instruction covers whole have none.
    """
    rows = []
    for number, work in enumerate(plan.works):
        planned = plan.representative(number)
        alike = sum(other.work == number for other in plan.layers)
        mapped = [pair for one in work.members for pair in one.mapped]
        rows.append(
            (
                planned.name,
                str(alike),
                _joined(_dataflow(plan, kernel, mapping) for kernel, mapping in mapped),
                _joined(_loops(kernel, mapping) for kernel, mapping in mapped),
                f"{work.tile_count:,}",
                format_bytes(sum(one.dram_bytes for one in work.estimates)),
            )
        )
    title = f"{plan.graph.name}, batch {plan.graph.batch}, mapped onto {plan.spec.name}"
    return html_title(title) + html_table(_HEADS, rows)


def _dataflow(plan: Plan, kernel: Kernel, mapping: Mapping) -> str:
    if not isinstance(kernel.body, Contraction):
        return "-"
    return mapping.dataflow or plan.spec.array.dataflow


def _loops(kernel: Kernel, mapping: Mapping) -> str:
    extents = kernel.extents
    steps = [
        f"{kernel.dimensions[d].name} by {step}"
        for d, step in mapping.canonical(extents).loops
        if step < extents[d]
    ]
    return ", ".join(steps) or "one tile"


def _joined(texts: Iterable[str]) -> str:
    """Return the texts once each; a layer may be several kernels."""
    return "; ".join(dict.fromkeys(texts)) or "-"
