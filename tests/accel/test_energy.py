"""The energy model: laws of its one function, and the counts that go into it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import jsonschema
import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from accel.energy import (
    EnergyCounts,
    Traffic,
    component_energies_pj,
    energy_pj,
    register_traffic,
)
from accel.energy_spec import AccessEnergy, EnergySpec
from accel.network import Network, NetworkSpec
from accel.spec import AcceleratorSpec
from accel.spec_file import load_preset, parse_spec, schema
from accel.systolic import DATAFLOWS, array_work
from accel.timing import TIMINGS
from foundation.dtype import DTYPES
from foundation.errors import SpecError

Reals = NDArray[np.float64]

WHOLE = """\
base: npu_4core
name: whole
array: {dtypes: [int8, bf16]}
shared_buffer: {capacity: 1MiB, line: 256B, ways: 4, bandwidth: 64B/cycle, latency: 2 cycles}
energy:
  mac: {int8: 0.25pJ, bf16: 2pJ}
  vector: 0.5pJ
  registers: {read: 0.125pJ/bit, write: 0.25pJ/bit}
  scratchpads: {input: {read: 1pJ/bit, write: 2pJ/bit}, psum: 0.5pJ/bit}
  shared_buffer: {read: 3pJ/bit, write: 4pJ/bit}
  network: 0.75pJ/bit
  memories: {dram: {read: 10pJ/bit, write: 20pJ/bit}}
  leakage: 2mW
"""
SPEC = parse_spec(WHOLE, "whole.yaml")
#: Counts as they stand in a list, and the picojoules that one of each takes by `WHOLE`.
PJ_OF_ONE = (
    *(0.25, 2.0, 0.5),
    *(8 * 0.125, 8 * 0.25),
    *(8 * 1.0, 8 * 2.0, 8 * 0.5, 8 * 0.5),
    *(8 * 10.0, 8 * 20.0, 8 * 3.0, 8 * 4.0),
    8 * 0.75,
    2e9,
)
COMPONENTS = {
    *("mac", "vector", "registers", "scratchpads.input", "scratchpads.weight"),
    *("scratchpads.psum", "scratchpads.output", "shared_buffer", "network", "memories.dram"),
    "leakage",
}


def counts_of(numbers: Any) -> EnergyCounts[Any]:
    """Return counts from numbers, or arrays, in the order of ``PJ_OF_ONE``."""

    def traffic(first: int) -> Traffic[Any]:
        return Traffic(read_bytes=numbers[first], written_bytes=numbers[first + 1])

    return EnergyCounts(
        macs={"int8": numbers[0], "bf16": numbers[1]},
        vector_operations=numbers[2],
        registers=traffic(3),
        scratchpads={"input": traffic(5), "psum": traffic(7)},
        memories={"dram": traffic(9)},
        shared_buffer=traffic(11),
        network_link_bytes=numbers[13],
        time_s=numbers[14],
    )


numbers = st.lists(
    st.integers(0, 2**40).map(float), min_size=len(PJ_OF_ONE), max_size=len(PJ_OF_ONE)
)


@given(numbers)
def test_energy_is_each_count_times_its_number(amounts: list[float]) -> None:
    expected = sum(amount * pj for amount, pj in zip(amounts, PJ_OF_ONE, strict=True))
    assert energy_pj(SPEC, counts_of(amounts)) == pytest.approx(expected, rel=1e-12)


@given(numbers, numbers)
def test_energy_is_additive(first: list[float], second: list[float]) -> None:
    both = [a + b for a, b in zip(first, second, strict=True)]
    apart = energy_pj(SPEC, counts_of(first)) + energy_pj(SPEC, counts_of(second))
    assert energy_pj(SPEC, counts_of(both)) == pytest.approx(apart, rel=1e-12)


def test_no_work_takes_no_energy() -> None:
    assert energy_pj(SPEC, counts_of([0.0] * len(PJ_OF_ONE))) == 0.0


@given(st.lists(numbers, min_size=1, max_size=5))
def test_arrays_are_as_one_by_one(many: list[list[float]]) -> None:
    arrays: Reals = np.array(many).T
    together = energy_pj(SPEC, counts_of(arrays))
    assert together.tolist() == [energy_pj(SPEC, counts_of(amounts)) for amounts in many]


@given(numbers)
def test_components_add_up_to_the_energy(amounts: list[float]) -> None:
    parts = component_energies_pj(SPEC, counts_of(amounts))
    assert sum(parts.values()) == pytest.approx(energy_pj(SPEC, counts_of(amounts)), rel=1e-12)
    assert set(parts) <= COMPONENTS


def without(**changes: Any) -> AcceleratorSpec:
    assert SPEC.energy is not None
    return replace(SPEC, energy=replace(SPEC.energy, **changes))


MISSING: list[tuple[int, dict[str, Any], str]] = [
    (0, {"mac_pj": {"bf16": 1.0}}, "key 'energy.mac.int8' is missing but 5 MACs need it"),
    (2, {"vector_pj": None}, "key 'energy.vector' is missing but 5 operations need it"),
    (5, {"scratchpads": {}}, "key 'energy.scratchpads.input' is missing but 40 bits need it"),
    (10, {"memories": {}}, "key 'energy.memories.dram' is missing but 40 bits need it"),
    (11, {"shared_buffer": None}, "key 'energy.shared_buffer' is missing but 40 bits need it"),
    (13, {"network_pj_per_bit": None}, "key 'energy.network' is missing but 40 bits need it"),
]


@pytest.mark.parametrize(("number", "changes", "message"), MISSING)
@pytest.mark.parametrize("make", [float, lambda amount: np.array([0.0, amount])])
def test_a_part_that_works_without_a_number_is_named(
    number: int, changes: dict[str, Any], message: str, make: Callable[[float], Any]
) -> None:
    amounts = [make(0.0)] * len(PJ_OF_ONE)
    spec = without(**changes)
    assert not np.any(energy_pj(spec, counts_of(amounts))), "what does nothing needs no number"
    amounts[number] = make(5.0)
    with pytest.raises(SpecError, match=f"^machine 'whole': {re.escape(message)}; add it$"):
        energy_pj(spec, counts_of(amounts))


def test_registers_and_leakage_are_left_out_where_they_are_not_given() -> None:
    spec = without(registers=None, leakage_mw=None)
    parts = component_energies_pj(spec, counts_of([1.0] * len(PJ_OF_ONE)))
    assert not {"registers", "leakage"} & set(parts)


def test_a_machine_without_energies_is_an_error() -> None:
    message = "machine 'tpu_v1': key 'energy' is missing but its energy is asked for; add it"
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        energy_pj(load_preset("tpu_v1"), counts_of([0.0] * len(PJ_OF_ONE)))


@pytest.mark.parametrize("value", [-1.0, float("inf"), float("nan")])
def test_a_number_that_is_none_is_refused(value: float) -> None:
    access = AccessEnergy(read_pj_per_bit=1.0, write_pj_per_bit=value)
    message = f"energy.memories.dram.write: must be at least 0 and finite but is {value:g}"
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        without(memories={"dram": access})


def test_every_energy_can_be_left_out() -> None:
    empty = "base: edge_32x32\nname: none\nenergy: null\n"
    assert parse_spec(empty, "none.yaml").energy is None
    assert {field.name for field in fields(EnergySpec)} == {
        *("mac_pj", "vector_pj", "registers", "scratchpads", "memories", "shared_buffer"),
        *("network_pj_per_bit", "leakage_mw"),
        *("technology", "derived", "unknown"),  # how it is known, no numbers
    }


def test_a_network_that_is_left_out_needs_no_change_of_energies() -> None:
    alone = parse_spec("base: npu_4core\nname: m\ncores: 1\nnetwork: null\n", "m.yaml")
    assert alone.network is None
    assert alone.energy == load_preset("npu_4core").energy


def test_a_variation_of_reads_keeps_the_writes() -> None:
    text = "base: ref32\nname: m\nenergy: {scratchpads: {sram: {read: 1pJ/bit}}}\n"
    jsonschema.validate(yaml.safe_load(text), schema())
    energy = parse_spec(text, "m.yaml").energy
    assert energy is not None
    assert energy.scratchpads["sram"] == AccessEnergy(read_pj_per_bit=1.0, write_pj_per_bit=0.06)


def test_a_variation_changes_one_energy_and_nothing_else() -> None:
    base, name = load_preset("edge_32x32"), "energy: {memories: {dram: 4pJ/bit}}"
    changed = parse_spec(f"base: edge_32x32\nname: edge_32x32\n{name}\n", "m.yaml")
    assert base.energy is not None
    assert changed.energy == replace(
        base.energy,
        memories={"dram": AccessEnergy(read_pj_per_bit=4.0, write_pj_per_bit=4.0)},
    )


def accesses_one_by_one(flow: str, rows: int, columns: int, sizes: dict[str, int]) -> list[int]:
    """Return reads and writes of the PEs' stationary operand, counted fold by fold."""
    along, across, time = (
        sizes[letter]
        for letter in (DATAFLOWS[flow].rows, DATAFLOWS[flow].columns, DATAFLOWS[flow].time)
    )
    reads = writes = 0
    for row in range(0, along, rows):
        for column in range(0, across, columns):
            mapped = min(rows, along - row) * min(columns, across - column)
            if flow == "OS":
                reads += mapped * (time - 1) + mapped  # all MACs but the first, then the drain
                writes += mapped * time
            else:
                reads += mapped * time
                writes += mapped
    return [reads, writes]


@given(
    flow=st.sampled_from(list(DATAFLOWS)),
    dtype=st.sampled_from(["int8", "bf16", "fp32"]),
    m=st.integers(1, 20),
    n=st.integers(1, 20),
    k=st.integers(1, 20),
)
def test_registers_are_read_and_written_as_fold_by_fold(
    flow: str, dtype: str, m: int, n: int, k: int
) -> None:
    work = array_work(
        rows=4, columns=3, dataflow=DATAFLOWS[flow], timing=TIMINGS["rtl"],
        groups=1, m=m, n=n, k=k, accumulate=0,
    )  # fmt: skip
    found = register_traffic(flow, DTYPES[dtype], float(m * n * k), float(work.mapped_pes))
    stationary = DTYPES[DTYPES[dtype].accumulator if flow == "OS" else dtype]
    expected = accesses_one_by_one(flow, 4, 3, {"M": m, "N": n, "K": k})
    assert [found.read_bytes, found.written_bytes] == [
        accesses * stationary.size_bytes for accesses in expected
    ]


NETWORKS = [
    NetworkSpec(topology=topology, rows=rows, columns=4, ports=ports,
                link_bytes_per_cycle=16, router_delay_cycles=1)
    for topology, rows, ports in (
        ("mesh", 3, ((0, 0), (2, 3), (1, 1))),
        ("mesh", 1, ((0, 2),)),
        ("crossbar", 1, ((0, 0), (0, 0))),
    )
]  # fmt: skip


@pytest.mark.parametrize("spec", NETWORKS)
@pytest.mark.parametrize("to_memory", [True, False])
def test_links_that_a_byte_passes_are_those_of_the_network(
    spec: NetworkSpec, to_memory: bool
) -> None:
    for core in range(spec.rows * spec.columns):
        network = Network(spec, 10**9)
        network.carry(core, 600, 0, 0, to_memory=to_memory)
        carried = sum(link.size_bytes for link in network.links())
        assert carried == pytest.approx(600 * spec.mean_links(core))
