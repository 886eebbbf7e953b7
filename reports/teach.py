"""A matrix product on a systolic array as a web page that steps through its cycles.

What the page shows comes from the array run PE by PE; its marks come from the closed form.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from html import escape
from string import Template

import numpy as np
from numpy.typing import NDArray

from accel.array_events import Events, layout, modelled
from accel.folds import Product
from accel.pe_array import FoldEvents, run
from accel.pe_grid import NONE, Grid, Snapshot
from accel.spec import ArraySpec
from accel.systolic import DATAFLOWS, OPERAND_DIMENSIONS, Dataflow
from reports.pages import embedded, page_text

#: What a PE does in a cycle; the page has a style for each.
STATES = ("idle", "unused", "waiting", "draining", "loading", "computing")

_NAMES = {"WS": "weight-stationary", "OS": "output-stationary", "IS": "input-stationary"}
_SENTENCES = {
    "WS": (
        "Each PE keeps one weight still. Inputs move to the right, sums move down and grow by one"
        " product in each PE."
    ),
    "OS": (
        "Each PE keeps the sum of one output still. Inputs move to the right, weights move down;"
        " finished sums then leave at the bottom."
    ),
    "IS": (
        "Each PE keeps one input still. Weights move to the right, sums move down and grow by one"
        " product in each PE."
    ),
}
_REGISTERS = {
    (False, 2): "With two registers, the next fold moves in while this one computes.",
    (False, 1): "With one register, the next fold moves in once this one has passed.",
    (True, 2): "With two registers, finished sums leave while the next fold computes.",
    (True, 1): "With one register, the next fold starts once the finished sums have left.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LessonFold:
    """What fills the array once: which part of the product, and when.

    Parameters
    ----------
    row_start, column_start
        Indices of the dimensions on the rows and columns, at PE (0, 0).
    mapped_rows, mapped_columns
        PEs that have work; the others get zeros.
    stream
        Inputs streamed through.
    events
        When, in cycles.
    """

    row_start: int
    column_start: int
    mapped_rows: int
    mapped_columns: int
    stream: int
    events: FoldEvents


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A result that leaves the array.

    Parameters
    ----------
    column
        Of the array.
    fold
        Number of the fold that it comes from.
    m, n
        Its place in the output.
    psum
        What leaves the array.
    value
        What the output then holds: the sum over the folds so far.
    is_final
        Whether no fold adds to it any more.
    """

    column: int
    fold: int
    m: int
    n: int
    psum: int
    value: int
    is_final: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One cycle; lists have an entry for each PE, row by row.

    Parameters
    ----------
    moving, crossing, held, second
        What the PEs have: see ``accel.pe_grid.Snapshot``.
    fold
        Number of the fold that a PE works for, -1 for none.
    state
        Index into ``STATES``.
    written
        Results that leave the array.
    """

    moving: list[int]
    crossing: list[int]
    held: list[int]
    second: list[int]
    fold: list[int]
    state: list[int]
    written: list[Written]

    @property
    def busy_pes(self) -> int:
        """PEs that compute a product that the output needs."""
        return self.state.count(STATES.index("computing"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """All that the page shows.

    Parameters
    ----------
    title, sentence, registers_sentence
        What it is about.
    rows, columns
        R and C, in PEs.
    dataflow
        Which of the dimensions M, N and K lies along what.
    registers
        Of the stationary operand in a PE.
    dimensions
        Which dimensions each operand has, its rows first.
    states
        Names of the states.
    input, weight
        The operands, shapes (M, K) and (K, N).
    folds
        In order.
    events
        The product's events by the closed form.
    frames
        Cycle by cycle, from 0.
    utilization
        Busy PEs of all PEs, in each cycle.
    average_utilization
        The same over all cycles.
    """

    title: str
    sentence: str
    registers_sentence: str
    rows: int
    columns: int
    dataflow: Dataflow
    registers: int
    dimensions: dict[str, str]
    states: tuple[str, ...]
    input: list[list[int]]
    weight: list[list[int]]
    folds: list[LessonFold]
    events: Events
    frames: list[Frame]
    utilization: list[float]
    average_utilization: float


def make_lesson(product: Product, array: ArraySpec) -> Lesson:
    """Return the lesson of a product of one pair of matrices, on an idle array."""
    flow = DATAFLOWS[array.dataflow]
    registers = array.timing.stationary_registers
    placed = layout([product], array)
    snapshots: list[Snapshot] = []
    result = run(
        placed.folds[0],
        output_stationary=flow.output_stationary,
        registers=registers,
        memory_words=placed.words,
        watch=snapshots.append,
    )
    folds = list(_folds(product, array, flow, result.events))
    frames = _frames(snapshots, folds, product, flow)
    busy_pes = [frame.busy_pes for frame in frames]
    _, m, n, k = product.extents
    return Lesson(
        title=f"{m}×{k} · {k}×{n} on a {array.rows}×{array.columns} {_NAMES[flow.name]} array",
        sentence=_SENTENCES[flow.name],
        registers_sentence=_REGISTERS[flow.output_stationary, registers],
        rows=array.rows,
        columns=array.columns,
        dataflow=flow,
        registers=registers,
        dimensions=OPERAND_DIMENSIONS,
        states=STATES,
        input=product.input[0].tolist(),
        weight=product.weight[0].tolist(),
        folds=folds,
        events=modelled([product], array)[0],
        frames=frames,
        utilization=[busy / array.pes for busy in busy_pes],
        average_utilization=sum(busy_pes) / (array.pes * len(frames)),
    )


def page(lesson: Lesson) -> str:
    """Return the lesson as one HTML page that needs nothing else: no other file, no network."""
    return Template(page_text("teach.html")).substitute(
        title=escape(lesson.title),
        style=page_text("teach.css"),
        script=page_text("teach.js"),
        lesson=embedded(asdict(lesson)),
    )


def _folds(
    product: Product, array: ArraySpec, flow: Dataflow, events: Sequence[FoldEvents]
) -> Iterator[LessonFold]:
    """Yield which part of the product each fold is, in the order of ``accel.folds``."""
    _, m, n, k = product.extents
    extents = {"M": m, "N": n, "K": k}
    height, width = extents[flow.rows], extents[flow.columns]
    row_starts, column_starts = range(0, height, array.rows), range(0, width, array.columns)
    starts = (
        [(row, column) for row in row_starts for column in column_starts]
        if flow.output_stationary
        else [(row, column) for column in column_starts for row in row_starts]
    )
    for (row, column), when in zip(starts, events, strict=True):
        yield LessonFold(
            row_start=row,
            column_start=column,
            mapped_rows=min(array.rows, height - row),
            mapped_columns=min(array.columns, width - column),
            stream=extents[flow.time],
            events=when,
        )


def _frames(
    snapshots: Sequence[Snapshot], folds: Sequence[LessonFold], product: Product, flow: Dataflow
) -> list[Frame]:
    _, m, n, k = product.extents
    output = np.zeros((m, n), np.int64)
    states = _StateFinder(folds, flow, *snapshots[0].fold.shape)
    frames = []
    for cycle, snapshot in enumerate(snapshots):
        state, fold = states.at(cycle, snapshot.fold)
        frames.append(
            Frame(
                moving=snapshot.moving.ravel().tolist(),
                crossing=snapshot.crossing.ravel().tolist(),
                held=snapshot.held.ravel().tolist(),
                second=snapshot.second.ravel().tolist(),
                fold=fold.ravel().tolist(),
                state=state.ravel().tolist(),
                written=list(_written(snapshot, folds, flow, output, k)),
            )
        )
    return frames


def _written(
    snapshot: Snapshot, folds: Sequence[LessonFold], flow: Dataflow, output: Grid, depth: int
) -> Iterator[Written]:
    """Yield the results that leave the array, and add them to the output."""
    results = snapshot.results
    for column, number, word, psum in zip(
        results.columns.tolist(),
        results.folds.tolist(),
        results.words.tolist(),
        results.psums.tolist(),
        strict=True,
    ):
        fold = folds[number]
        is_mapped_row = not flow.output_stationary or word < fold.mapped_rows
        if column >= fold.mapped_columns or not is_mapped_row:
            continue
        place = {flow.columns: fold.column_start + column}
        if flow.output_stationary:
            place[flow.rows] = fold.row_start + word
        else:
            place[flow.time] = word
        m, n = place["M"], place["N"]
        output[m, n] += psum
        yield Written(
            column=column,
            fold=number,
            m=m,
            n=n,
            psum=psum,
            value=int(output[m, n]),
            is_final=flow.output_stationary or fold.row_start + fold.mapped_rows == depth,
        )


class _StateFinder:
    """Says what each PE does in a cycle."""

    def __init__(
        self, folds: Sequence[LessonFold], flow: Dataflow, rows: int, columns: int
    ) -> None:
        self._folds = folds
        self._flow = flow
        self._rows = rows
        self._row, self._column = np.indices((rows, columns))

    def at(self, cycle: int, computed: Grid) -> tuple[Grid, Grid]:
        """Return states and folds, shape (R, C).

        ``computed`` is the fold whose product each PE computes, -1 for none. Of all that a PE does
        at once the last of ``STATES`` is what counts.
        """
        state, fold = np.zeros_like(computed), np.full_like(computed, NONE)
        for number, candidate in enumerate(self._folds):
            if not candidate.events.accepted <= cycle <= candidate.events.last_output:
                continue
            is_computed = computed == number
            is_mapped = self._is_mapped(candidate, self._row)
            found = {
                "unused": is_computed & ~is_mapped,
                "computing": is_computed & is_mapped,
                **self._moves(cycle, candidate),
            }
            for name, where in found.items():
                wins = where & (STATES.index(name) > state)
                state[wins], fold[wins] = STATES.index(name), number
        return state, fold

    def _moves(self, cycle: int, fold: LessonFold) -> dict[str, NDArray[np.bool_]]:
        """Return which PEs load, drain or keep for later what is the fold's."""
        skew = self._row + self._column
        if self._flow.output_stationary:
            shifts = np.maximum(cycle - fold.events.first_output - self._column, 0)
            is_finished = cycle > fold.events.last_input + skew
            return {"draining": is_finished & self._is_mapped(fold, self._row - shifts)}
        # A beat is in the top row's register in the cycle after it was on the port.
        beat = cycle - fold.events.accepted - self._column - 1
        operand_row = self._rows - 1 - beat + self._row
        is_loading = (beat >= self._row) & (beat < self._rows)
        is_waiting = (beat >= self._rows) & (cycle < fold.events.first_input + skew)
        return {
            "loading": is_loading & self._is_mapped(fold, operand_row),
            "waiting": is_waiting & self._is_mapped(fold, self._row),
        }

    def _is_mapped(self, fold: LessonFold, operand_row: Grid) -> NDArray[np.bool_]:
        """Return whether what was meant for these rows is more than padding."""
        is_row: NDArray[np.bool_] = (operand_row >= 0) & (operand_row < fold.mapped_rows)
        return is_row & (self._column < fold.mapped_columns)
