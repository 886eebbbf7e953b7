"""The map space of a network's layers as text: orders, sizes, places, buffers, and what fits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from accel.spec import AcceleratorSpec
from foundation.distinct import distinct
from mapper.constraints import LayerRules
from mapper.cost import NestCosts
from mapper.kernel import Kernel
from mapper.plan import Plan
from mapper.search.dataflows import dataflows_of
from mapper.search.problem import Problem, problem_of
from mapper.space import Family, Rows
from mapper.stages import Stage, largest_part
from mapper.works import PlannedLayer
from reports.labels import operator_label, shape_label


def space_text(plan: Plan, layer: str | None = None) -> str:
    """Return what is tried for each layer: of equal work once, under the first layer's name.

    Parameters
    ----------
    plan
        The network as it was mapped: the spaces are those of the splits that it chose.
    layer
        Name of the only layer to show, None for all.

    Raises
    ------
    MappingError
        When there is no such layer.
    """
    if layer is not None:
        chosen = [plan.layer(layer)]
    else:
        chosen = [plan.representative(work) for work in range(len(plan.works))]
    return "\n\n".join("\n".join(_layer_lines(plan, planned)) for planned in chosen)


def _layer_lines(plan: Plan, planned: PlannedLayer) -> Iterable[str]:
    work = plan.works[planned.work]
    for layer, member in zip(plan.results(planned), work.members, strict=True):
        yield f"{layer.name}: {operator_label(layer)} {shape_label(plan.graph, layer)}"
        if not member.kernels:
            yield "  a view: no data moves"
        for stage in member.stages:
            yield from _stage_lines(stage, plan.spec, layer.name, member.rules)


def _stage_lines(
    stage: Stage, machine: AcceleratorSpec, name: str, rules: LayerRules
) -> Iterable[str]:
    for kernel, split in zip(stage.kernels, stage.splits, strict=True):
        if machine.cores > 1:
            yield f"  {split.label(kernel)}; of the largest part"
        part, seen = largest_part(kernel, split, machine, stage.sharing)
        for dataflow in dataflows_of(part, seen, name, rules):
            if dataflow is not None:
                yield f"  dataflow {dataflow}"
            one = seen.with_dataflow(dataflow)
            yield from _kernel_lines(problem_of(part, one, name, "latency", rules))


def _kernel_lines(problem: Problem) -> Iterator[str]:
    kernel, tried, fitting = problem.kernel, 0, 0
    for family in problem.families:
        if not family.count:
            continue
        yield f"  {family.label}: {family.count:,} mappings; loops, outermost first:"
        yield from _loop_lines(kernel, family)
        costs = NestCosts(family.nests, problem.spec)
        for held, rows in family.places:
            fits = problem.fitting(costs.at(held), rows)
            count, fit = (_count(r, family) for r in (rows, fits))
            tried, fitting = tried + count, fitting + fit
            if count:
                yield f"    {_place(kernel, family, held)}: {count:,}, of which {fit:,} fit"
    yield f"  buffers, where a region moves more than once: {_buffers(kernel, problem.buffers)}"
    yield f"  {tried:,} mappings, of which {fitting:,} fit with some number of buffers"


def _count(rows: Rows, family: Family) -> int:
    return int(np.broadcast_to(rows, family.nests.shape).sum(dtype=np.int64))


def _loop_lines(kernel: Kernel, family: Family) -> Iterator[str]:
    """Yield the loops that aren't always of one turn, with the steps that they may have."""
    nests = family.nests
    tried = np.zeros(nests.shape, dtype=np.bool_)
    for _, rows in family.places:
        tried |= rows
    for depth, d in enumerate(nests.dimensions, start=1):
        size = np.broadcast_to(nests.size(depth, d), nests.shape)
        steps = distinct(size[tried])[::-1].tolist()
        if steps != [kernel.extents[d]]:
            sizes = ", ".join(map(str, steps))
            yield f"    {kernel.dimensions[d].name} by {sizes}"


def _place(kernel: Kernel, family: Family, held: tuple[int, ...]) -> str:
    """Return where operands are held: outside of which loop, or tile by tile."""
    names = [kernel.dimensions[d].name for d in family.nests.dimensions]
    parts = []
    for operand, depth in zip(kernel.operands, held, strict=True):
        if depth == len(names):
            parts.append(f"{operand.role} by tile")
        else:
            which = names[: depth + 1].count(names[depth])
            nth = f" (loop {which})" if names.count(names[depth]) > 1 else ""
            parts.append(f"{operand.role} outside of {names[depth]}{nth}")
    return ", ".join(parts)


def _buffers(kernel: Kernel, choices: Sequence[tuple[bool, ...]]) -> str:
    """Return the buffers that each operand may have: ``input0 1 or 2, output 2``."""
    columns = zip(kernel.operands, zip(*choices, strict=True), strict=True)
    return ", ".join(
        f"{operand.role} {' or '.join(str(1 + both) for both in sorted(set(column)))}"
        for operand, column in columns
    )
