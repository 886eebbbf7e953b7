"""A view of made-up numbers, for the panels that take any table: no machine, no run."""

from __future__ import annotations

from itertools import product
from typing import Any

from reports.quantities import Quantity


def quantity(key: str, label: str, unit: str, role: str) -> dict[str, Any]:
    meaning = f"Made up: {label.lower()}."
    one = Quantity(key=key, label=label, unit=unit, meaning=meaning, is_shown=True, role=role)
    return one.as_record()


COLUMNS = [
    quantity("name", "Point", "text", "label"),
    quantity("rows", "Array rows", "rows", "parameter"),
    quantity("dataflow", "Dataflow", "text", "parameter"),
    quantity("bandwidth", "Bandwidth", "GB/s", "parameter"),
    quantity("time", "Time", "s", "result"),
    quantity("area", "Area", "mm²", "result"),
    {**quantity("rate", "Rate", "inferences/s", "result"), "goal": "max"},
]


def view() -> dict[str, Any]:
    """Return a view as ``reports/page/README.md`` says, of 48 points by simple formulas."""
    rows = []
    for size, flow, bandwidth in product((8, 16, 32, 64), ("WS", "OS", "IS"), (4, 8, 16, 32)):
        time = 1 / size**2 + 0.02 / bandwidth + {"WS": 0, "OS": 0.0005, "IS": 0.001}[flow]
        area = 0.01 * size**2 + 0.3 * bandwidth
        rows.append([f"{flow} {size} {bandwidth}", size, flow, bandwidth, time, area, 1 / time])
    return {
        "name": "made up",
        "title": "Made-up numbers, no simulation",
        "subtitle": "to try the panels",
        "sentences": ["Made up: none of these numbers is of a machine."],
        "warnings": [],
        "numbers": [],
        "table": {
            "columns": COLUMNS,
            "rows": rows,
            "filters": ["dataflow"],
            "title": "Points",
            "rows_are": "points",
        },
        "panels": [{"kind": "parallel"}, {"kind": "pareto"}, {"kind": "table"}],
    }
