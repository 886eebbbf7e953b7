"""Whole generations against every step of them, simulated one by one."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from foundation.errors import WorkloadError
from mapper.search.cache import MappingCache, user_folder
from mapper.search.find import SearchOptions
from reports.generation import GenerationReport
from rooftile.generation import generate
from rooftile.simulation import simulate
from tests.rooftile.command import Command
from tests.workloads.huggingface.configurations import TINY, built, written
from workloads.graph import TensorKind
from workloads.loaders.asked import Asked
from workloads.training.options import Training

PROMPT, TOKENS, BATCH = 7, 9, 2


def _cycles(
    folder: Path, name: str, hardware: str, engine: str, phase: str, *, beams: int = 1
) -> int:
    """Return what one pass takes in a run of its own."""
    dims = {"seq": PROMPT} if name == "t5" and phase.startswith("decode") else {}
    graph = built(folder, TINY[name], phase=phase, batch=BATCH, dims=dims, beams=beams)
    options = SearchOptions(cache=MappingCache(user_folder()))
    return simulate(graph, hardware, engine=engine, options=options).report.total_cycles


@pytest.mark.parametrize(
    ("name", "hardware", "engine"),
    [
        ("gpt2", "tpu_v1", "analytical"),
        ("gpt2", "edge_32x32", "cycle"),
        ("deepseek_v3", "edge_32x32", "analytical"),
        ("t5", "gemmini_default", "analytical"),
    ],
)
def test_a_generation_is_the_sum_of_its_steps(
    name: str, hardware: str, engine: str, tmp_path: Path
) -> None:
    path = written(tmp_path, TINY[name])
    asked = Asked(batch=BATCH)
    begin = 1 if name == "t5" else PROMPT
    contexts = range(begin + 1, begin + TOKENS)
    first = _cycles(tmp_path, name, hardware, engine, f"prefill:{PROMPT}")
    each = {
        context: _cycles(tmp_path, name, hardware, engine, f"decode:1@{context}")
        for context in contexts
    }
    options = SearchOptions(cache=MappingCache(user_folder()))

    def report(tolerance: float) -> GenerationReport:
        return generate(
            path,
            hardware,
            prompt=PROMPT,
            tokens=TOKENS,
            asked=asked,
            tolerance=tolerance,
            engine=engine,
            options=options,
        )

    exact = report(0.0)
    assert exact.steps is not None
    assert exact.steps.terms.items() <= each.items()
    assert exact.total_cycles == first + sum(each.values())
    assert exact.first_cycles == first
    for tolerance in (0.02, 0.1):
        rough = report(tolerance)
        assert abs(rough.total_cycles - exact.total_cycles) <= rough.error_cycles + 0.5
        assert rough.error_cycles <= tolerance * rough.steps_cycles
    assert rough.steps is not None
    assert len(rough.steps.terms) < TOKENS // 2


def test_one_token_is_the_prefill(tmp_path: Path) -> None:
    path = written(tmp_path, TINY["gpt2"])
    report = generate(path, "tpu_v1", prompt=PROMPT, tokens=1, asked=Asked(batch=BATCH))
    assert report.total_cycles == report.first_cycles
    assert report.first_cycles == _cycles(
        tmp_path, "gpt2", "tpu_v1", "analytical", f"prefill:{PROMPT}"
    )
    assert (report.steps, report.cache_bytes, report.error_cycles) == (None, 0, 0)
    assert "next token" not in str(report)


def test_a_window_ends_the_growth(tmp_path: Path) -> None:
    path = written(tmp_path, {**TINY["mistral"], "sliding_window": 4})
    report = generate(path, "tpu_v1", prompt=PROMPT, tokens=40, tolerance=0.0)
    assert report.steps is not None
    assert len(report.steps.terms) == 2
    assert report.error_cycles == 0
    # Keys and values of 2 layers with 2 heads of 6 features for 4 tokens, int8.
    assert report.cache_bytes == 2 * 2 * 2 * 6 * 4


def test_caches_have_the_rows_of_the_last_context(tmp_path: Path) -> None:
    path = written(tmp_path, TINY["gpt2"])
    asked = Asked(batch=BATCH, dtype="bf16", beams=3)
    report = generate(path, "tpu_v4i_like", prompt=PROMPT, tokens=TOKENS, asked=asked)
    rows = PROMPT + TOKENS - 1
    assert report.cache_bytes == BATCH * 3 * 2 * 2 * 24 * rows * 2


def test_beams_read_and_write_the_caches_once_more(tmp_path: Path) -> None:
    context, beams = 9, 4
    plain = built(tmp_path, TINY["gpt2"], phase=f"decode:1@{context}", batch=BATCH * beams)
    search = built(tmp_path, TINY["gpt2"], phase=f"decode:1@{context}", batch=BATCH, beams=beams)
    assert search.batch == plain.batch == BATCH * beams
    assert search.total_macs == plain.total_macs
    copies = [layer for layer in search.layers if layer.name.endswith("_cache_in_order")]
    caches = [t for t in search.tensors.values() if t.name.endswith("_cache")]
    assert len(copies) == len(caches) == 2 * 2  # keys and values of two layers
    report = simulate(search, "edge_32x32").report
    moved = sum(report.layer(layer.name).work.total_dram_bytes for layer in copies)
    assert moved == 2 * sum(cache.size_bytes for cache in caches)
    assert all(cache.kind is TensorKind.INPUT for cache in caches)


def test_the_command_prints_and_writes(rooftile: Command) -> None:
    path = written(Path(), TINY["t5"])
    done = rooftile(
        *("generate", path, "--hw", "tpu_v1", "--prompt", "16"),
        *("--tokens", "20", "--beams", "2", "--batch", "3", "-o", "out"),
    )
    assert (done.status, done.err) == (0, "")
    assert done.out.startswith("tiny, batch 3, 2 beams, on tpu_v1")
    names = [line.split("  ")[0] for line in done.out.splitlines()[2:-1]]
    assert names == [
        *("first token", "next token", "last token", "mean", "steps", "context", "total"),
        *("throughput", "caches"),
    ]
    summary = json.loads(Path("out/summary.json").read_text())
    assert summary["total_cycles"] == summary["first_token_cycles"] + summary["steps_cycles"]
    assert summary["tokens_per_s"] == pytest.approx(3 * 20 / summary["total_s"])
    with Path("out/steps.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [int(row["context_tokens"]) for row in rows] == [*range(2, 21)]
    assert sum(float(row["cycles"]) for row in rows) == pytest.approx(summary["steps_cycles"], 1e-6)
    assert {row["simulated"] for row in rows} == {"yes", "no"}
    assert Path("out/steps.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("name", "prompt", "tokens", "asked", "message"),
    [
        ("gpt2", 60, 6, {}, "65 tokens are asked for but there are positions for 64"),
        ("gpt2", 0, 6, {}, "lengths '0': must be numbers with commas between, such as 512 or"),
        ("gpt2", "6,9", 6, {"batch": 2}, "says what --batch would; leave out one"),
        ("t5", "6,9", 6, {}, "batches of mixed lengths are built for gemma, gemma2, gpt2, llama,"),
        ("gpt2", 6, 0, {}, "tokens is 0 but must be at least 1"),
        ("gpt2", 6, 6, {"beams": 0}, "beams is 0 but must be at least 1"),
        ("gpt2", 6, 6, {"phase": "prefill:6"}, "phase 'prefill:6': a generation has all of them"),
        ("gpt2", 6, 6, {"training": Training()}, "a generation answers prompts and trains nothing"),
        ("bert", 6, 6, {}, "it generates no tokens"),
    ],
)
def test_what_cannot_be_generated_is_refused(
    name: str, prompt: int | str, tokens: int, asked: dict[str, Any], message: str, tmp_path: Path
) -> None:
    path = written(tmp_path, TINY[name])
    with pytest.raises(WorkloadError, match=message):
        generate(path, "tpu_v1", prompt=prompt, tokens=tokens, asked=Asked(**asked))


def test_a_network_without_phases_is_refused(rooftile: Command) -> None:
    done = rooftile("generate", "gpt2", "--hw", "tpu_v1", "--prompt", "8", "--tokens", "8")
    assert done.status == 2
    assert done.err == (
        "error: gpt2: generation needs the prefill and the steps of one model; give a Hugging Face"
        " config.json\n"
    )
