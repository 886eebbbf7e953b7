"""Requests to the DRAM as a file: every burst once, in order, in both formats."""

from __future__ import annotations

from pathlib import Path

import pytest

from accel.dma import Transfer, transactions
from accel.spec_file import load_preset
from foundation.errors import RooftileError
from isa.instruction import Gather, Load, Store
from mapper.plan import Plan
from rooftile.dram_trace import write_dram_trace
from tests.reports.runs import SMALL, run


@pytest.fixture(scope="module")
def plan() -> Plan:
    return run(SMALL, load_preset("edge_ddr4")).plan


def bursts(plan: Plan) -> list[tuple[bool, int]]:
    """Return (is write, address) of every burst that the plan's instructions move, sorted."""
    found = []
    for planned in plan.layers:
        for program in plan.programs(planned):
            for stream in program.streams.values():
                for what in stream:
                    if isinstance(what, Load | Gather | Store):
                        numbers = transactions(Transfer(0, what).runs(), 64).tolist()
                        found += [(isinstance(what, Store), 64 * number) for number in numbers]
    return sorted(found)


def test_dramsim3_s_format(plan: Plan, tmp_path: Path) -> None:
    path, names = tmp_path / "requests.trc", list[str]()
    write_dram_trace(path, plan, "dramsim3", names.append)
    lines = [line.split() for line in path.read_text().splitlines()]
    assert sorted((word == "WRITE", int(address, 16)) for address, word, _ in lines) == bursts(plan)
    assert {word for _, word, _ in lines} == {"READ", "WRITE"}
    clocks = [int(clock) for _, _, clock in lines]
    assert clocks == sorted(clocks)
    assert len(set(clocks)) > 10
    assert names == [planned.layer.name for planned in plan.layers]


def test_ramulator2_s_format(plan: Plan, tmp_path: Path) -> None:
    path = tmp_path / "requests.trace"
    write_dram_trace(path, plan, "ramulator2")
    lines = [line.split() for line in path.read_text().splitlines()]
    assert sorted((word == "ST", int(address, 16)) for word, address in lines) == bursts(plan)


def test_a_machine_without_dram(tmp_path: Path) -> None:
    plan = run(SMALL, load_preset("edge_32x32")).plan
    message = r"^machine 'edge_32x32': no memory is modelled bank by bank \(dram\); give one a"
    with pytest.raises(RooftileError, match=message):
        write_dram_trace(tmp_path / "requests.trc", plan, "dramsim3")
    assert not list(tmp_path.iterdir())
