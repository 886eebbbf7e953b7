"""Small machines that force tiling: every dataflow, split and unified scratchpads, two memories."""

from collections.abc import Mapping
from dataclasses import replace
from math import inf
from typing import Any

from accel.energy_spec import AccessEnergy, EnergySpec
from accel.spec import AcceleratorSpec, ArraySpec, DmaSpec, MemorySpec, ScratchpadSpec, VectorSpec
from accel.timing import TIMINGS

ALL_DTYPES = ("int8", "fp16", "bf16", "fp32")
LATENCY_FS = 20 * 10**6


def machine(
    name: str,
    *,
    rows: int,
    columns: int,
    dataflow: str,
    other_dataflows: tuple[str, ...] = (),
    timing: str = "rtl",
    scratchpads: Mapping[str, tuple[int, tuple[str, ...]]],
    bandwidth_bytes_per_s: float = 4e9,
    latency_fs: int = LATENCY_FS,
    two_memories: bool = False,
    port_bytes_per_cycle: float = inf,
) -> AcceleratorSpec:
    """Return a machine; ``scratchpads`` is name to (bytes, operands)."""
    classes: list[tuple[str, ...]] = [("parameters", "activations")]
    if two_memories:
        classes = [("parameters",), ("activations",)]
    return AcceleratorSpec(
        name=name,
        notes="",
        clock_hz=10**9,
        array=ArraySpec(
            rows=rows,
            columns=columns,
            dataflow=dataflow,
            other_dataflows=other_dataflows,
            timing=TIMINGS[timing],
            dtypes=ALL_DTYPES,
        ),
        vector=VectorSpec(lanes=4, startup_cycles=2, cycles_per_element={"gelu": 3.0}),
        dma=DmaSpec(outstanding=4),
        scratchpads=tuple(
            ScratchpadSpec(
                name=pad,
                capacity_bytes=size,
                holds=operands,
                banks=1,
                bandwidth_bytes_per_cycle=port_bytes_per_cycle,
            )
            for pad, (size, operands) in scratchpads.items()
        ),
        memories=tuple(
            MemorySpec(
                name="dram" if len(classes) == 1 else f"dram_{held[0]}",
                capacity_bytes=1 << 30,
                bandwidth_bytes_per_s=bandwidth_bytes_per_s,
                latency_fs=latency_fs,
                holds=held,
            )
            for held in classes
        ),
    )


def with_energies(spec: AcceleratorSpec, **others: Any) -> AcceleratorSpec:
    """Return a machine in which every count has a number of its own; ``others`` replace some."""
    places = [pad.name for pad in spec.scratchpads] + [memory.name for memory in spec.memories]
    accesses = {
        name: AccessEnergy(read_pj_per_bit=2.0 + number, write_pj_per_bit=0.25 + number)
        for number, name in enumerate(places)
    }
    energy = EnergySpec(
        mac_pj={"int8": 0.5, "bf16": 3.0},
        vector_pj=0.125,
        registers=AccessEnergy(read_pj_per_bit=0.5, write_pj_per_bit=0.75),
        scratchpads={pad.name: accesses[pad.name] for pad in spec.scratchpads},
        memories={memory.name: accesses[memory.name] for memory in spec.memories},
        shared_buffer=None,
        network_pj_per_bit=None,
        leakage_mw=None,
    )
    return replace(spec, energy=replace(energy, **others))


SPLIT: dict[str, tuple[int, tuple[str, ...]]] = {
    "input": (5376, ("input",)),
    "weight": (1024, ("weight",)),
    "psum": (2048, ("psum",)),
    "output": (1024, ("output",)),
}
UNIFIED: dict[str, tuple[int, tuple[str, ...]]] = {
    "buffer": (6144, ("input", "weight", "output")),
    "accumulator": (2048, ("psum",)),
}

MACHINES = (
    machine("ws", rows=4, columns=3, dataflow="WS", scratchpads=SPLIT),
    machine("os", rows=3, columns=5, dataflow="OS", scratchpads=UNIFIED, two_memories=True),
    machine("is", rows=5, columns=4, dataflow="IS", scratchpads=UNIFIED, port_bytes_per_cycle=16.0),
    machine("serial", rows=7, columns=2, dataflow="WS", timing="scalesim", scratchpads=SPLIT),
    machine(
        "several",
        rows=4,
        columns=3,
        dataflow="WS",
        other_dataflows=("OS", "IS"),
        scratchpads=UNIFIED,
    ),
)
