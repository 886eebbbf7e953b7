"""Bandwidth, latency and turns of the simple main memory."""

from math import inf

from hypothesis import given
from hypothesis import strategies as st

from accel.memory import FS_PER_SECOND, BandwidthMemory
from accel.spec import MemorySpec
from tests.accel.transfers import served, transfer


def memory(bandwidth: float, latency_fs: int = 0) -> BandwidthMemory:
    return BandwidthMemory(
        MemorySpec(
            name="dram",
            capacity_bytes=1 << 30,
            bandwidth_bytes_per_s=bandwidth,
            latency_fs=latency_fs,
            holds=("parameters", "activations"),
        )
    )


def test_a_transfer_takes_its_bytes_over_the_bandwidth_and_then_the_latency() -> None:
    found = served(memory(1e9, latency_fs=5), 100, transfer(3))
    assert found[:3] == (100, 100 + 3_000_000, 105 + 3_000_000)
    assert found.causes == (3_000_000, 5, 0, 0, 0, 0)


def test_a_second_transfer_waits_for_the_first_but_not_for_its_latency() -> None:
    dram = memory(1e9, latency_fs=10**9)
    first = served(dram, 0, transfer(1))
    second = served(dram, 7, transfer(1))
    assert second.start_fs == first.end_fs


def test_unlimited_bandwidth_takes_no_time() -> None:
    assert served(memory(inf), 42, transfer(10**15))[:3] == (42, 42, 42)


@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=200), st.integers(1, 10**12))
def test_back_to_back_transfers_do_not_drift(sizes: list[int], bandwidth: int) -> None:
    dram = memory(float(bandwidth))
    ends = [served(dram, 0, transfer(size)).end_fs for size in sizes]
    assert ends[-1] == -(-sum(sizes) * FS_PER_SECOND // bandwidth)
