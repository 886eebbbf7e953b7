"""What a training step computes in each of its parts, and what it holds in memory."""

from __future__ import annotations

from typing import Any

from accel.units import format_bytes
from workloads.training.backward import RECOMPUTED
from workloads.training.memory import CLASSES, StepMemory, memory_of
from workloads.training.step import PHASES, TrainingStep


def training_record(step: TrainingStep) -> dict[str, Any]:
    """Return MACs by part of the step, and bytes by class, as plain data."""
    memory = memory_of(step)
    return {
        "macs": _macs(step),
        "recomputed_macs": _recomputed_macs(step),
        "memory_bytes": dict(memory.most_bytes),
        "memory_at_peak_bytes": dict(memory.peak_bytes),
        "peak_bytes": memory.total_peak_bytes,
        "peak_layer": memory.peak_layer,
        "bytes_per_parameter": _bytes_per_parameter(step, memory),
    }


def training_text(step: TrainingStep) -> str:
    """Return MACs by part of the step, and a table of bytes by class."""
    memory = memory_of(step)
    parts = [f"{count:,} {phase}" for phase, count in _macs(step).items() if count]
    again = _recomputed_macs(step)
    of_which = f", {again:,} of backward to compute again what isn't kept" if again else ""
    rows = [("memory", "most", "at the peak")]
    rows += [
        (name, format_bytes(memory.most_bytes[name]), format_bytes(memory.peak_bytes[name]))
        for name in CLASSES
    ]
    rows.append(("all", format_bytes(memory.total_peak_bytes), ""))
    lines = [f"{name:<16}{most:>12}{peak:>14}".rstrip() for name, most, peak in rows]
    return "\n".join(
        [
            f"MACs: {', '.join(parts)}{of_which}",
            *lines,
            f"The peak is in {memory.peak_layer}. Weights, gradients and optimizer state take"
            f" {_bytes_per_parameter(step, memory):.4g} bytes a parameter.",
        ]
    )


def _macs(step: TrainingStep) -> dict[str, int]:
    totals = dict.fromkeys(PHASES, 0)
    for layer in step.graph.layers:
        totals[step.phases[layer.name]] += step.graph.macs(layer)
    return totals


def _recomputed_macs(step: TrainingStep) -> int:
    return sum(
        step.graph.macs(layer)
        for layer in step.graph.layers
        if layer.name.startswith(f"{RECOMPUTED}.") and step.phases[layer.name] == "backward"
    )


def _bytes_per_parameter(step: TrainingStep, memory: StepMemory) -> float:
    held = sum(memory.most_bytes[name] for name in ("weights", "gradients", "optimizer state"))
    return held / step.graph.total_parameters
