"""The notebook of the documents runs, and shows what it shows; values have HTML for notebooks."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import pytest

import rooftile
from rooftile.sources import find_hardware, find_network
from tests.notebooks import executed, read, text_of
from tests.reports.runs import small
from workloads.loaders.yaml import parse_network

NOTEBOOK = Path(__file__).parents[2] / "docs" / "first_steps.ipynb"
#: Elements without an end.
VOID = {"br"}


class Balance(HTMLParser):
    """Counts cells, and fails where an element isn't closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.cells = 0

    def handle_starttag(self, tag: str, attrs: object) -> None:
        del attrs
        if tag not in VOID:
            self.open.append(tag)
        self.cells += tag == "td"

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def cells(page: str) -> int:
    balance = Balance()
    balance.feed(page)
    balance.close()
    assert balance.open == []
    return balance.cells


def test_the_notebook_shows_what_its_cells_give(pytestconfig: pytest.Config) -> None:
    text = text_of(executed(read(NOTEBOOK)))
    if pytestconfig.getoption("--update-golden"):
        NOTEBOOK.write_text(text, encoding="utf-8")
    assert text == NOTEBOOK.read_text(encoding="utf-8")


def test_the_notebook_is_of_nbformat_4() -> None:
    notebook = read(NOTEBOOK)
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    names = [cell["id"] for cell in notebook["cells"]]
    assert len(set(names)) == len(names)
    for cell in notebook["cells"]:
        own = {"execution_count", "outputs"} if cell["cell_type"] == "code" else set()
        assert set(cell) == {"cell_type", "id", "metadata", "source"} | own
    assert len(NOTEBOOK.read_bytes()) < 50_000


def test_a_network_is_a_row_for_each_layer() -> None:
    graph = small().plan.graph
    assert cells(graph._repr_html_()) == 6 * len(graph.layers)


def test_a_plan_is_a_row_for_each_work() -> None:
    plan = small().plan
    page = plan._repr_html_()
    assert cells(page) == 6 * len(plan.works)
    assert "<td>fc.0</td><td>2</td><td>OS</td>" in page
    grouped = rooftile.simulate(plan.graph, plan.spec, across=("fusion", "residency")).plan
    assert cells(grouped._repr_html_()) == 6 * len(grouped.works)


def test_a_machine_is_its_yaml() -> None:
    spec = find_hardware("npu_4core")
    page = spec._repr_html_()
    assert cells(page) == 0
    assert "cores: 4" in page
    assert "4 cores, 32x32 OS, 1 GHz" in page


def test_comparisons_have_html() -> None:
    assert cells(rooftile.compare(small(), small())._repr_html_())


def test_a_roofline_says_what_it_is() -> None:
    assert repr(small().roofline).startswith("<Roofline small on edge_32x32: ")


def test_names_are_escaped() -> None:
    text = 'name: "<b>"\ninputs: {x: [1, 4]}\nlayers: [{name: fc, op: linear, out: 2}]\n'
    graph = parse_network(text, "test.yaml")
    assert "<b></b>" not in graph._repr_html_()
    assert "<b>&lt;b&gt;, batch 1" in graph._repr_html_()


def test_public_names_are_there() -> None:
    assert rooftile.find_network is find_network
    assert rooftile.find_hardware is find_hardware
    assert all(hasattr(rooftile, name) for name in rooftile.__all__)
