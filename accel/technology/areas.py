"""Areas of a machine derived from its technology, each with its source.

# Approximation: a PE is a multiplier, an adder in the accumulator's type and its registers, that of
its largest type where it has several; a lane of the vector unit is a multiplier and an adder of 32
bits. There are no wires, no clock and no control among them. A memory's area goes with its capacity
alone. A chip is larger: how much, `accel/technology/TECHNOLOGY.md` says.
"""

from __future__ import annotations

from collections.abc import Iterator

from accel.spec import AcceleratorSpec
from accel.systolic import DATAFLOWS
from accel.technology.energies import Derived, sum_type
from accel.technology.scaling import area_factor, check_node, interpolated
from accel.technology.tables import arithmetic, per_bit, scaling_sources, sram
from foundation.dtype import DTYPES


def derived_areas(machine: AcceleratorSpec, node_nm: float) -> dict[str, Derived]:
    """Return the areas that the tables give, in square micrometres, by key as in ``area``.

    What the tables don't have isn't there: a PE of types that they lack, the network, and what
    else is on the die.

    Raises
    ------
    SpecError
        The scaling table doesn't reach the node.
    """
    check_node(node_nm)
    return {**dict(_of_gates(machine, node_nm)), **dict(_of_srams(machine, node_nm))}


def _of_gates(machine: AcceleratorSpec, node_nm: float) -> Iterator[tuple[str, Derived]]:
    """Yield a PE, if all of its types are in the table, and a lane of the vector unit."""
    table = arithmetic()
    factor, note = _scaled(table.node_nm, node_nm)
    source = f"multiplier and adder: {table.sources['area']}{note}"
    names = list(dict.fromkeys(product.input for product in machine.array.products))
    if all(name in table.multiply_um2 for name in names):
        gates = {
            name: table.multiply_um2[name] + table.add_um2[DTYPES[name].accumulator]
            for name in names
        }
        largest = max(names, key=lambda name: gates[name])
        bits = register_bits(machine, largest)
        registers = per_bit("registers")
        assert registers.um2_per_bit is not None
        shrunk, how = _scaled(registers.node_nm, node_nm)
        area = factor * gates[largest] + shrunk * bits * registers.um2_per_bit
        text = f"{largest} {source}; {bits} bits of registers: {registers.sources['area']}{how}"
        yield "pe", Derived(value=area, source=text)
    lane = sum_type(machine)
    area = factor * (table.multiply_um2[lane] + table.add_um2[lane])
    yield "vector_lane", Derived(value=area, source=f"{lane} {source}")


def register_bits(machine: AcceleratorSpec, name: str) -> int:
    """Return the bits of a PE's registers: those of the operand that stays, and one of each other.

    An array of several dataflows has those of the one that needs most.
    """
    data = DTYPES[name]
    sums = DTYPES[data.accumulator]
    operand, stationary = 8 * data.size_bytes, machine.array.timing.stationary_registers
    return max(
        stationary * 8 * sums.size_bytes + 2 * operand
        if DATAFLOWS[flow].output_stationary
        else (stationary + 1) * operand + 8 * sums.size_bytes
        for flow in machine.array.dataflows
    )


def _of_srams(machine: AcceleratorSpec, node_nm: float) -> Iterator[tuple[str, Derived]]:
    """Yield the scratchpads and the shared buffer."""
    table = sram()
    factor, note = _scaled(table.node_nm, node_nm)
    source = f"power law between capacities: {table.sources['area']}{note}"
    capacities = {f"scratchpads.{pad.name}": pad.capacity_bytes for pad in machine.scratchpads}
    if machine.shared_buffer is not None:
        capacities["shared_buffer"] = machine.shared_buffer.capacity_bytes
    for key, size_bytes in capacities.items():
        area = factor * interpolated(table.area_um2, size_bytes)
        yield key, Derived(value=area, source=source)


def _scaled(from_nm: float, to_nm: float) -> tuple[float, str]:
    """Return the factor of a table's areas, and a note on where it is from."""
    if from_nm == to_nm:
        return 1.0, ""
    factor = area_factor(from_nm, to_nm)
    note = f"; x{factor:.3g} from {from_nm:g} nm to {to_nm:g} nm: {scaling_sources()['scaling']}"
    return factor, note
