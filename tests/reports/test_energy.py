"""The energy of runs: the counts of their programs, times the machine's numbers."""

from __future__ import annotations

import json
import re
from collections import Counter
from math import prod
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accel.several_arrays import matmul_work
from accel.spec import AcceleratorSpec
from accel.spec_file import load_preset, parse_spec, preset_names
from accel.vector import vector_operations
from foundation.dtype import DTYPES
from foundation.errors import SpecError
from isa.instruction import Gather, Load, MatMul, Store, Vector
from mapper.planner import make_plan
from reports.energy import energy_line
from reports.explain import explain_text
from reports.tables import report_table
from rooftile.simulation import simulate
from tests.laws.draft import Draft
from tests.laws.graphs import chains
from tests.laws.machines import MACHINES, with_energies
from tests.reports.runs import SMALL, VIEWS, run, small
from workloads.graph import Graph
from workloads.layers import Linear


def counted(spec: AcceleratorSpec, graph: Graph) -> Counter[str]:
    """Return what all programs of a network do, counted instruction by instruction."""
    plan = make_plan(graph, spec)
    found: Counter[str] = Counter()
    for program in plan.all_programs():
        names = [space.name for space in program.spaces]
        for stream in program.streams.values():
            for what in stream:
                match what:
                    case Load():
                        box = zip(what.before, what.shape, what.after, strict=True)
                        filled = prod(sum(parts) for parts in box) * what.element_bytes
                        found[f"{names[what.source.space]} read"] += what.size_bytes
                        found[f"{names[what.destination.space]} written"] += filled
                    case Gather():
                        found[f"{names[what.indices.space]} read"] += 4 * what.rows
                        found[f"{names[what.table.space]} read"] += what.size_bytes
                        found[f"{names[what.destination.space]} written"] += what.size_bytes
                    case Store():
                        found[f"{names[what.source.space]} read"] += what.size_bytes
                        found[f"{names[what.destination.space]} written"] += what.size_bytes
                    case MatMul():
                        count_matmul(spec, what, names, found)
                    case Vector():
                        count_vector(what, names, found)
    return found


def count_matmul(
    spec: AcceleratorSpec, what: MatMul, names: list[str], found: Counter[str]
) -> None:
    groups, m, n, k = what.extents
    array = spec.array.with_dataflow(what.dataflow)
    work = matmul_work(array, groups=groups, m=m, n=n, k=k, accumulate=int(what.accumulate))
    size, sum_size = what.dtype.size_bytes, DTYPES[what.dtype.accumulator].size_bytes
    found[f"mac {what.dtype}"] += groups * m * n * k
    found[f"{names[what.input.space]} read"] += work.input_reads * size
    found[f"{names[what.weight.space]} read"] += work.weight_reads * size
    found[f"{names[what.psum.space]} read"] += work.psum_reads * sum_size
    found[f"{names[what.psum.space]} written"] += work.psum_writes * sum_size
    macs, stays_in_pes = groups * m * n * k, array.dataflow != "OS"
    found["registers read"] += macs * (size if stays_in_pes else sum_size)
    found["registers written"] += work.mapped_pes * size if stays_in_pes else macs * sum_size


def count_vector(what: Vector, names: list[str], found: Counter[str]) -> None:
    elements = prod(what.shape)
    row = prod(what.shape[-max(what.reduced, 1) :])  # what a sort goes over in several passes
    found["vector"] += vector_operations(
        function=what.function, activation=what.activation, elements=elements, row=row
    )
    for access in what.inputs:
        found[f"{names[access.space]} read"] += elements * what.input_dtype.size_bytes
    results = prod(what.shape[: len(what.shape) - what.folded])
    found[f"{names[what.output.space]} written"] += results * what.output_dtype.size_bytes


def expected_pj(spec: AcceleratorSpec, found: Counter[str]) -> dict[str, float]:
    """Return the energies of counts by component."""
    energy = spec.energy
    assert energy is not None
    assert energy.vector_pj is not None
    accesses = {f"scratchpads.{name}": access for name, access in energy.scratchpads.items()}
    accesses |= {f"memories.{name}": access for name, access in energy.memories.items()}
    result = {
        key: 8.0 * found[f"{key.partition('.')[2]} read"] * access.read_pj_per_bit
        + 8.0 * found[f"{key.partition('.')[2]} written"] * access.write_pj_per_bit
        for key, access in accesses.items()
    }
    result["mac"] = sum(found[f"mac {dtype}"] * pj for dtype, pj in energy.mac_pj.items())
    result["registers"] = 8 * (0.5 * found["registers read"] + 0.75 * found["registers written"])
    result["vector"] = found["vector"] * energy.vector_pj
    return result


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(graph=chains("int8") | chains("bf16"), spec=st.sampled_from(MACHINES).map(with_energies))
def test_the_energy_of_a_run_is_what_its_programs_do_times_the_numbers(
    graph: Graph, spec: AcceleratorSpec
) -> None:
    report = simulate(graph, spec).report
    expected = expected_pj(spec, counted(spec, graph))
    nothing = dict.fromkeys(expected, 0.0)  # of a network of views
    assert {**nothing, **report.energies_pj} == pytest.approx(expected)


def test_pieces_that_are_simulated_once_count_as_often_as_they_run() -> None:
    draft = Draft(DTYPES["int8"])
    draft.add(Linear(out_features=200), [draft.add_input((600, 600))])
    spec, graph = with_energies(MACHINES[0]), draft.graph()
    result = simulate(graph, spec)
    assert max(piece.count for piece in result.traces[0]) > 1
    assert result.report.energies_pj == pytest.approx(expected_pj(spec, counted(spec, graph)))


def test_layers_add_up_to_the_network() -> None:
    report = small().report
    layers = [layer.work.energy_pj for layer in report.layers]
    assert sum(layers) == pytest.approx(report.energy_pj)
    assert layers[2] == 0, "a reshape"
    assert report.energy_delay_pj_s == report.energy_pj * report.time_s


def test_records_have_the_parts_of_the_energy() -> None:
    for layer, record in zip(small().report.layers, small().report.records(), strict=True):
        parts = [value for key, value in record.items() if re.fullmatch(r"energy_.+_pj", key)]
        assert len(parts) == 6
        assert sum(parts) == pytest.approx(layer.work.energy_pj)
        assert record["energy_pj"] == layer.work.energy_pj


def test_a_machine_without_energies_reports_none_and_refuses_to_say() -> None:
    report = run(SMALL, load_preset("tpu_v1")).report
    assert not [key for key in report.records()[0] if "energy" in key]
    assert "energy" not in report_table(report)
    assert report.warnings == ()
    message = "machine 'tpu_v1': key 'energy' is missing but its energy is asked for; add it"
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        _ = report.energy_pj


def test_views_alone_have_no_energy_either_where_the_machine_has_none() -> None:
    assert run(VIEWS, load_preset("edge_32x32")).report.energy_pj == 0
    with pytest.raises(SpecError, match="key 'energy' is missing"):
        _ = run(VIEWS, load_preset("tpu_v1")).report.energy_pj


def test_a_part_without_a_number_is_named_and_nothing_is_reported() -> None:
    spec = parse_spec("base: npu_4core\nname: m\nenergy: {network: null}\n", "m.yaml")
    report = run(SMALL, spec).report
    (warning,) = report.warnings
    assert re.fullmatch(
        r"no energy is reported: machine 'm': key 'energy.network' is missing but [0-9,]+ bits"
        r" need it; add it",
        warning,
    )
    assert "energy  " not in report_table(report)
    with pytest.raises(SpecError, match=r"energy\.network"):
        _ = report.energies_pj


def test_a_network_and_a_shared_buffer_take_what_passes_them() -> None:
    text = """\
base: npu_4core
name: m
shared_buffer: {capacity: 256KiB, line: 256B, ways: 4, bandwidth: 64B/cycle, latency: 2 cycles}
energy: {network: 1pJ/bit, shared_buffer: {read: 1pJ/bit, write: 0pJ/bit}}
"""
    result = run(SMALL, parse_spec(text, "m.yaml"))
    traces = [piece.trace for pieces in result.traces for piece in pieces]
    assert len(traces) == 4, "each program once, but for the two equal layers"
    loaded, stored, fetched = Counter[int](), Counter[int](), Counter[int]()
    for number, pieces in enumerate(result.traces):
        for piece in pieces:
            loads = piece.trace.rows(opcode="load")
            loaded[number] += piece.count * int(loads["moved_bytes"].sum())
            fetched[number] += piece.count * int(loads["bytes"].sum())
            stores = piece.trace.rows(opcode="store")
            stored[number] += piece.count * int(stores["moved_bytes"].sum())
    for layer in result.report.layers:
        if layer.work.energies_pj:
            number = layer.work_number
            moved = loaded[number] + stored[number]
            assert layer.work.energies_pj["shared_buffer"] == 8 * loaded[number]
            assert layer.work.energies_pj["network"] == 2 * 8 * moved
            assert layer.work.energies_pj["memories.dram"] == pytest.approx(
                20 * 8 * (fetched[number] + stored[number])
            )


def test_leakage_takes_its_power_all_the_time() -> None:
    spec = parse_spec("base: edge_32x32\nname: m\nenergy: {leakage: 3mW}\n", "m.yaml")
    report = run(SMALL, spec).report
    assert report.energies_pj["leakage"] == pytest.approx(3e9 * report.time_s)
    assert "leakage not counted" not in report_table(report)


def test_registers_of_a_reference_design() -> None:
    report = run(SMALL, load_preset("ref32")).report
    # One byte is read for each MAC, and one written for each weight in its PE.
    reads = report.total_macs
    works = [layer.work for layer in report.layers]
    writes = sum(work.scratchpad_accesses.get("weight_reads", 0) for work in works)
    assert report.energies_pj["registers"] == pytest.approx(0.01 * (reads + writes))


def test_a_product_on_the_reference_design_by_hand() -> None:
    """M = N = K = 32: each operand crosses main memory once; 1,024 B each, biases 128 B."""
    draft = Draft(DTYPES["int8"])
    draft.add(Linear(out_features=32), [draft.add_input((32, 32))])
    report = simulate(draft.graph(), load_preset("ref32")).report
    # Once, or for each tile along M.
    weights = report.layers[0].work.scratchpad_accesses["weight_reads"]
    assert report.energies_pj == pytest.approx(
        {
            "mac": 32768 * 0.2,
            "registers": (32768 + weights) * 0.01,
            "vector": 0.0,
            # Loads write input and weight, the vector unit the output; a store reads that.
            "scratchpads.sram": 8 * (3 * 1024 * 0.06 + (2 * 1024 + weights) * 0.05),
            # Biases come in; psums are written; both are read for each output.
            "scratchpads.accumulators": (32 + 1024 + 1024 + 1024) * 0.05,
            "memories.dram": (3 * 1024 + 128) * 8 * 4.0,
        }
    )


def test_summary_and_explanation_say_where_the_energy_goes(tmp_path: Path) -> None:
    result = small()
    text = explain_text(result.report, result.plan, "conv")
    (lines,) = re.findall(r"where its energy goes: .*\n((?:  .*\n)+)", text)
    shares = [float(share) for share in re.findall(r"([\d.]+)%", lines)]
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) == pytest.approx(100, abs=0.1 * len(shares))
    other = run(SMALL, load_preset("tpu_v1"))
    assert "energy" not in explain_text(other.report, other.plan, "conv")
    summary = json.loads((result.write(tmp_path / "a", plots=False) / "summary.json").read_text())
    assert summary["energy_pj"] == result.report.energy_pj
    assert summary["energies_pj"] == result.report.energies_pj
    bare = other.write(tmp_path / "b", plots=False)
    assert json.loads((bare / "summary.json").read_text())["energy_pj"] is None


def test_a_line_is_for_an_inference_and_joins_small_parts() -> None:
    energies = {"mac": 3e6, "scratchpads.input": 9.96e6, "memories.dram": 7e6, "vector": 4e4}
    assert energy_line(energies, inferences=2, has_leakage=False) == (
        "10 uJ an inference, leakage not counted: input 50%, dram 35%, MACs 15%,"
        " others under 1% each"
    )
    assert energy_line({}, inferences=1, has_leakage=True) == "0 pJ an inference: none"


@pytest.mark.parametrize("name", preset_names())
def test_presets_have_all_energies_or_none(name: str) -> None:
    spec = load_preset(name)
    report = run(SMALL, spec).report
    assert report.no_energy == "" or spec.energy is None
