"""The vector unit's time in closed form."""

from __future__ import annotations

import numpy as np

from accel.scratchpad import Quantity, rounded_up
from accel.spec import AcceleratorSpec, VectorSpec
from foundation.functions import FUNCTIONS, passes


def vector_cycles(
    unit: VectorSpec, *, function: str, activation: str, elements: Quantity, row: int = 1
) -> Quantity:
    """Return the whole cycles of one vector instruction over ``elements`` input elements.

    Notes
    -----
    A lane applies a function and the activation behind it in one pass, at the pace of the slower:
    ``startup + ceil(elements · cycles per element / lanes)``. Sorts of rows of ``row`` elements go
    over them several times (`foundation.functions.passes`).
    """
    lane_cycles = elements * pass_cycles(unit, function, activation, row)
    return unit.startup_cycles + rounded_up(lane_cycles / unit.lanes)


def pass_cycles(unit: VectorSpec, function: str, activation: str, row: int = 1) -> float:
    """Return the lane cycles per element of a function with an activation behind it."""
    cycles = unit.element_cycles(function) * passes(function, row)
    if activation == "identity":
        return cycles
    return max(cycles, unit.element_cycles(activation))


def vector_operations(*, function: str, activation: str, elements: int, row: int = 1) -> int:
    """Return the operations of one vector instruction: those of function and activation."""
    per_element = FUNCTIONS[function].operations * passes(function, row)
    if activation != "identity":
        per_element += FUNCTIONS[activation].operations
    return elements * per_element


def peak_operations_per_cycle(spec: AcceleratorSpec) -> float:
    """Return the most operations that all cores' vector units do in a cycle: the ceiling."""
    unit = spec.vector
    functions = [
        (
            vector_operations(function=name, activation="identity", elements=unit.lanes),
            pass_cycles(unit, name, "identity"),
        )
        for name in FUNCTIONS
    ]
    activations = [
        (FUNCTIONS[name].operations * unit.lanes, unit.element_cycles(name))
        for name in FUNCTIONS
        if name != "identity"
    ]
    operations, cycles = np.array(functions).T[..., np.newaxis]
    more, slower = np.array([(0, 0), *activations]).T
    return spec.cores * float(np.max((operations + more) / np.maximum(cycles, slower)))
