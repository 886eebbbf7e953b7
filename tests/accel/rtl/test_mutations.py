"""Faults put into the Verilog: each must show in an event or a value."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from accel.array_events import final_outputs, modelled
from accel.rtl.bench import DESIGN, Case, run_cases
from tests.accel.arrays import array_spec, product

#: What goes wrong: the file, what stands there, and what stands there instead.
FAULTS = {
    "a row's skew one register short": (
        "operand_array",
        ".WIDTH(9), .CYCLES(r)",
        ".WIDTH(9), .CYCLES(r == 0 ? 0 : r-1)",
    ),
    "a column's skew of the load one register long": (
        "operand_array",
        ".WIDTH(8), .CYCLES(c)",
        ".WIDTH(8), .CYCLES(c+1)",
    ),
    "a load that moves one row too many": (
        "operand_array",
        "~({ROWS{1'b1}} << 1 << load_beat)",
        "~({ROWS{1'b1}} << 2 << load_beat)",
    ),
    "psums without a register between rows": (
        "pe_operand",
        "psum_out   <= psum_in + moving_in * operand;",
        "psum_out   <= moving_in * operand;",
    ),
    "an operand taken over one input late": (
        "pe_operand",
        "first_in ? loaded : held",
        "first_out ? loaded : held",
    ),
    "an operand that isn't held": (
        "pe_operand",
        "held <= operand",
        "held <= loaded",
    ),
    "products of unsigned operands": (
        "pe_operand",
        "psum_in + moving_in * operand",
        "psum_in + $unsigned(moving_in) * operand",
    ),
    "a moving operand without its register": (
        "pe_operand",
        "moving_out <= moving_in;",
        "moving_out = moving_in;",
    ),
    "a load that starts one cycle early": (
        "operand_sequencer",
        "inputs_left <= AHEAD",
        "inputs_left <= AHEAD + 1",
    ),
    "a load that starts one cycle late": (
        "operand_sequencer",
        "inputs_left <= AHEAD",
        "inputs_left < AHEAD",
    ),
    "psums that reach the accumulators one cycle late": (
        "matrix_unit",
        "delay #(.WIDTH(BITS + 2), .CYCLES(ROWS)) way_down",
        "delay #(.WIDTH(BITS + 2), .CYCLES(ROWS + 1)) way_down",
    ),
    "a column's address one register short": (
        "matrix_unit",
        "delay #(.WIDTH(BITS + 2), .CYCLES(c)) skew",
        "delay #(.WIDTH(BITS + 2), .CYCLES(c == 0 ? 0 : c-1)) skew",
    ),
    "an accumulator that always overwrites": (
        "accumulator",
        "overwrite ? result : words[address] + result",
        "result",
    ),
    "an accumulator that always adds": (
        "accumulator",
        "overwrite ? result : words[address] + result",
        "words[address] + result",
    ),
    "a sum that doesn't start from zero": (
        "pe_output",
        "first_in ? 32'sd0 : held",
        "held",
    ),
    "a finished sum that doesn't stay": (
        "pe_output",
        "if (valid_in) held <= sum;",
        "if (1'b1) held <= sum;",
    ),
    "a finished sum that leaves without its last product": (
        "pe_output",
        "finished <= sum",
        "finished <= held",
    ),
    "a drain that moves a row too few": (
        "output_array",
        "{ROWS{1'b1}} << 1 << drain_beat",
        "{ROWS{1'b1}} << 2 << drain_beat",
    ),
    "a drain that starts one cycle early": (
        "output_sequencer",
        ".CYCLES(ROWS)) finish",
        ".CYCLES(ROWS - 1)) finish",
    ),
    "a fold that doesn't wait for the drain": (
        "output_sequencer",
        "fold_ready   = !streaming && drain_left <= ahead",
        "fold_ready   = !streaming",
    ),
    "rows drained in the wrong order": (
        "output_sequencer",
        "+ LAST - drain_beat",
        "+ drain_beat",
    ),
}


def _cases() -> list[Case]:
    """Folds behind one another, short and long ones, that overwrite and that add."""
    cases = []
    for dataflow in ("WS", "OS"):
        for registers in (1, 2):
            rng = np.random.default_rng(registers)
            extents = [(1, 2, 9, 8), (2, 7, 5, 1), (1, 12, 4, 7)]
            products = [product(rng, each, slot=slot) for slot, each in enumerate(extents)]
            products.append(product(rng, (1, 12, 4, 3), accumulate=True, slot=2))
            array = array_spec(3, 4, dataflow, registers)
            cases.append(Case(array=array, products=tuple(products)))
    return cases


def is_exact(cases: list[Case], simulator: str, design: list[Path]) -> bool:
    for case, outcome in zip(cases, run_cases(cases, simulator, design=design), strict=True):
        if outcome.failure or outcome.events != modelled(case.products, case.array):
            return False
        expected = final_outputs(case.products)
        if not all(map(np.array_equal, outcome.outputs, expected)):
            return False
    return True


def test_without_a_fault_the_cases_are_exact(simulator: str) -> None:
    assert is_exact(_cases(), simulator, list(DESIGN))


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_caught(fault: str, simulator: str, tmp_path: Path) -> None:
    part, right, wrong = FAULTS[fault]
    design = []
    for path in DESIGN:
        text = path.read_text()
        if path.stem == part:
            assert text.count(right) == 1
            text = text.replace(right, wrong)
        design.append(tmp_path / path.name)
        design[-1].write_text(text)
    assert not is_exact(_cases(), simulator, design)
