"""The energy of what a machine does: counts in, picojoules out.

Every formula takes numbers (a run's report) or NumPy arrays (a closed form of many mappings, one
element each). A closed form needs no trace: the bytes of its operands by scratchpad and main memory
come from tile sizes and moves, those that the array moves from `accel.systolic.ArrayWork`, those of
a PE's register from `register_traffic`:

>>> counts = EnergyCounts(macs={"int8": macs}, memories={"dram": Traffic(loaded, stored)}, ...)
>>> energy_pj(spec, counts)  # float64 array, shape (candidates,)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Generic

import numpy as np

from accel.energy_spec import AccessEnergy, EnergySpec
from accel.scratchpad import Quantity
from accel.spec import AcceleratorSpec
from accel.systolic import DATAFLOWS
from foundation.dtype import DTYPES, Dtype
from foundation.errors import SpecError

BITS_PER_BYTE = 8
#: Picojoules of a milliwatt in a second.
_PJ_PER_MW_S = 1e9


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic(Generic[Quantity]):
    """Bytes read and written."""

    read_bytes: Quantity
    written_bytes: Quantity


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergyCounts(Generic[Quantity]):
    """What happened, as far as it takes energy: numbers, or float arrays that broadcast together.

    Parameters
    ----------
    macs
        Multiply-accumulates, by name of the operands' type.
    vector_operations
        Operations of the vector unit (`accel.vector.vector_operations`).
    registers
        Bytes of the PEs' stationary operand (`register_traffic`).
    scratchpads, memories
        Bytes by name. A load reads a memory and writes a scratchpad: it counts in both.
    shared_buffer
        Bytes that cores read from it, and that were fetched into it.
    network_link_bytes
        Bytes times the links that they passed (`accel.network.NetworkSpec.mean_links`).
    time_s
        How long it took.
    """

    macs: Mapping[str, Quantity]
    vector_operations: Quantity
    registers: Traffic[Quantity]
    scratchpads: Mapping[str, Traffic[Quantity]]
    memories: Mapping[str, Traffic[Quantity]]
    shared_buffer: Traffic[Quantity]
    network_link_bytes: Quantity
    time_s: Quantity


def register_traffic(
    dataflow: str, dtype: Dtype, macs: Quantity, mapped_pes: Quantity
) -> Traffic[Quantity]:
    """Return the bytes of the stationary operand that the PEs read and write.

    Parameters
    ----------
    dataflow
        One of `accel.systolic.DATAFLOWS`.
    dtype
        Type of input and weight.
    macs, mapped_pes
        Of `accel.systolic.ArrayWork`: the latter is summed over folds.

    Notes
    -----
    *WS, IS.* A PE reads its operand for every MAC; a fold writes one into each mapped PE.

    *OS.* A MAC reads the sum and writes it; the first of a fold doesn't read, but the drain does.

    # Approximation: an operand that passes other PEs on its way in or out isn't counted, nor are
    # PEs that hold nothing useful.
    """
    if DATAFLOWS[dataflow].output_stationary:
        size_bytes = DTYPES[dtype.accumulator].size_bytes
        return Traffic(read_bytes=macs * size_bytes, written_bytes=macs * size_bytes)
    return Traffic(read_bytes=macs * dtype.size_bytes, written_bytes=mapped_pes * dtype.size_bytes)


def energy_pj(spec: AcceleratorSpec, counts: EnergyCounts[Quantity]) -> Quantity:
    """Return the picojoules of all components together; errors as in `component_energies_pj`."""
    return reduce(add, component_energies_pj(spec, counts).values(), counts.time_s * 0.0)


def required_energies(spec: AcceleratorSpec) -> EnergySpec:
    """Return the energies of a machine; raise SpecError if it has none."""
    if spec.energy is None:
        raise SpecError(
            f"machine '{spec.name}': key 'energy' is missing but its energy is asked for; add it"
        )
    return spec.energy


def leakage_pj(spec: AcceleratorSpec, time_s: Quantity) -> Quantity:
    """Return the picojoules that leak in a time: none where the machine doesn't say how many.

    Raises SpecError if it has no energies.
    """
    return time_s * ((required_energies(spec).leakage_mw or 0.0) * _PJ_PER_MW_S)


def component_energies_pj(
    spec: AcceleratorSpec, counts: EnergyCounts[Quantity]
) -> dict[str, Quantity]:
    """Return the picojoules of each component, by its key in the machine's ``energy``.

    Components that the machine doesn't give aren't there: they did nothing, or are registers, which
    a MAC's energy includes then, or leakage, which isn't counted, or are said to have no number
    (`unknown_components`).

    # Approximation: a byte takes as much wherever it lies and whatever it is; a DRAM's bursts, rows
    and refreshes, and control, take nothing apart.

    Raises
    ------
    SpecError
        The machine has no energies, or not that of a component that did something.
    """
    found: dict[str, Quantity] = {}
    energy = required_energies(spec)
    for key, number_pj, amount in _terms(energy, counts):
        if number_pj is None:
            if np.any(np.asarray(amount) > 0) and key not in energy.unknown:
                raise SpecError(
                    f"machine '{spec.name}': key 'energy.{key}' is missing but"
                    f" {np.max(amount):,.0f} {_unit(key)} need it; add it{_hint(key, energy)}"
                )
            continue
        component = "mac" if key.startswith("mac.") else key
        part = amount * number_pj
        found[component] = found[component] + part if component in found else part
    return found


def unknown_components(spec: AcceleratorSpec, counts: EnergyCounts[Quantity]) -> tuple[str, ...]:
    """Return the keys of what did something, but is said to have no number."""
    energy = required_energies(spec)
    terms = _terms(energy, counts)
    keys = (
        key
        for key, number_pj, amount in terms
        if number_pj is None and np.any(np.asarray(amount) > 0)
    )
    return tuple(dict.fromkeys(key for key in keys if key in energy.unknown))


def _terms(
    energy: EnergySpec, counts: EnergyCounts[Quantity]
) -> Iterator[tuple[str, float | None, Quantity]]:
    """Yield each key, the picojoules of one of what it is for, and how many there were."""
    for dtype, macs in counts.macs.items():
        yield f"mac.{dtype}", energy.mac_pj.get(dtype), macs
    if energy.registers is not None:
        yield from _accesses("registers", energy.registers, counts.registers)
    yield "vector", energy.vector_pj, counts.vector_operations
    for name, traffic in counts.scratchpads.items():
        yield from _accesses(f"scratchpads.{name}", energy.scratchpads.get(name), traffic)
    yield from _accesses("shared_buffer", energy.shared_buffer, counts.shared_buffer)
    yield "network", energy.network_pj_per_bit, counts.network_link_bytes * BITS_PER_BYTE
    for name, traffic in counts.memories.items():
        yield from _accesses(f"memories.{name}", energy.memories.get(name), traffic)
    if energy.leakage_mw is not None:
        yield "leakage", energy.leakage_mw * _PJ_PER_MW_S, counts.time_s


def _accesses(
    key: str, access: AccessEnergy | None, traffic: Traffic[Quantity]
) -> Iterator[tuple[str, float | None, Quantity]]:
    read, write = (
        (access.read_pj_per_bit, access.write_pj_per_bit) if access is not None else (None, None)
    )
    yield key, read, traffic.read_bytes * BITS_PER_BYTE
    yield key, write, traffic.written_bytes * BITS_PER_BYTE


def _hint(key: str, energy: EnergySpec) -> str:
    """Return what else a machine that names a technology can do about a missing number."""
    if energy.technology is None:
        return ""
    if key.startswith("memories."):
        return ", or the memory's kind under 'energy.technology.dram'"
    return ", or null where none is known: its technology has no number for it"


def _unit(key: str) -> str:
    """Return what is counted for a key."""
    first = key.partition(".")[0]
    return {"mac": "MACs", "vector": "operations"}.get(first, "bits")
