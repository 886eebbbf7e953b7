"""What a run's folder says of it, for those who compare it with other runs."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from foundation.document import parse
from foundation.errors import OutputError
from reports.files import INPUT_NAMES, read_inputs, read_summary

#: Operands whose main-memory bytes a run knows.
OPERANDS = ("input", "weight", "output")
#: What isn't an option but a result, or says what a thing is called.
_OPTIONS = ("engine", "split", "across", "search", "tool_version")
_NOT_COMPARED = ("notes",)


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerRecord:
    """One layer of a run.

    Parameters
    ----------
    name, operator, shape
        As in the table of layers.
    macs, operations
        Of the whole batch.
    compute_cycles, stall_cycles
        They add up to all cycles.
    causes
        Why it stalls, to stall cycles, which add up; None where the engine doesn't know.
    dram_bytes
        Operand to main-memory bytes.
    bound_by
        As in `reports.report.WorkReport`.
    """

    name: str
    operator: str
    shape: str
    macs: int
    operations: int
    compute_cycles: int
    stall_cycles: int
    causes: Mapping[str, int] | None
    dram_bytes: Mapping[str, int]
    bound_by: str

    @property
    def total_cycles(self) -> int:
        """Core cycles."""
        return self.compute_cycles + self.stall_cycles

    @property
    def total_dram_bytes(self) -> int:
        """Main-memory bytes of all operands."""
        return sum(self.dram_bytes.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """A finished run.

    Parameters
    ----------
    name
        What to call it: its folder, or network and machine.
    summary
        As in summary.json.
    layers
        In execution order.
    inputs
        File name to text of the resolved inputs.
    """

    name: str
    summary: Mapping[str, Any]
    layers: tuple[LayerRecord, ...]
    inputs: Mapping[str, str]

    @property
    def total_cycles(self) -> int:
        """Core cycles of all layers."""
        return sum(layer.total_cycles for layer in self.layers)

    @property
    def knows_causes(self) -> bool:
        """Whether the engine says why layers stall."""
        return all(layer.causes is not None for layer in self.layers[:1])

    def seconds(self, cycles: int) -> Fraction:
        """Return what cycles take for one inference: their duration over the batch."""
        return Fraction(cycles, self.summary["clock_hz"] * self.summary["batch"])

    def configuration(self) -> dict[tuple[str, str], str]:
        """Return what was run on what and how: (part, dotted key) to the value with its unit.

        Parts are ``hardware``, ``options`` and ``network``. Layers and memories stand under their
        names. What notes say isn't compared.
        """
        network, hardware, _ = (_resolved(name, self.inputs[name]) for name in INPUT_NAMES)
        options = {key: self.summary[key] for key in _OPTIONS}
        parts = {"hardware": hardware, "options": options, "network": network}
        return {
            (part, key): value
            for part, data in parts.items()
            for key, value in _flat(data, ())
            if key not in _NOT_COMPARED
        }


def read_run(folder: Path) -> RunRecord:
    """Return the run of a folder.

    Raises
    ------
    OutputError
        When it isn't a run of this version's format, its inputs have been changed since, or its
        layers aren't those of its summary.
    """
    summary = read_summary(folder)
    try:
        inputs = read_inputs(folder, summary)
        with (folder / "layers.csv").open(encoding="utf-8", newline="") as stream:
            record = run_record(str(folder), summary, csv.DictReader(stream), inputs)
        total = summary["total_cycles"]
    except OutputError:
        raise
    except (OSError, ValueError, KeyError, TypeError):
        raise OutputError(
            f"folder '{folder}': has no readable summary.json and layers.csv; give the folder of a"
            " finished run"
        ) from None
    if record.total_cycles != total:
        raise OutputError(
            f"folder '{folder}': the layers of layers.csv take {record.total_cycles} cycles but"
            f" its summary says {total}; run it again into a new folder"
        )
    return record


def run_record(
    name: str,
    summary: Mapping[str, Any],
    records: Iterable[Mapping[str, Any]],
    inputs: Mapping[str, str],
) -> RunRecord:
    """Return a run from its summary, its layers as in layers.csv, and its resolved inputs."""
    layers = tuple(_layer(record) for record in records)
    return RunRecord(name=name, summary=summary, layers=layers, inputs=inputs)


def _layer(record: Mapping[str, Any]) -> LayerRecord:
    causes = record.get("stall_causes")
    return LayerRecord(
        name=record["layer"],
        operator=record["operator"],
        shape=record["shape"],
        macs=int(record["macs"]),
        operations=int(record["operations"]),
        compute_cycles=int(record["compute_cycles"]),
        stall_cycles=int(record["stall_cycles"]),
        causes=None if causes is None else _causes(causes),
        dram_bytes={operand: int(record[f"dram_{operand}_bytes"]) for operand in OPERANDS},
        bound_by=record["bound_by"],
    )


def _causes(text: str) -> dict[str, int]:
    """Return cause to cycles of ``dependency 420; DRAM latency 82``."""
    pairs = (part.rpartition(" ") for part in text.split("; ") if part)
    return {cause: int(cycles) for cause, _, cycles in pairs}


def _resolved(name: str, text: str) -> Any:
    return parse(text, name, OutputError).data


def _flat(data: Any, path: tuple[str, ...]) -> Iterable[tuple[str, str]]:
    """Yield dotted keys and values as text; items that have names stand under them."""
    if isinstance(data, list) and data and all(isinstance(item, dict) for item in data):
        data = {item.get("name", str(number)): item for number, item in enumerate(data)}
    if isinstance(data, dict):
        for key, value in data.items():
            yield from _flat(value, (*path, key))
    else:
        yield ".".join(path), _text(data)


def _text(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_text, value))}]"
    if value is None:
        return "none"
    return str(value).lower() if isinstance(value, bool) else str(value)
