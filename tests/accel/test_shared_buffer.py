"""The buffer that cores share, against a plain list of lines, and in a machine."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accel.machine import Machine
from accel.shared_buffer import Fetch, LineCache
from accel.shared_buffer_spec import SharedBufferSpec
from accel.spec import AcceleratorSpec
from accel.spec_file import load_preset
from foundation.dtype import DTYPES
from foundation.errors import SpecError
from isa.program import Program, side_by_side
from reports.roofline import make_roofline
from rooftile.simulation import simulate
from tests.accel.transfer_programs import loads, stores
from tests.laws.draft import Draft
from tests.reports.runs import SMALL, run
from workloads.layers import Linear

LINE = 256


def buffer(capacity_bytes: int = 64 * LINE, ways: int = 4) -> SharedBufferSpec:
    return SharedBufferSpec(
        capacity_bytes=capacity_bytes,
        line_bytes=LINE,
        ways=ways,
        bandwidth_bytes_per_cycle=64.0,
        latency_cycles=5,
    )


class PlainLru:
    """Lines of each set in a list, the one used last at its end."""

    def __init__(self, sets: int, ways: int) -> None:
        self._sets: list[list[int]] = [[] for _ in range(sets)]
        self._ways = ways

    def read(self, lines: list[int]) -> list[int]:
        missing = []
        for line in lines:
            own = self._sets[line % len(self._sets)]
            if line in own:
                own.remove(line)
            else:
                missing.append(line)
            own.append(line)
            del own[: -self._ways]
        return missing

    def drop(self, lines: list[int]) -> None:
        for line in lines:
            own = self._sets[line % len(self._sets)]
            if line in own:
                own.remove(line)


accesses = st.lists(
    st.tuples(st.booleans(), st.lists(st.integers(0, 40), min_size=1, max_size=12, unique=True)),
    max_size=30,
)


@given(what=accesses, sets=st.sampled_from([1, 2, 8]), ways=st.integers(1, 4))
def test_lines_come_and_go_as_in_a_plain_list(
    what: list[tuple[bool, list[int]]], sets: int, ways: int
) -> None:
    cache = LineCache(buffer(sets * ways * LINE, ways))
    plain = PlainLru(sets, ways)
    for is_write, lines in what:
        if is_write:
            cache.drop(lines)
            plain.drop(lines)
        else:
            missing, _ = cache.read(lines, Fetch())
            assert missing == plain.read(lines)


def test_what_fits_is_fetched_once() -> None:
    cache = LineCache(buffer())
    lines = list(range(64))
    fetch = Fetch()
    assert cache.read(lines, fetch) == (lines, [])
    assert cache.read(lines, Fetch()) == ([], [fetch])


PLAIN = replace(load_preset("edge_32x32"), cores=2)
SPEC = replace(PLAIN, shared_buffer=buffer(2**20, 16))


def fetched(programs: list[Program], spec: AcceleratorSpec = SPEC) -> tuple[int, int]:
    """Return the bytes from main memory, and the cycles, of programs on two cores."""
    trace = Machine(spec).run(side_by_side(programs))
    return int(trace.rows(opcode="load")["bytes"].sum()), trace.end_fs // 10**6


def test_two_cores_that_read_the_same_fetch_it_once() -> None:
    same = [loads(core, 0, 12, 4096) for core in (0, 1)]
    other = [loads(core, core * 2**20, 12, 4096) for core in (0, 1)]
    once, quick = fetched(same)
    twice, slow = fetched(other)
    assert (once, twice) == (12 * 4096, 2 * 12 * 4096)
    assert quick < 0.6 * slow
    assert fetched(same, PLAIN)[0] == twice


def test_a_cold_buffer_costs_its_latency() -> None:
    one = loads(0, 0, 1, 4096)
    assert fetched([one])[1] == fetched([one], PLAIN)[1] + 5


def test_lines_are_fetched_whole() -> None:
    assert fetched([loads(0, 100, 1, 300)])[0] == 2 * LINE


def test_what_is_written_goes_through_and_is_fetched_again() -> None:
    read, write = loads(0, 0, 1, 4096), stores(0, 0, 4096)
    traces = Machine(SPEC).run_sequences([[read, read, write, read]])
    moved = [int(trace["bytes"].sum()) for trace in traces[0]]
    assert moved == [4096, 0, 4096, 4096]


def test_reports_hold_with_a_buffer() -> None:
    result = run(SMALL, replace(load_preset("npu_4core"), shared_buffer=buffer(2**20, 16)))
    make_roofline(result.report)
    for layer in result.report.layers:
        work = layer.work
        assert sum(work.causes.values()) == work.stall_cycles
        assert work.total_dram_bytes >= work.compulsory_bytes


def test_weights_that_cores_share_are_fetched_once() -> None:
    draft = Draft(DTYPES["int8"])
    draft.add(Linear(out_features=256, bias=False), [draft.add_input((64, 512))])
    moved = [
        simulate(draft.graph(), replace(PLAIN, shared_buffer=one), split="m")
        .report.layers[0]
        .work.dram_bytes["weight"]
        for one in (buffer(2**20, 16), None)
    ]
    assert moved == [512 * 256, 2 * 512 * 256]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"line_bytes": 96},
            "shared_buffer: a line must be a power of two in bytes but is 96; change 'line'",
        ),
        ({"ways": 0}, "shared_buffer: 'ways' must be greater than 0 but is 0"),
        (
            {"bandwidth_bytes_per_cycle": 0.0},
            "shared_buffer: 'bandwidth' must be greater than 0 but is 0",
        ),
        (
            {"ways": 3},
            "shared_buffer: 16384 bytes in sets of 3 lines of 256 bytes make 21.3333 sets, which"
            " must be a power of two; change 'capacity' or 'ways'",
        ),
    ],
)
def test_lines_and_sets_come_out_even(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        replace(buffer(), **changes)


def test_a_buffer_is_in_front_of_one_memory() -> None:
    message = "shared_buffer: is in front of 1 main memory but machine 'tpu_v1' has 2; leave it out"
    with pytest.raises(SpecError, match=f"^{message}$"):
        replace(load_preset("tpu_v1"), shared_buffer=buffer())
