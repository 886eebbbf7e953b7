"""Presets against what their papers say of the whole machine."""

import pytest

from accel.spec_file import load_preset, preset_names
from foundation.dtype import DTYPES

PSUM_BYTES = 4  # int32 and fp32 accumulators


def test_tpu_v1_peak() -> None:
    """N. Jouppi et al., ISCA 2017, table 2: 92 TOPS of 8-bit operations."""
    assert load_preset("tpu_v1").peak_ops_per_s == pytest.approx(92e12, rel=0.005)


def test_tpu_v1_ridge_point() -> None:
    """ISCA 2017, section 4: the ridge is near 1,350 MACs per byte of weight memory."""
    spec = load_preset("tpu_v1")
    weights = spec.memory_of("parameters").bandwidth_bytes_per_s
    assert spec.peak_ops_per_s / 2 / weights == pytest.approx(1350, rel=0.01)


def test_tpu_v1_on_chip_memory() -> None:
    """ISCA 2017, table 2: 28 MiB on chip, unified buffer and accumulators."""
    spec = load_preset("tpu_v1")
    held = {pad.name: pad.capacity_bytes for pad in spec.scratchpads}
    assert held["unified_buffer"] + held["accumulators"] == 28 * 2**20


def test_tpu_v4i_peak() -> None:
    """N. Jouppi et al., ISCA 2021, table 1: 138 TFLOPS from four arrays."""
    assert load_preset("tpu_v4i_like").peak_ops_per_s == pytest.approx(138e12, rel=0.005)


def test_eyeriss_pes_and_peak() -> None:
    """Y.-H. Chen et al., JSSC 2017: 168 PEs; at 200 MHz 33.6 GMAC/s."""
    spec = load_preset("eyeriss_v1_like")
    assert spec.array.pes == 168
    assert spec.peak_ops_per_s / 2 == pytest.approx(33.6e9)


def test_gemmini_moves_a_row_of_its_scratchpad_a_cycle() -> None:
    """H. Genc et al., DAC 2021: a 16x16 array behind a 128-bit bus."""
    spec = load_preset("gemmini_default")
    assert spec.array.pes == 256
    memory = spec.memory_of("activations")
    assert memory.bandwidth_bytes_per_s / spec.clock_hz == 16


def test_edge_bandwidth_is_lpddr4() -> None:
    """JESD209-4: 3,200 MT/s on 32 bits."""
    assert load_preset("edge_32x32").bandwidth_bytes_per_s == 3200e6 * 4


@pytest.mark.parametrize("name", preset_names())
def test_scratchpads_feed_the_array_at_full_speed(name: str) -> None:
    """What streams past the stationary operand each cycle, in the widest type."""
    spec = load_preset(name)
    array = spec.array
    width = max(DTYPES[dtype].size_bytes for dtype in array.dtypes)
    needs = {
        # Inputs enter the rows; a psum is read and one is written for each column.
        "WS": {"input": width * array.rows, "psum": 2 * PSUM_BYTES * array.columns},
        # Both operands stream; psums leave once, when a fold ends.
        "OS": {
            "input": width * array.rows,
            "weight": width * array.columns,
            "psum": PSUM_BYTES * array.columns,
        },
    }[array.dataflow]
    for pad in spec.scratchpads:
        needed = sum(needs.get(operand, 0) for operand in pad.holds)
        assert pad.bandwidth_bytes_per_cycle >= needed, pad.name
