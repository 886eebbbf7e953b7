"""What limits a network, and what doubling a resource saves at most."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from accel.machine import Machine
from accel.spec import AcceleratorSpec
from accel.spec_file import load_preset
from accel.units import Clock
from reports.report import Report, WorkReport
from reports.summary import saving_cycles, sentence, shares_by_bound
from rooftile.simulation import Result
from tests.reports.runs import VIEWS, run, small, zoo_run


def work(
    total_cycles: int,
    *,
    bound_by: str = "array",
    resources: Mapping[str, float],
    spatial_utilization: float = 0.5,
) -> WorkReport:
    """Return the report of work in which resources are busy for so many cycles."""
    return replace(
        small().report.layers[0].work,
        total_cycles=total_cycles,
        resources=resources,
        bound_by=bound_by,
        mac_utilization=0.25,
        spatial_utilization=spatial_utilization,
    )


def report_of(*works: WorkReport) -> Report:
    first = small().report.layers[0]
    layers = tuple(replace(first, name=f"layer{n}", work=w) for n, w in enumerate(works))
    return replace(small().report, layers=layers)


def test_shares_of_the_time_largest_first() -> None:
    report = report_of(
        *(
            work(cycles, bound_by=bound, resources={})
            for cycles, bound in ((10, "dram"), (60, "array"), (30, "dram"))
        )
    )
    assert list(shares_by_bound(report).items()) == [("array", 0.6), ("dram", 0.4)]


@pytest.mark.parametrize(
    ("resource", "busy", "saved"),
    [
        ("array", {"array": 80.0}, 40),  # half of its own time
        ("array", {"array": 80.0, "dram": 70.0}, 30),  # the other one still takes 70
        ("array", {"array": 80.0, "dram": 100.0}, 0),
        ("array", {"dram": 80.0}, 0),  # not used at all
        ("dram", {"array": 90.0, "dram": 60.0}, 30),  # the array needs 25 of its 90
        ("dram", {"array": 90.0, "dram": 100.0, "vector": 80.0}, 20),
    ],
)
def test_saving(resource: str, busy: dict[str, float], saved: int) -> None:
    assert saving_cycles(work(100, resources=busy), resource) == saved


@pytest.mark.parametrize(
    ("bound_by", "text"),
    [
        (
            "array",
            "The array limits small: 100% of the time goes to layers that it bounds;"
            " an array twice as large would save at most 400 ns (40%).",
        ),
        (
            "vector",
            "The vector unit limits small: 100% of the time goes to layers that it bounds;"
            " twice as many lanes would save at most 400 ns (40%).",
        ),
        (
            "dram",
            "Main memory 'dram' limits small: 100% of the time goes to layers that it bounds;"
            " twice its bandwidth would save at most 400 ns (40%).",
        ),
        (
            "latency",
            "Latency limits small: 100% of the time goes to layers in which no unit is busy for"
            " half of it; a larger batch would help.",
        ),
    ],
)
def test_the_sentence(bound_by: str, text: str) -> None:
    assert sentence(report_of(work(1000, bound_by=bound_by, resources={bound_by: 800.0}))) == text


def test_the_sentence_of_a_network_of_views() -> None:
    assert sentence(run(VIEWS, load_preset("edge_32x32")).report) == "Nothing takes time."


def twice_the_bandwidth(spec: AcceleratorSpec, name: str) -> AcceleratorSpec:
    return replace(
        spec,
        memories=tuple(
            replace(m, bandwidth_bytes_per_s=2 * m.bandwidth_bytes_per_s) if m.name == name else m
            for m in spec.memories
        ),
    )


def total_cycles_on(result: Result, spec: AcceleratorSpec, number: int) -> int:
    """Return the cycles of a work's programs, as they are, on another machine."""
    clock = Clock(hz=spec.clock_hz)
    return sum(
        count * clock.cycle_at_or_after(Machine(spec).run(program).end_fs)
        for program, count in result.plan.distinct_programs(number)
    )


@pytest.mark.parametrize(
    ("network", "hardware"),
    [("resnet18", "edge_32x32"), ("resnet18", "tpu_v1"), ("bert_base", "gemmini_default")],
)
def test_the_same_program_never_saves_more_than_the_bound(network: str, hardware: str) -> None:
    result = zoo_run(network, hardware)
    for memory in result.plan.spec.memories:
        faster = twice_the_bandwidth(result.plan.spec, memory.name)
        for number, pieces in enumerate(result.traces):
            if not pieces:
                continue
            name = result.plan.representative(number).layer.name
            before = result.report.layer(name).work
            saved = before.total_cycles - total_cycles_on(result, faster, number)
            # Each transfer starts and lands on an edge, up to a cycle later than it could.
            edges = sum(p.count * int((p.trace["operand"] >= 0).sum()) for p in pieces)
            assert saved <= saving_cycles(before, memory.name) + edges, name


@pytest.mark.parametrize(("mapped", "is_advised"), [(0.49, False), (0.5, True)])
def test_a_poorly_mapped_array_is_not_asked_to_grow(mapped: float, is_advised: bool) -> None:
    bound = work(1000, resources={"array": 800.0}, spatial_utilization=mapped)
    text = sentence(report_of(bound))
    assert ("an array twice as large would save" in text) == is_advised
    assert ("another dataflow, array shape or batch" in text) != is_advised
