"""Speed-ups between runs, and their geometric mean."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log
from pathlib import Path
from typing import TYPE_CHECKING, Any

from accel.units import FS_PER_SECOND
from foundation.errors import OutputError
from reports.figures.placing import legend_beneath
from reports.figures.style import GREY, PALETTE, distinct_names, format_ratio, shortened, style
from reports.files import read_summary

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MEAN = "geometric mean"
#: Bars of rows, at most: rows that take most of the baseline's time. But some rows in any case.
_MOST_BARS = 40
_LEAST_ROWS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTimes:
    """What a speed-up needs of a run.

    Parameters
    ----------
    folder, network, hardware
        Which run.
    time_s
        Of all layers, for each inference of its batch.
    layers_s
        Layer to seconds, likewise.
    """

    folder: str
    network: str
    hardware: str
    time_s: float
    layers_s: dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeedUps:
    """Speed-ups against a baseline.

    Parameters
    ----------
    title
        Of the picture.
    baseline
        Name of the design that all are compared with.
    designs
        Names of the others.
    rows
        Network or layer, its share of the baseline's time, and its speed-up by design, None where
        a design doesn't have it.
    means
        The geometric mean of a design's rows.
    totals
        The speed-up of all rows together: of the sums of their times.
    """

    title: str
    baseline: str
    designs: tuple[str, ...]
    rows: tuple[tuple[str, float, tuple[float | None, ...]], ...]
    means: tuple[float, ...]
    totals: tuple[float, ...]

    def records(self) -> list[dict[str, Any]]:
        """Return a line for each row, one for the mean and one for the total."""
        rows = [*self.rows, (MEAN, None, self.means), ("total", 1.0, self.totals)]
        return [
            {
                "name": name,
                "baseline_time_share": share,
                **{
                    f"{design}_speedup": value
                    for design, value in zip(self.designs, values, strict=True)
                },
            }
            for name, share, values in rows
        ]


def read_times(folder: Path) -> RunTimes:
    """Return the times in a run's folder.

    Raises
    ------
    OutputError
        When the folder isn't one of a finished run.
    """
    summary = read_summary(folder)
    path = folder / "layers.csv"
    inferences_hz = summary["clock_hz"] * summary["batch"]
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            layers = {
                row["layer"]: int(row["total_cycles"]) / inferences_hz
                for row in csv.DictReader(stream)
            }
    except (OSError, ValueError, KeyError):
        raise OutputError(
            f"folder '{folder}': has no readable layers.csv; give the folder of a finished run"
        ) from None
    return RunTimes(
        folder=str(folder),
        network=summary["network"],
        hardware=summary["hardware"],
        time_s=summary["time_fs"] / FS_PER_SECOND / summary["batch"],
        layers_s=layers,
    )


def speed_ups(runs: Sequence[RunTimes]) -> SpeedUps:
    """Return the speed-ups of runs of one network, layer by layer, or of several networks.

    Of one network the first run is the baseline; of several the first run's machine is.

    Raises
    ------
    OutputError
        There is nothing to compare, or twice the same.
    """
    networks = list(dict.fromkeys(run.network for run in runs))
    if len(runs) < 2:
        raise OutputError(f"speedup: compares 2 or more runs but {len(runs)} is given; give more")
    if len(networks) == 1:
        return _of_layers(runs)
    return _of_networks(runs, networks)


def _of_layers(runs: Sequence[RunTimes]) -> SpeedUps:
    names = distinct_names([run.hardware for run in runs], [run.folder for run in runs])
    base = runs[0]
    times = {
        name: [run.layers_s.get(name) for run in runs]
        for name, seconds in base.layers_s.items()
        if seconds
    }
    totals = tuple(base.time_s / run.time_s for run in runs[1:] if run.time_s)
    return _compared(f"{base.network}, layer by layer", names, times, base.time_s, totals)


def _of_networks(runs: Sequence[RunTimes], networks: Sequence[str]) -> SpeedUps:
    machines = list(dict.fromkeys(run.hardware for run in runs))
    if len(machines) == 1:
        raise OutputError(
            f"speedup: {len(networks)} networks run on 1 machine, '{machines[0]}'; give runs on"
            " another machine, too"
        )
    found: dict[tuple[str, str], RunTimes] = {}
    for run in runs:
        other = found.setdefault((run.network, run.hardware), run)
        if other is not run:
            raise OutputError(
                f"speedup: '{run.folder}' and '{other.folder}' are both {run.network} on"
                f" {run.hardware}; leave one out"
            )
    times: dict[str, list[float | None]] = {}
    for network in networks:
        each = [found.get((network, machine)) for machine in machines]
        if each[0] is None:
            raise OutputError(
                f"speedup: {network} has no run on '{machines[0]}', with which all are compared;"
                " give it, or give another run first"
            )
        times[network] = [run.time_s if run else None for run in each]
    base_s = sum(row[0] or 0.0 for row in times.values())
    totals = tuple(
        _ratio_of_sums([(row[0], row[i]) for row in times.values()])
        for i in range(1, len(machines))
    )
    return _compared(f"{len(networks)} networks", machines, times, base_s, totals)


def _ratio_of_sums(pairs: Sequence[tuple[float | None, float | None]]) -> float:
    both = [(base, other) for base, other in pairs if base and other]
    return sum(base for base, _ in both) / sum(other for _, other in both)


def _compared(
    what: str,
    names: Sequence[str],
    times: dict[str, list[float | None]],
    base_s: float,
    totals: tuple[float, ...],
) -> SpeedUps:
    rows = []
    for name, (base, *others) in times.items():
        assert base is not None, "the baseline has all rows"
        rows.append((name, base / base_s, tuple(base / o if o else None for o in others)))
    means = tuple(
        geometric_mean([value for _, _, row in rows if (value := row[i]) is not None])
        for i in range(len(names) - 1)
    )
    return SpeedUps(
        title=f"Speed-up of {what}, against {names[0]}",
        baseline=names[0],
        designs=tuple(names[1:]),
        rows=tuple(rows),
        means=means,
        totals=totals,
    )


def geometric_mean(values: Sequence[float]) -> float:
    """Return the n-th root of the product of n values: the mean of ratios; NaN without any."""
    return exp(sum(map(log, values)) / len(values)) if values else float("nan")


def draw_speed_ups(figure: Figure, shown: SpeedUps) -> None:
    """Draw a bar for each row and design, then the mean and the total, on a logarithmic axis."""
    from matplotlib.patches import Patch
    from matplotlib.ticker import LogLocator, NullFormatter

    count = len(shown.designs)
    most = max(_LEAST_ROWS, _MOST_BARS // count)
    largest = sorted(shown.rows, key=lambda row: -row[1])[:most]
    rows = [(name, values) for name, _, values in shown.rows if name in {r[0] for r in largest}]
    rows += [(MEAN, shown.means), ("total", shown.totals)]
    figure.set_size_inches(9.6, 1.7 + 0.15 * len(rows) * (count + 0.6))
    axes = figure.add_subplot()
    left = len(shown.rows) + 2 - len(rows)
    title = shown.title + (f"; without {left} shorter ones" if left else "")
    style(axes, shortened(title, 200), "speed-up (baseline's time over time, no unit)", "")
    axes.grid(False, axis="y")
    height = 0.84 / count
    values = [value for _, row in rows for value in row if value is not None and value == value]
    low, high = min([*values, 1.0]) / 1.15, max([*values, 1.0]) * 1.35
    axes.set(xscale="log", xlim=(low, high))
    for number in range(count):
        for place, (_, row) in enumerate(rows):
            value = row[number]
            if value is None:
                continue
            y = place - 0.42 + height * (number + 0.5)
            colour = PALETTE[number % len(PALETTE)]
            axes.barh(y, value - 1, left=1, height=height * 0.9, color=colour)
            axes.annotate(
                f"{format_ratio(value)}×",
                (max(value, 1.0), y),
                (3, 0),
                textcoords="offset points",
                va="center",
                fontsize=7,
            )
    axes.axvline(1, color=GREY, linewidth=1)
    axes.axhline(len(rows) - 2.5, color=GREY, linewidth=0.8)
    axes.set_yticks(range(len(rows)), [shortened(name, 34) for name, _ in rows], fontsize=8)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=12))
    axes.xaxis.set_major_formatter(lambda x, _: f"{x:,g}×")
    axes.xaxis.set_minor_formatter(NullFormatter())
    handles = [
        Patch(color=PALETTE[n % len(PALETTE)], label=shortened(design, 40))
        for n, design in enumerate(shown.designs)
    ]
    legend_beneath(figure, handles, None)
