"""Runs the Verilog on sequences of matrix instructions and reads what its ports did."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from accel.array_events import Clocked, Events, Layout, by_instruction, layout, modelled
from accel.folds import Operand, Product, Words
from accel.pe_array import FoldEvents
from accel.ports import Ports
from accel.rtl.simulators import build_and_run
from accel.spec import ArraySpec
from accel.systolic import DATAFLOWS

_FOLDER = Path(__file__).resolve().parent
BENCH = _FOLDER / "bench.v"
#: The matrix unit, a part a file.
DESIGN = tuple(sorted(path for path in _FOLDER.glob("*.v") if path != BENCH))

#: Why a case has no events: most often a fold that is never accepted, or results that never come.
HUNG = "it didn't end in time"
#: A value with bits that the simulator calls unknown.
UNKNOWN = 1 << 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Matrix instructions that an array gets back to back."""

    array: ArraySpec
    products: tuple[Product, ...]

    @property
    def hardware(self) -> tuple[int, int, bool, int]:
        """What the Verilog is built for; WS and IS are the same hardware."""
        return (
            self.array.rows,
            self.array.columns,
            DATAFLOWS[self.array.dataflow].output_stationary,
            self.array.timing.stationary_registers,
        )


def run_cases(
    cases: Sequence[Case],
    simulator: str,
    *,
    design: Sequence[Path] = DESIGN,
    logs_results: bool = False,
    progress: Callable[[int], None] | None = None,
) -> list[Clocked]:
    """Return what the Verilog does with each case, one build for all cases of one array.

    Parameters
    ----------
    cases
        In any order; a case starts when the one before is over.
    simulator
        One of `accel.rtl.simulators.SIMULATORS`.
    design
        Verilog of the matrix unit.
    logs_results
        Whether the outcomes' ports hold the results' values.
    progress
        Called with the number of cases that are done after each build's.
    """
    groups: dict[tuple[int, int, bool, int], list[int]] = {}
    for number, case in enumerate(cases):
        groups.setdefault(case.hardware, []).append(number)
    outcomes: dict[int, Clocked] = {}

    def run_group(numbers: list[int]) -> None:
        found = _run_build([cases[number] for number in numbers], simulator, design, logs_results)
        outcomes.update(zip(numbers, found, strict=True))
        if progress:
            progress(len(outcomes))

    # The largest first, so that no core is idle at the end.
    longest_first = sorted(groups.values(), key=lambda part: -pe_cycles(cases[n] for n in part))
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        list(pool.map(run_group, longest_first))
    return [outcomes[number] for number in range(len(cases))]


def pe_cycles(cases: Iterable[Case]) -> int:
    """Return PEs times cycles of cases: what a simulator's time grows with."""
    return sum(
        case.array.pes * modelled(case.products, case.array)[-1].last_output for case in cases
    )


def _run_build(
    cases: Sequence[Case], simulator: str, design: Sequence[Path], logs_results: bool
) -> list[Clocked]:
    """Build the Verilog for one array and run cases on it."""
    rows, columns, output_stationary, registers = cases[0].hardware
    layouts = [layout(case.products, case.array) for case in cases]
    cycles = sum(modelled(case.products, case.array)[-1].last_output for case in cases)
    with TemporaryDirectory(prefix="rooftile-rtl-") as name:
        folder = Path(name)
        parameters = _write_stimuli(layouts, folder, output_stationary) | {
            "ROWS": rows,
            "COLUMNS": columns,
            "OUTPUT_STATIONARY": int(output_stationary),
            "REGISTERS": registers,
            "CYCLE_LIMIT": 2 * cycles + 1000 * len(cases),
            "LOG_RESULTS": int(logs_results),
        }
        build_and_run(simulator, [*design, BENCH], parameters, folder)
        *port_logs, hung_log = (folder / "ports.txt").read_text().split("end\n")
        word_lines = (folder / "words.txt").read_text().splitlines()
    outcomes, start = [], 0
    for case, placed, log in zip(cases, layouts, port_logs, strict=False):
        lines = word_lines[start : start + placed.words]
        start += placed.words
        outcomes.append(_outcome(case, placed, _ports(log, columns), lines))
    hung = Clocked(events=[], outputs=[], ports=_ports(hung_log, columns), failure=HUNG)
    return outcomes + [hung] * (len(cases) - len(outcomes))


def _write_stimuli(
    layouts: Sequence[Layout], folder: Path, output_stationary: bool
) -> dict[str, int]:
    """Write the bench's input files and return its parameters that say how long they are."""
    folds = [fold for placed in layouts for part in placed.folds for fold in part]
    largest = max(
        max(placed.words for placed in layouts),
        max(fold.stream for fold in folds),
        folds[0].stationary.shape[0],
    )
    bits = largest.bit_length() + 1
    case_lines = [f"{sum(map(len, p.folds)):08x}{p.words:08x}" for p in layouts]
    fold_lines = [
        f"{(fold.stream << bits | fold.address) << 1 | fold.overwrite:x}" for fold in folds
    ]
    row_lines = _hex(np.concatenate([fold.rows_stream for fold in folds]))
    # A load's first beat goes to the bottom row.
    columns = [
        fold.columns_stream if output_stationary else fold.stationary[::-1] for fold in folds
    ]
    column_lines = _hex(np.concatenate(columns))
    for name, lines in (
        ("cases", case_lines),
        ("folds", fold_lines),
        ("rows", row_lines),
        ("columns", column_lines),
    ):
        (folder / f"{name}.hex").write_text("\n".join(lines) + "\n")
    return {
        "BITS": bits,
        "CASES": len(case_lines),
        "FOLDS": len(fold_lines),
        "ROW_VECTORS": len(row_lines),
        "COLUMN_VECTORS": len(column_lines),
    }


def _hex(vectors: Operand) -> list[str]:
    """Return int8 vectors as hexadecimal numbers, element 0 in the lowest byte."""
    return [row.tobytes().hex() for row in np.ascontiguousarray(vectors[:, ::-1])]


def _ports(log: str, columns: int) -> Ports:
    """Return a case's lines of ``ports.txt`` as arrays."""
    lines = log.splitlines()
    flags = [line[: columns + 4] for line in lines]
    table = np.frombuffer("".join(flags).encode(), dtype="S1").reshape(-1, columns + 4) == b"1"
    values = [line[columns + 5 :] for line in lines]
    return Ports(
        ready=table[:, 0],
        accepted=table[:, 1],
        load=table[:, 2],
        stream=table[:, 3],
        valid=table[:, :3:-1],
        results=np.array([_values(line) for line in values]) if any(values) else None,
    )


def _values(line: str) -> list[int]:
    """Return 32-bit numbers written in hexadecimal, the last first; unknown ones as 2**32."""
    words = [line[start : start + 8] for start in range(0, len(line), 8)]
    unsigned = [int(word, 16) if word.isalnum() and "x" not in word else -1 for word in words]
    return [UNKNOWN if word < 0 else word - (word >> 31 << 32) for word in reversed(unsigned)]


def _outcome(case: Case, placed: Layout, ports: Ports, lines: list[str]) -> Clocked:
    """Return what a case's ports and accumulators say."""
    words = np.array([_values(line) for line in lines])
    failure = ""
    events: list[Events] = []
    outputs: list[Words] = []
    try:
        events = by_instruction(placed, *_fold_events(case, placed, ports))
    except ValueError as error:
        failure = str(error)
    if (words == UNKNOWN).any():
        word, column = np.argwhere(words == UNKNOWN)[0]
        failure = failure or f"accumulator word {word} of column {column} was never written"
    else:
        outputs = placed.outputs(words.astype(np.int32), case.array)
    return Clocked(events=events, outputs=outputs, ports=ports, failure=failure)


def _fold_events(case: Case, placed: Layout, ports: Ports) -> tuple[list[FoldEvents], int]:
    """Return the folds' events, and from when the array would have accepted another one.

    Raises
    ------
    ValueError
        The ports had more or fewer inputs or results than the folds have.
    """
    folds = [fold for part in placed.folds for fold in part]
    accepted = np.flatnonzero(ports.accepted)
    streams = [fold.stream for fold in folds]
    inputs = _split(np.flatnonzero(ports.stream), streams, "inputs on the port")
    output_stationary = DATAFLOWS[case.array.dataflow].output_stationary
    counts = [case.array.rows] * len(folds) if output_stationary else streams
    results = [
        _split(np.flatnonzero(ports.valid[:, column]), counts, f"results in column {column}")
        for column in range(case.array.columns)
    ]
    free = np.flatnonzero(ports.ready[accepted[-1] + 1 :])[0] + accepted[-1] + 1
    return [
        FoldEvents(
            accepted=int(accepted[number]),
            first_input=int(inputs[number][0]),
            last_input=int(inputs[number][-1]),
            first_output=min(int(column[number][0]) for column in results),
            last_output=max(int(column[number][-1]) for column in results),
        )
        for number in range(len(folds))
    ], int(free)


def _split(cycles: NDArray[np.intp], counts: Sequence[int], what: str) -> list[NDArray[np.intp]]:
    """Return the cycles of events, fold by fold."""
    if len(cycles) != sum(counts):
        raise ValueError(f"{len(cycles)} {what} where there must be {sum(counts)}")
    ends = [0, *np.cumsum(counts)]
    return [cycles[start:end] for start, end in pairwise(ends)]
