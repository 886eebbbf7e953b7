from __future__ import annotations

import re
from dataclasses import replace
from math import inf

import numpy as np
import pytest

from accel.spec_file import preset_names
from accel.trace import Repeated
from foundation.dtype import DTYPES
from mapper.planner import make_plan
from reports.report import Report, make_report
from rooftile.simulation import simulate
from tests.laws.draft import Draft
from tests.laws.machines import MACHINES
from tests.reports.runs import Row, trace_by_hand, two_linears, zoo_run
from workloads.layers import Reshape
from workloads.loaders.yaml import zoo_names

#: Networks that simulate in about a second on any preset.
QUICK = ("alexnet", "resnet18", "mobilenet_v2", "bert_base", "gpt2", "gpt3_175b_decode")
PRESETS = ("tpu_v1", "edge_32x32", "gemmini_default")

#: What keys of records end in: a unit, or a plain count, name or ratio.
ENDINGS = (
    "_cycles",
    "_bytes",
    "_ops_per_byte",
    "_pj",
    "_utilization",
    "_of_lower_bound",
    *("layer", "operator", "shape", "waits_for", "stall_causes", "bound_by"),
    *("macs", "operations", "tiles", "folds"),
)


@pytest.fixture(scope="module")
def small() -> Report:
    return simulate(two_linears(), MACHINES[0]).report


def test_keys_of_records_end_in_their_unit(small: Report) -> None:
    for record in small.records():
        for key in record:
            assert key.endswith(ENDINGS), key


def test_equal_works_are_one_and_a_reshape_costs_nothing(small: Report) -> None:
    first, view, second = small.layers
    assert first.work is second.work
    assert (view.work.total_cycles, view.work.bound_by, view.arithmetic_intensity) == (0, "-", 0)
    assert small.total_cycles == 2 * first.work.total_cycles
    assert small.total_macs == 2 * 4 * 8 * 8


def test_totals_have_their_units(small: Report) -> None:
    assert small.time_fs == small.total_cycles * 10**6  # 1 GHz
    assert small.time_s == small.time_fs / 10**15
    assert small.inferences_per_s == pytest.approx(1 / small.time_s)
    assert small.ops_per_s == pytest.approx(2 * small.total_macs / small.time_s)


def test_a_layer_is_found_by_name(small: Report) -> None:
    assert small.layer("layer2") is small.layers[2]


def test_a_network_of_views_takes_no_time() -> None:
    draft = Draft(DTYPES["int8"])
    draft.add(Reshape(shape=(2, -1)), [draft.add_input((4, 8))])
    report = simulate(draft.graph(), MACHINES[0]).report
    assert report.total_cycles == 0
    assert report.inferences_per_s == inf
    assert report.ops_per_s == 0


def test_to_numpy_has_a_row_per_layer_and_keeps_every_value(small: Report) -> None:
    array = small.to_numpy()
    assert array.shape == (3,)
    assert array.dtype.names == tuple(small.records()[0])
    assert array["layer"].tolist() == ["layer0", "layer1", "layer2"]
    assert array["total_cycles"].dtype == np.int64
    assert array["mac_utilization"].dtype == np.float64
    assert [dict(zip(array.dtype.names, row, strict=True)) for row in array.tolist()] == (
        small.records()
    )


def test_to_dataframe_has_the_records(small: Report) -> None:
    frame = small.to_dataframe()
    assert frame.to_dict("records") == small.records()


def test_a_notebook_shows_the_table(small: Report) -> None:
    page = small._repr_html_()
    assert page.count("<tr>") == 1 + len(small.layers)
    assert "<th>total cycles</th>" in page
    assert f"{small.total_cycles:,} cycles" in page


def test_html_is_escaped(small: Report) -> None:
    nasty = replace(small, layers=(replace(small.layers[0], name="<b>&"),), network="<i>")
    page = nasty._repr_html_()
    assert "&lt;b&gt;&amp;" in page
    assert "&lt;i&gt;" in page
    assert "<i>" not in page


def test_a_memory_too_small_is_warned_of() -> None:
    spec = MACHINES[0]
    (memory,) = spec.memories
    needed = make_plan(two_linears(), spec).memory_bytes["dram"]
    enough = replace(spec, memories=(replace(memory, capacity_bytes=needed),))
    short = replace(spec, memories=(replace(memory, capacity_bytes=needed - 1),))
    assert simulate(two_linears(), enough).report.warnings == ()
    assert simulate(two_linears(), short).report.warnings == (
        "memory 'dram': the tensors need 448 B but 447 B are there; simulated as if they were"
        " enough",
    )


@pytest.mark.parametrize(
    ("busy_cycles", "bound_by"), [(50, "array"), (49, "latency"), (100, "array")]
)
def test_bound_by_needs_half_of_the_time(busy_cycles: int, bound_by: str) -> None:
    rows: list[Row] = [("matrix", 0, busy_cycles, None), ("vector", 0, 10, None)]
    plan = make_plan(two_linears(), MACHINES[0])
    once = (Repeated(trace=trace_by_hand(rows, end_cycle=100), count=1),)
    report = make_report(plan, [once if work.kernels else () for work in plan.works])
    assert report.layers[0].work.bound_by == bound_by


def test_a_memory_can_bound(small: Report) -> None:
    work = small.layers[0].work
    spec = small.spec
    slow = replace(spec, memories=(replace(spec.memories[0], bandwidth_bytes_per_s=10**8),))
    slower = simulate(two_linears(), slow).report.layers[0].work
    assert slower.bound_by == "dram"
    assert slower.resources["dram"] == pytest.approx(40 * work.resources["dram"])


@pytest.mark.parametrize("hardware", PRESETS)
@pytest.mark.parametrize("network", QUICK)
def test_no_network_beats_its_roofs(network: str, hardware: str) -> None:
    result = zoo_run(network, hardware)
    for layer in result.report.layers:
        work = layer.work
        assert work.bound_cycles <= work.total_cycles, layer.name
        assert work.total_dram_bytes >= work.lower_bound_bytes * (1 - 1e-9)
        assert work.lower_bound_bytes >= work.compulsory_bytes
        assert work.cycles_of_lower_bound >= 1 - 1e-9, layer.name
        assert 0 <= work.mac_utilization <= 1
        assert 0 <= work.spatial_utilization <= 1
        assert work.mac_utilization <= work.spatial_utilization
        assert work.macs == result.plan.graph.macs(result.plan.layer(layer.name).layer)


def test_zoo_and_presets_have_the_names_used_here() -> None:
    assert set(QUICK) <= set(zoo_names())
    assert set(PRESETS) <= set(preset_names())


def test_shapes_and_operators_are_short() -> None:
    layers = zoo_run("resnet18", "tpu_v1").report.layers
    assert layers[0].operator == "conv"
    assert layers[0].shape == "224×224×3→112×112×64 k7 s2"
    assert all(re.fullmatch(r"[\w ]+", layer.operator) for layer in layers)
    assert layers[-1].shape == "M1 N1000 K512"


def test_presets_memory_warning_of_gpt3() -> None:
    (warning, *_) = zoo_run("gpt3_175b_decode", "tpu_v1").report.warnings
    assert warning.startswith("memory 'weights': the tensors need 163 GiB but 8 GiB are there;")
