"""Comparisons of runs as text, and as HTML for notebooks."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import inf

from accel.units import FS_PER_SECOND, format_bytes, format_time
from foundation.html import html_lines, html_table, html_title
from reports.compare import Change, Comparison, LayerDifference
from reports.tables import NUMBER_IN_NAME, aligned_columns

#: Rows of changes that text shows; JSON has all.
MOST_CHANGES = 20
_MOST_NAMES = 8
_CHANGE_HEADS = ("part", "key", "before", "after")
_WHY_HEADS = ("for an inference", "before", "after", "saved", "share")
_LAYER_HEADS = (
    *("layer", "cycles before", "after", "speed-up", "mostly", "saves"),
    *("DRAM before", "after", "bound by"),
)
_WORDS_OF_LAYER = (0, 4, 8)

FOOTNOTES = (
    "speed-up: time for an inference before over that after; the geometric mean is that of layers"
    " that take time in both runs, unweighted.",
    "×n: n layers with the same numbers in one line. Times and cycles: cycles are of the whole"
    " batch, times of an inference.",
    "mostly: what most of the difference is, compute cycles or what is stalled for; saves: how much"
    " less of it, negative if more.",
    "share: of the difference in time; parts that got longer are negative.",
)


def comparisons_text(comparisons: Sequence[Comparison]) -> str:
    """Return all comparisons as text, an overview first where there are several."""
    blocks = [_text(comparison) for comparison in comparisons]
    if len(comparisons) > 1:
        blocks.insert(0, _overview(comparisons))
    return "\n\n".join([*blocks, "\n".join(FOOTNOTES)])


def comparisons_html(comparisons: Sequence[Comparison]) -> str:
    """Return all comparisons as HTML for a notebook."""
    return "".join(map(_html, comparisons)) + html_lines(FOOTNOTES)


def _text(comparison: Comparison) -> str:
    """Return what is faster, what changed, why, and every layer."""
    blocks = [
        [*_headlines(comparison), *(f"warning: {text}" for text in comparison.warnings)],
        _changed(comparison.changes),
        aligned_columns(_WHY_HEADS, _why(comparison), left=[0]),
        aligned_columns(_LAYER_HEADS, _rows(comparison.layers), left=_WORDS_OF_LAYER),
        _only(comparison),
    ]
    return "\n\n".join("\n".join(lines) for lines in blocks if lines)


def _html(comparison: Comparison) -> str:
    headline, *others = _headlines(comparison)
    return "".join(
        [
            html_title(headline),
            html_lines([*others, *comparison.warnings]),
            html_table(_CHANGE_HEADS, _change_rows(comparison.changes)),
            html_table(_WHY_HEADS, _why(comparison)),
            html_table(_LAYER_HEADS, _rows(comparison.layers)),
            html_lines(_only(comparison)),
        ]
    )


def _headlines(comparison: Comparison) -> list[str]:
    total, mean = comparison.total, comparison.geometric_mean
    lines = [
        f"{comparison.after.name} is {_figure(total.speed_up)} times as fast as"
        f" {comparison.before.name}: {_time(total.before_s)} -> {_time(total.after_s)}"
    ]
    if mean is not None:
        count = len(comparison.timed_layers)
        lines.append(f"geometric mean of the speed-ups of {count} layers: {mean:.3g}")
    return lines


def _overview(comparisons: Sequence[Comparison]) -> str:
    first = comparisons[0].before
    body = [[first.name, _time(comparisons[0].total.before_s), "1", "1"]]
    for comparison in comparisons:
        total, mean = comparison.total, comparison.geometric_mean
        body.append(
            [comparison.after.name, _time(total.after_s), _figure(total.speed_up), _figure(mean)]
        )
    heads = ("run", "time for an inference", "speed-up", "geometric mean of layers")
    return "\n".join(aligned_columns(heads, body, left=[0]))


def _changed(changes: Sequence[Change]) -> list[str]:
    if not changes:
        return ["Nothing changed: network, machine and options are equal."]
    rows = _change_rows(changes)
    lines = aligned_columns(_CHANGE_HEADS, rows, left=range(len(_CHANGE_HEADS)))
    more = len(changes) - len(rows)
    return [*lines, f"and {more} more changes, which --json prints"] if more else lines


def _change_rows(changes: Sequence[Change]) -> list[list[str]]:
    return [[c.part, c.key, c.before or "-", c.after or "-"] for c in changes[:MOST_CHANGES]]


def _why(comparison: Comparison) -> list[list[str]]:
    """Return where time, bytes and bounds went: parts of the time by what they save."""
    total = comparison.total
    saved_s = total.saved_s
    difference_s = total.before_s - total.after_s
    rows = []
    for part in sorted(saved_s, key=lambda part: -abs(saved_s[part])):
        times = [*total.parts[part], saved_s[part]]
        share = f"{float(saved_s[part] / difference_s):.0%}" if difference_s else "-"
        rows.append([part, *map(_time, times), share])
    for operand, (before, after) in comparison.dram_bytes.items():
        sizes = (before, after, before - after)
        rows.append([f"main memory, {operand}", *map(_size, sizes), ""])
    for name, (before, after) in comparison.bound_shares.items():
        rows.append([f"time bound by {name}", f"{before:.0%}", f"{after:.0%}", "", ""])
    return rows


def _rows(layers: Sequence[LayerDifference]) -> list[list[str]]:
    """Return the table's rows; layers whose names differ in numbers only and are equal are one."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for layer in layers:
        pattern = NUMBER_IN_NAME.sub("*", layer.name)
        groups.setdefault((pattern, *_cells(layer)), []).append(layer.name)
    return [
        [f"{pattern} ×{len(names)}" if len(names) > 1 else names[0], *cells]
        for (pattern, *cells), names in groups.items()
    ]


def _cells(layer: LayerDifference) -> list[str]:
    before, after, difference = layer.before, layer.after, layer.difference
    part = difference.main_part
    return [
        f"{before.total_cycles:,}",
        f"{after.total_cycles:,}",
        _figure(difference.speed_up),
        part or "-",
        _time(difference.saved_s[part]) if part else "-",
        format_bytes(before.total_dram_bytes),
        format_bytes(after.total_dram_bytes),
        " -> ".join(dict.fromkeys((before.bound_by, after.bound_by))),
    ]


def _only(comparison: Comparison) -> list[str]:
    both = (
        (comparison.before, comparison.only_before),
        (comparison.after, comparison.only_after),
    )
    lines = []
    for run, layers in both:
        names = [layer.name for layer in layers]
        more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
        if names:
            lines.append(f"only in {run.name}: {', '.join(names[:_MOST_NAMES])}{more}")
    return lines


def _time(seconds: Fraction) -> str:
    if not seconds:
        return "0"
    sign = "-" if seconds < 0 else ""
    return f"{sign}{format_time(round(abs(seconds) * FS_PER_SECOND))}"


def _size(size_bytes: float) -> str:
    return f"{'-' if size_bytes < 0 else ''}{format_bytes(abs(size_bytes))}"


def _figure(ratio: float | None) -> str:
    if ratio is None:
        return "-"
    return "∞" if ratio == inf else f"{ratio:.3g}"
