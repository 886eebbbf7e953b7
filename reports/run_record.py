"""The folder of a run as a record that a page shows: a pure function of its files."""

from __future__ import annotations

import csv
import io
import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from accel.spec import AcceleratorSpec
from accel.spec_file import parse_spec
from accel.units import FS_PER_SECOND, format_bytes, format_hz, format_time
from foundation.errors import OutputError
from reports.energy import energy_line
from reports.files import MAKES_ONE, read_inputs, read_summary
from reports.quantities import LAYER, SUMMARY
from reports.roofline import ceilings
from reports.stats import added, largest
from reports.tables import rate
from reports.timeline_record import MAX_SLICES, timeline_record

#: Inputs that are longer than this aren't repeated on a page, whose reader has them anyway.
MAX_INPUT_CHARACTERS = 400_000
#: Columns that aren't numbers.
_TEXTS = ("layer", "operator", "shape", "bound_by")
_PARTS = ("waits_for", "stall_causes")
#: Layers that the summary names.
_SLOWEST = 3

Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFolder:
    """What a run wrote.

    Parameters
    ----------
    name
        The folder's.
    summary
        ``summary.json``.
    inputs
        File name to text of the resolved inputs.
    layers
        Rows of ``layers.csv``, and what follows from them: values of `reports.quantities.LAYER`.
    timeline
        ``timeline.json`` as a page takes it; None where there is none: the analytical engine has
        no timeline.
    """

    name: str
    summary: dict[str, Any]
    inputs: dict[str, str]
    layers: list[Row]
    timeline: dict[str, Any] | None


def read_run(folder: Path, *, max_slices: int = MAX_SLICES) -> RunFolder:
    """Return what is in the folder of a run; ``max_slices`` as in `timeline_record`.

    Raises
    ------
    OutputError
        When it isn't one, something is missing or can't be read, or its inputs have been changed.
    """
    if not folder.is_dir():
        raise OutputError(f"folder '{folder}': isn't a folder; {MAKES_ONE}")
    summary = read_summary(folder)
    inputs = read_inputs(folder, summary)
    layers = _layers(folder, summary)
    timeline = None
    if summary["engine"] != "analytical":
        timeline = _timeline(folder, max_slices)
    return RunFolder(
        name=folder.resolve().name, summary=summary, inputs=inputs, layers=layers, timeline=timeline
    )


def run_record(
    run: RunFolder,
    mapped: Mapping[str, Sequence[str]],
    *,
    without_mapping: str = "",
) -> dict[str, Any]:
    """Return what a page shows of a run: a view (``reports/page/README.md``).

    Parameters
    ----------
    run
        The run.
    mapped
        Layer to how it was mapped, in lines of text.
    without_mapping
        Why that isn't known, if it isn't.
    """
    summary = run.summary
    spec = parse_spec(run.inputs["hardware.yaml"], "hardware.yaml")
    rows = run.layers
    columns = [column for column in LAYER if column.key in rows[0]]
    texts = list(dict.fromkeys("\n".join(lines) for lines in mapped.values()))
    view: dict[str, Any] = {
        "name": run.name,
        "title": f"{summary['network']} on {summary['hardware']}",
        "subtitle": f"batch {summary['batch']}, {spec.label}, {format_hz(spec.clock_hz)},"
        f" {summary['engine']} engine",
        "sentences": sentences(run, rows, spec),
        "warnings": summary["warnings"],
        "numbers": _numbers(summary),
        "table": {
            "columns": [column.as_record() for column in columns],
            "rows": [[row[column.key] for column in columns] for row in rows],
            "filters": ["operator", "bound_by"],
        },
        "mappings": {
            "texts": texts,
            "of_layer": [
                texts.index("\n".join(mapped[row["layer"]])) if row["layer"] in mapped else None
                for row in rows
            ],
            "without": without_mapping,
        },
        "panels": [
            {"kind": "roofline", **_roofs(spec, summary)},
            {"kind": "stacks", "total": "total_cycles", "base": "compute_cycles"},
        ],
        "configuration": _configuration(run),
    }
    if run.timeline is not None:
        more = {"kind": "timeline", "clock_hz": summary["clock_hz"]}
        view["panels"].append({**more, **run.timeline})
    view["panels"].append({"kind": "table"})
    return view


def sentences(run: RunFolder, rows: Sequence[Row], spec: AcceleratorSpec) -> list[str]:
    """Return the summary in words."""
    summary = run.summary
    cycles = summary["total_cycles"]
    if not cycles:
        return [f"{summary['network']} takes no time on {summary['hardware']}: it moves no data."]
    return [
        f"{summary['network']}, batch {summary['batch']}, takes {format_time(summary['time_fs'])}"
        f" on {summary['hardware']} ({spec.label}, {format_hz(spec.clock_hz)}):"
        f" {rate(summary['inferences_per_s'])} inferences/s.",
        _work_sentence(summary, rows),
        summary["limit"],
        _slowest_sentence(rows),
        _traffic_sentence(summary),
        *_energy_sentences(summary, spec),
    ]


def _work_sentence(summary: Mapping[str, Any], rows: Sequence[Row]) -> str:
    cycles, stall = summary["total_cycles"], summary["stall_cycles"]
    text = (
        f"It does {summary['ops_per_s'] / 1e12:.4g} TOP/s,"
        f" {summary['ops_per_s'] / summary['peak_ops_per_s']:.1%} of what its array can do at most;"
        f" in {summary['compute_cycles'] / cycles:.0%} of the cycles what computes works"
    )
    waits = largest(added(row.get("waits_for", {}) for row in rows))
    if waits is None:
        return f"{text}."
    return (
        f"{text}, in {stall / cycles:.0%} it stalls, most of all for: {waits[0]}"
        f" ({waits[1] / stall:.0%} of the stall cycles)."
    )


def _slowest_sentence(rows: Sequence[Row]) -> str:
    slowest = sorted(rows, key=lambda row: -row["total_cycles"])[:_SLOWEST]
    first = slowest[0]
    together = sum(row["time_share"] for row in slowest)
    text = f"The longest layer is {first['layer']} ({_percent(first['time_share'])} of the time)"
    if len(slowest) < _SLOWEST:
        return f"{text}."
    return f"{text}; the {_SLOWEST} longest of {len(rows)} take {_percent(together)}."


def _percent(share: float) -> str:
    """Return a share in per cent, with a decimal where it is small."""
    return f"{share:.1%}" if share < 0.1 else f"{share:.0%}"


def _traffic_sentence(summary: Mapping[str, Any]) -> str:
    moved, least = summary["dram_bytes"], summary["compulsory_bytes"]
    times = f", {moved / least:.2f} times the compulsory {format_bytes(least)}" if least else ""
    return f"{format_bytes(moved)} cross main memory{times}."


def _energy_sentences(summary: Mapping[str, Any], spec: AcceleratorSpec) -> list[str]:
    if summary["energies_pj"] is None or spec.energy is None:
        return []
    line = energy_line(
        summary["energies_pj"],
        inferences=summary["batch"],
        has_leakage=spec.energy.leakage_mw is not None,
    )
    return [f"It takes {line}."]


def _numbers(summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the key numbers with their definitions."""
    cycles, least = summary["total_cycles"], summary["compulsory_bytes"]
    values = {
        **summary,
        "time_s": summary["time_fs"] / FS_PER_SECOND,
        "compute_share": summary["compute_cycles"] / cycles if cycles else None,
        "peak_share": summary["ops_per_s"] / summary["peak_ops_per_s"],
        "traffic_ratio": summary["dram_bytes"] / least if least else None,
    }
    known = [one for one in SUMMARY if values.get(one.key) is not None]
    return [{**one.as_record(), "value": values[one.key]} for one in known]


def _row(layer: Mapping[str, str], summary: Mapping[str, Any]) -> Row:
    """Return a row of ``layers.csv`` with its types, and what follows from it."""
    row: Row = {key: _value(key, text) for key, text in layer.items()}
    cycles, total = row["total_cycles"], summary["total_cycles"]
    row["time_share"] = cycles / total if total else 0.0
    seconds = cycles / summary["clock_hz"]
    row["ops_per_s"] = row["operations"] / seconds if cycles else 0.0
    if not row["macs"]:
        row["spatial_utilization"] = row["mac_utilization"] = None
    if not row["arithmetic_intensity_ops_per_byte"]:
        row["arithmetic_intensity_ops_per_byte"] = None
    row["dram_bytes"] = sum(row[f"dram_{name}_bytes"] for name in ("input", "weight", "output"))
    return row


def _value(key: str, text: str) -> Any:
    if key in _TEXTS:
        return text
    if key in _PARTS:
        parts = (part.rpartition(" ") for part in text.split("; ") if part)
        return {name: int(cycles) for name, _, cycles in parts}
    number = float(text)
    return int(text) if text.isdecimal() else number


def _roofs(spec: AcceleratorSpec, summary: Mapping[str, Any]) -> dict[str, Any]:
    """Return the roofs as a page draws them."""
    return {
        "ceilings": [
            {
                "label": one.label,
                "is_main": one.is_main,
                "bytes_per_s": one.bytes_per_s,
                "ops_per_s": one.ops_per_s,
            }
            for one in ceilings(spec, summary["peak_ops_per_s"])
        ],
        "memories": [memory.name for memory in spec.memories],
    }


def _configuration(run: RunFolder) -> dict[str, Any]:
    summary = run.summary
    options = {
        "engine": summary["engine"],
        "batch": summary["batch"],
        "split": summary["split"],
        "across": ", ".join(summary["across"]) or "none",
        **{f"search: {name}": value for name, value in summary["search"].items()},
    }
    return {
        "version": summary["tool_version"],
        "hash": summary["configuration_sha256"],
        "command": rerun_command(summary),
        "options": [[name, "none" if value is None else value] for name, value in options.items()],
        "files": [
            {
                "name": name,
                "sha256": sha256(text.encode()).hexdigest(),
                "text": text if len(text) <= MAX_INPUT_CHARACTERS else None,
                "characters": len(text),
            }
            for name, text in run.inputs.items()
        ],
    }


def rerun_command(summary: Mapping[str, Any]) -> str:
    """Return the command that runs the same once more, inside the run's folder."""
    words = ["rooftile", "run", "network.yaml", "--hw", "hardware.yaml"]
    if summary["across"]:  # mappings of groups stand in no file: they are searched again
        search = summary["search"]
        words += ["--across", ",".join(summary["across"]), "--objective", search["objective"]]
        words += ["--search", search["strategy"], "--seed", str(search["seed"])]
        if search["time_limit_s"] is not None:
            words += ["--time-limit", f"{search['time_limit_s']:g}"]
    else:
        words += ["--mapping", "mapping.yaml"]
    words += ["--split", summary["split"], "--engine", summary["engine"], "-o", "../again"]
    return shlex.join(words)


def _text(folder: Path, name: str) -> str:
    try:
        return (folder / name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise OutputError(
            f"folder '{folder}': has no readable {name}; give the folder of a finished run"
            f" ({MAKES_ONE})"
        ) from None


def _layers(folder: Path, summary: Mapping[str, Any]) -> list[Row]:
    rows = csv.DictReader(io.StringIO(_text(folder, "layers.csv")))
    try:
        layers = [_row(row, summary) for row in rows]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise _not_as_written(folder, "layers.csv") from None
    if len(layers) != summary["layers"]:
        raise _not_as_written(folder, "layers.csv")
    return layers


def _timeline(folder: Path, max_slices: int) -> dict[str, Any]:
    text = _text(folder, "timeline.json")
    try:
        return timeline_record(json.loads(text)["traceEvents"], max_slices=max_slices)
    except (ValueError, KeyError, TypeError, IndexError):
        raise _not_as_written(folder, "timeline.json") from None


def _not_as_written(folder: Path, name: str) -> OutputError:
    return OutputError(
        f"folder '{folder}': its {name} isn't the one that the run wrote; run it again into a new"
        " folder"
    )
