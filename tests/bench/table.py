"""`make bench`: whole processes, from shell to written folder, against their limits."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

BINARY = Path(sys.executable).with_name("rooftile")
RUNS = 3
#: Python keeps what it has compiled, as it does unless it is told not to.
ENVIRONMENT = {
    name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A run and what it may take; None where nothing is promised."""

    network: str
    hardware: str
    seconds: float | None
    megabytes: float | None = None
    more: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The network's name."""
        return Path(self.network).stem


CLAIMS = (
    Claim(network="resnet18", hardware="edge_32x32", seconds=1.0, megabytes=200),
    Claim(network="resnet50", hardware="tpu_v1", seconds=2.0),
    Claim(network="resnet50", hardware="edge_ddr4", seconds=3.0),
    Claim(network="bert_large", hardware="tpu_v1", seconds=2.0),
    Claim(network="bert_large", hardware="edge_32x32", seconds=2.0),
    Claim(network="gpt3_175b_prefill", hardware="tpu_v1", seconds=10.0),
    Claim(network="gpt3_175b_prefill", hardware="edge_32x32", seconds=10.0),
    Claim(
        network="tests/workloads/huggingface/configs/llama3_70b.json",
        hardware="tpu_v4i_like",
        seconds=1.0,
        more=("--phase", "decode:1@4096", "--batch", "64", "--engine", "analytical"),
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One process: the operating system's own account of it."""

    seconds: float
    megabytes: float


def measure(arguments: list[str]) -> Measured:
    """Run the command line once."""
    start = time.perf_counter()
    process = os.posix_spawn(
        BINARY,
        [str(BINARY), *arguments],
        ENVIRONMENT,
        file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)],
    )
    _, status, usage = os.wait4(process, 0)
    if status:
        raise SystemExit(f"rooftile {' '.join(arguments)} failed with status {status}")
    return Measured(seconds=time.perf_counter() - start, megabytes=usage.ru_maxrss / 1024)


def median(values: list[float]) -> float:
    """Return the middle of an odd number of values."""
    return sorted(values)[len(values) // 2]


def row(claim: Claim, folder: Path) -> str:
    """Run a claim and return its line of the table."""
    outputs = [folder / f"{claim.name}-{claim.hardware}-{run}" for run in range(RUNS)]
    arguments = ["run", claim.network, "--hw", claim.hardware, *claim.more]
    arguments += ["--no-mapping-cache", "--no-plots", "-o"]
    runs = [measure([*arguments, str(output)]) for output in outputs]
    seconds = median([run.seconds for run in runs])
    megabytes = max(run.megabytes for run in runs)
    summary = json.loads((outputs[0] / "summary.json").read_text())
    met = seconds <= (claim.seconds or float("inf"))
    met &= megabytes <= (claim.megabytes or float("inf"))
    limits = f"{claim.seconds:.1f} s" + (f", {claim.megabytes:.0f} MB" if claim.megabytes else "")
    simulated = (
        f" {summary['events'] / max(1, summary['tiles']):5.1f} events/tile"
        f" {summary['total_cycles'] / seconds:9.3g} simulated cycles/s"
        if summary["engine"] == "cycle"
        else f" {' '.join(claim.more)}"
    )
    return (
        f"{claim.name:<18} {claim.hardware:<12} {seconds:6.2f} s {megabytes:6.0f} MB"
        f"   limit {limits:<14} {'met' if met else 'NOT MET':<8}{simulated}"
    )


def main() -> None:
    """Print the table."""
    out = sys.stdout
    help_seconds = median([measure(["--help"]).seconds for _ in range(5)])
    met = "met" if help_seconds <= 0.3 else "NOT MET"
    out.write(f"{'rooftile --help':<31} {help_seconds:6.2f} s             limit 0.3 s{met:>13}\n")
    with tempfile.TemporaryDirectory() as folder:
        for claim in CLAIMS:
            out.write(row(claim, Path(folder)) + "\n")
            out.flush()


if __name__ == "__main__":
    main()
