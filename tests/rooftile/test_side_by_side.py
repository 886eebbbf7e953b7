"""Several networks at the same time on the cores of one chip."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from accel.spec_file import load_preset
from foundation.errors import MappingError
from rooftile.simulation import simulate_side_by_side
from tests.reports.runs import SMALL
from tests.rooftile.command import Command
from workloads.graph import Graph
from workloads.loaders.yaml import parse_network

NETWORK: Graph = parse_network(SMALL, "small.yaml")


@pytest.mark.parametrize("clock_hz", [10**9, 700 * 10**6])
def test_networks_delay_each_other_and_nothing_is_lost(clock_hz: int) -> None:
    spec = replace(load_preset("npu_4core"), clock_hz=clock_hz)
    (alone,) = simulate_side_by_side([NETWORK], spec, [2])
    first, second = simulate_side_by_side([NETWORK, NETWORK], spec, [2, 2])
    assert first.report.total_macs == second.report.total_macs == NETWORK.total_macs
    assert first.report.total_cycles > alone.report.total_cycles
    for result in (first, second):
        for layer in result.report.layers:
            work = layer.work
            assert sum(work.stalls.values()) == sum(work.causes.values()) == work.stall_cycles
            assert all(unit.total == work.total_cycles for unit in work.units.values())
    used = [
        {name.partition(".")[0] for layer in result.report.layers for name in layer.work.units}
        for result in (first, second)
    ]
    assert used[0] <= {"core0", "core1"}
    assert used[1] <= {"core2", "core3"}


def test_tensors_of_two_networks_do_not_overlap() -> None:
    first, second = simulate_side_by_side([NETWORK, NETWORK], load_preset("npu_4core"), [1, 1])
    end = first.plan.memory_bytes["dram"]
    starts = [second.plan.placements[name].address for name in second.plan.graph.tensors]
    assert min(starts) == end
    assert second.plan.memory_bytes["dram"] == 2 * end


def test_too_few_cores_are_refused() -> None:
    message = "machine 'npu_4core': has 4 cores but 3 \\+ 2 are asked for; give the networks fewer"
    with pytest.raises(MappingError, match=f"^{message}$"):
        simulate_side_by_side([NETWORK, NETWORK], load_preset("npu_4core"), [3, 2])


def test_the_command_says_what_they_cost_each_other(rooftile: Command) -> None:
    Path("small.yaml").write_text(SMALL)
    done = rooftile(
        "run", "small.yaml", "--hw", "npu_4core", "--beside", "small.yaml", "--cores", "3,1"
    )
    assert (done.status, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[-3] == "at the same time on npu_4core"
    assert re.match(r"  small on cores 0 to 2: [\d.]+ us; alone on them [\d.]+ us \(\+", lines[-2])
    assert lines[-1].startswith("  small on core 3: ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--cores", "1"), "--cores '1': has 1 numbers but 2 networks run; give one for each"),
        (("--cores", "1,x"), "--cores '1,x': must be whole numbers such as 3,1"),
        (("--cores", "3,2"), "machine 'npu_4core': has 4 cores but 3 + 2 are asked for; give the"
         " networks fewer"),
        (("-o", "out"), "--beside and --cores print tables of the cycle engine and of the best"
         " mappings: no -o"),
        (("--engine", "analytical"), "--engine analytical, --mapping or --constraints"),
    ],
)  # fmt: skip
def test_wrong_options_are_refused(
    rooftile: Command, arguments: tuple[str, ...], message: str
) -> None:
    Path("small.yaml").write_text(SMALL)
    done = rooftile("run", "small.yaml", "--hw", "npu_4core", "--beside", "small.yaml", *arguments)
    assert done.status == 2
    assert message in done.err
