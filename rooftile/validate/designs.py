"""Array cycles against those measured on other people's RTL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from accel.several_arrays import matmul_work
from accel.spec import ArraySpec
from accel.spec_file import load_timing
from accel.systolic import DATAFLOWS, ArrayWork
from accel.timing import TIMINGS, Timing
from foundation.errors import RooftileError, nearest
from rooftile.validate.reference import integers, read_rows
from rooftile.validate.validation import Validation

#: What a row's cycles count, from the closed form of its product.
MEASURES = {
    "product": "from the first operand on the port to the last result stored",
    "load": "from a load's first beat to the first input",
    "stream": "from the first input to the last result, both counted",
}
_SIZES = ("rows", "columns", "groups", "M", "N", "K", "cycles")
_REQUIRED = ("design", "dataflow", "measures", *_SIZES)
#: Columns that change a parameter of the design for one row, where they aren't empty.
_CHANGES = ("multiplier_cycles", "adder_cycles")


def validate_designs(reference: Path, design: str | None = None) -> Validation:
    """Compare the closed form with every row of a reference file.

    Parameters
    ----------
    reference
        CSV whose column ``design`` has the name of a timing model, or of a YAML file with the keys
        of a hardware file's ``array.timing``.
    design
        A name or file to use for all rows instead.

    Raises
    ------
    RooftileError
        When the file isn't such a reference: which line and column.
    """
    required = _REQUIRED if design is None else _REQUIRED[1:]
    rows = read_rows(reference, required)
    exact, lines = 0, []
    for number, found in rows:
        row = found if design is None else found | {"design": design}
        where = f"{reference}:{number}"
        *_, expected = integers(row, _SIZES, where)
        measured = _measured(row, where)
        exact += measured == expected
        verdict = "exact" if measured == expected else f"instead of {expected:,}"
        lines.append(f"{number:>5}  {_title(row):<56} {measured:>9,} cycles  {verdict}")
    lines.append(f"{len(rows)} rows, {exact} exact")
    return Validation(text="\n".join(lines), passed=exact == len(rows))


def _title(row: Mapping[str, str]) -> str:
    groups = f"{row['groups']} x " if row["groups"] != "1" else ""
    return (
        f"{row['design']} {row['dataflow'].upper()} {row['rows']}x{row['columns']}"
        f"  {groups}M{row['M']} N{row['N']} K{row['K']}"
    )


def _measured(row: Mapping[str, str], where: str) -> int:
    """Return the closed form's cycles for one row."""
    rows, columns, groups, m, n, k, _ = integers(row, _SIZES, where)
    array = ArraySpec(
        rows=rows,
        columns=columns,
        dataflow=_one_of(row, "dataflow", list(DATAFLOWS), where, upper=True),
        timing=_design(row, where),
        dtypes=("int8",),
    )
    return _cycles(
        matmul_work(array, groups=groups, m=m, n=n, k=k, accumulate=0),
        _one_of(row, "measures", list(MEASURES), where),
    )


def _cycles(work: ArrayWork[int], measure: str) -> int:
    timing = work.timing
    match measure:
        case "load":
            return timing.first_input - timing.load_start
        case "stream":
            return timing.last_output - timing.first_input + 1
        case _:
            return timing.latency_cycles


def _design(row: Mapping[str, str], where: str) -> Timing:
    """Return the row's timing model, with the row's own pipeline depths."""
    name = row["design"]
    if name.endswith((".yaml", ".yml")):
        timing = load_timing(Path(name))
    else:
        timing = TIMINGS[_one_of(row, "design", list(TIMINGS), where)]
    changes: dict[str, Any] = {
        column: integers(row, (column,), where)[0] for column in _CHANGES if row.get(column)
    }
    return replace(timing, **changes)


def _one_of(
    row: Mapping[str, str], column: str, known: list[str], where: str, *, upper: bool = False
) -> str:
    value = row[column].upper() if upper else row[column]
    if value not in known:
        raise RooftileError(
            f"{where}: column '{column}' must be one of {', '.join(known)} but is"
            f" '{row[column]}'{nearest(value, known)}"
        )
    return value
