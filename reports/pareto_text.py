"""The mappings of a layer of which no other is as good in every objective, as a table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from accel.spec import AcceleratorSpec
from mapper.kernel import Kernel
from mapper.mapping import Mapping
from mapper.plan import Plan
from mapper.search.objective import Objective
from mapper.search.pareto import Choice, pareto_set
from mapper.stages import largest_part
from mapper.works import Work


def pareto_text(plan: Plan, layer: str, objectives: Sequence[Objective]) -> str:
    """Return the tables of a layer's kernels, split over cores as they are in the plan.

    Parameters
    ----------
    plan
        The network as it was mapped.
    layer
        Name of the layer.
    objectives
        Two or more; the table is sorted by the first.

    Raises
    ------
    MappingError
        When there is no such layer.
    """
    planned = plan.layer(layer)
    lines = [f"{layer}: mappings of which no other is as good in every objective"]
    members = plan.works[planned.work].members
    for one, work in zip(plan.results(planned), members, strict=True):
        if layer in (one.name, planned.name):
            lines += _member_lines(work, plan.spec, objectives)
    if len(lines) == 1:
        lines.append("  a view: no data moves")
    return "\n".join(lines)


def _member_lines(
    work: Work, spec: AcceleratorSpec, objectives: Sequence[Objective]
) -> Iterable[str]:
    for stage in work.stages:
        for kernel, split in zip(stage.kernels, stage.splits, strict=True):
            part, share = largest_part(kernel, split, spec, stage.sharing)
            if split.parts > 1:
                yield f"  {split.label(kernel)}; of the largest part"
            yield from _table(part, pareto_set(part, share, objectives, work.rules), objectives)


def _table(
    kernel: Kernel, choices: Sequence[Choice], objectives: Sequence[Objective]
) -> Iterable[str]:
    heads = [f"{one.name} [{one.unit}]" for one in objectives]
    rows = [
        [
            *(f"{value:,.0f}" for value in choice.values),
            f"{choice.candidate.cost.tiles:,}",
            _loops(kernel, choice.candidate.mapping),
        ]
        for choice in choices
    ]
    table = [[*heads, "tiles", "loops, outermost first"], *rows]
    widths = [max(len(row[column]) for row in table) for column in range(len(heads) + 1)]
    for row in table:
        numbers = (text.rjust(width) for text, width in zip(row, widths, strict=False))
        yield "  ".join(["", *numbers, row[-1]])


def _loops(kernel: Kernel, mapping: Mapping) -> str:
    """Return the loops that cut something, and the dataflow if chosen: ``OC/32 OY/7, WS``."""
    sizes = list(kernel.extents)
    found = []
    for dimension, step in mapping.loops:
        if step < sizes[dimension]:
            found.append(f"{kernel.dimensions[dimension].name}/{step}")
            sizes[dimension] = step
    dataflow = f", {mapping.dataflow}" if mapping.dataflow else ""
    return (" ".join(found) or "none: one tile") + dataflow
