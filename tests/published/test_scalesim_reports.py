"""Topologies on configurations, against the reports that SCALE-Sim 3.0.0 writes for them."""

from __future__ import annotations

from pathlib import Path

import pytest

from reports.scalesim import compute_report
from rooftile.simulation import simulate

TOPOLOGIES = {
    "conv": (
        "Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter,"
        " Strides,\nConv1, 18, 18, 3, 3, 8, 24, 1,\nConv2, 16, 16, 3, 3, 20, 40, 2,\n"
        "FC, 1, 1, 1, 1, 100, 10, 1,\n"
    ),
    "gemm": "Layer,M,N,K,\nL0,40,30,50,\nL1,16,16,16,\n",
}
CONFIGURATION = """\
[general]
run_name = reference
[architecture_presets]
ArrayHeight: 16
ArrayWidth: 16
IfmapSramSzkB: 64
FilterSramSzkB: 64
OfmapSramSzkB: 64
IfmapOffset: 0
FilterOffset: 10000000
OfmapOffset: 20000000
Bandwidth : 10
Dataflow : {dataflow}
ReadRequestBuffer: 32
WriteRequestBuffer: 32
[layout]
IfmapCustomLayout: False
FilterCustomLayout: False
[sparsity]
SparsitySupport : false
[run_presets]
InterfaceBandwidth: CALC
UseRamulatorTrace: False
"""
#: COMPUTE_REPORT.csv of SCALE-Sim 3.0.0 from PyPI, run as it is (with layouts and sparsity off):
#: total cycles, mapping efficiency, compute utilization of every layer. No layer stalls.
REPORTS = {
    ("os", "conv"): [
        (3263, 75.0, 52.94117647058824),
        (2519, 83.33333333333334, 71.42857142857143),
        (129, 3.90625, 3.0048076923076925),
    ],
    ("os", "gemm"): [(479, 78.125, 48.828125), (45, 100.0, 34.78260869565217)],
    ("ws", "conv"): [
        (3019, 67.5, 54.511041009463725),
        (3959, 78.125, 40.00000000000002),
        (328, 55.80357142857143, 0.9000576036866359),
    ],
    ("ws", "gemm"): [(687, 73.2421875, 29.00680693069307), (61, 100.0, 20.77922077922078)],
    ("is", "conv"): [
        (5599, 90.0, 25.41176470588235),
        (4127, 93.75, 37.12871287128714),
        (391, 5.580357142857143, 0.7859657947686118),
    ],
    ("is", "gemm"): [(911, 65.10416666666666, 21.46291208791208), (61, 100.0, 20.77922077922078)],
}
ROWS, COLUMNS = 16, 16


@pytest.mark.parametrize(("dataflow", "topology"), REPORTS)
@pytest.mark.parametrize("engine", ["cycle", "analytical"])
def test_reports_are_scalesims(dataflow: str, topology: str, engine: str, tmp_path: Path) -> None:
    network, machine = tmp_path / f"{topology}.csv", tmp_path / "scale.cfg"
    network.write_text(TOPOLOGIES[topology])
    machine.write_text(CONFIGURATION.format(dataflow=dataflow))
    result = simulate(network, machine, engine=engine)
    header, *lines = compute_report(result.report).splitlines()
    assert header == (
        "LayerID, Total Cycles, Stall Cycles, Overall Util %, Mapping Efficiency %, Compute Util %,"
    )
    for number, (line, layer) in enumerate(zip(lines, result.report.layers, strict=True)):
        last_cycle, mapping, compute = REPORTS[dataflow, topology][number]
        cells = [float(cell) for cell in line.split(",")[:-1]]
        assert cells[0] == number
        assert cells[1] - cells[2] == last_cycle + 1
        assert cells[4] == pytest.approx(mapping, rel=1e-12)
        assert cells[3] == pytest.approx(
            100 * layer.work.macs / (ROWS * COLUMNS * cells[1]), rel=1e-12
        )
        fold_cycles = (last_cycle + 1) / layer.work.folds
        longer = 0 if dataflow == "os" else COLUMNS - 1  # what SCALE-Sim adds to a fold
        assert cells[5] == pytest.approx(compute * (fold_cycles + longer) / fold_cycles, rel=1e-12)
