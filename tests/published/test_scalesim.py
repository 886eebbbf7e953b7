"""SCALE-Sim 3.0.0's array cycles and accesses: its own figures, and its conventions at random."""

from __future__ import annotations

import csv
from math import ceil
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from rooftile.validate.scalesim import COMPARED, validate_scalesim

REFERENCE = Path(__file__).with_name("scalesim.csv")

Row = dict[str, str | int | float]


def test_every_row_of_the_reference_is_exact() -> None:
    validation = validate_scalesim(REFERENCE)
    assert validation.text.splitlines()[-1] == "211 rows, 211 exact"
    assert validation.passed


def expected(flow: str, r: int, c: int, m: int, n: int, k: int) -> Row:
    """Return SCALE-Sim's columns as its documentation of conventions gives them."""
    rows, columns, stream = {"os": (m, n, k), "ws": (k, n, m), "is": (k, m, n)}[flow]
    folds = ceil(rows / r) * ceil(columns / c)
    fold_cycles = stream + r + c - 2 if flow == "os" else 2 * r + c + stream - 2
    return {
        "array_cycles": folds * fold_cycles,
        "mapping_efficiency_pct": 100 * rows * columns / (r * c * folds),
        "sram_input_reads": m * k * (1 if flow == "is" else ceil(n / c)),
        "sram_weight_reads": n * k * {"os": ceil(m / r), "ws": 1, "is": ceil(m / c)}[flow],
        "sram_output_writes": m * n + folds * (r + c) if flow == "os" else m * n * ceil(k / r),
    }


@st.composite
def convolutions(draw: st.DrawFn) -> Row:
    height, width = draw(st.integers(1, 60)), draw(st.integers(1, 60))
    fy, fx = draw(st.integers(1, min(7, height))), draw(st.integers(1, min(7, width)))
    channels, filters = draw(st.integers(1, 300)), draw(st.integers(1, 300))
    stride = draw(st.integers(1, 4))
    m = ceil((height - fy + stride) / stride) * ceil((width - fx + stride) / stride)
    return {
        "kind": "conv",
        "ifmap_h": height,
        "ifmap_w": width,
        "filter_h": fy,
        "filter_w": fx,
        "channels": channels,
        "num_filters": filters,
        "stride": stride,
        "M": m,
        "N": filters,
        "K": fy * fx * channels,
    }


sizes = st.integers(1, 5000)
gemms: st.SearchStrategy[Row] = st.builds(
    lambda m, n, k: {"kind": "gemm", "M": m, "N": n, "K": k}, sizes, sizes, sizes
)


@st.composite
def points(draw: st.DrawFn) -> Row:
    row = dict(draw(st.one_of(convolutions(), gemms)))
    flow = draw(st.sampled_from(["os", "ws", "is"]))
    r, c = draw(st.integers(1, 256)), draw(st.integers(1, 256))
    row |= {"array_rows": r, "array_cols": c, "dataflow": flow}
    return row | expected(flow, r, c, int(row["M"]), int(row["N"]), int(row["K"]))


@settings(max_examples=20)
@given(st.lists(points(), min_size=1, max_size=12))
def test_any_point_follows_the_conventions(rows: list[Row]) -> None:
    columns = list(dict.fromkeys(key for row in rows for key in row))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "points.csv"
        with path.open("w", newline="") as stream:
            writer = csv.DictWriter(stream, fieldnames=columns)
            writer.writeheader()
            writer.writerows(rows)
        validation = validate_scalesim(path)
    assert validation.passed, validation.text
    assert set(COMPARED) <= set(columns)
