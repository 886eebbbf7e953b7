"""Shares of what layers fill, and the PE grid against folds written down one by one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accel.spec_file import load_preset
from foundation.dtype import DTYPES
from isa.instruction import Access, MatMul
from reports.figures.pes import mapped_shares, pe_grid
from reports.figures.utilization import utilization
from rooftile.simulation import simulate
from tests.accel.arrays import array_spec
from tests.reports.runs import run, small, zoo_run


def product(m: int, n: int, k: int) -> MatMul:
    nowhere = Access(space=0, base=0, strides=(0, 0, 0))
    return MatMul(
        groups=(),
        m=(m,),
        n=n,
        k=(k,),
        input=nowhere,
        weight=nowhere,
        psum=nowhere,
        accumulate=False,
        dtype=DTYPES["int8"],
        tag=0,
    )


size = st.integers(1, 30)


@given(size, size, size, st.integers(1, 8), st.integers(1, 8), st.sampled_from(["WS", "OS", "IS"]))
def test_a_pe_is_mapped_in_the_folds_that_reach_it(
    m: int, n: int, k: int, rows: int, columns: int, dataflow: str
) -> None:
    array = array_spec(rows, columns, dataflow, 2)
    across, along = {"WS": (k, n), "OS": (m, n), "IS": (k, m)}[dataflow]
    counts, folds = np.zeros((rows, columns)), 0
    for top in range(0, across, rows):
        for left in range(0, along, columns):
            counts[: min(rows, across - top), : min(columns, along - left)] += 1
            folds += 1
    assert np.allclose(mapped_shares(array, product(m, n, k)), counts / folds)


def test_the_grids_mean_is_the_reports_share_of_mapped_pes() -> None:
    network = "name: n\ninputs: {x: [20, 24]}\nlayers: [{name: fc, op: linear, out: 40}]\n"
    result = run(network, load_preset("edge_32x32"))
    (layer,) = result.report.layers
    grid = pe_grid(result.plan)
    assert grid.shares.mean() == pytest.approx(layer.work.spatial_utilization)
    assert len(grid.records()) == 32 * 32


def test_the_grid_of_a_network_is_weighted_by_time() -> None:
    shares = pe_grid(small().plan).shares
    assert shares[0, 0] == 1
    assert (np.diff(shares, axis=0) <= 1e-12).all()
    assert (np.diff(shares, axis=1) <= 1e-12).all()


@pytest.mark.parametrize("engine", ["cycle", "analytical"])
def test_shares_are_shares_and_those_of_the_report(engine: str) -> None:
    report = simulate("lenet", "edge_32x32", engine=engine).report
    shown = utilization(report)
    assert sum(layer.time_share for layer in shown.layers) == pytest.approx(1)
    for layer in shown.layers:
        work = report.layer(layer.name).work
        assert layer.shares["PEs mapped"] == (work.spatial_utilization if work.macs else None)
        assert layer.shares["MACs"] == (work.mac_utilization if work.macs else None)
        assert all(0 <= (share or 0) <= 1.000001 for share in layer.shares.values())


def test_what_is_not_used_is_empty() -> None:
    shown = utilization(zoo_run("resnet18", "edge_32x32").report)
    (pool,) = [layer for layer in shown.layers if layer.name == "pool1"]
    assert pool.shares["PEs mapped"] is None
    assert "PEs_mapped_share" in shown.records()[0]
