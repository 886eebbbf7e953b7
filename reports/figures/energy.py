"""Energy by level: what each layer's components took, from main memory in to the MACs."""

from __future__ import annotations

from reports.energy import component_name
from reports.figures.energy_roofline import energy_title
from reports.figures.stacks import Bar, Stacks, grouped
from reports.report import Report

_PJ_PER_J = 1e12


def energy_stacks(report: Report) -> Stacks:
    """Return each layer's energy by component

    Raises
    ------
    SpecError
        The machine has no energies, or the analytical engine ran.
    """
    components = list(report.energies_pj)
    leaking = [name for name in components if name == "leakage"]
    outermost_first = [name for name in reversed(components) if name not in leaking] + leaking
    bars = [
        Bar(
            name=layers[0].name,
            count=len(layers),
            values={
                component_name(component): len(layers) * energy_pj
                for component, energy_pj in layers[0].work.energies_pj.items()
                if energy_pj
            },
        )
        for layers in grouped(report)
    ]
    return Stacks(
        title=energy_title(report),
        quantity="energy",
        unit="pj",
        axis_unit="J",
        in_axis_units=1 / _PJ_PER_J,
        parts=tuple(component_name(component) for component in outermost_first),
        bars=tuple(bars),
    )
