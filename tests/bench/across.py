"""`make across`: what the passes over several layers save, as the table in DESIGN.md."""

from __future__ import annotations

import sys

from accel.spec_file import load_preset
from mapper.plan import ACROSS
from rooftile.simulation import simulate
from workloads.loaders.yaml import load_zoo

NETWORKS = ("alexnet", "resnet18", "resnet50", "mobilenet_v2", "bert_base", "vit_b16")
HARDWARE = ("edge_32x32", "tpu_v1")
CHOICES: tuple[tuple[str, ...], ...] = ((), ("residency",), ("fusion",), ACROSS)


def cell(network: str, hardware: str, across: tuple[str, ...]) -> str:
    """Return cycles and main-memory bytes of a run."""
    report = simulate(load_zoo(network), load_preset(hardware), across=across).report
    moved = sum(sum(layer.work.dram_bytes.values()) for layer in report.layers)
    return f"{report.total_cycles:,} / {moved / 1e6:,.2f}"


def main() -> None:
    """Print the table."""
    heads = ["+".join(across) or "none" for across in CHOICES]
    sys.stdout.write(f"| network, machine | {' | '.join(heads)} |\n")
    sys.stdout.write(f"|---|{'---|' * len(heads)}\n")
    for hardware in HARDWARE:
        for network in NETWORKS:
            cells = [cell(network, hardware, across) for across in CHOICES]
            sys.stdout.write(f"| {network}, {hardware} | {' | '.join(cells)} |\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
