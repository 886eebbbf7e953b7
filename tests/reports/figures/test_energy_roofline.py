"""The roofline of energy: what Choi et al. say of arches, and dots below them."""

from __future__ import annotations

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accel.spec_file import load_preset
from foundation.errors import SpecError
from reports.figures.energy_roofline import Arch, EnergyRoofline, arches_of, energy_design
from rooftile.simulation import simulate
from tests.reports.runs import zoo_run

costs = st.floats(0.01, 1e4)


def arch(operation: float, byte: float, constant: float = 0.0) -> Arch:
    return Arch(
        name="a",
        pj_per_operation=operation,
        pj_per_byte=byte,
        constant_pj_per_s=constant,
        ops_per_s=1e12,
        bytes_per_s=1e10,
    )


@given(costs, costs)
def test_at_the_balance_of_energy_an_arch_has_half_of_its_height(
    operation: float, byte: float
) -> None:
    """Choi et al., section II: there a flop and its bytes take the same energy."""
    one = arch(operation, byte)
    half = one.ops_per_joule(one.balance_ops_per_byte)
    assert half == pytest.approx(one.limit_ops_per_joule / 2)
    assert one.limit_ops_per_joule == pytest.approx(1e12 / operation)


@given(costs, costs, costs, st.floats(1e-3, 1e6), st.floats(1.01, 100))
def test_an_arch_rises_and_lies_below_both_of_its_lines(
    operation: float, byte: float, constant: float, intensity: float, times: float
) -> None:
    one = arch(operation, byte, constant)
    assert one.ops_per_joule(intensity) <= one.ops_per_joule(times * intensity)
    assert one.ops_per_joule(intensity) <= min(1e12 / operation, intensity * 1e12 / byte)


def test_constant_power_counts_for_as_long_as_the_slower_of_both_takes() -> None:
    one = arch(0.5, 20.0, constant=1e12)  # 1 W; balance of time at 100 OP/B
    assert one.time_balance_ops_per_byte == 100
    at_10 = 0.5 + 2.0 + 1e12 * (0.1 / 1e10)  # memory takes longer
    assert one.ops_per_joule(10) == pytest.approx(1e12 / at_10)
    at_1000 = 0.5 + 0.02 + 1e12 / 1e12  # operations do
    assert one.ops_per_joule(1000) == pytest.approx(1e12 / at_1000)


def test_arches_of_a_preset_by_hand() -> None:
    array, vector = arches_of(load_preset("edge_32x32"))
    # presets/edge_32x32.yaml: 0.3 pJ a MAC, 0.1 pJ a vector operation, 20 pJ a bit of DRAM.
    assert (array.name, array.pj_per_operation, array.pj_per_byte) == ("array int8", 0.15, 160.0)
    assert array.balance_ops_per_byte == pytest.approx(160 / 0.15)
    assert array.time_balance_ops_per_byte == 2048e9 / 12.8e9
    assert (vector.name, vector.pj_per_operation) == ("vector unit", 0.1)


def test_each_type_with_an_energy_has_an_arch() -> None:
    names = [one.name for one in arches_of(load_preset("tpu_v4i_like"))]
    assert names == ["array bf16", "array int8", "vector unit"]


@pytest.mark.parametrize("hardware", ["edge_32x32", "tpu_v4i_like"])
def test_dots_lie_below_the_arches_and_share_the_energy(hardware: str) -> None:
    report = zoo_run("resnet18", hardware).report
    design = energy_design(report)
    for point in design.points:
        roof = max(one.ops_per_joule(point.intensity_ops_per_byte) for one in design.arches)
        assert 0 < point.ops_per_joule <= roof * 1.000001
    computing = sum(layer.work.energy_pj for layer in report.layers if layer.operations)
    shares = sum(point.energy_share for point in design.points)
    assert shares == pytest.approx(computing / report.energy_pj)


def test_the_csv_has_every_arch_and_dot() -> None:
    design = energy_design(zoo_run("resnet18", "edge_32x32").report)
    records = EnergyRoofline(title="", designs=(design,)).records()
    assert [r["kind"] for r in records].count("arch") == 2
    assert len(records) == 2 + len(design.points)
    assert len({tuple(record) for record in records}) == 1
    assert inf not in {record["ops_per_joule"] for record in records}


def test_without_energies_there_is_none() -> None:
    with pytest.raises(SpecError, match="machine 'tpu_v1': key 'energy' is missing"):
        energy_design(zoo_run("alexnet", "tpu_v1").report)
    with pytest.raises(SpecError, match="the analytical engine doesn't count"):
        energy_design(simulate("lenet", "edge_32x32", engine="analytical").report)
