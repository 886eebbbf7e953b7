"""Cycles, time and text: exact both ways."""

from __future__ import annotations

import re
from fractions import Fraction
from math import inf

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from accel.units import (
    AREA,
    BANDWIDTH,
    CAPACITY,
    CYCLE_COUNT,
    DURATION,
    ENERGY,
    ENERGY_PER_BIT,
    FREQUENCY,
    FS_PER_SECOND,
    LENGTH,
    NODE,
    PORT_BANDWIDTH,
    POWER,
    VOLTAGE,
    Clock,
    Quantity,
    format_area,
    format_bandwidth,
    format_bytes,
    format_count,
    format_energy,
    format_hz,
    format_time,
    four_digits,
)

clocks = st.integers(1, 10**12).map(lambda hz: Clock(hz=hz))
WHOLE = (CAPACITY, FREQUENCY, DURATION, CYCLE_COUNT)


@given(clocks, st.integers(0, 10**18))
def test_an_edge_is_computed_from_its_number(clock: Clock, cycle: int) -> None:
    exact = Fraction(cycle * FS_PER_SECOND, clock.hz)
    assert 0 <= clock.edge_fs(cycle) - exact < 1


@given(st.integers(1, 10**12), st.integers(0, 10**12))
def test_the_cycle_of_an_edge_is_its_number(hz: int, cycle: int) -> None:
    clock = Clock(hz=hz)
    edge = clock.edge_fs(cycle)
    assert clock.cycle_at_or_after(edge) == cycle
    assert clock.cycle_at_or_after(edge + 1) == cycle + 1


@given(
    st.sampled_from([1, 7 * 10**8, 10**9, 3 * 10**9, 1_234_567_891]),
    st.lists(st.integers(0, 2**40), min_size=1, max_size=20),
)
def test_many_edges_at_once_equal_one_by_one(hz: int, cycles: list[int]) -> None:
    clock = Clock(hz=hz)
    few = [cycle % (9 * 10**18 // FS_PER_SECOND * hz + 1) for cycle in cycles]
    edges = np.array([clock.edge_fs(cycle) for cycle in few], dtype=np.int64)
    assert clock.cycles(edges).tolist() == few


@given(st.integers(1, 10**12), st.integers(0, 2**63 - 1))
def test_the_edge_before_any_time_has_its_number(hz: int, time_fs: int) -> None:
    clock = Clock(hz=hz)
    cycle = time_fs * hz // FS_PER_SECOND
    edges = np.array([clock.edge_fs(cycle)], dtype=np.int64)
    assert clock.cycles(edges).tolist() == [cycle]


def test_the_fastest_clock_is_exact_after_two_and_a_half_hours() -> None:
    """Float64 alone doesn't hold cycle numbers beyond 2**53."""
    clock = Clock(hz=10**12)
    cycles = [9_223_372_036_854_775, 9_007_199_254_740_993, 9_007_199_254_740_992]
    edges = np.array([clock.edge_fs(cycle) for cycle in cycles], dtype=np.int64)
    assert clock.cycles(edges).tolist() == cycles


def test_time_at_three_gigahertz_is_exact_after_a_quarter_of_an_hour() -> None:
    clock = Clock(hz=3 * 10**9)
    assert clock.edge_fs(3 * 10**12) == 10**18
    assert clock.edge_fs(3 * 10**12 + 1) == 10**18 + 333_334
    edges = np.array([10**18, 10**18 + 333_334], dtype=np.int64)
    assert clock.cycles(edges).tolist() == [3 * 10**12, 3 * 10**12 + 1]


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (CAPACITY, "64KiB", 65536),
        (CAPACITY, "1.5MiB", 1572864),
        (CAPACITY, "1_000B", 1000),
        (FREQUENCY, "2.4GHz", 2_400_000_000),
        (FREQUENCY, "700 MHz", 700_000_000),
        (DURATION, "0.1ns", 100_000),
        (DURATION, "1us", 10**9),
        (DURATION, "1\N{MICRO SIGN}s", 10**9),
        (DURATION, "1\N{GREEK SMALL LETTER MU}s", 10**9),
        (DURATION, "1e-3s", 10**12),
        (BANDWIDTH, "34GB/s", 34_000_000_000),
        (BANDWIDTH, "14GiB/s", 14 * 2**30),
        (BANDWIDTH, "unlimited", inf),
        (PORT_BANDWIDTH, "0.5B/cycle", 0.5),
        (ENERGY, "0.2pJ", 0.2),
        (ENERGY, "30fJ", 0.03),
        (ENERGY, "1.3nJ", 1300.0),
        (ENERGY, "0pJ", 0.0),
        (ENERGY_PER_BIT, "4pJ/bit", 4.0),
        (ENERGY_PER_BIT, "32pJ/B", 4.0),
        (ENERGY_PER_BIT, "8fJ/B", 0.001),
        (ENERGY_PER_BIT, "1nJ/B", 125.0),
        (POWER, "5mW", 5.0),
        (POWER, "7uW", 0.007),
        (POWER, "7µW", 0.007),
        (POWER, "2W", 2000.0),
        (NODE, "45nm", 45.0),
        (VOLTAGE, "900mV", 0.9),
        (LENGTH, "250um", 0.25),
        (LENGTH, "1cm", 10.0),
        (AREA, "1.3mm2", 1.3e6),
        (AREA, "282um2", 282.0),
        (CYCLE_COUNT, "1 cycle", 1),
        (CYCLE_COUNT, "8 cycles", 8),
    ],
)
def test_text_is_read_exactly(kind: Quantity, text: str, value: float) -> None:
    assert kind.parse(text) == value


@given(st.sampled_from(WHOLE), st.integers(0, 10**18))
def test_what_is_written_reads_back(kind: Quantity, value: int) -> None:
    assert kind.parse(kind.text(value)) == value


@given(st.integers(1, 10**30).map(float))
@example(1e30)
def test_a_bandwidth_reads_back(value: float) -> None:
    assert float(BANDWIDTH.parse(BANDWIDTH.text(value))) == value


@given(
    st.sampled_from((PORT_BANDWIDTH, ENERGY, ENERGY_PER_BIT, POWER, NODE, VOLTAGE, LENGTH, AREA)),
    st.floats(min_value=0, max_value=1e30),
)
@example(PORT_BANDWIDTH, 1e30)
@example(ENERGY, 5e-324)
def test_what_needs_not_be_whole_reads_back(kind: Quantity, value: float) -> None:
    assert kind.parse(kind.text(value)) == value


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        (CAPACITY, 65536, "64KiB"),
        (FREQUENCY, 1_050_000_000, "1.05GHz"),
        (DURATION, 10**9, "1us"),
        (DURATION, 0, "0fs"),
        (CYCLE_COUNT, 0, "0 cycles"),
        (CYCLE_COUNT, 1, "1 cycle"),
        (CYCLE_COUNT, 8, "8 cycles"),
        (ENERGY, 0.2, "0.2pJ"),
        (ENERGY, 1300.0, "1300pJ"),
        (ENERGY_PER_BIT, 125.0, "125pJ/bit"),
        (ENERGY_PER_BIT, 0.0015625, "0.0015625pJ/bit"),
        (POWER, 0.007, "0.007mW"),
    ],
)
def test_text_takes_the_largest_unit_and_ascii(kind: Quantity, value: int, text: str) -> None:
    assert kind.text(value) == text


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        (FREQUENCY, "700", "'700': a frequency needs a unit, such as 700MHz"),
        (FREQUENCY, 700, "'700': a frequency needs a unit, such as 700MHz"),
        (
            CAPACITY,
            "64KB",
            "'64KB': KB can mean a power of 1000 or of 1024; write KiB (1,024 B) or B",
        ),
        (CAPACITY, "0.3B", "'0.3B': a capacity must be a whole number of B"),
        (DURATION, "0.1fs", "'0.1fs': a duration must be a whole number of fs"),
        (CAPACITY, "-1KiB", "'-1KiB': a capacity must not be negative"),
        (CAPACITY, "unlimited", "'unlimited': isn't a capacity; write it as 64KiB"),
        (CAPACITY, {"B": 1}, "a mapping: a capacity needs a unit, such as 64KiB"),
        (CAPACITY, [64], "a list: a capacity needs a unit, such as 64KiB"),
        (CAPACITY, "nanKiB", "'nanKiB': isn't a capacity; write it as 64KiB"),
        (CAPACITY, "9" * 99, f"'{'9' * 40}': isn't a capacity; write it as 64KiB"),
        (FREQUENCY, "8GB", "'8GB': 'GB' isn't a unit of a frequency (Hz, kHz, MHz, GHz)"),
        (
            PORT_BANDWIDTH,
            "1e999B/cycle",
            "'1e999B/cycle': a port's bandwidth must be at most 1e30 B/cycle",
        ),
        (
            CYCLE_COUNT,
            "1e31 cycles",
            "'1e31 cycles': a number of cycles must be at most 1e30 cycle",
        ),
        (ENERGY, "0.2", "'0.2': an energy needs a unit, such as 0.2pJ"),
        (ENERGY, "-1fJ", "'-1fJ': an energy must not be negative"),
        (
            ENERGY_PER_BIT,
            "4pJ",
            "'4pJ': 'pJ' isn't a unit of an energy per bit (pJ/bit, fJ/bit, nJ/bit, pJ/B, fJ/B,"
            " nJ/B); did you mean 'pJ/B'?",
        ),
        (
            FREQUENCY,
            "3ns",
            "'3ns': 'ns' isn't a unit of a frequency (Hz, kHz, MHz, GHz)",
        ),
    ],
)
def test_what_is_refused(kind: Quantity, text: object, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        kind.parse(text)


@given(st.sampled_from((*WHOLE, BANDWIDTH, PORT_BANDWIDTH)), st.text(max_size=30))
def test_any_text_is_a_value_or_a_value_error(kind: Quantity, text: str) -> None:
    try:
        assert kind.parse(text) >= 0
    except ValueError:
        return


@given(
    st.sampled_from((*WHOLE, BANDWIDTH, PORT_BANDWIDTH)),
    st.from_regex(r"-?[0-9]{1,5}(\.[0-9]{0,3})?(e-?[0-9]{1,3})?", fullmatch=True),
    st.sampled_from(
        ["", "B", "KiB", "KB", "GB", "GB/s", "GiB/s", "B/cycle", "GHz", "ns", "cycles"]
    ),
)
def test_any_number_with_any_unit_is_a_value_or_a_value_error(
    kind: Quantity, number: str, unit: str
) -> None:
    try:
        assert kind.parse(number + unit) >= 0
    except ValueError:
        return


def test_numbers_for_people() -> None:
    assert format_bytes(65536) == "64 KiB"
    assert format_bytes(1000) == "1000 B"
    assert format_hz(700e6) == "700 MHz"
    assert format_bandwidth(34e9) == "34 GB/s"
    assert format_bandwidth(inf) == "unlimited"
    assert format_count(1_814_073_344).strip() == "1.81 G"
    assert format_count(12).strip() == "12"
    assert format_energy(0.05) == "0.05 pJ"
    assert format_energy(1.23e9) == "1.23 mJ"
    assert format_energy(0.0) == "0 pJ"
    assert format_time(1_234_567_890_123) == "1.23 ms"
    assert format_time(45 * FS_PER_SECOND) == "45 s"


@pytest.mark.parametrize(
    ("area_um2", "text"),
    [(0.0, "0 um2"), (282.0, "282 um2"), (1044.76, "0.001045 mm2"), (5e6, "5 mm2")],
)
def test_areas_are_shown_in_square_millimetres_where_they_are_large(
    area_um2: float, text: str
) -> None:
    assert format_area(area_um2) == text
    assert four_digits(1.23456) == 1.235
