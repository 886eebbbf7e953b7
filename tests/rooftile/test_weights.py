"""What the documents say of weights, done as they say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.rooftile.command import Command

ROOT = Path(__file__).parents[2]
NETWORKS, MACHINES = ((ROOT / name / "FORMAT.md").read_text() for name in ("workloads", "accel"))


def example(text: str, name: str) -> str:
    """Return the YAML of a document that has a name."""
    blocks: list[str] = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    (found,) = (one for one in blocks if re.search(rf"^name: {name}$", one, re.MULTILINE))
    return found


@pytest.fixture
def documented(rooftile: Command) -> Command:
    Path("mixed.yaml").write_text(example(NETWORKS, "mixed"))
    Path("sparse_edge.yaml").write_text(example(MACHINES, "sparse_edge"))
    return rooftile


def test_the_counts_are_those_of_the_document(documented: Command) -> None:
    (shown,) = re.findall(r"```text\n(mixed.*?)```", NETWORKS, re.DOTALL)
    assert documented("counts", "mixed.yaml").out == shown


def test_the_example_is_proved_on_the_machine_of_the_document(documented: Command) -> None:
    done = documented("validate", "program", "mixed.yaml", "--hw", "sparse_edge.yaml")
    assert (done.status, done.err) == (0, "")
    assert "5 layers, 5 agree with NumPy" in done.out
    together = documented(
        "validate", "program", "mixed.yaml", "--hw", "sparse_edge.yaml", "--across", "all"
    )
    assert together.status == 0


def test_a_run_says_what_is_stored_and_what_is_the_peak(documented: Command) -> None:
    out = documented("run", "mixed.yaml", "--hw", "sparse_edge.yaml").out
    assert "of the array's 4.096 TOP/s" in out  # fp16 x fp8 goes at twice the rate
    text = documented("map", "mixed.yaml", "--hw", "sparse_edge.yaml").out
    assert "of segments fp16/8:2/4:1:nm:none" in text


def test_a_machine_without_the_dtype_says_what_to_change(documented: Command) -> None:
    done = documented("run", "mixed.yaml", "--hw", "edge_32x32")
    assert done.status != 0
    assert done.err.strip() == (
        "error: machine 'edge_32x32': its array multiplies int8, not fp16 x int4; add it to"
        " 'array.dtypes', or change the dtype of the weights"
    )
