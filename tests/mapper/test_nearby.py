"""Prices of mappings near one that was found: the best of all that are tried, one by one."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from accel.spec import AcceleratorSpec
from accel.spec_file import load_preset
from mapper.analytical import analytical_cycles
from mapper.bounds import bounds
from mapper.check import violations
from mapper.cost import NestCosts, estimate
from mapper.kernel import Kernel, Role
from mapper.mapping import Loop, Mapping
from mapper.nearby import (
    FACTORS,
    MOST_NESTS,
    checked_cycles,
    nearby_price,
    nearby_prices,
    opened,
)
from mapper.nest import nest_of
from tests.reports.runs import small

MACHINES = [
    load_preset("edge_32x32"),
    replace(
        load_preset("edge_32x32"), array=replace(load_preset("edge_32x32").array, rows=8, columns=4)
    ),
]


def mapped() -> list[tuple[Kernel, Mapping]]:
    return [pair for work in small().plan.works for pair in work.mapped]


def one_by_one(kernel: Kernel, spec: AcceleratorSpec, mapping: Mapping) -> float:
    """Return the least closed-form cycles of all steps times all factors that fit."""
    free = [
        d
        for d, dimension in enumerate(kernel.dimensions)
        if dimension.role is not Role.WHOLE and dimension.extent > 1
    ]
    least = float("inf")
    capacity = {pad.name: pad.capacity_bytes for pad in spec.scratchpads}
    for factors in product(FACTORS, repeat=len(free)):
        scale = dict(zip(free, factors, strict=True))
        outside = list(kernel.extents)
        loops = []
        for d, step in mapping.loops:
            size = min(outside[d], max(1, round(step * scale.get(d, 1))))
            loops.append(Loop(d, size))
            outside[d] = size
        near = replace(mapping, loops=tuple(loops))
        if any(True for _ in violations(kernel, spec, near)):
            continue
        if all(size <= capacity[name] for name, size in needed(kernel, spec, near).items()):
            least = min(least, estimate(kernel, spec, near).cycles)
    return least


@pytest.mark.parametrize("spec", MACHINES, ids=["as found", "smaller"])
def test_mappings_that_have_prices_keep_all_rules_and_take_them(spec: AcceleratorSpec) -> None:
    for kernel, mapping in mapped():
        prices = list(nearby_prices(kernel, spec, mapping, kernel.extents))
        assert len({price.mapping for price in prices}) > 1
        for price in prices:
            assert not any(violations(kernel, spec, price.mapping))
            assert estimate(kernel, spec, price.mapping).cycles == pytest.approx(price.cycles)
        best = prices[0].mapping
        engine = checked_cycles([kernel], spec, [best])
        assert engine == analytical_cycles(
            kernel, spec, best, {operand.role: 0 for operand in kernel.operands}
        )


def test_a_mapping_that_breaks_a_rule_has_no_cycles() -> None:
    (kernel, mapping), *_ = mapped()
    pads = tuple(replace(pad, capacity_bytes=1) for pad in MACHINES[0].scratchpads)
    assert checked_cycles([kernel], replace(MACHINES[0], scratchpads=pads), [mapping]) is None


def needed(kernel: Kernel, spec: AcceleratorSpec, mapping: Mapping) -> dict[str, int]:
    doubled = tuple(count > 1 for count in mapping.num_buffers)
    costs = NestCosts(nest_of(kernel, mapping), spec.with_dataflow(mapping.dataflow))
    return {
        name: int(size.max())
        for name, size in costs.at(mapping.held).required_bytes(doubled).items()
    }


@pytest.mark.parametrize("spec", MACHINES, ids=["as found", "smaller"])
def test_it_is_the_best_of_what_is_tried(spec: AcceleratorSpec) -> None:
    tried = 0
    for kernel, mapping in mapped():
        free = sum(d.extent > 1 and d.role is not Role.WHOLE for d in kernel.dimensions)
        if len(FACTORS) ** free > MOST_NESTS:
            continue
        tried += 1
        price = nearby_price(kernel, spec, mapping, kernel.extents)
        assert price is not None
        own = opened(kernel, mapping.canonical(kernel.extents))
        assert price.cycles == pytest.approx(one_by_one(kernel, spec, own))
        # With loops over outputs in another order there are more, and none of the others is lost.
        assert price.cycles <= one_by_one(kernel, spec, mapping) * (1 + 1e-9)
    assert tried >= 2


@pytest.mark.parametrize("spec", MACHINES, ids=["as found", "smaller"])
def test_no_price_is_below_the_lower_bound_or_above_what_was_found(spec: AcceleratorSpec) -> None:
    for kernel, mapping in mapped():
        price = nearby_price(kernel, spec, mapping, kernel.extents)
        assert price is not None
        assert price.cycles >= bounds(kernel, spec).cycles
        assert sum(price.operand_bytes.values()) == sum(price.memory_bytes.values())
        assert price.cycles >= max(price.array_cycles, price.vector_cycles)
        if spec is MACHINES[0]:
            assert price.cycles <= estimate(kernel, spec, mapping).cycles


def test_nothing_fits_where_a_scratchpad_holds_nothing() -> None:
    spec = MACHINES[0]
    pads = tuple(replace(pad, capacity_bytes=1) for pad in spec.scratchpads)
    (kernel, mapping), *_ = mapped()
    assert nearby_price(kernel, replace(spec, scratchpads=pads), mapping, kernel.extents) is None


def test_what_was_whole_stays_whole_in_a_larger_batch() -> None:
    (kernel, mapping), *_ = mapped()
    numbers = kernel.numbers(Role.M)
    larger = replace(
        kernel,
        dimensions=tuple(
            replace(one, extent=4 * one.extent) if d == numbers[0] else one
            for d, one in enumerate(kernel.dimensions)
        ),
    )
    price = nearby_price(larger, MACHINES[0], mapping, kernel.extents)
    alone = nearby_price(kernel, MACHINES[0], mapping, kernel.extents)
    assert price is not None
    assert alone is not None
    assert alone.cycles < price.cycles <= 4.5 * alone.cycles
