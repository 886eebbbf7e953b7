"""When things happen on the array: designs as records of parameters, and their closed form.

Every formula takes Python integers (the machine) or NumPy arrays (the mapper's cost model).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

Count = TypeVar("Count", int, NDArray[np.int64])

#: The ways on which the stationary operand enters the array, or leaves it.
PATHS = ("rows", "columns", "pes", "at_once", "none")
#: Events of the fold before that a load or an input can wait for.
WAITS = ("first_pe", "first_row", "first_column", "last_pe", "last_output")
#: What a serial controller can copy between buffers while the array stands still.
TRANSFERS = ("stationary", "inputs", "outputs")


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """What tells one array's cycles from another's: a design is a record of these.

    A fold fills the array once. In WS and IS it loads the stationary operand, then streams T
    inputs, and its outputs leave as they finish; in OS it streams T inputs, then drains the
    stationary sums. The defaults are the array of ``accel/rtl/``.

    Parameters
    ----------
    stationary_registers
        Registers of the stationary operand in a PE. 2: the next operand moves in (WS, IS), or the
        last sums move out (OS), while the current fold streams.
    load_path, drain_path
        Where the stationary operand moves, a beat a step: along the ``rows`` (R beats), the
        ``columns`` (C), through all ``pes`` (R · C), ``at_once`` (1) or not at all (``none``).
        WS and IS use the load, OS the drain.
    load_interval_cycles
        Cycles from one beat of the load or drain to the next.
    load_waits_for
        What the fold before must have done before a load may start (WS, IS), or before a sum may
        finish into the registers that its drain empties (OS): used its operand in the
        ``first_pe`` (the load follows the inputs' wave), in all of the ``first_row`` (the load
        moves down all columns side by side), in all of the ``first_column`` (it moves along all
        rows side by side), in the ``last_pe`` (it overwrites all at once), or had its
        ``last_output`` out.
    input_waits_for
        The same of the first input: behind the fold before in the ``first_pe``, or only when that
        has left the ``first_row``, the ``first_column`` (as where skewed inputs are read from a
        buffer), the ``last_pe``, or drained to its ``last_output``.
    load_to_input_cycles
        Cycles between a load's last beat and the first input. Negative where inputs start while
        the load goes on, at the earliest with its first beat.
    input_interval_cycles
        Cycles from one input to the next: 1 for a PE that starts a MAC in every cycle.
    multiplier_cycles, adder_cycles
        Pipeline registers behind the multiplier and the adder of a PE, from its operands to its
        result.
    rows_per_hop, columns_per_hop, row_hop_cycles, column_hop_cycles
        PEs that an operand or psum passes between two registers, and its cycles in a hop.
    output_cycles
        Registers that a result passes behind the array, or between accumulator and drain.
    serial_transfers, transfer_interval_cycles
        Operands that a serial controller copies between buffers while the array stands still:
        ``stationary`` and ``inputs`` before a fold, ``outputs`` behind it; and the cycles from one
        vector of R or C operands to the next.
    inputs_per_fold
        Inputs that a fold always streams: a longer stream is cut into several folds, a shorter one
        is filled up. 0: as many as there are.
    fold_control_cycles, instruction_control_cycles
        Cycles that control adds to every fold, and once to an instruction.
    """

    stationary_registers: int = 2
    load_path: str = "rows"
    drain_path: str = "rows"
    load_interval_cycles: int = 1
    load_waits_for: str = "first_pe"
    input_waits_for: str = "first_pe"
    load_to_input_cycles: int = 0
    input_interval_cycles: int = 1
    multiplier_cycles: int = 0
    adder_cycles: int = 1
    rows_per_hop: int = 1
    columns_per_hop: int = 1
    row_hop_cycles: int = 1
    column_hop_cycles: int = 1
    output_cycles: int = 0
    serial_transfers: tuple[str, ...] = ()
    transfer_interval_cycles: int = 1
    inputs_per_fold: int = 0
    fold_control_cycles: int = 0
    instruction_control_cycles: int = 0


#: Timing models by name. DESIGN.md says in a table what each counts.
TIMINGS = {
    # The Verilog in accel/rtl/: `rooftile validate rtl` compares every event.
    "rtl": Timing(),
    "rtl_single": Timing(stationary_registers=1),
    # SCALE-Sim 3.0.0 counts 2R + C + T - 2 per WS or IS fold and T + R + C - 2 per OS fold, one
    # after another: no register behind the adder, no drain.
    "scalesim": Timing(
        stationary_registers=1,
        drain_path="none",
        load_waits_for="last_output",
        input_waits_for="last_output",
        adder_cycles=0,
    ),
    # cameronshinn/tiny-tpu@8218140, hardware/hdl/mmu: one weight register; win moves down all
    # columns side by side. Its count ends with the cycle whose edge registers the last result.
    "tiny_tpu": Timing(stationary_registers=1, load_waits_for="first_row", adder_cycles=0),
    # trhieuuit/ws-systolic-array-soc@8635017, tiling_agu.v: states FETCH_W, WAIT_LOADW, FETCH_IN,
    # WAIT_MAC, ACCUM_C and UPDATE_CNT run one after another, IDLE and WAIT_DONE once.
    "ws_systolic_array_soc": Timing(
        stationary_registers=1,
        load_waits_for="last_output",
        input_waits_for="last_output",
        load_to_input_cycles=1,
        serial_transfers=("stationary", "inputs", "outputs"),
        inputs_per_fold=16,
        fold_control_cycles=3,
        instruction_control_cycles=2,
    ),
    # abarajithan11/axis-systolic-array@44bbe4f, rtl/sa/axis_sa.sv, with its default LM = LA = 1:
    # sums are copied to registers that shift along the columns once all of them are full.
    "axis_systolic_array": Timing(
        drain_path="columns", load_waits_for="last_pe", multiplier_cycles=1, output_cycles=1
    ),
}
DEFAULT_TIMING = "rtl"


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrayTiming(Generic[Count]):
    """A sequence of equal folds in closed form; events count cycles from its acceptance, 0.

    Parameters
    ----------
    load_start
        When the first beat of the stationary operand, or in OS of the inputs, is on the port.
    first_input, last_input
        When the first and the last input are on the array's port.
    first_output, last_output
        When the first and the last result are on the array's port.
    latency_cycles
        From its acceptance until all its results are stored.
    occupancy_cycles
        From its acceptance until the array accepts another sequence of the same T.
    lead_cycles
        How much of the wait for a drain its own stream hides: what another lead has more, it is
        accepted earlier. 0 where no drain goes on behind the next fold.
    lead_limit_cycles
        The longest lead that a sequence can have.
    """

    load_start: Count
    first_input: Count
    last_input: Count
    first_output: Count
    last_output: Count
    latency_cycles: Count
    occupancy_cycles: Count
    lead_cycles: Count
    lead_limit_cycles: int


def array_timing(
    timing: Timing,
    *,
    rows: int,
    columns: int,
    output_stationary: bool,
    stream: Count,
    folds: Count | int = 1,
) -> ArrayTiming[Count]:
    """Return when a sequence of folds does what on a ``rows`` x ``columns`` array.

    Parameters
    ----------
    timing
        The design.
    rows, columns
        R and C, in PEs. A ragged fold costs a full one.
    output_stationary
        Whether sums stay in the PEs (OS), or an operand does (WS, IS).
    stream
        T, inputs streamed through each fold.
    folds
        Folds, one behind the other.

    Notes
    -----
    With the defaults, and cycle 0 the one in which the array accepts a fold:

    *Load* (WS, IS). R beats move the stationary operand down the rows: cycles 0 to R - 1.

    *Stream.* The first input follows at once, the last T - 1 cycles later. Row r and column c of
    the array see it ``r + c`` cycles after it entered: the skew.

    *Output.* The far corner computes the last result R - 1 + C - 1 cycles after the last input
    entered, and its register holds it one cycle later.

    *Drain* (OS). The bottom row's sum is the first of R beats of a column.

    So the last result is out at ``(R) + (T - 1) + (R - 1) + (C - 1) + 1`` with the first term only
    in WS and IS, and R - 1 more in OS; latency is one more, since cycle 0 counts.

    *Next fold.* Its inputs may follow at once: T cycles after this fold's. Its load needs R beats,
    the first of them when the operand's last use frees PE (0, 0). With two registers that is when
    the first input takes the operand over: folds follow every ``max(T, R)`` cycles. With one it is
    the last input's cycle: they follow every ``T - 1 + R``. A drain is a load seen backwards in
    time, and the same holds for OS.

    With two registers in OS, the sums of a fold must find the registers empty only when they
    finish, T - 1 cycles after they started: that is the lead.
    """
    if timing.inputs_per_fold:
        folds = folds * -(-stream // timing.inputs_per_fold)
        stream = stream * 0 + timing.inputs_per_fold
    fold = _fold_timing(timing, rows, columns, output_stationary, stream)
    start = timing.instruction_control_cycles
    last_fold = start + (folds - 1) * fold.occupancy_cycles
    return ArrayTiming(
        load_start=start + fold.load_start,
        first_input=start + fold.first_input,
        last_input=last_fold + fold.last_input,
        first_output=start + fold.first_output,
        last_output=last_fold + fold.last_output,
        latency_cycles=last_fold + fold.latency_cycles,
        occupancy_cycles=last_fold + fold.occupancy_cycles,
        lead_cycles=fold.lead_cycles,
        lead_limit_cycles=fold.lead_limit_cycles,
    )


@dataclass(slots=True)
class ArrayQueue:
    """When the array accepts one sequence of folds after another.

    Parameters
    ----------
    free_cycle
        When it accepts a sequence with no lead.
    """

    free_cycle: int = 0

    def accept(self, cycle: int, timing: ArrayTiming[int]) -> int:
        """Return when the array accepts a sequence that is offered from ``cycle`` on."""
        start = max(cycle, self.free_cycle - timing.lead_cycles)
        self.free_cycle = start + timing.occupancy_cycles + timing.lead_cycles
        return start

    def delay(self, cycles: int) -> None:
        """Let the sequence that was accepted last hold the array for longer."""
        self.free_cycle += cycles


def _fold_timing(
    timing: Timing, rows: int, columns: int, output_stationary: bool, stream: Count
) -> ArrayTiming[Count]:
    """Return when a single fold does what; it occupies the array until the next may follow."""
    row_hops = (-(-rows // timing.rows_per_hop) - 1) * timing.row_hop_cycles
    column_hops = (-(-columns // timing.columns_per_hop) - 1) * timing.column_hop_cycles
    beats = _beats(timing.drain_path if output_stationary else timing.load_path, rows, columns)
    move = beats * timing.load_interval_cycles
    load = 0 if output_stationary else max(move + timing.load_to_input_cycles, 0)
    drain = max(beats - 1, 0) * timing.load_interval_cycles if output_stationary else 0
    depth = timing.multiplier_cycles + timing.adder_cycles + timing.output_cycles
    pipeline = row_hops + column_hops + depth + drain
    waits = {
        "first_pe": 0,
        "first_row": column_hops,
        "first_column": row_hops,
        "last_pe": row_hops + column_hops,
        "last_output": pipeline,
    }
    input_gap = max(timing.input_interval_cycles, 1 + waits[timing.input_waits_for])
    after_first = (stream - 1) * timing.input_interval_cycles
    moved = waits[timing.load_waits_for] + (move if output_stationary else load)
    if timing.load_waits_for == "last_output":
        moved = 1 + pipeline + load
    has_shadow = timing.stationary_registers == 2 and timing.load_waits_for != "last_output"
    lead_limit = max(moved - input_gap, 0) if output_stationary and has_shadow else 0

    next_input = after_first + input_gap
    next_move = after_first * (not has_shadow) + moved

    before, behind = _transfer_cycles(timing, output_stationary, beats, stream)
    before = before + timing.fold_control_cycles
    first_input = before + load
    last_input = first_input + after_first
    last_output = last_input + pipeline
    return ArrayTiming(
        load_start=before,
        first_input=first_input,
        last_input=last_input,
        first_output=(
            last_output - drain - _first_drained_earlier(timing, row_hops, column_hops)
            if output_stationary
            else first_input + row_hops + depth
        ),
        last_output=last_output,
        latency_cycles=last_output + 1 + behind,
        occupancy_cycles=before + larger(next_input, larger(next_move, move)) + behind,
        lead_cycles=smaller(after_first, lead_limit),
        lead_limit_cycles=lead_limit,
    )


def _beats(path: str, rows: int, columns: int) -> int:
    """Return the beats in which a stationary operand moves."""
    return {"rows": rows, "columns": columns, "pes": rows * columns, "at_once": 1, "none": 0}[path]


def _first_drained_earlier(timing: Timing, row_hops: int, column_hops: int) -> int:
    """Return by how many cycles the first row or column starts its drain before the last one."""
    if timing.load_waits_for != "first_pe":
        return 0
    return {"rows": column_hops, "columns": row_hops}.get(timing.drain_path, 0)


def _transfer_cycles(
    timing: Timing, output_stationary: bool, beats: int, stream: Count
) -> tuple[Count, Count]:
    """Return what serial transfers take before a fold, and behind it."""
    copied, interval = timing.serial_transfers, timing.transfer_interval_cycles
    stationary = beats if "stationary" in copied and not output_stationary else 0
    outputs = stream * 0 + beats if output_stationary else stream
    return (
        (stream * ("inputs" in copied) + stationary) * interval,
        outputs * ("outputs" in copied) * interval,
    )


def larger(a: Count, b: Count | int) -> Count:
    """Return the larger of two counts, element by element for arrays."""
    return (a + b + abs(a - b)) // 2


def smaller(a: Count, b: Count | int) -> Count:
    """Return the smaller of two counts, element by element for arrays."""
    return (a + b - abs(a - b)) // 2
