"""`make across`: what the passes over several layers save, as the tables in DESIGN.md."""

from __future__ import annotations

import sys

from accel.spec_file import load_preset
from rooftile.simulation import simulate
from workloads.loaders.yaml import load_zoo

Passes = tuple[str, ...]

NETWORKS = ("alexnet", "resnet18", "resnet50", "mobilenet_v2", "bert_base", "vit_b16")
#: Machines, and the passes that do something there: one table of each.
TABLES: tuple[tuple[Passes, tuple[Passes, ...]], ...] = (
    (
        ("edge_32x32", "tpu_v1"),
        (
            (),
            ("prefetch",),
            ("residency",),
            ("fusion",),
            ("fusion", "residency"),
            ("fusion", "residency", "prefetch", "order"),
        ),
    ),
    (("npu_4core",), ((), ("concurrent",))),
)


def cell(network: str, hardware: str, across: Passes) -> str:
    """Return cycles and main-memory bytes of a run, by the engine that is as exact and quicker."""
    graph, spec = load_zoo(network), load_preset(hardware)
    report = simulate(graph, spec, across=across, engine="analytical").report
    moved = sum(sum(layer.work.dram_bytes.values()) for layer in report.layers)
    return f"{report.total_cycles:,} / {moved / 1e6:,.2f}"


def main() -> None:
    """Print the tables."""
    for machines, choices in TABLES:
        heads = ["+".join(across) or "none" for across in choices]
        sys.stdout.write(f"| network, machine | {' | '.join(heads)} |\n")
        sys.stdout.write(f"|---|{'---|' * len(heads)}\n")
        for hardware in machines:
            for network in NETWORKS:
                cells = [cell(network, hardware, across) for across in choices]
                sys.stdout.write(f"| {network}, {hardware} | {' | '.join(cells)} |\n")
                sys.stdout.flush()
        sys.stdout.write("\n")


if __name__ == "__main__":
    main()
