"""Machines in which every count has an energy of its own, so that none can stand for another."""

from __future__ import annotations

from dataclasses import replace

from accel.energy_spec import AccessEnergy, EnergySpec
from accel.spec import AcceleratorSpec


def with_energies(spec: AcceleratorSpec, leakage_mw: float | None = None) -> AcceleratorSpec:
    """Return a machine with energies."""
    places = [pad.name for pad in spec.scratchpads] + [memory.name for memory in spec.memories]
    accesses = {
        name: AccessEnergy(read_pj_per_bit=2.0 + number, write_pj_per_bit=0.25 + number)
        for number, name in enumerate(places)
    }
    energy = EnergySpec(
        mac_pj={"int8": 0.5, "bf16": 3.0},
        vector_pj=0.125,
        registers=AccessEnergy(read_pj_per_bit=0.0625, write_pj_per_bit=0.75),
        scratchpads={pad.name: accesses[pad.name] for pad in spec.scratchpads},
        memories={memory.name: accesses[memory.name] for memory in spec.memories},
        shared_buffer=AccessEnergy(read_pj_per_bit=1.5, write_pj_per_bit=0.375),
        network_pj_per_bit=0.5,
        leakage_mw=leakage_mw,
    )
    return replace(spec, energy=energy)
