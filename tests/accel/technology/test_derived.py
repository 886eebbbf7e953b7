"""Energies and areas that follow from a technology: by hand, one by one, and back as YAML."""

from __future__ import annotations

import re
from math import log
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from accel.area import area_of_parts, known_area_um2
from accel.energy import EnergyCounts, Traffic, component_energies_pj, unknown_components
from accel.energy_spec import EnergySpec
from accel.spec import AcceleratorSpec
from accel.spec_file import load_preset, parse_spec, preset_names, schema, to_yaml
from foundation.errors import SpecError

KIB = 1024
SCHEMA = jsonschema.Draft202012Validator(schema())
#: Keys of a machine with everything, and a number for each as it stands in a file.
GIVEN = {
    "mac": {"int8": "7pJ"},
    "vector": "7pJ",
    "registers": "7pJ/bit",
    "scratchpads": {"input": "7pJ/bit"},
    "memories": {"dram": "7pJ/bit"},
    "network": "7pJ/bit",
    "shared_buffer": "7pJ/bit",
    "leakage": "7mW",
}
WHOLE = {
    "base": "npu_4core",
    "name": "whole",
    "shared_buffer": {
        "capacity": "256KiB", "line": "256B", "ways": 4, "bandwidth": "64B/cycle",
        "latency": "2 cycles",
    },
}  # fmt: skip


def machine(text: str) -> AcceleratorSpec:
    return parse_spec(text, "m.yaml")


def edge(energy: str = "null", area: str = "null", **changes: str) -> AcceleratorSpec:
    """Return a variation of edge_32x32."""
    more = "".join(f"{key}: {value}\n" for key, value in changes.items())
    return machine(f"base: edge_32x32\nname: m\n{more}energy: {energy}\narea: {area}\n")


def energies(text: str, **changes: str) -> EnergySpec:
    found = edge(text, **changes).energy
    assert found is not None
    return found


def test_a_technology_derives_what_edge_32x32_states() -> None:
    """Its numbers were worked out by hand from the same figure of ISSCC 2014."""
    stated, found = (
        load_preset("edge_32x32").energy,
        energies("{technology: {node: 45nm, dram: generic}}"),
    )
    assert stated is not None
    assert found.mac_pj == pytest.approx(stated.mac_pj)
    assert found.vector_pj == stated.vector_pj
    assert found.memories == stated.memories
    for name, access in stated.scratchpads.items():
        both = (found.scratchpads[name].read_pj_per_bit, found.scratchpads[name].write_pj_per_bit)
        assert both == pytest.approx((access.read_pj_per_bit, access.write_pj_per_bit), rel=0.01)


def test_energies_by_hand() -> None:
    """45 nm as published; 32 nm by the coefficients of the two nodes at 0.9 V."""
    found = energies("{technology: 45nm}", array="{dtypes: [int8, fp16, fp32]}")
    assert found.mac_pj == pytest.approx({"int8": 0.3, "fp16": 1.1 + 0.9, "fp32": 3.7 + 0.9})
    assert found.vector_pj == 0.9, "beside floats it adds floats"
    at_45 = 1.018 * 0.81 - 0.3107 * 0.9 + 0.1539
    at_32 = 0.8367 * 0.81 - 0.4341 * 0.9 + 0.1701
    smaller = energies("{technology: 32nm}")
    assert smaller.mac_pj["int8"] == pytest.approx(0.3 * at_32 / at_45)
    input_pad = smaller.scratchpads["input"].read_pj_per_bit
    assert input_pad == pytest.approx(at_32 / at_45 * 20 * 8 ** (0.69897 / 1.50515) / 64, rel=1e-4)
    assert smaller.leakage_mw is None, "no source says how leakage scales"
    assert found.leakage_mw == pytest.approx(2 * 155.4848 + 2 * 81.65, rel=1e-3)


def test_links_and_memories_by_hand() -> None:
    technology = "{node: 45nm, link: 2mm, dram: {dram: hbm2}}"
    text = f"base: npu_4core\nname: m\nenergy: {{technology: {technology}}}\n"
    energy = machine(text).energy
    assert energy is not None
    assert energy.network_pj_per_bit == pytest.approx(2 * 310 / 2560)
    assert energy.memories["dram"].read_pj_per_bit == 3.92
    slower = machine(text.replace("link", "voltage: 0.6V, link")).energy
    assert slower is not None
    assert slower.network_pj_per_bit == pytest.approx(2 * 310 / 2560 * (0.6 / 0.9) ** 2)
    assert slower.memories["dram"].read_pj_per_bit == 3.92


@settings(max_examples=25, deadline=None)
@given(st.sets(st.sampled_from(sorted(GIVEN))), st.sampled_from(["45nm", "32nm", "14nm", "7nm"]))
def test_given_numbers_go_first_one_by_one_and_read_back(given_keys: set[str], node: str) -> None:
    technology = {"node": node, "dram": "generic", "link": "1mm"}
    data = {
        **WHOLE,
        "energy": {"technology": technology, **{key: GIVEN[key] for key in given_keys}},
    }
    SCHEMA.validate(data)
    spec = machine(yaml.safe_dump(data))
    bare = machine(yaml.safe_dump({**WHOLE, "energy": {"technology": technology}}))
    assert spec.energy is not None
    assert bare.energy is not None
    for key in GIVEN:
        first = key if isinstance(GIVEN[key], str) else f"{key}.{next(iter(GIVEN[key]))}"
        found, derived = number(spec.energy, first), number(bare.energy, first)
        assert found == (7.0 if key in given_keys else derived), first
        assert (first in spec.energy.derived) == (key not in given_keys and derived is not None)
    written = to_yaml(spec)
    SCHEMA.validate(yaml.safe_load(written))
    assert machine(written) == spec


def number(energy: EnergySpec, key: str) -> float | None:
    """Return what stands under a key, reads for reads and writes."""
    first, _, name = key.partition(".")
    if first == "mac":
        return energy.mac_pj.get(name)
    values: dict[str, Any] = {
        "vector": energy.vector_pj,
        "network": energy.network_pj_per_bit,
        "leakage": energy.leakage_mw,
        "registers": energy.registers,
        "shared_buffer": energy.shared_buffer,
        "scratchpads": energy.scratchpads.get(name),
        "memories": energy.memories.get(name),
    }
    value = values[first]
    return value if value is None or isinstance(value, float) else value.read_pj_per_bit


NULLS = """\
{technology: {node: 45nm, dram: generic}, mac: {int8: null}, vector: null,
  scratchpads: {input: null}, memories: {dram: null}}"""


def test_null_beside_a_technology_is_a_number_that_nobody_knows() -> None:
    spec = edge(NULLS)
    SCHEMA.validate({"base": "edge_32x32", "name": "m", "energy": yaml.safe_load(NULLS)})
    assert spec.energy is not None
    unknown = ("mac.int8", "scratchpads.input", "memories.dram", "vector")
    assert spec.energy.unknown == unknown
    assert not set(unknown) & set(spec.energy.derived)
    assert machine(to_yaml(spec)) == spec
    some, none = (
        Traffic(read_bytes=8.0, written_bytes=8.0),
        Traffic(read_bytes=0.0, written_bytes=0.0),
    )
    counts = EnergyCounts(
        macs={"int8": 5.0}, vector_operations=0.0, registers=none,
        scratchpads={"input": some, "weight": some}, memories={"dram": some},
        shared_buffer=none, network_link_bytes=0.0, time_s=0.0,
    )  # fmt: skip
    assert unknown_components(spec, counts) == ("mac.int8", "scratchpads.input", "memories.dram")
    assert {key for key, pj in component_energies_pj(spec, counts).items() if pj} == {
        "scratchpads.weight"
    }


def test_null_without_a_technology_is_as_if_it_were_not_there() -> None:
    found = energies("{vector: null, mac: {int8: null}}")
    assert found.unknown == ()
    assert found.vector_pj is None
    assert found.mac_pj == {}


@pytest.mark.parametrize("key", ["registers", "leakage"])
def test_registers_and_leakage_can_be_left_out(key: str) -> None:
    spec = edge(f"{{technology: 45nm, {key}: null}}")
    assert spec.energy is not None
    assert (number(spec.energy, key), spec.energy.unknown) == (None, ())
    assert machine(to_yaml(spec)) == spec


def test_a_variation_that_names_a_technology_leaves_the_numbers_of_its_base() -> None:
    base = load_preset("edge_32x32").energy
    changed = energies("{technology: {node: 7nm, dram: generic}}")
    assert base is not None
    assert changed.mac_pj["int8"] < base.mac_pj["int8"] / 5
    kept = machine("base: edge_32x32\nname: m\nenergy: {vector: 1pJ}\n").energy
    assert kept is not None
    assert kept.mac_pj == base.mac_pj


def test_what_the_tables_lack_is_an_error_that_says_so() -> None:
    spec = edge("{technology: 45nm}", array="{dtypes: [bf16]}")
    none = Traffic(read_bytes=0.0, written_bytes=0.0)
    counts = EnergyCounts(
        macs={"bf16": 5.0}, vector_operations=0.0, registers=none, scratchpads={}, memories={},
        shared_buffer=none, network_link_bytes=0.0, time_s=0.0,
    )  # fmt: skip
    message = (
        "machine 'm': key 'energy.mac.bf16' is missing but 5 MACs need it; add it, or null where"
        " none is known: its technology has no number for it"
    )
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        component_energies_pj(spec, counts)


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_can_be_put_into_a_technology(name: str) -> None:
    text = f"""\
base: {name}
name: m
energy: {{technology: {{node: 32nm, dram: hbm2}}}}
area: {{technology: 32nm, pe: null, network: null, other: null}}
"""
    spec = machine(text)
    assert spec.energy is not None
    assert {pad.name for pad in spec.scratchpads} == set(spec.energy.scratchpads)
    assert {memory.name for memory in spec.memories} == set(spec.energy.memories)
    assert machine(to_yaml(spec)) == spec
    parts = area_of_parts(spec)
    assert known_area_um2(parts) > 0


@pytest.mark.parametrize(
    ("dataflow", "bits"),
    [("WS", 2 * 8 + 8 + 32), ("IS", 2 * 8 + 8 + 32), ("OS", 2 * 32 + 8 + 8), ("[WS, OS]", 80)],
)
def test_a_pe_by_hand(dataflow: str, bits: int) -> None:
    """A multiplier, an adder, and two registers of what stays with one of each of the others."""
    spec = edge(area="{technology: 45nm, other: 1mm2}", array=f"{{dataflow: {dataflow}}}")
    parts = {part.key: part for part in area_of_parts(spec)}
    # From 40 nm to 45 nm along the line of logarithms that ends in 0.46 at 32 nm.
    shrink_to_40 = 0.46 ** (log(45 / 40) / log(45 / 32))
    assert parts["pe"].each_um2 == pytest.approx(
        282 + 137 + bits * 5.981433 / shrink_to_40, rel=1e-4
    )
    assert parts["pe"].count == 1024
    assert parts["vector_lane"].area_um2 == 32 * (3495 + 137)
    assert parts["scratchpads.input"].area_um2 == pytest.approx(1.300632e6)
    assert parts["other"].area_um2 == 1e6
    assert machine(to_yaml(spec)) == spec


def test_parts_count_for_every_core_and_array() -> None:
    base = load_preset("tpu_v4i_like")
    pads = ", ".join(f"{pad.name}: 100um2" for pad in base.scratchpads)
    area = f"{{pe: 1um2, vector_lane: 10um2, scratchpads: {{{pads}}}, other: 0mm2}}"
    text = f"base: tpu_v4i_like\nname: m\ncores: 3\narea: {area}\n"
    expected = 3 * (base.array.pes + 10 * base.vector.lanes + 100 * len(base.scratchpads))
    assert known_area_um2(area_of_parts(machine(text))) == pytest.approx(expected)


def test_a_part_without_an_area_is_named() -> None:
    message = (
        "machine 'm': 'area.pe', 'area.network', 'area.other' are missing but the machine has them;"
        " add an area, or null where none is known; 'other' is what else is on the die"
    )
    text = "base: npu_4core\nname: m\narray: {dtypes: [bf16]}\narea: {technology: 45nm}\n"
    with pytest.raises(SpecError, match=f"^{re.escape(message)}"):
        area_of_parts(machine(text))
    with pytest.raises(SpecError, match=r"^machine 'edge_32x32': key 'area' is missing"):
        area_of_parts(load_preset("edge_32x32"))


def test_null_areas_are_left_out_and_known_to_be() -> None:
    spec = edge(area="{technology: 45nm, pe: null, other: null}")
    parts = area_of_parts(spec)
    assert [part.key for part in parts if part.area_um2 is None] == ["pe", "other"]
    whole = area_of_parts(edge(area="{technology: 45nm, other: 0mm2}"))
    (pe,) = (part.area_um2 for part in whole if part.key == "pe")
    assert pe is not None
    assert known_area_um2(parts) == pytest.approx(known_area_um2(whole) - pe)
    assert machine(to_yaml(spec)) == spec


def test_cells_of_memories_are_smaller_than_our_bits() -> None:
    """WikiChip Fuse, "TSMC Details 5 nm": cells in square micrometres; the page has the shares."""
    shares = {}
    for node, cell_um2 in {16: 0.074, 14: 0.064, 10: 0.042, 7: 0.027}.items():
        spec = edge(area=f"{{technology: {node}nm, other: null}}")
        (pad,) = (part.area_um2 for part in area_of_parts(spec) if part.key == "scratchpads.input")
        assert pad is not None
        shares[node] = round(100 * cell_um2 / (pad / (256 * KIB * 8)))
    assert shares == {16: 63, 14: 61, 10: 68, 7: 74}


def test_parts_of_tpu_v1_are_smaller_than_its_floor_plan() -> None:
    """Jouppi et al., ISCA 2017: of a die of at most 331 mm2 almost a third, and a quarter."""
    text = "base: tpu_v1\nname: m\narea: {technology: 28nm, other: null}\n"
    areas = {part.key: (part.area_um2 or 0) / 1e6 for part in area_of_parts(machine(text))}
    assert areas["scratchpads.unified_buffer"] == pytest.approx(33.0, abs=0.05)
    assert areas["pe"] == pytest.approx(20.7, abs=0.05)
