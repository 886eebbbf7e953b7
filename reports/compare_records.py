"""Comparisons of runs as records for programs: JSON and CSV."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from io import StringIO
from math import inf
from typing import Any

from reports.compare import Comparison, Difference
from reports.finished_run import OPERANDS, LayerRecord


def comparisons_record(comparisons: Sequence[Comparison]) -> dict[str, Any]:
    """Return all comparisons as JSON can say them; every key ends in its unit."""
    return {
        "before": comparisons[0].before.name,
        "comparisons": [_record(comparison) for comparison in comparisons],
    }


def comparisons_csv(comparisons: Sequence[Comparison]) -> str:
    """Return a row for each run and layer, in the order of the first run, then of the other."""
    stream = StringIO()
    rows = [
        {"before": comparison.before.name, "after": comparison.after.name, **row}
        for comparison in comparisons
        for row in _layer_records(comparison)
    ]
    writer = csv.DictWriter(stream, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


def _record(comparison: Comparison) -> dict[str, Any]:
    total = comparison.total
    return {
        "after": comparison.after.name,
        "total": {
            "before_cycles": comparison.before.total_cycles,
            "after_cycles": comparison.after.total_cycles,
            **_difference_record(total),
            "geometric_mean_speed_up": comparison.geometric_mean,
            "parts": {
                part: {"before_s": float(before), "after_s": float(after)}
                for part, (before, after) in total.parts.items()
            },
        },
        "dram_bytes": {
            operand: {"before_bytes": before, "after_bytes": after}
            for operand, (before, after) in comparison.dram_bytes.items()
        },
        "time_share_by_bound": {
            name: {"before": before, "after": after}
            for name, (before, after) in comparison.bound_shares.items()
        },
        "changes": [
            {"part": c.part, "key": c.key, "before": c.before, "after": c.after}
            for c in comparison.changes
        ],
        "layers": list(_layer_records(comparison)),
        "warnings": list(comparison.warnings),
    }


def _layer_records(comparison: Comparison) -> Iterable[dict[str, Any]]:
    for layer in comparison.layers:
        yield {
            **_layer_record(layer.name, layer.before, layer.after),
            **_difference_record(layer.difference),
            "main_part": layer.difference.main_part,
        }
    unknown = {"before_s": None, "after_s": None, "speed_up": None, "main_part": None}
    for record in comparison.only_before:
        seconds = float(comparison.before.seconds(record.total_cycles))
        yield {**_layer_record(record.name, record, None), **unknown, "before_s": seconds}
    for record in comparison.only_after:
        seconds = float(comparison.after.seconds(record.total_cycles))
        yield {**_layer_record(record.name, None, record), **unknown, "after_s": seconds}


def _layer_record(
    name: str, before: LayerRecord | None, after: LayerRecord | None
) -> dict[str, Any]:
    both = {"before": before, "after": after}
    return {
        "layer": name,
        **{f"{when}_cycles": layer and layer.total_cycles for when, layer in both.items()},
        **{
            f"{when}_compute_cycles": layer and layer.compute_cycles for when, layer in both.items()
        },
        **{f"{when}_stall_cycles": layer and layer.stall_cycles for when, layer in both.items()},
        **{
            f"{when}_dram_{operand}_bytes": layer and layer.dram_bytes[operand]
            for operand in OPERANDS
            for when, layer in both.items()
        },
        **{f"{when}_bound_by": layer and layer.bound_by for when, layer in both.items()},
    }


def _difference_record(difference: Difference) -> dict[str, Any]:
    speed_up = difference.speed_up
    return {
        "before_s": float(difference.before_s),
        "after_s": float(difference.after_s),
        # JSON has no infinity.
        "speed_up": None if speed_up == inf else speed_up,
    }
