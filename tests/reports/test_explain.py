"""The explanation of one layer."""

from __future__ import annotations

import re

import pytest

from foundation.errors import MappingError
from reports.explain import explain_text
from rooftile.simulation import simulate
from tests.reports.runs import small
from workloads.loaders.yaml import parse_network


def explained(name: str) -> str:
    made = small()
    return explain_text(made.report, made.plan, name)


def test_the_stack_of_every_unit_adds_up_to_the_total() -> None:
    for name in ("conv", "pool", "crop", "fc.1"):
        total = small().report.layer(name).work.total_cycles
        section = explained(name).split("where each unit's cycles went\n")[1].split("\n\n")[0]
        sums: list[int] = []
        for line in section.splitlines():
            if line[2] != " ":
                sums.append(0)
            cycles = re.search(r" ([\d,]+) +[\d.]+%", line)
            assert cycles, line
            sums[-1] += int(cycles[1].replace(",", ""))
        assert sums
        assert set(sums) == {total}


def test_only_engines_that_move_something_are_shown() -> None:
    assert "load:dram" in explained("conv")
    assert "matrix" not in explained("pool")


def test_savings_are_upper_bounds_and_the_largest_comes_first() -> None:
    savings = [
        int(number.replace(",", ""))
        for number in re.findall(r"at most ([\d,]+) cycles", explained("fc.0"))
    ]
    assert savings == sorted(savings, reverse=True)
    assert savings[0] <= small().report.layer("fc.0").work.total_cycles / 2


def test_loops_tiles_and_bytes_are_there() -> None:
    text = explained("conv")
    assert "    for OY in 2 steps of 6\n" in text
    assert "  6 array folds, 18.8% of the PEs mapped\n" in text
    assert "1.04 times the compulsory 1.76 KiB\n" in text


def test_a_view_has_nothing_to_explain() -> None:
    assert explained("flat") == (
        "flat: reshape 6×6×8→288 is a view: no data moves, no cycle passes."
    )


def test_an_unknown_layer_names_the_nearest() -> None:
    message = "layer 'convv': network 'small' has no such layer; did you mean 'conv'?"
    with pytest.raises(MappingError, match=f"^{re.escape(message)}$"):
        explained("convv")


def test_a_product_whose_output_is_partial_sums_has_no_psums_of_its_own() -> None:
    long = "name: long\ninputs: {x: [16, 4096]}\nlayers:\n  - {name: sum, op: linear, out: 16}\n"
    result = simulate(parse_network(long, "long.yaml"), "mesh_64core", split="k")
    text = explain_text(result.report, result.plan, "sum")
    first, then = text.split("  then their sum\n")
    for part, roles in ((first, 4), (then, 3)):
        assert len(re.findall(r"^    \w+ in \w+: row-major", part, re.MULTILINE)) == roles
