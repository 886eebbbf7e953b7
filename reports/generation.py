"""What it takes to answer prompts: first token, further tokens, and the caches between them."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from io import StringIO
from math import inf
from pathlib import Path
from typing import Any

from accel.spec import AcceleratorSpec
from accel.units import Clock, format_bytes, format_hz, format_time
from foundation.monotone_sum import MonotoneSum
from reports.figures.curves import Curve, write_curves
from reports.files import write_whole
from reports.tables import lines_of, rate


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationReport:
    """A generation on a machine.

    Parameters
    ----------
    network, batch, beams
        What answers how many prompts at once, with how many beginnings of an answer each.
    spec
        On what.
    prompt
        Tokens of each prompt, such as ``512`` or ``512,64x3``.
    tokens
        Tokens of each answer.
    first_cycles
        Until the first token.
    contexts
        Of the steps, one for each further token, with the longest prompt.
    steps
        Context to the cycles of a step, and their sum; None where the first token is the only one.
    growing_cycles
        Of the first and of the last step, what layers take that take another time in the other.
    cache_bytes
        Of all caches and states in the last step; 0 where there is none.
    warnings
        What a reader should know before trusting the numbers.
    """

    network: str
    batch: int
    beams: int
    spec: AcceleratorSpec
    prompt: str
    tokens: int
    first_cycles: int
    contexts: range
    steps: MonotoneSum | None
    growing_cycles: tuple[int, int]
    cache_bytes: int
    warnings: tuple[str, ...] = ()

    @property
    def steps_cycles(self) -> int:
        """Cycles of all steps."""
        return round(self.steps.total) if self.steps is not None else 0

    @property
    def total_cycles(self) -> int:
        """Cycles of the prefill and all steps."""
        return self.first_cycles + self.steps_cycles

    @property
    def error_cycles(self) -> float:
        """By how many the total may be off, if steps never get shorter as the context grows."""
        return self.steps.error if self.steps is not None else 0.0

    @property
    def tokens_per_s(self) -> float:
        """Tokens of all answers over the time for all of it."""
        time_s = self.seconds(self.total_cycles)
        return self.batch * self.tokens / time_s if time_s else inf

    def seconds(self, cycles: float) -> float:
        """Return the duration of cycles in seconds."""
        return cycles / self.spec.clock_hz

    def summary(self) -> dict[str, Any]:
        """Return all totals; every key ends in its unit."""
        return {
            "network": self.network,
            "hardware": self.spec.name,
            "batch": self.batch,
            "beams": self.beams,
            "prompt_tokens": self.prompt,
            "answer_tokens": self.tokens,
            "first_token_cycles": self.first_cycles,
            "steps_cycles": self.steps_cycles,
            "total_cycles": self.total_cycles,
            "error_cycles": self.error_cycles,
            "total_s": self.seconds(self.total_cycles),
            "tokens_per_s": self.tokens_per_s,
            "cache_bytes": self.cache_bytes,
        }

    def steps_csv(self) -> str:
        """Return one line for each step: its context, its cycles, and whether it was simulated."""
        stream = StringIO()
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(("context_tokens", "cycles", "time_s", "simulated"))
        if self.steps is not None:
            for context in self.contexts:
                cycles = self.steps.at(context)
                known = "yes" if context in self.steps.terms else "no"
                writer.writerow((context, cycles, self.seconds(cycles), known))
        return stream.getvalue()

    def curve(self) -> Curve:
        """Return a step's time by its context, with a mark where it was simulated."""
        terms = self.steps.terms if self.steps is not None else {}
        return Curve(
            label=f"{len(terms)} of {len(self.contexts)} steps simulated",
            x=tuple(terms),
            y=tuple(1e3 * self.seconds(cycles) for cycles in terms.values()),
        )

    def write(self, folder: Path | str) -> Path:
        """Write totals, steps, and a picture of the steps to a new folder.

        Raises
        ------
        OutputError
            When the folder exists or can't be written; nothing is left half-written.
        """

        def files(partial: Path) -> None:
            text = json.dumps(self.summary(), indent=2) + "\n"
            (partial / "summary.json").write_text(text, encoding="utf-8")
            (partial / "steps.csv").write_text(self.steps_csv(), encoding="utf-8")
            if self.contexts:
                write_curves(
                    [self.curve()],
                    [partial / f"steps.{suffix}" for suffix in ("png", "svg")],
                    title=f"{_what(self)}: a step of decoding",
                    x_label="context (tokens)",
                    y_label="time (ms)",
                )

        return write_whole(Path(folder), files)

    def __str__(self) -> str:
        return generation_text(self)


def generation_text(report: GenerationReport) -> str:
    """Return a generation as text."""
    spec, steps = report.spec, report.steps
    lines = [
        ("first token", _cycles(report, report.first_cycles)),
        *([] if steps is None else _step_lines(report, steps)),
        (
            "total",
            f"{_cycles(report, report.total_cycles)},"
            f" {report.first_cycles / report.total_cycles:.1%} of it before the first token",
        ),
        ("throughput", f"{rate(report.tokens_per_s)} tokens/s"),
    ]
    if report.cache_bytes:
        lines.append(("caches", f"{format_bytes(report.cache_bytes)} in the last step"))
    title = f"{_what(report)} ({spec.label}, {format_hz(spec.clock_hz)})"
    counts = f"prompts of {report.prompt} tokens, answers of {report.tokens:,}"
    warnings = [f"warning: {warning}" for warning in report.warnings]
    return "\n".join([f"{title}: {counts}", "", *lines_of(lines), *warnings])


def _step_lines(report: GenerationReport, steps: MonotoneSum) -> list[tuple[str, str]]:
    first, last = report.contexts[0], report.contexts[-1]
    simulated = f"{len(steps.terms):,} of {len(report.contexts):,} simulated"
    if steps.error:
        simulated += (
            f"; the total is off by at most {steps.error / report.total_cycles:.2%}, if no step"
            " takes less than one with a smaller context"
        )
    parts = (
        f"{part / steps.terms[context]:.1%}"
        for part, context in zip(report.growing_cycles, (first, last), strict=True)
    )
    return [
        ("next token", f"{_cycles(report, steps.terms[first])}, context {first:,}"),
        ("last token", f"{_cycles(report, steps.terms[last])}, context {last:,}"),
        ("mean", _cycles(report, round(steps.total / len(report.contexts)))),
        ("steps", simulated),
        ("context", f"layers that depend on it take {' to '.join(parts)} of a step"),
    ]


def _what(report: GenerationReport) -> str:
    beams = f", {report.beams} beams" if report.beams > 1 else ""
    return f"{report.network}, batch {report.batch}{beams}, on {report.spec.name}"


def _cycles(report: GenerationReport, cycles: int) -> str:
    time_fs = Clock(hz=report.spec.clock_hz).edge_fs(cycles)
    return f"{cycles:,} cycles, {format_time(time_fs)}"
