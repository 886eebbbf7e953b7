"""The PE grid: for which share of the array's time each PE holds something useful."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from accel.durations import Durations
from accel.spec import ArraySpec
from accel.systolic import DATAFLOWS
from isa.instruction import MatMul
from mapper.plan import Plan
from reports.figures.heat import colour_scale
from reports.figures.style import HEAT_MAP, shortened, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Grid = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class PeGrid:
    """A grid of PEs.

    Parameters
    ----------
    title
        Of the picture.
    shares
        float array, shape (rows, columns): of the time in which the array works, that in which a
        PE holds a useful operand.
    """

    title: str
    shares: Grid

    def records(self) -> list[dict[str, Any]]:
        """Return a line for each PE."""
        rows, columns = self.shares.shape
        return [
            {"row": i, "column": j, "mapped_share": float(self.shares[i, j])}
            for i in range(rows)
            for j in range(columns)
        ]


def pe_grid(plan: Plan) -> PeGrid:
    """Return the PE grid of a mapped network.

    # Approximation: an instruction that several arrays share counts as on one of them: folds are
    the same, and their order over arrays isn't seen.
    """
    spec = plan.spec
    durations = Durations(spec, ())
    total, cycles = np.zeros((spec.array.rows, spec.array.columns)), 0.0
    for instruction, count in _instructions(plan):
        busy = count * durations.matmul_work(instruction).timing.occupancy_cycles
        total += busy * mapped_shares(spec.array, instruction)
        cycles += busy
    shares = total / cycles if cycles else total
    title = f"{plan.graph.name} on {spec.name}: {shares.mean():.0%} of PEs mapped"
    return PeGrid(title=f"{title} on average while the array works", shares=shares)


def _instructions(plan: Plan) -> Iterator[tuple[MatMul, int]]:
    """Yield one matrix instruction of each kind, and how often it is executed."""
    counts: Counter[tuple[Any, ...]] = Counter()
    first: dict[tuple[Any, ...], MatMul] = {}
    runs = Counter(planned.work for planned in plan.layers)
    for work, layers in runs.items():
        if not plan.program_count(plan.representative(work)):
            continue
        for program, count in plan.distinct_programs(work):
            for stream in program.streams.values():
                for instruction in stream:
                    if isinstance(instruction, MatMul):
                        key = (
                            instruction.extents,
                            instruction.dataflow,
                            instruction.dtype,
                            instruction.stored,
                        )
                        counts[key] += count * layers
                        first.setdefault(key, instruction)
    for key, count in counts.items():
        yield first[key], count


def mapped_shares(array: ArraySpec, instruction: MatMul) -> Grid:
    """Return the share of an instruction's folds in which each PE holds a useful operand.

    A float array, shape (rows, columns): folds fill the array from its first row and column on, and
    only the last one along each axis is smaller.
    """
    _, m, n, k = instruction.extents
    chosen = array.with_dataflow(instruction.dataflow)
    flow = DATAFLOWS[chosen.dataflow]
    steps = chosen.reduction(instruction.dtype, instruction.stored).steps(k)
    sizes = {"M": m, "N": n, "K": steps}
    return np.outer(
        _filled(sizes[flow.rows], array.rows), _filled(sizes[flow.columns], array.columns)
    )


def _filled(size: int, pes: int) -> Grid:
    """Return the share of folds that reach each PE along one axis."""
    full, rest = divmod(size, pes)
    reached = full + (np.arange(pes) < rest)
    return np.asarray(reached / -(-size // pes), dtype=np.float64)


def draw_pe_grid(figure: Figure, grid: PeGrid) -> None:
    """Draw the grid, PE (0, 0) at the top left."""
    figure.set_size_inches(7.2, 6.2)
    axes = figure.add_subplot()
    style(axes, shortened(grid.title, 200), "column of the array (PE)", "row of the array (PE)")
    axes.grid(False)
    image = axes.imshow(grid.shares, cmap=HEAT_MAP, vmin=0, vmax=1, interpolation="nearest")
    colour_scale(figure, axes, image, "share of the array's time with a useful operand (no unit)")
