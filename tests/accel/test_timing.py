"""Designs of arrays: what each parameter changes, and what no parameters can."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accel.spec_file import load_preset, parse_spec, to_yaml
from accel.timing import (
    PATHS,
    TIMINGS,
    TRANSFERS,
    WAITS,
    ArrayTiming,
    Count,
    Timing,
    array_timing,
)

R, C, T = 4, 3, 5
RTL, SINGLE = TIMINGS["rtl"], TIMINGS["rtl_single"]


def fold(timing: Timing, *, output_stationary: bool = False, stream: int = T) -> ArrayTiming[int]:
    return array_timing(
        timing, rows=R, columns=C, output_stationary=output_stationary, stream=stream
    )


def events(timing: ArrayTiming[int]) -> tuple[int, ...]:
    return (timing.first_input, timing.last_input, timing.first_output, timing.last_output)


def test_a_fold_loads_streams_and_leaves_by_the_far_corner() -> None:
    assert events(fold(RTL)) == (R, R + T - 1, R + R, R + T - 1 + R - 1 + C - 1 + 1)


def test_an_output_stationary_fold_streams_and_drains() -> None:
    bottom_left = T - 1 + R - 1 + 1
    result = fold(RTL, output_stationary=True)
    assert events(result) == (0, T - 1, bottom_left, bottom_left + C - 1 + R - 1)


@pytest.mark.parametrize("output_stationary", [False, True])
@pytest.mark.parametrize("stream", [1, R - 1, R, R + 1, 10 * R])
def test_folds_follow_as_registers_allow(output_stationary: bool, stream: int) -> None:
    double = fold(RTL, output_stationary=output_stationary, stream=stream)
    single = fold(SINGLE, output_stationary=output_stationary, stream=stream)
    assert double.occupancy_cycles == max(stream, R)
    assert single.occupancy_cycles == stream - 1 + R


@pytest.mark.parametrize(
    ("change", "later"),
    [
        ({"multiplier_cycles": 2}, 2),
        ({"adder_cycles": 3}, 2),
        ({"output_cycles": 1}, 1),
        ({"row_hop_cycles": 2}, R - 1),
        ({"column_hop_cycles": 0}, 1 - C),
        ({"rows_per_hop": 2}, -2),
        ({"columns_per_hop": C}, 1 - C),
        ({"load_to_input_cycles": 1}, 1),
        ({"load_to_input_cycles": -100}, -R),
        ({"load_path": "columns"}, C - R),
        ({"load_path": "pes"}, R * C - R),
        ({"load_path": "none"}, -R),
        ({"load_interval_cycles": 2}, R),
        ({"input_interval_cycles": 2}, T - 1),
        ({"inputs_per_fold": T + 2}, 2),
        ({"serial_transfers": ("stationary",)}, R),
        ({"serial_transfers": ("inputs",)}, T),
        ({"serial_transfers": ("outputs",)}, 0),
        ({"serial_transfers": ("inputs",), "transfer_interval_cycles": 3}, 3 * T),
        ({"fold_control_cycles": 7}, 7),
        ({"instruction_control_cycles": 7}, 7),
    ],
)
def test_what_a_parameter_adds_to_the_last_output(change: dict[str, int], later: int) -> None:
    before, after = fold(RTL), fold(replace(RTL, **change))  # type: ignore[arg-type]
    assert after.last_output - before.last_output == later


@pytest.mark.parametrize(
    ("wait", "single_cycles", "double_cycles"),
    [
        ("first_pe", T - 1 + R, T),
        ("first_row", T - 1 + C - 1 + R, C - 1 + R),
        ("first_column", T - 1 + R - 1 + R, R - 1 + R),
        ("last_pe", T - 1 + R - 1 + C - 1 + R, R - 1 + C - 1 + R),
        ("last_output", R + T + R + C - 1, R + T + R + C - 1),
    ],
)
def test_what_a_load_waits_for(wait: str, single_cycles: int, double_cycles: int) -> None:
    assert fold(replace(SINGLE, load_waits_for=wait)).occupancy_cycles == single_cycles
    assert fold(replace(RTL, load_waits_for=wait)).occupancy_cycles == double_cycles


@pytest.mark.parametrize(
    ("wait", "cycles"),
    [
        ("first_pe", T),
        ("first_row", T + C - 1),
        ("first_column", T + R - 1),
        ("last_pe", T + R + C - 2),
        ("last_output", T + R + C - 1),
    ],
)
def test_what_an_input_waits_for(wait: str, cycles: int) -> None:
    assert fold(replace(RTL, input_waits_for=wait)).occupancy_cycles == cycles


def test_a_long_stream_is_cut_into_folds_of_a_fixed_length() -> None:
    cut = fold(replace(RTL, inputs_per_fold=8), stream=20)
    whole = array_timing(RTL, rows=R, columns=C, output_stationary=False, stream=8, folds=3)
    assert cut == whole


designs = st.builds(
    Timing,
    stationary_registers=st.integers(1, 2),
    load_path=st.sampled_from(PATHS),
    drain_path=st.sampled_from(PATHS),
    load_interval_cycles=st.integers(1, 3),
    load_waits_for=st.sampled_from(WAITS),
    input_waits_for=st.sampled_from(WAITS),
    load_to_input_cycles=st.integers(-4, 4),
    input_interval_cycles=st.integers(1, 3),
    multiplier_cycles=st.integers(0, 3),
    adder_cycles=st.integers(0, 3),
    rows_per_hop=st.integers(1, 4),
    columns_per_hop=st.integers(1, 4),
    row_hop_cycles=st.integers(0, 2),
    column_hop_cycles=st.integers(0, 2),
    output_cycles=st.integers(0, 2),
    serial_transfers=st.lists(st.sampled_from(TRANSFERS), unique=True).map(tuple),
    transfer_interval_cycles=st.integers(1, 3),
    inputs_per_fold=st.integers(0, 9),
    fold_control_cycles=st.integers(0, 5),
    instruction_control_cycles=st.integers(0, 5),
)
sides = st.integers(1, 12)


@given(design=designs, rows=sides, columns=sides, output_stationary=st.booleans(), data=st.data())
def test_every_design_keeps_order(
    design: Timing, rows: int, columns: int, output_stationary: bool, data: st.DataObject
) -> None:
    def timing(stream: int, folds: int) -> ArrayTiming[int]:
        return array_timing(
            design,
            rows=rows,
            columns=columns,
            output_stationary=output_stationary,
            stream=stream,
            folds=folds,
        )

    stream, folds = data.draw(st.integers(1, 30)), data.draw(st.integers(1, 5))
    result = timing(stream, folds)
    assert 0 <= result.first_input <= result.last_input <= result.last_output
    assert result.first_input <= result.first_output <= result.last_output < result.latency_cycles
    assert result.occupancy_cycles >= stream * folds
    assert 0 <= result.lead_cycles <= result.lead_limit_cycles
    more = timing(stream, folds + 1)
    assert more.latency_cycles - result.latency_cycles >= stream
    assert timing(stream + 1, folds).occupancy_cycles >= result.occupancy_cycles


@given(design=designs)
def test_a_design_survives_its_yaml(design: Timing) -> None:
    spec = load_preset("edge_32x32")
    own = replace(spec, array=replace(spec.array, timing=design))
    assert parse_spec(to_yaml(own), "own.yaml") == own


@given(design=designs, rows=sides, columns=sides, output_stationary=st.booleans(), data=st.data())
def test_arrays_give_what_integers_give(
    design: Timing, rows: int, columns: int, output_stationary: bool, data: st.DataObject
) -> None:
    streams = data.draw(st.lists(st.integers(1, 30), min_size=1, max_size=5))

    def timing(stream: Count, folds: Count) -> ArrayTiming[Count]:
        return array_timing(
            design,
            rows=rows,
            columns=columns,
            output_stationary=output_stationary,
            stream=stream,
            folds=folds,
        )

    together = timing(np.array(streams), np.full(len(streams), 3))
    for index, stream in enumerate(streams):
        single = timing(stream, 3)
        for name in ("first_output", "last_output", "latency_cycles", "occupancy_cycles"):
            assert np.broadcast_to(getattr(together, name), len(streams))[index] == getattr(
                single, name
            )
