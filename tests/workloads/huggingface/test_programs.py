"""Programs of what only these networks are made of compute what NumPy computes."""

from __future__ import annotations

from pathlib import Path

import pytest

from rooftile.sources import find_hardware
from rooftile.validate.program import validate_program
from tests.workloads.huggingface.configurations import TINY, built


@pytest.mark.parametrize(
    ("name", "phase"),
    [
        ("gemma2", "prefill:5"),
        ("mixtral", "decode:2@7"),
        ("deepseek_experts", "decode:2@7"),
        ("t5", "prefill:5"),
        ("mamba", "decode:1@5"),
        ("mamba", "prefill:5"),
        ("bart", "prefill:5"),
    ],
)
def test_programs(name: str, phase: str, tmp_path: Path) -> None:
    graph = built(tmp_path, TINY[name], phase=phase)
    validation = validate_program(graph, find_hardware("edge_32x32"), seed=1)
    assert validation.passed, validation.text


def test_programs_of_a_beam_search(tmp_path: Path) -> None:
    graph = built(tmp_path, TINY["fsmt"], phase="decode:1@5", batch=2, beams=3, dims={"seq": 4})
    validation = validate_program(graph, find_hardware("edge_32x32"), seed=1)
    assert validation.passed, validation.text
