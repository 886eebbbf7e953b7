"""Factors between nodes: laws, published examples, and the published matrix of areas."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accel.technology.scaling import (
    area_factor,
    energy_factor,
    interpolated,
    nominal_voltage,
    wire_factor,
)
from accel.technology.tables import per_bit, scaling_nodes
from foundation.errors import SpecError

NODES = (130.0, 90.0, 65.0, 45.0, 32.0, 20.0, 16.0, 14.0, 10.0, 7.0)
#: Stillmaker and Baas, table of area factors with two digits: from a row's node to a column's.
AREAS = {
    130: (1, 0.44, 0.23, 0.16, 0.072, 0.033, 0.03, 0.027, 0.016, 0.0092),
    65: (4.3, 1.9, 1, 0.66, 0.31, 0.14, 0.13, 0.12, 0.068, 0.039),
    32: (14, 6.1, 3.3, 2.2, 1, 0.46, 0.41, 0.38, 0.22, 0.13),
    14: (37, 16, 8.7, 5.8, 2.7, 1.2, 1.1, 1, 0.59, 0.34),
    7: (110, 48, 25, 17, 7.8, 3.6, 3.2, 2.9, 1.7, 1),
}
nodes = st.floats(7, 130)
voltages = st.floats(0.65, 1.3)  # where the fits of all nodes rise with the voltage


def test_the_authors_example() -> None:
    """The erratum's equations 12 to 14: 1 pJ in 65 nm at 1.3 V is 0.1755 pJ in 32 nm at 0.9 V."""
    assert energy_factor(65, 1.3, 32, 0.9) == pytest.approx(0.1755, abs=1e-4)


@pytest.mark.parametrize("row", AREAS)
def test_areas_are_those_of_the_published_matrix(row: int) -> None:
    assert tuple(scaling_nodes()) == NODES
    for column, published in zip(NODES, AREAS[row], strict=True):
        assert area_factor(row, column) == pytest.approx(published, rel=0.08), column


def test_wires_of_10_nm_are_near_the_published_projection() -> None:
    """Keckler et al.: 256 bits over 10 mm take 200 pJ at 0.75 V and 150 pJ at 0.65 V."""
    wires = per_bit("wires")
    for voltage, published in ((0.9, 310), (0.75, 200), (0.65, 150)):
        found = 256 * 10 * wires.pj_per_bit * wire_factor(wires.voltage, voltage)
        assert found == pytest.approx(published, rel=0.085)


@given(nodes, voltages, nodes, voltages, nodes, voltages)
def test_factors_can_be_chained(
    a: float, va: float, b: float, vb: float, c: float, vc: float
) -> None:
    chained = energy_factor(a, va, b, vb) * energy_factor(b, vb, c, vc)
    assert chained == pytest.approx(energy_factor(a, va, c, vc))
    assert area_factor(a, b) * area_factor(b, c) == pytest.approx(area_factor(a, c))


@given(nodes, nodes, voltages)
def test_a_smaller_node_is_smaller(one: float, other: float, voltage: float) -> None:
    small, large = sorted((one, other))
    assert area_factor(large, small) <= 1
    assert energy_factor(small, voltage, small, voltage) == 1


@given(
    st.dictionaries(st.integers(1, 10**6).map(float), st.floats(0.1, 1e6), min_size=2),
    st.floats(1, 1e7),
)
def test_a_power_law_passes_its_points(points: dict[float, float], at: float) -> None:
    for place, value in points.items():
        assert interpolated(points, place) == pytest.approx(value)
    places = sorted(points)
    between = [(low, high) for low, high in pairwise(places) if low <= at <= high]
    for low, high in between:
        ends = sorted((points[low], points[high]))
        assert ends[0] * (1 - 1e-9) <= interpolated(points, at) <= ends[1] * (1 + 1e-9)


def test_a_power_law_goes_on_beyond_its_points() -> None:
    assert interpolated({1.0: 1.0, 2.0: 4.0}, 8.0) == pytest.approx(64)
    assert interpolated({1.0: 1.0, 2.0: 4.0}, 0.5) == pytest.approx(0.25)


@pytest.mark.parametrize("node", [6.9, 131.0])
def test_a_node_outside_of_the_table_is_refused(node: float) -> None:
    message = (
        f"technology: node {node:g}nm isn't in the scaling table, which goes from 130nm to 7nm"
    )
    for use in (nominal_voltage, lambda one: area_factor(45, one)):
        with pytest.raises(SpecError, match=f"^{re.escape(message)}"):
            use(node)


def test_a_voltage_too_low_for_the_fit_is_refused() -> None:
    with pytest.raises(SpecError, match=r"65nm doesn't hold at 0\.5V.*\(below 0\.59V\); raise it$"):
        energy_factor(45, 0.9, 65, 0.5)
