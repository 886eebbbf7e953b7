"""Energies of a machine derived from its technology, each with its source.

# Approximation: a MAC is a multiplication and an addition in the accumulator's type; an operation
of the vector unit is an addition of 32 bits; a memory's energy goes with its capacity alone, and an
access is as wide as the table's; writes take what reads do; a link is a wire, without a router.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from accel.spec import AcceleratorSpec
from accel.technology.scaling import (
    check_node,
    energy_factor,
    interpolated,
    nominal_voltage,
    wire_factor,
)
from accel.technology.spec import TechnologySpec
from accel.technology.tables import arithmetic, dram_kinds, per_bit, scaling_sources, sram
from foundation.dtype import DTYPES
from foundation.errors import SpecError, nearest


@dataclass(frozen=True, slots=True, kw_only=True)
class Derived:
    """A number that is derived, in the unit of its key, and where it is from."""

    value: float
    source: str


def derived_energies(machine: AcceleratorSpec, technology: TechnologySpec) -> dict[str, Derived]:
    """Return the energies that the tables give, by key as in the machine's ``energy``.

    In picojoules (``mac.*``, ``vector``), picojoules per bit of reads and of writes, and milliwatts
    (``leakage``). What the tables don't have isn't there.

    Raises
    ------
    SpecError
        The scaling table doesn't reach the node, its voltage isn't known, or a memory or its kind
        isn't.
    """
    check_node(technology.node_nm)
    return {
        **dict(_of_gates(machine, technology)),
        **dict(_of_memories(machine, technology)),
        **dict(_of_srams(machine, technology)),
    }


def voltage_of(technology: TechnologySpec) -> float:
    """Return the supply voltage that energies are derived for, in volts."""
    if technology.voltage is not None:
        return technology.voltage
    table = arithmetic()
    if technology.node_nm == table.node_nm:
        return table.voltage
    return nominal_voltage(technology.node_nm)


def _of_gates(
    machine: AcceleratorSpec, technology: TechnologySpec
) -> Iterator[tuple[str, Derived]]:
    """Yield MACs, vector operations, registers of PEs and links of the network."""
    table, voltage = arithmetic(), voltage_of(technology)
    scale, note = _scaled(technology, table.node_nm, table.voltage)
    for name in dict.fromkeys(product.input for product in machine.array.products):
        multiply = table.multiply_pj.get(name)
        if multiply is not None:
            value = multiply + table.add_pj[DTYPES[name].accumulator]
            source = f"multiplication and {DTYPES[name].accumulator} addition: "
            yield (
                f"mac.{name}",
                Derived(value=scale * value, source=source + table.sources["energy"] + note),
            )
    add = table.add_pj[sum_type(machine)]
    source = f"{sum_type(machine)} addition: {table.sources['energy']}{note}"
    yield "vector", Derived(value=scale * add, source=source)
    registers = per_bit("registers")
    scale, note = _scaled(technology, registers.node_nm, registers.voltage)
    yield (
        "registers",
        Derived(value=scale * registers.pj_per_bit, source=registers.sources["energy"] + note),
    )
    if technology.link_mm is not None and machine.network is not None:
        wires = per_bit("wires")
        factor = wire_factor(wires.voltage, voltage) * technology.link_mm
        source = f"{technology.link_mm:g} mm at {voltage:g} V: {wires.sources['energy']}"
        yield "network", Derived(value=factor * wires.pj_per_bit, source=source)


def _of_srams(
    machine: AcceleratorSpec, technology: TechnologySpec
) -> Iterator[tuple[str, Derived]]:
    """Yield scratchpads, the shared buffer, and at the table's own node their leakage."""
    table = sram()
    scale, note = _scaled(technology, table.node_nm, table.voltage)
    capacities = {f"scratchpads.{pad.name}": pad.capacity_bytes for pad in machine.scratchpads}
    copies = dict.fromkeys(capacities, machine.cores)
    if machine.shared_buffer is not None:
        capacities["shared_buffer"] = machine.shared_buffer.capacity_bytes
        copies["shared_buffer"] = 1
    for key, size_bytes in capacities.items():
        value = interpolated(table.access_pj, size_bytes) / table.width_bits
        source = f"power law between capacities: {table.sources['energy']}{note}"
        yield key, Derived(value=scale * value, source=source)
    if technology.node_nm == table.node_nm:
        leakage = sum(
            (
                copies[key] * interpolated(table.leakage_mw, size)
                for key, size in capacities.items()
            ),
            start=0.0,
        )
        source = f"memories on the chip only, at 1.0 V: {table.sources['leakage']}"
        yield "leakage", Derived(value=leakage, source=source)


def _of_memories(
    machine: AcceleratorSpec, technology: TechnologySpec
) -> Iterator[tuple[str, Derived]]:
    """Yield main memories whose kind is given."""
    kinds, names = dram_kinds(), [memory.name for memory in machine.memories]
    given = dict(technology.dram)
    for name, kind in given.items():
        if name not in names:
            raise SpecError(
                f"technology.dram.{name}: must be one of {', '.join(names)} but is"
                f" '{name}'{nearest(name, names)}"
            )
        source = f"{kind}: {kinds[kind].source}"
        yield f"memories.{name}", Derived(value=kinds[kind].pj_per_bit, source=source)


def sum_type(machine: AcceleratorSpec) -> str:
    """Return the type that the vector unit computes in: fp32 beside an array of floats."""
    inputs = [DTYPES[product.input] for product in machine.array.products]
    return "int32" if all(one.is_integer for one in inputs) else "fp32"


def _scaled(technology: TechnologySpec, node_nm: float, voltage: float) -> tuple[float, str]:
    """Return the factor of a table's energies, and a note on where it is from."""
    to_voltage = voltage_of(technology)
    if (technology.node_nm, to_voltage) == (node_nm, voltage):
        return 1.0, ""
    factor = energy_factor(node_nm, voltage, technology.node_nm, to_voltage)
    note = (
        f"; x{factor:.3g} from {node_nm:g} nm, {voltage:g} V to {technology.node_nm:g} nm,"
        f" {to_voltage:g} V: {scaling_sources()['scaling']}"
    )
    return factor, note
