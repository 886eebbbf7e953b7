"""The Verilog without a warning."""

from __future__ import annotations

import pytest

from accel.rtl.bench import DESIGN
from accel.rtl.simulators import installed_simulators, lint


@pytest.mark.parametrize("output_stationary", [0, 1])
@pytest.mark.parametrize("registers", [1, 2])
@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (1, 4), (4, 1), (3, 7)])
def test_verilator_has_nothing_to_say(
    output_stationary: int, registers: int, rows: int, columns: int
) -> None:
    if "verilator" not in installed_simulators():
        pytest.skip(
            "Verilator, which lints the Verilog, isn't installed; apt-get install verilator"
        )
    parameters = {
        "OUTPUT_STATIONARY": output_stationary,
        "REGISTERS": registers,
        "ROWS": rows,
        "COLUMNS": columns,
    }
    assert lint(DESIGN, parameters, "matrix_unit") == ""
