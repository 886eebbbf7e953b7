"""Machines in which all that takes energy has a number of its own."""

from __future__ import annotations

from accel.energy_spec import AccessEnergy
from accel.spec import AcceleratorSpec
from tests.laws.machines import with_energies


def with_all_energies(spec: AcceleratorSpec, leakage_mw: float | None = None) -> AcceleratorSpec:
    """Return a machine with energies of registers, network and shared buffer, too."""
    return with_energies(
        spec,
        registers=AccessEnergy(read_pj_per_bit=0.0625, write_pj_per_bit=0.75),
        shared_buffer=AccessEnergy(read_pj_per_bit=1.5, write_pj_per_bit=0.375),
        network_pj_per_bit=0.5,
        leakage_mw=leakage_mw,
    )
