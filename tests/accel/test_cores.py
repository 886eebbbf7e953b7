"""Several cores on one machine: what they share, and what they don't."""

from __future__ import annotations

from dataclasses import replace

import pytest

from accel.machine import Machine
from accel.spec import AcceleratorSpec
from accel.spec_file import load_preset, parse_spec
from foundation.errors import SpecError
from isa.program import Program, side_by_side
from reports.cores import core_view
from tests.accel.transfer_programs import HALF, loads

#: Two channels, of which an address's highest bit chooses one.
TWO_CHANNELS = parse_spec(
    """
base: edge_ddr4
cores: 2
memories:
  dram:
    capacity: 16GiB
    dram: {channels: 2, address_map: "co:7 bg:2 ba:2 ra:0 ro:16 ch:1"}
""",
    "two channels",
)


def times(spec: AcceleratorSpec, core: int, *programs: Program) -> list[tuple[int, int]]:
    """Return when a core's transfers start and end."""
    trace = core_view(Machine(spec).run(side_by_side(programs)), core).rows(opcode="load")
    return list(zip(trace["start_fs"].tolist(), trace["end_fs"].tolist(), strict=True))


@pytest.mark.parametrize("controller", ["ramulator2", "dramsim3"])
def test_cores_with_disjoint_channels_do_not_disturb_each_other(controller: str) -> None:
    (memory,) = TWO_CHANNELS.memories
    assert memory.dram is not None
    dram = replace(memory.dram, controller=controller)
    spec = replace(TWO_CHANNELS, memories=(replace(memory, dram=dram),))
    first = loads(0, 0, 12, 4096)
    alone = times(spec, 0, first)
    assert times(spec, 0, first, loads(1, HALF, 30, 8192)) == alone
    assert times(spec, 0, first, loads(1, HALF // 2, 30, 8192)) > alone


def test_cores_share_a_memory_of_bandwidth_and_latency() -> None:
    spec = replace(load_preset("edge_32x32"), cores=2)
    programs = [loads(core, core * HALF, 12, 4096) for core in (0, 1)]
    latency_fs = spec.memories[0].latency_fs
    alone = Machine(spec).run(programs[0]).end_fs - latency_fs
    assert Machine(spec).run(side_by_side(programs)).end_fs == 2 * alone + latency_fs


def test_more_cores_than_a_drams_queues_have_places_is_refused() -> None:
    with pytest.raises(SpecError, match="64 in all, too few for 65 cores"):
        replace(TWO_CHANNELS, cores=65)
    assert replace(TWO_CHANNELS, cores=64).cores == 64
