"""How long the requests of a scenario take: the distribution in words, tables and a picture."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np

from accel.spec import AcceleratorSpec
from accel.units import Clock, format_hz, format_time
from foundation.distribution import Distribution, mixed
from reports.figures.curves import Curve, write_curves
from reports.files import write_whole
from reports.tables import aligned_columns, lines_of

#: Shares of requests whose latencies are told.
QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
#: Distinct requests that are told one by one.
_SHOWN = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestReport:
    """Requests with equal parameters.

    Parameters
    ----------
    parameters
        Name to size.
    count
        How many there are.
    latency_cycles
        What one takes.
    """

    parameters: Mapping[str, int]
    count: int
    latency_cycles: Distribution


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioReport:
    """A scenario on a machine.

    Parameters
    ----------
    name
        The scenario's name.
    spec
        The machine.
    requests
        Distinct requests.
    networks
        Distinct networks that were simulated.
    """

    name: str
    spec: AcceleratorSpec
    requests: tuple[RequestReport, ...]
    networks: int

    @property
    def count(self) -> int:
        """Number of requests."""
        return sum(request.count for request in self.requests)

    @property
    def latency_cycles(self) -> Distribution:
        """What a request takes, whichever it is."""
        return mixed([(one.count / self.count, one.latency_cycles) for one in self.requests])

    def seconds(self, cycles: float) -> float:
        """Return the duration of cycles in seconds."""
        return cycles / self.spec.clock_hz

    def summary(self) -> dict[str, Any]:
        """Return all totals; every key ends in its unit."""
        return {
            "scenario": self.name,
            "hardware": self.spec.name,
            "requests": self.count,
            "distinct_requests": len(self.requests),
            "networks": self.networks,
            **_record(self.latency_cycles, self.spec),
        }

    def requests_csv(self) -> str:
        """Return one line for each distinct request."""
        rows = [
            {
                **request.parameters,
                "count": request.count,
                **_record(request.latency_cycles, self.spec),
            }
            for request in self.requests
        ]
        stream = StringIO()
        writer = csv.DictWriter(stream, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        return stream.getvalue()

    def latency_csv(self) -> str:
        """Return the distribution: one line for each latency."""
        latency, stream = self.latency_cycles, StringIO()
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(("cycles", "time_s", "probability", "at_most"))
        sums = np.cumsum(latency.probabilities)
        for row in zip(latency.values.tolist(), latency.probabilities, sums, strict=True):
            writer.writerow((row[0], self.seconds(row[0]), float(row[1]), float(row[2])))
        return stream.getvalue()

    def curve(self) -> Curve:
        """Return the share of requests that take at most a time, in ms."""
        latency = self.latency_cycles
        times = [1e3 * self.seconds(float(cycles)) for cycles in latency.values]
        sums = np.cumsum(latency.probabilities).tolist()
        return Curve(
            label=f"{self.count:,} requests, {len(self.requests):,} distinct",
            x=[times[0], *(time for time in times for _ in range(2)), 1.05 * times[-1]],
            y=[0.0, 0.0, *(share for share in sums[:-1] for _ in range(2)), sums[-1], sums[-1]],
            is_marked=False,
        )

    def write(self, folder: Path | str) -> Path:
        """Write totals, requests, the distribution and its picture to a new folder.

        Raises
        ------
        OutputError
            When the folder exists or can't be written; nothing is left half-written.
        """

        def files(partial: Path) -> None:
            texts = {
                "summary.json": json.dumps(self.summary(), indent=2) + "\n",
                "requests.csv": self.requests_csv(),
                "latency.csv": self.latency_csv(),
            }
            for name, text in texts.items():
                (partial / name).write_text(text, encoding="utf-8")
            write_curves(
                [self.curve()],
                [partial / f"latency.{suffix}" for suffix in ("png", "svg")],
                title=f"{self.name} on {self.spec.name}: requests that take at most a time",
                x_label="latency (ms)",
                y_label="share of requests",
            )

        return write_whole(Path(folder), files)

    def __str__(self) -> str:
        return scenario_text(self)


def scenario_text(report: ScenarioReport) -> str:
    """Return a scenario's latencies as text."""
    spec, latency = report.spec, report.latency_cycles
    title = f"{report.name} on {spec.name} ({spec.label}, {format_hz(spec.clock_hz)})"
    counts = f"{_counted(report.count, 'request')}, {len(report.requests):,} distinct"
    networks = f"{_counted(report.networks, 'network')} simulated"
    lines = [
        ("mean", _time(report, round(latency.mean))),
        *((name, _time(report, latency.quantile(share))) for name, share in QUANTILES.items()),
        ("least", _time(report, int(latency.values[0]))),
        ("most", _time(report, int(latency.values[-1]))),
    ]
    return "\n".join(
        [f"{title}: {counts}, {networks}", "", *_request_lines(report), *lines_of(lines)]
    )


def _request_lines(report: ScenarioReport) -> list[str]:
    """Return the table of distinct requests, if there are a few."""
    if not 1 < len(report.requests) <= _SHOWN:
        return []
    names = list(report.requests[0].parameters)
    body = [
        [
            *(f"{size:,}" for size in request.parameters.values()),
            f"{request.count:,}",
            _time(report, round(request.latency_cycles.mean)),
            _time(report, request.latency_cycles.quantile(QUANTILES["p99"])),
        ]
        for request in report.requests
    ]
    return [*aligned_columns([*names, "requests", "mean", "p99"], body), ""]


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _time(report: ScenarioReport, cycles: int) -> str:
    return format_time(Clock(hz=report.spec.clock_hz).edge_fs(cycles))


def _record(latency: Distribution, spec: AcceleratorSpec) -> dict[str, float]:
    cycles = {
        "mean": latency.mean,
        **{name: float(latency.quantile(share)) for name, share in QUANTILES.items()},
        "least": float(latency.values[0]),
        "most": float(latency.values[-1]),
    }
    return {f"{name}_s": value / spec.clock_hz for name, value in cycles.items()}
