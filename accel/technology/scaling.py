"""From one technology node and voltage to another.

Energies of gates follow a polynomial of the voltage with coefficients for each node, areas a factor
for each node.

# Approximation: energies and areas of memories and registers scale as those of gates do, though
memories have shrunk less. Between two nodes the logarithms of factors lie on a line over the
logarithm of the node.

References
----------
.. [1] A. Stillmaker, B. Baas, "Scaling Equations for the Accurate Prediction of CMOS Device
   Performance from 180 nm to 7 nm", Integration, the VLSI Journal 58, 2017, with its erratum.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from math import exp, log

from accel.technology.tables import ScalingNode, scaling_nodes
from foundation.errors import SpecError


def check_node(node_nm: float) -> None:
    """Raise SpecError unless the scaling table reaches a node."""
    nodes = scaling_nodes()
    if not min(nodes) <= node_nm <= max(nodes):
        raise SpecError(
            f"technology: node {node_nm:g}nm isn't in the scaling table, which goes from"
            f" {max(nodes):g}nm to {min(nodes):g}nm; give the numbers yourself"
        )


def nominal_voltage(node_nm: float) -> float:
    """Return the nominal supply voltage of a node, in volts.

    Raises
    ------
    SpecError
        No source gives one.
    """
    check_node(node_nm)
    node = scaling_nodes().get(node_nm)
    if node is None or node.voltage is None:
        known = [f"{one:g}nm" for one, entry in scaling_nodes().items() if entry.voltage]
        raise SpecError(
            f"technology: no source gives the nominal voltage of {node_nm:g}nm (only those of"
            f" {', '.join(known)}); add 'voltage'"
        )
    return node.voltage


def energy_factor(from_nm: float, from_voltage: float, to_nm: float, to_voltage: float) -> float:
    """Return by what an energy of gates is multiplied from one node and voltage to another."""
    return _relative_energy(to_nm, to_voltage) / _relative_energy(from_nm, from_voltage)


def area_factor(from_nm: float, to_nm: float) -> float:
    """Return by what an area is multiplied from one node to another."""
    return _between(to_nm, lambda node: node.area) / _between(from_nm, lambda node: node.area)


def wire_factor(from_voltage: float, to_voltage: float) -> float:
    """Return by what the energy of a wire is multiplied: it has one capacitance at all nodes.

    References
    ----------
    .. [1] S. W. Keckler et al., IEEE Micro 31(5), 2011: "wire capacitance per mm remains
       approximately constant across process generations".
    """
    return (to_voltage / from_voltage) ** 2


def interpolated(points: Mapping[float, float], at: float) -> float:
    """Return a value between points by a power law, beyond them by that of the nearest two."""
    places = sorted(points)
    pairs = list(pairwise(places))
    low, high = next((pair for pair in pairs if at <= pair[1]), pairs[-1])
    slope = log(points[high] / points[low]) / log(high / low)
    return points[low] * exp(slope * log(at / low))


def _relative_energy(node_nm: float, voltage: float) -> float:
    def energy(node: ScalingNode) -> float:
        a, b, c = node.energy
        value = a * voltage**2 + b * voltage + c
        if value <= 0 or 2 * a * voltage + b <= 0:
            raise SpecError(
                f"technology: the fit of energies at {node_nm:g}nm doesn't hold at {voltage:g}V,"
                f" where it doesn't rise with the voltage (below {-b / (2 * a):.2g}V); raise it"
            )
        return value

    return _between(node_nm, energy)


def _between(node_nm: float, value: Callable[[ScalingNode], float]) -> float:
    """Return a value of the scaling table at a node, or between its two neighbours."""
    check_node(node_nm)
    nodes = scaling_nodes()
    if node_nm in nodes:
        return value(nodes[node_nm])
    larger = min(one for one in nodes if one > node_nm)
    smaller = max(one for one in nodes if one < node_nm)
    points = {one: value(nodes[one]) for one in (smaller, larger)}
    return interpolated(points, node_nm)
