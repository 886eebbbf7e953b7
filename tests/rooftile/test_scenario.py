"""Scenarios against runs of their networks, and against all that may happen, one by one."""

from __future__ import annotations

import csv
import json
import re
import shlex
from pathlib import Path

import jsonschema
import pytest

from accel.spec import AcceleratorSpec
from accel.spec_file import load_preset
from foundation.document import parse
from foundation.errors import WorkloadError
from rooftile.generation import generate
from rooftile.scenario import run_scenario
from rooftile.simulation import simulate
from rooftile.sources import find_network
from tests.rooftile.command import Command
from tests.workloads.huggingface.configurations import TINY
from workloads.loaders.asked import Asked
from workloads.scenario.load import load_scenario, schema

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "workloads" / "scenario" / "SCENARIO.md").read_text()
EXAMPLES = dict(
    zip(
        ("photos.yaml", "small.yaml", "assistant.yaml"),
        re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL),
        strict=True,
    )
)
SPEC = load_preset("edge_32x32")


@pytest.fixture(autouse=True)
def files(rooftile: Command) -> None:
    """Put the page's files into the folder of the command."""
    assert rooftile is not None, "the folder is the command's"
    for name, text in EXAMPLES.items():
        Path(name).write_text(text)
    (trace,) = re.findall(r"```csv\n(.*?)```", PAGE, re.DOTALL)
    Path("trace.csv").write_text(trace)
    Path("chat.json").write_text(json.dumps(TINY["llama"]))


def cycles(size: int, spec: AcceleratorSpec = SPEC, engine: str = "analytical") -> int:
    """Return what the small network takes in a run of its own."""
    graph = find_network("small.yaml", Asked(dims={"size": size}))
    return simulate(graph, spec, engine=engine).report.total_cycles


def outcome(run: str, spec: AcceleratorSpec = SPEC, **how: str) -> dict[int, float]:
    """Return the distribution of one request that runs what YAML says."""
    Path("run.yaml").write_text(f"name: run\nparameters: {{n: 32}}\nrun: {run}\n")
    latency = run_scenario("run.yaml", spec, **how).latency_cycles  # type: ignore[arg-type]
    return dict(zip(latency.values.tolist(), latency.probabilities.tolist(), strict=True))


def net(size: int | str) -> str:
    return f"{{network: small.yaml, dims: {{size: {size}}}}}"


@pytest.mark.parametrize(
    ("hardware", "engine"),
    [("edge_32x32", "analytical"), ("edge_ddr4", "analytical"), ("tpu_v1", "cycle")],
)
def test_a_network_is_a_run(hardware: str, engine: str) -> None:
    spec = load_preset(hardware)
    assert outcome(net(40), spec, engine=engine) == {cycles(40, spec, engine): 1}


def test_all_kinds_of_nodes() -> None:
    a, b = cycles(32), cycles(64)
    assert a < b
    assert outcome(f"{{sequence: [{net(32)}, {net(64)}, {net('2 * n')}]}}") == {a + 2 * b: 1}
    assert outcome("{sequence: []}") == {0: 1}
    assert outcome(f"{{parallel: [{net(32)}, {net(64)}]}}") == {b: 1}
    assert outcome(f"{{loop: {{times: n // 8, run: {net(32)}}}}}") == {4 * a: 1}
    times = "{0: 0.25, 3: 0.75}"
    assert outcome(f"{{loop: {{times: {times}, run: {net(32)}}}}}") == {0: 0.25, 3 * a: 0.75}
    choice = f"[{{probability: 0.25, run: {net(64)}}}, {{probability: 0.75}}]"
    assert outcome(f"{{choice: {choice}}}") == {0: 0.75, b: 0.25}


def test_a_cascade_ends_where_the_answer_is_final() -> None:
    a, b, c = cycles(32), cycles(48), cycles(64)
    stages = f"[{{run: {net(32)}, exit: 0.5}}, {{run: {net(48)}, exit: 0.8}}, {{run: {net(64)}}}]"
    assert outcome(f"{{cascade: {stages}}}") == pytest.approx({a: 0.5, a + b: 0.4, a + b + c: 0.1})


def test_chances_in_parallel_and_in_loops_are_independent() -> None:
    a, b = cycles(32), cycles(64)
    either = (
        f"{{choice: [{{probability: 0.5, run: {net(32)}}}, {{probability: 0.5, run: {net(64)}}}]}}"
    )
    assert outcome(f"{{parallel: [{either}, {either}]}}") == pytest.approx({a: 0.25, b: 0.75})
    found = outcome(f"{{loop: {{times: 2, run: {either}}}}}")
    assert found == pytest.approx({2 * a: 0.25, a + b: 0.5, 2 * b: 0.25})


def test_an_answer_is_a_generation() -> None:
    found = outcome("{network: chat.json, prompt: n // 4, tokens: 4, batch: 2}")
    answer = generate("chat.json", SPEC, prompt=8, tokens=4, asked=Asked(batch=2))
    assert found == {answer.total_cycles: 1}
    step = find_network("chat.json", Asked(phase="decode:1@32", page=8))
    found = outcome('{network: chat.json, phase: "decode:1@{n}", page: 8}')
    assert found == {simulate(step, SPEC, engine="analytical").report.total_cycles: 1}


def test_a_trace_is_the_mixture_of_its_lines() -> None:
    Path("sizes.csv").write_text("size\n40\n64\n\n40\n40\n")
    Path("trace.yaml").write_text(
        "name: t\nparameters: {size: 8, k: 1}\nrequests: {file: sizes.csv}\n"
        f"run: {net('size')}\n"
    )
    report = run_scenario("trace.yaml", SPEC)
    assert (report.count, len(report.requests), report.networks) == (4, 2, 2)
    assert [dict(one.parameters) for one in report.requests] == [
        {"size": 40, "k": 1},
        {"size": 64, "k": 1},
    ]
    assert report.latency_cycles.mean == pytest.approx((3 * cycles(40) + cycles(64)) / 4)
    assert report.latency_cycles.quantile(0.75) == cycles(40)
    assert report.latency_cycles.quantile(0.76) == cycles(64)


def test_drawn_requests_are_those_of_their_seed() -> None:
    first = load_scenario(Path("photos.yaml"))
    assert first.requests == load_scenario(Path("photos.yaml")).requests
    assert sum(first.requests.values()) == 1000
    assert {dict(request)["size"] for request in first.requests} == {64, 96, 128}
    none = sum(n for request, n in first.requests.items() if dict(request)["boxes"] == 0)
    assert 430 < none < 570  # half of them
    Path("other.yaml").write_text(EXAMPLES["photos.yaml"].replace("seed: 1", "seed: 2"))
    assert load_scenario(Path("other.yaml")).requests != first.requests


def test_the_page_shows_what_its_command_prints(rooftile: Command) -> None:
    (block,) = re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)
    command, _, shown = block.partition("\n")
    done = rooftile(*shlex.split(command.removeprefix("$ rooftile ")))
    assert (done.status, done.err) == (0, "")
    assert done.out == shown


def test_the_page_lists_all_kinds(rooftile: Command) -> None:
    done = rooftile("schema", "scenario")
    assert json.loads(done.out) == schema()
    for name in ("photos.yaml", "assistant.yaml"):
        data = parse(EXAMPLES[name], name, WorkloadError).data
        jsonschema.validate(data, schema())
    node = schema()["$defs"]["Node"]["properties"]
    assert [name for name in node if f"`{name}`" not in PAGE] == []


def test_the_command_writes_a_folder(rooftile: Command) -> None:
    done = rooftile("scenario", "assistant.yaml", "--hw", "edge_32x32", "-o", "out")
    assert (done.status, done.err) == (0, "")
    assert done.out.startswith("assistant on edge_32x32 (32x32 OS, 1 GHz): 4 requests, 3 distinct")
    summary = json.loads(Path("out/summary.json").read_text())
    with Path("out/latency.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    mean = sum(float(row["time_s"]) * float(row["probability"]) for row in rows)
    assert mean == pytest.approx(summary["mean_s"])
    assert float(rows[-1]["at_most"]) == pytest.approx(1)
    with Path("out/requests.csv").open() as stream:
        requests = list(csv.DictReader(stream))
    assert [row["count"] for row in requests] == ["1", "2", "1"]
    assert Path("out/latency.png").stat().st_size > 10_000


A, B = net(32), net(64)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"run: {{choice: [{{probability: 0.5, run: {A}}}, {{probability: 0.4}}]}}",
         "2: run: choice: probabilities add up to 0.9 but must add up to 1"),
        (f"run: {{choice: [{{probability: 1.5, run: {A}}}]}}",
         "2: run.choice[0].probability: must be at most 1 but is 1.5"),
        (f"run: {{cascade: [{{run: {A}}}, {{run: {B}}}]}}",
         "2: run: cascade: every stage but the last needs an exit, a probability"),
        (f"run: {{cascade: [{{run: {A}, exit: 0.5}}]}}",
         "2: run: cascade: behind the last stage nothing is left; leave out its exit"),
        (f"run: {{loop: {{times: {{1: 0.5, x: 0.5}}, run: {A}}}}}",
         "2: run.loop: times: must be whole numbers from 0 to 1000000 but one is 'x'"),
        (f"run: {{loop: {{times: {{1: 0.5}}, run: {A}}}}}",
         "2: run.loop: times: probabilities add up to 0.5 but must add up to 1"),
        (f"run: {{loop: {{times: m, run: {A}}}}}",
         "2: scenario: loop.times: expression 'm': unknown"),
        (f"run: {{loop: {{times: -1, run: {A}}}}}", "loop.times is -1 but must be at least 0"),
        (f"run: {{loop: {{times: 1000000000000, run: {{loop: {{times: 1000, run: {A}}}}}}}}}",
         "at most 1,000,000,000,000,000,000 are added up; reduce them"),
        ("run: {}", "2: run: must be one of network, sequence, choice, cascade, loop, parallel but"
         " has none of them"),
        ("run: {network: lenet, sequence: []}", "but has network and sequence"),
        ("run: {sequence: [], batch: 2}", "2: run: key 'batch' is of a network but this is a"),
        ("run: {network: lenet, tokens: 3}", "2: run: an answer needs both prompt and tokens"),
        ("run: {network: lenet, beams: 3}", "2: run: beams are of answers; add prompt and tokens"),
        ("run: {network: chat.json, prompt: 3, tokens: 3, phase: x}", "an answer has all phases"),
        ("run: {network: lenett}", "2: scenario: network 'lenett': neither a file nor one of"),
        ("run: {network: lenet, prompt: 3, tokens: 4}",
         "2: scenario: lenet: generation needs the prefill and the steps of one model"),
        ("run: {network: none.yaml}", "2: scenario: none.yaml: no such file"),
        ("run: {network: lenet, dtyp: int8}", "2: run.dtyp: unknown key 'dtyp'"),
        ("requests: {}\nrun: {sequence: []}",
         "2: requests: must have either file, or count and draw"),
        ("requests: {count: 2, draw: {m: {uniform: [1, 2]}}}\nrun: {sequence: []}",
         "2: requests.draw.m: isn't one of parameters; add it there"),
        ("requests: {count: 2, draw: {n: {uniform: [3, 2]}}}\nrun: {sequence: []}",
         "uniform must go from a number to one that isn't smaller but is [3, 2]"),
        ("requests: {count: 2, draw: {n: {}}}\nrun: {sequence: []}",
         "must have either uniform or values"),
        ("requests: {file: bad.csv}\nparameters: {n: 1}\nrun: {sequence: []}",
         "bad.csv:2: column 'n' must be a whole number but is 'x'"),
        ("requests: {file: trace.csv}\nparameters: {prompt: 1}\nrun: {sequence: []}",
         "trace.csv:1: column 'answer' must be one of parameters, once: prompt"),
        ("requests: {file: short.csv}\nparameters: {n: 1, m: 1}\nrun: {sequence: []}",
         "short.csv:2: has 1 cells but the header 2"),
        ("requests: {file: empty.csv}\nparameters: {n: 1}\nrun: {sequence: []}",
         "empty.csv: has 0 requests but must have from 1 to 1000000"),
        ("requests: {file: none.csv}\nparameters: {n: 1}\nrun: {sequence: []}",
         "none.csv: no such file"),
    ],
)  # fmt: skip
def test_bad_scenarios_are_refused(text: str, message: str, rooftile: Command) -> None:
    Path("bad.csv").write_text("n\nx\n")
    Path("short.csv").write_text("n,m\n1\n")
    Path("empty.csv").write_text("n\n")
    Path("bad.yaml").write_text(f"name: bad\n{text}\n")
    done = rooftile("scenario", "bad.yaml", "--hw", "edge_32x32")
    assert (done.status, done.out) == (2, "")
    assert message in done.err
    assert done.err.startswith("error: ")
    assert done.err.count("\n") == 1
