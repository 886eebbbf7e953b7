"""The folder of a run: written as a whole or not at all."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from accel.trace import Repeated
from foundation.errors import OutputError
from mapper.plan import Plan
from reports.figures.run_roofline import write_roofline
from reports.report import Report
from reports.roofline import make_roofline
from reports.summary import sentence, shares_by_bound
from reports.timeline import write_timeline

#: The command that makes a run's folder, for messages.
MAKES_ONE = "`rooftile run NETWORK --hw SPEC -o FOLDER` makes one"
#: The resolved inputs in a run's folder.
INPUT_NAMES = ("network.yaml", "hardware.yaml", "mapping.yaml")
#: Changes when a key of summary.json changes its name or meaning.
SCHEMA_VERSION = 4


def check_output_folder(folder: Path) -> None:
    """Raise OutputError unless ``folder`` can be made: before a run, not after it."""
    try:
        folder.lstat()
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as error:
        raise _cannot_write(folder, error) from None
    else:
        raise OutputError(
            f"output folder '{folder}': exists already; choose another name or remove it"
        )
    parent = folder.absolute().parent
    if not parent.is_dir():
        raise OutputError(
            f"output folder '{folder}': its parent '{parent}' isn't a folder; make it first"
        )
    if not os.access(parent, os.W_OK | os.X_OK):
        raise OutputError(
            f"output folder '{folder}': no permission to write in '{parent}'; choose another place"
        )


def write_folder(
    folder: Path,
    report: Report,
    plan: Plan,
    traces: Sequence[Sequence[Repeated]],
    *,
    inputs: Mapping[str, str],
    tool_version: str,
    plots: bool,
    more: Mapping[str, str] | None = None,
) -> Path:
    """Write a run to a new folder, and return it.

    Parameters
    ----------
    folder
        Must not exist; its parent must.
    report, plan, traces
        The run; an analytical one has no traces.
    inputs
        File name to text of the inputs as they were resolved.
    tool_version
        For the summary.
    plots
        Whether to draw the roofline.
    more
        File name to text of what is asked for besides.

    Raises
    ------
    OutputError
        When the folder exists or can't be written. Nothing is left half-written.
    """

    def files(partial: Path) -> None:
        _write_files(partial, report, plan, traces, inputs, tool_version, plots)
        for name, text in (more or {}).items():
            (partial / name).write_text(text, encoding="utf-8")

    return write_whole(folder, files)


def write_whole(folder: Path, files: Callable[[Path], None]) -> Path:
    """Write files to a new folder as a whole or not at all, and return it.

    Parameters
    ----------
    folder
        Must not exist; its parent must.
    files
        Writes them into the folder that it is given.

    Raises
    ------
    OutputError
        When the folder exists or can't be written. Nothing is left half-written.
    """
    check_output_folder(folder)
    try:
        partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.absolute().parent))
    except OSError as error:
        raise _cannot_write(folder, error) from None
    try:
        files(partial)
        partial.chmod(0o755)
        partial.rename(folder)
    except OSError as error:
        raise _cannot_write(folder, error) from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder


def read_summary(folder: Path) -> dict[str, Any]:
    """Return the summary of a run's folder.

    Raises
    ------
    OutputError
        When the folder isn't one, or was written by another version.
    """
    path = folder / "summary.json"
    try:
        summary = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise OutputError(
            f"folder '{folder}': has no readable summary.json; give the folder of a finished run"
            f" ({MAKES_ONE})"
        ) from None
    version = summary.get("schema_version") if isinstance(summary, dict) else None
    if version != SCHEMA_VERSION:
        raise OutputError(
            f"folder '{folder}': its summary has schema version {version} but this version reads"
            f" {SCHEMA_VERSION}; run it again"
        )
    return dict(summary)


def read_inputs(folder: Path, summary: Mapping[str, Any]) -> dict[str, str]:
    """Return file name to text of a run's resolved inputs.

    Raises
    ------
    OutputError
        When one is missing, or they have been changed since the run.
    """
    try:
        inputs = {name: (folder / name).read_text(encoding="utf-8") for name in INPUT_NAMES}
    except (OSError, UnicodeDecodeError):
        *others, last = INPUT_NAMES
        raise OutputError(
            f"folder '{folder}': {', '.join(others)} or {last} is missing; give the folder of a"
            " finished run"
        ) from None
    if digest(inputs) != summary["configuration_sha256"]:
        raise OutputError(
            f"folder '{folder}': its inputs have been changed since the run; run it again into a"
            " new folder"
        )
    return inputs


def _cannot_write(folder: Path, error: OSError) -> OutputError:
    reason = error.strerror or str(error)
    return OutputError(
        f"output folder '{folder}': can't be written ({reason[:1].lower()}{reason[1:]});"
        " nothing was left behind"
    )


def _write_files(
    folder: Path,
    report: Report,
    plan: Plan,
    traces: Sequence[Sequence[Repeated]],
    inputs: Mapping[str, str],
    tool_version: str,
    plots: bool,
) -> None:
    roofline = make_roofline(report)
    for name, text in inputs.items():
        (folder / name).write_text(text, encoding="utf-8")
    with (folder / "layers.csv").open("w", encoding="utf-8", newline="") as stream:
        records = report.records()
        writer = csv.DictWriter(stream, fieldnames=list(records[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(records)
    summary = run_summary(report, plan, inputs=inputs, tool_version=tool_version)
    (folder / "summary.json").write_text(
        json.dumps(summary, indent=2, allow_nan=False) + "\n", encoding="utf-8"
    )
    if not report.is_estimate:
        with (folder / "timeline.json").open("w", encoding="utf-8") as stream:
            write_timeline(stream, report, plan, traces)
    if plots:
        write_roofline(roofline, [folder / "roofline.png", folder / "roofline.svg"])


def digest(inputs: Mapping[str, str]) -> str:
    """Return the hash of the resolved inputs: equal hashes, equal runs."""
    return hashlib.sha256("\0".join(inputs[name] for name in sorted(inputs)).encode()).hexdigest()


def run_summary(
    report: Report, plan: Plan, *, inputs: Mapping[str, str], tool_version: str
) -> dict[str, Any]:
    """Return what summary.json says of a run: totals, what was asked for, what it depends on."""
    return {
        **_summary(report),
        "split": plan.split,
        "across": list(plan.across),
        "search": plan.options.as_record(),
        "tool_version": tool_version,
        "configuration_sha256": digest(inputs),
    }


def _summary(report: Report) -> dict[str, Any]:
    works = {layer.work_number: layer.work for layer in report.layers}
    return {
        "schema_version": SCHEMA_VERSION,
        "engine": report.engine,
        "network": report.network,
        "hardware": report.spec.name,
        "batch": report.batch,
        "layers": len(report.layers),
        "total_cycles": report.total_cycles,
        "compute_cycles": sum(layer.work.compute_cycles for layer in report.layers),
        "stall_cycles": sum(layer.work.stall_cycles for layer in report.layers),
        "clock_hz": report.spec.clock_hz,
        "time_fs": report.time_fs,
        # Nothing takes time in a network of views: JSON has no infinity.
        "inferences_per_s": report.inferences_per_s if report.time_fs else None,
        "total_macs": report.total_macs,
        "ops_per_s": report.ops_per_s,
        "peak_ops_per_s": report.peak_ops_per_s,
        "dram_bytes": sum(layer.work.total_dram_bytes for layer in report.layers),
        "compulsory_bytes": sum(layer.work.compulsory_bytes for layer in report.layers),
        # None where the machine doesn't say what its parts take.
        "energy_pj": None if report.no_energy else report.energy_pj,
        "energies_pj": None if report.no_energy else report.energies_pj,
        "energy_delay_pj_s": None if report.no_energy else report.energy_delay_pj_s,
        # With any, the energies above are lower bounds.
        **({"unknown_energies": unknown} if (unknown := list(report.unknown_energies)) else {}),
        "time_share_by_bound": shares_by_bound(report),
        "limit": sentence(report),
        "warnings": list(report.warnings),
        "tiles": sum(work.tiles for work in works.values()),
        **({} if report.is_estimate else {"events": sum(work.events for work in works.values())}),
    }
