"""Hypothesis strategies for mappings that a machine can run, most of which no search would try."""

from __future__ import annotations

from hypothesis import assume
from hypothesis.strategies import DrawFn, booleans, composite, integers, permutations, sampled_from

from accel.spec import AcceleratorSpec
from mapper.check import violations
from mapper.kernel import Contraction, Kernel, Role, VectorBody
from mapper.mapping import Loop, Mapping
from mapper.search.dataflows import dataflows_of


@composite
def loops(draw: DrawFn, kernel: Kernel) -> tuple[Loop, ...]:
    """Draw a loop nest: every dimension is cut once or twice, in any order."""
    found = []
    for d, dimension in enumerate(kernel.dimensions):
        step = dimension.extent
        for _ in range(draw(integers(1, 2))):
            if dimension.role is not Role.WHOLE:
                step = draw(sampled_from(sorted({step, -(-step // 2), -(-step // 3), 1})))
            found.append((d, step))
    order = draw(permutations(range(len(found))))
    by_dimension: dict[int, list[int]] = {}
    for d, step in found:
        by_dimension.setdefault(d, []).append(step)
    return tuple(Loop(d, by_dimension[d].pop(0)) for d in (found[number][0] for number in order))


@composite
def mappings(draw: DrawFn, kernel: Kernel, spec: AcceleratorSpec) -> Mapping:
    """Draw a mapping that keeps all rules."""
    nest = draw(loops(kernel))
    is_sum = [kernel.dimensions[d].role is Role.K for d, _ in nest]
    depth = at_output = len(nest)
    if any(is_sum) and draw(booleans()):  # either psums wait while loops over K go on
        at_output = draw(integers(0, is_sum.index(True)))
    elif any(is_sum):  # or K is innermost
        nest = tuple(
            sorted(nest, key=lambda loop: kernel.dimensions[loop.dimension].role is Role.K)
        )
    is_free = [isinstance(kernel.body, Contraction | VectorBody)] * len(kernel.inputs)
    mapping = Mapping(
        loops=nest,
        held=(*(draw(integers(0, depth)) if free else depth for free in is_free), at_output),
        num_buffers=tuple(draw(integers(1, 2)) for _ in kernel.operands),
        dataflow=draw(sampled_from(dataflows_of(kernel, spec, "layer"))),
    )
    assume(not list(violations(kernel, spec, mapping)))
    return mapping
