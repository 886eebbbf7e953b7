"""The timeline: how busy each unit is over time, with the main memories' bandwidth beneath."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from accel.trace import Repeated, Trace
from accel.units import Clock
from foundation.errors import OutputError
from reports.cores import plain_name
from reports.figures.machine_roofline import run_title
from reports.figures.placing import legend_beneath
from reports.figures.style import GREY, HEAT_MAP, PALETTE, shortened, style
from reports.report import Report

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Series = NDArray[np.float64]

#: Steps of the curves.
BINS = 400
_US_PER_S = 1e6
#: Width of a letter of a layer's name, and of a line of upright ones, as shares of the time axis.
_LETTER = 0.0085
_LINE = 0.0145
_UPRIGHT_LETTERS = 22
_WORDS = {"matrix": "array", "vector": "vector unit"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """A main memory over time: float arrays, shape (bins,); its peak is ``inf`` for no limit."""

    name: str
    read_bytes_per_s: Series
    written_bytes_per_s: Series
    peak_bytes_per_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """A run over time.

    Parameters
    ----------
    title
        Of the picture.
    edges_us
        float array, shape (bins + 1,): of the steps.
    layers
        Names, and their starts in microseconds.
    busy
        Unit to the share of each step in which it works, float array, shape (bins,): the mean of
        all cores.
    memories
        Their bandwidths.
    """

    title: str
    edges_us: Series
    layers: tuple[tuple[str, float], ...]
    busy: dict[str, Series]
    memories: tuple[Memory, ...]

    def records(self) -> list[dict[str, Any]]:
        """Return a line for each step."""
        return [
            {
                "start_us": float(self.edges_us[i]),
                "end_us": float(self.edges_us[i + 1]),
                **{f"{name.replace(' ', '_')}_share": float(v[i]) for name, v in self.busy.items()},
                **{
                    f"{memory.name}_{what}_bytes_per_s": float(values[i])
                    for memory in self.memories
                    for what, values in (
                        ("read", memory.read_bytes_per_s),
                        ("written", memory.written_bytes_per_s),
                    )
                },
            }
            for i in range(len(self.edges_us) - 1)
        ]


def timeline_of(report: Report, traces: Sequence[Sequence[Repeated]], bins: int = BINS) -> Timeline:
    """Return what units and main memories do over time, in steps of equal length.

    # Approximation: a transfer's bytes are spread evenly over the time it is under way.

    Raises
    ------
    OutputError
        Nothing takes time, or the analytical engine ran.
    """
    if report.is_estimate:
        raise OutputError(
            "timeline: the analytical engine doesn't know when units work; run it with --engine"
            " cycle into a new folder"
        )
    if not report.total_cycles:
        raise OutputError("timeline: nothing in this run takes time; there is nothing to draw")
    spec = report.spec
    clock = Clock(hz=spec.clock_hz)
    edges = np.linspace(0, report.total_cycles, bins + 1)
    done: dict[tuple[str, str], Series] = {}
    start = 0
    for layer in report.layers:
        for piece in traces[layer.work_number]:
            length = clock.cycle_at_or_after(piece.trace.end_fs)
            for key, breaks in _done_by(piece.trace, clock).items():
                total = done.setdefault(key, np.zeros(bins + 1))
                total += _repeated(edges - start, length, piece.count, *breaks)
            start += piece.count * length
    step_s = report.total_cycles / bins / spec.clock_hz
    rates = {key: np.diff(total) / step_s for key, total in done.items()}
    nothing = np.zeros(bins)
    # Cycles in a second of which each core has its own, so that the mean is a share.
    per_second = spec.clock_hz * spec.cores
    return Timeline(
        title=run_title(report),
        edges_us=edges / spec.clock_hz * _US_PER_S,
        layers=tuple(_starts(report)),
        busy={
            word: np.minimum(1.0, rates.get((unit, "cycles"), nothing) / per_second)
            for unit, word in _WORDS.items()
        },
        memories=tuple(
            Memory(
                name=memory.name,
                read_bytes_per_s=rates.get((f"load:{memory.name}", "bytes"), nothing),
                written_bytes_per_s=rates.get((f"store:{memory.name}", "bytes"), nothing),
                peak_bytes_per_s=memory.bandwidth_bytes_per_s,
            )
            for memory in spec.memories
        ),
    )


def _starts(report: Report) -> list[tuple[str, float]]:
    starts, start = [], 0
    for layer in report.layers:
        if layer.work.total_cycles:
            starts.append((layer.name, start / report.spec.clock_hz * _US_PER_S))
        start += layer.work.total_cycles
    return starts


def _done_by(trace: Trace, clock: Clock) -> dict[tuple[str, str], tuple[Series, Series]]:
    """Return by unit, of all cores, the times at which what it has done changes its pace.

    Each is a pair of arrays: times in cycles, and the cycles in which it has worked, or the bytes
    that it has moved, until then.
    """
    start, end = clock.cycles(trace["start_fs"]), clock.cycles(trace["end_fs"])
    is_busy = trace["cause"] < 0
    found = {}
    for name in dict.fromkeys(plain_name(unit) for unit in trace.units):
        numbers = [n for n, unit in enumerate(trace.units) if plain_name(unit) == name]
        rows = is_busy & np.isin(trace["unit"], numbers)
        if name in _WORDS:
            amounts = (end[rows] - start[rows]).astype(np.float64)
            found[name, "cycles"] = _cumulated(start[rows], end[rows], amounts)
        elif ":" in name:
            amounts = trace["bytes"][rows].astype(np.float64)
            found[name, "bytes"] = _cumulated(start[rows], end[rows], amounts)
    return found


def _cumulated(
    start: NDArray[np.int64], end: NDArray[np.int64], amounts: Series
) -> tuple[Series, Series]:
    """Return times, and what was done until then, of amounts spread over their time."""
    end = np.maximum(end, start + 1)
    pace = amounts / (end - start)
    times = np.concatenate([start, end])
    order = np.argsort(times, kind="stable")
    times = times[order].astype(np.float64)
    paces = np.cumsum(np.concatenate([pace, -pace])[order])
    sums = np.concatenate([[0.0], np.cumsum(paces[:-1] * np.diff(times))])
    return times, sums[: len(times)]


def _repeated(edges: Series, length: int, count: int, times: Series, sums: Series) -> Series:
    """Return what ``count`` repetitions of a piece, one after the other, have done at each edge."""
    if not len(times) or not length:
        return np.zeros(len(edges))
    inside = np.clip(edges, 0.0, float(count * length))
    whole = np.floor(inside / length)
    rest = inside - whole * length
    return np.asarray(whole * sums[-1] + np.interp(rest, times, sums), dtype=np.float64)


def draw_timeline(figure: Figure, timeline: Timeline) -> None:
    """Draw layers, units and, on the same axis of time, a panel for each main memory."""
    count = len(timeline.memories)
    named = _named(timeline)
    strip_inches = 1.25 if any(is_upright for _, _, is_upright in named) else 0.35
    figure.set_size_inches(9.6, 2.2 + strip_inches + 1.7 * count)
    heights = [strip_inches, 0.75, *[1.6] * count]
    strip, units, *panels = figure.subplots(
        len(heights), sharex=True, gridspec_kw={"height_ratios": heights}
    )
    _draw_layers(strip, timeline, named)
    image = units.imshow(
        np.array(list(timeline.busy.values())),
        aspect="auto",
        cmap=HEAT_MAP,
        vmin=0,
        vmax=1,
        interpolation="nearest",
        extent=(timeline.edges_us[0], timeline.edges_us[-1], len(timeline.busy) - 0.5, -0.5),
    )
    units.set_yticks(range(len(timeline.busy)), list(timeline.busy), fontsize=8)
    units.tick_params(length=0)
    units.spines[:].set_visible(False)
    for panel, memory in zip(panels, timeline.memories, strict=True):
        _draw_memory(panel, memory, timeline.edges_us)
    panels[-1].set_xlabel("time (µs)")
    panels[-1].xaxis.set_major_formatter(lambda x, _: f"{x:,g}")
    _legend(figure, image.cmap)


def _named(timeline: Timeline) -> list[tuple[str, float, bool]]:
    """Return the layers whose names have room: name, middle, and whether it stands upright."""
    end = float(timeline.edges_us[-1])
    found = []
    for (name, start), (_, stop) in pairwise([*timeline.layers, ("", end)]):
        is_upright = (stop - start) / end < _LETTER * len(name)
        if not is_upright or (stop - start) / end >= _LINE:
            found.append((name, (start + stop) / 2, is_upright))
    return found


def _draw_layers(axes: Axes, timeline: Timeline, named: Sequence[tuple[str, float, bool]]) -> None:
    """Draw each layer as a shaded stretch, with its name where there is room for it."""
    style(axes, shortened(timeline.title, 200), "", "")
    axes.grid(False)
    axes.set(yticks=[0.5], yticklabels=["layers"], ylim=(0, 1))
    axes.tick_params(length=0, labelsize=8)
    axes.spines[:].set_visible(False)
    stretches = [*timeline.layers, ("", float(timeline.edges_us[-1]))]
    for number, ((_, start), (_, stop)) in enumerate(pairwise(stretches)):
        axes.axvspan(start, stop, color="#e2e2e2" if number % 2 else "#f2f2f2", linewidth=0)
    for name, middle, is_upright in named:
        text = shortened(name, _UPRIGHT_LETTERS) if is_upright else shortened(name, len(name))
        axes.text(
            middle,
            0.5,
            text,
            rotation=90 if is_upright else 0,
            ha="center",
            va="center",
            fontsize=6.5,
        )


def _draw_memory(axes: Axes, memory: Memory, edges_us: Series) -> None:
    from matplotlib.ticker import EngFormatter

    style(axes, "", "", f"{shortened(memory.name, 14)}\n(bytes/s)")
    axes.stairs(memory.read_bytes_per_s, edges_us, fill=True, color=PALETTE[0])
    axes.stairs(
        memory.read_bytes_per_s + memory.written_bytes_per_s,
        edges_us,
        baseline=memory.read_bytes_per_s,
        fill=True,
        color=PALETTE[1],
    )
    highest = float((memory.read_bytes_per_s + memory.written_bytes_per_s).max())
    if memory.peak_bytes_per_s != inf:
        axes.axhline(memory.peak_bytes_per_s, color=GREY, linewidth=1, linestyle="--")
        highest = max(highest, memory.peak_bytes_per_s)
    axes.set_xlim(edges_us[0], edges_us[-1])
    axes.set_ylim(0, 1.12 * highest or 1.0)
    axes.yaxis.set_major_formatter(EngFormatter(unit="B/s"))
    axes.tick_params(labelsize=8)


def _legend(figure: Figure, hues: Any) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles = [
        Patch(color=hues(share), label=f"busy {share:.0%} of a step") for share in (0.25, 0.5, 1.0)
    ]
    handles += [Patch(color=PALETTE[0], label="read"), Patch(color=PALETTE[1], label="written")]
    peak = Line2D([], [], color=GREY, linestyle="--", label="peak bandwidth")
    legend_beneath(figure, [*handles, peak], None)
