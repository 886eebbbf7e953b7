"""The utilization heat map: layers against what of the machine they fill."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reports.figures.heat import Heat, draw_heat
from reports.figures.machine_roofline import run_title
from reports.figures.stacks import MOST_BARS, grouped
from reports.figures.style import percent, shortened, style
from reports.report import Report, WorkReport

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_ROW_INCHES = 0.2
_FRAME_INCHES = 1.2
_NOTHING = float("nan")


@dataclass(frozen=True, slots=True, kw_only=True)
class UtilizedLayer:
    """Layers of equal work; ``shares`` by what is filled, None for what they don't use."""

    name: str
    count: int
    time_share: float
    shares: Mapping[str, float | None]

    @property
    def label(self) -> str:
        """Its name, how many there are, and their share of the time."""
        several = "" if self.count == 1 else f" ×{self.count}"
        return f"{self.name}{several}  {percent(self.time_share)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Utilization:
    """Layers in execution order."""

    title: str
    layers: tuple[UtilizedLayer, ...]

    def records(self) -> list[dict[str, Any]]:
        """Return a line for each distinct work, with a column for each share."""
        return [
            {
                "layer": layer.name,
                "layers": layer.count,
                "time_share": layer.time_share,
                **{f"{what.replace(' ', '_')}_share": v for what, v in layer.shares.items()},
            }
            for layer in self.layers
        ]


def utilization(report: Report) -> Utilization:
    """Return how far layers fill PEs and the time of each unit and main memory.

    ``PEs mapped`` is over folds, the others over the layer's time.
    """
    layers = tuple(
        UtilizedLayer(
            name=group[0].name,
            count=len(group),
            time_share=len(group) * group[0].work.total_cycles / report.total_cycles,
            shares=_shares(group[0].work),
        )
        for group in grouped(report)
    )
    return Utilization(title=run_title(report), layers=layers)


def _shares(work: WorkReport) -> dict[str, float | None]:
    busy = {
        f"{name} busy": cycles / work.total_cycles if cycles else None
        for name, cycles in work.resources.items()
    }
    return {
        "PEs mapped": work.spatial_utilization if work.macs else None,
        "MACs": work.mac_utilization if work.macs else None,
        **busy,
    }


def draw_utilization(figure: Figure, shown: Utilization) -> None:
    """Draw the layers that take most of the time, in execution order."""
    by_time = sorted(shown.layers, key=lambda layer: -layer.time_share)[:MOST_BARS]
    least = by_time[-1].time_share
    layers = [layer for layer in shown.layers if layer.time_share >= least][:MOST_BARS]
    names = list(layers[0].shares)
    figure.set_size_inches(9.6, _FRAME_INCHES + _ROW_INCHES * max(len(layers), 8))
    axes = figure.add_subplot()
    left = len(shown.layers) - len(layers)
    title = shown.title + (f"; without {left} shorter layers" if left else "")
    style(axes, shortened(title, 200), "", "layer, with its share of the time")
    heat = Heat(
        rows=[layer.label for layer in layers],
        columns=names,
        values=[
            [_NOTHING if layer.shares[n] is None else float(layer.shares[n] or 0) for n in names]
            for layer in layers
        ],
        low=0.0,
        high=1.0,
        label="share of PEs, of MACs, of the layer's time (no unit)",
        text=percent,
    )
    draw_heat(figure, axes, heat)
