"""Every command, as a user gives it."""

from __future__ import annotations

import csv
import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import jsonschema
import pytest

from accel.spec_file import preset_names
from isa.assembler import assemble
from tests.rooftile.command import Command, process
from workloads.loaders.yaml import zoo_names

TINY = """\
name: tiny
inputs: {image: [batch, 16, 16, 3]}
layers:
  - {name: conv, op: conv, out: 8, kernel: 3, padding: 1, activation: relu}
  - {name: pool, op: global_pool, function: mean}
  - {name: flat, op: reshape, shape: [batch, -1]}
  - {name: fc, op: linear, out: 10}
"""
FILES = {
    "hardware.yaml",
    "layers.csv",
    "mapping.yaml",
    "network.yaml",
    "summary.json",
    "timeline.json",
}
REFERENCE = Path(__file__).parents[1] / "published" / "scalesim.csv"


@pytest.fixture
def tiny(rooftile: Command) -> str:
    assert rooftile is not None, "the folder is the command's"
    Path("tiny.yaml").write_text(TINY)
    return "tiny.yaml"


def test_run_prints_a_table_totals_and_what_limits(rooftile: Command) -> None:
    done = rooftile("run", "resnet18", "--hw", "edge_32x32")
    assert done.status == 0
    assert done.err == ""
    for text in ("conv1", "MAC util", "inferences/s", "TOP/s", " limits resnet18: ", "bound by:"):
        assert text in done.out


def test_run_writes_exactly_these_files(rooftile: Command, tiny: str) -> None:
    done = rooftile("run", tiny, "--hw", "edge_32x32", "-o", "out")
    assert done.out.splitlines()[-2:] == ["roofline: out/roofline.png", "all files: out"]
    names = {path.name for path in Path("out").iterdir()}
    assert names == FILES | {"roofline.png", "roofline.svg"}
    assert [path.name for path in Path.cwd().iterdir() if path.name.startswith(".")] == []


def test_no_plots_writes_no_pictures(rooftile: Command, tiny: str) -> None:
    rooftile("run", tiny, "--hw", "edge_32x32", "-o", "out", "--no-plots")
    assert {path.name for path in Path("out").iterdir()} == FILES


def test_the_same_run_gives_the_same_bytes(rooftile: Command, tiny: str) -> None:
    for folder in ("a", "b"):
        rooftile("run", tiny, "--hw", "tpu_v1", "-o", folder)
    for path in Path("a").iterdir():
        assert path.read_bytes() == (Path("b") / path.name).read_bytes()


def test_batch_and_dtype_override_the_file(rooftile: Command, tiny: str) -> None:
    rooftile("run", tiny, "--hw", "tpu_v4i_like", "--batch", "3", "--dtype", "bf16", "-o", "out",
             "--no-plots")  # fmt: skip
    summary = json.loads(Path("out/summary.json").read_text())
    assert summary["batch"] == 3
    assert "dtype: bf16" in Path("out/network.yaml").read_text()


def test_layers_csv_has_every_layer_and_adds_up(rooftile: Command, tiny: str) -> None:
    rooftile("run", tiny, "--hw", "edge_32x32", "-o", "out", "--no-plots")
    with Path("out/layers.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["layer"] for row in rows] == ["conv", "pool", "flat", "fc"]
    summary = json.loads(Path("out/summary.json").read_text())
    assert sum(int(row["total_cycles"]) for row in rows) == summary["total_cycles"]
    assert len(summary["configuration_sha256"]) == 64


def test_list_prints_names_one_a_line(rooftile: Command) -> None:
    _, *networks = rooftile("list", "networks").out.splitlines()  # under a head, with their counts
    assert [line.split()[0] for line in networks] == zoo_names()
    assert rooftile("list", "hardware").out.split("\n") == [*preset_names(), ""]


@pytest.mark.parametrize("network", ["resnet18", "bert_base"])
def test_what_show_prints_runs_the_same(rooftile: Command, network: str) -> None:
    Path("net.yaml").write_text(rooftile("show", network).out)
    Path("chip.yaml").write_text(rooftile("show", "gemmini_default").out)
    direct = rooftile("run", network, "--hw", "gemmini_default").out
    assert rooftile("run", "net.yaml", "--hw", "chip.yaml").out == direct


def test_check_says_what_a_file_is(rooftile: Command, tiny: str) -> None:
    assert rooftile("check", tiny).out == (
        "tiny.yaml: valid network 'tiny', 4 layers, 55.4 k MACs, 306 parameters\n"
    )
    Path("chip.yaml").write_text("base: tpu_v1\nname: mine\nclock: 1GHz\n")
    assert rooftile("check", "chip.yaml").out == (
        "chip.yaml: valid hardware 'mine', 256x256 WS at 1 GHz\n"
    )


@pytest.mark.parametrize("what", ["network", "hardware"])
def test_schema_is_a_json_schema(rooftile: Command, what: str) -> None:
    jsonschema.Draft202012Validator.check_schema(json.loads(rooftile("schema", what).out))


def test_explain_says_where_the_cycles_went(rooftile: Command, tiny: str) -> None:
    rooftile("run", tiny, "--hw", "edge_32x32", "-o", "out", "--no-plots")
    done = rooftile("explain", "out", "--layer", "conv")
    assert done.status == 0
    for text in ("where each unit's cycles went", "how it was mapped", "what bounds it: ",
                 "what would help"):  # fmt: skip
        assert text in done.out
    assert "a view" in rooftile("explain", "out", "--layer", "flat").out


def test_disasm_prints_a_program_that_assembles(rooftile: Command, tiny: str) -> None:
    done = rooftile("disasm", tiny, "--hw", "edge_32x32", "--layer", "conv")
    assert assemble(done.out).instruction_count > 10
    assert "no program" in rooftile("disasm", tiny, "--hw", "tpu_v1", "--layer", "flat").out


def test_validate_scalesim_on_the_shipped_reference(rooftile: Command) -> None:
    done = rooftile("validate", "scalesim", "--reference", REFERENCE)
    assert (done.status, done.out.splitlines()[-1]) == (0, "211 rows, 211 exact")


def test_validate_scalesim_fails_when_a_row_differs(rooftile: Command) -> None:
    lines = REFERENCE.read_text().splitlines()[:3]
    Path("wrong.csv").write_text("\n".join([*lines, lines[1].replace(",2808,", ",2807,")]))
    done = rooftile("validate", "scalesim", "--reference", "wrong.csv")
    assert done.status == 1
    assert done.out.splitlines()[-1] == "3 rows, 2 exact"
    assert "differs: array_cycles 2808 instead of 2807" in done.out


@pytest.mark.parametrize(("hardware", "dtype"), [("edge_32x32", "int8"), ("tpu_v4i_like", "bf16")])
def test_validate_program_proves_every_layer(
    rooftile: Command, tiny: str, hardware: str, dtype: str
) -> None:
    done = rooftile("validate", "program", tiny, "--hw", hardware, "--dtype", dtype)
    assert (done.status, done.out.splitlines()[-1]) == (0, "4 layers, 4 agree with NumPy")


def test_help_is_light(tmp_path: Path) -> None:
    code = (
        "import sys; sys.argv = ['rooftile', '--help']\n"
        "from rooftile.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'numpy', 'pydantic', 'yaml', 'simpy', 'matplotlib'} & set(sys.modules)\n"
        "sys.exit(f'{heavy}' if heavy else 0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "rooftile run resnet50 --hw tpu_v1" in done.stdout


def test_a_closed_pipe_is_no_error(tmp_path: Path) -> None:
    started = process("run", "resnet50", "--hw", "tpu_v1", folder=tmp_path)
    assert started.stdout is not None
    assert started.stderr is not None
    started.stdout.close()
    assert started.wait(60) == 0
    assert started.stderr.read() == ""


def test_interrupting_leaves_nothing_behind(tmp_path: Path) -> None:
    started = process("run", "resnet50", "--hw", "mesh_64core", "-o", "out", folder=tmp_path)
    time.sleep(2.5)
    started.send_signal(signal.SIGINT)
    _, err = started.communicate(timeout=60)
    assert "Traceback" not in err
    assert (started.returncode, err.splitlines()[-1]) == (130, "interrupted")
    assert list(tmp_path.iterdir()) == []


def test_an_objective_and_a_search_can_be_asked_for(rooftile: Command, tiny: str) -> None:
    for arguments in (("run", tiny), ("map", tiny)):
        done = rooftile(
            *arguments,
            "--hw",
            "edge_32x32",
            "--objective",
            "latency+0.5*dram",
            "--search",
            "random",
            "--seed",
            "1",
        )
        assert (done.status, done.err) == (0, "")
    assert "mappings scored, the best can be " in done.out
    limited = rooftile("map", tiny, "--hw", "edge_32x32", "--time-limit", "1e-9", "--layer", "conv")
    assert limited.status == 0


def test_a_pareto_set_is_a_table(rooftile: Command, tiny: str) -> None:
    asked = ("map", tiny, "--hw", "edge_32x32", "--pareto", "latency,dram")
    done = rooftile(*asked, "--layer", "conv")
    title, heads, *rows = done.out.splitlines()
    assert title == "conv: mappings of which no other is as good in every objective"
    assert heads.split()[:5] == ["latency", "[cycles]", "dram", "[B]", "tiles"]
    assert rows
    assert rooftile(*asked, "--layer", "flat").out.splitlines()[1] == "  a view: no data moves"
    refused = rooftile(*asked)
    assert refused.status == 2
    assert "name it with --layer" in refused.err


def test_energy_can_be_asked_for_where_the_machine_has_some(rooftile: Command, tiny: str) -> None:
    done = rooftile("map", tiny, "--hw", "edge_32x32", "--objective", "edp", "--layer", "conv")
    assert (done.status, done.err) == (0, "")
    (line,) = re.findall(r"^    energy: .* [un]J, leakage not counted: (.*)$", done.out, re.M)
    assert "dram " in line
    assert re.search(
        r"^    runner-up, [\d,]+ cycles, .* of main memory and .* [un]J:$", done.out, re.M
    )
    asked = ("map", tiny, "--layer", "conv", "--pareto", "latency,energy", "--hw")
    heads = rooftile(*asked, "edge_32x32").out.splitlines()[1]
    assert heads.split()[:4] == ["latency", "[cycles]", "energy", "[pJ]"]
    message = (
        "error: machine 'tpu_v1': key 'energy' is missing but its energy is asked for; add it\n"
    )
    for arguments in (
        (*asked, "tpu_v1"),
        ("map", tiny, "--hw", "tpu_v1", "--objective", "energy"),
        ("run", tiny, "--hw", "tpu_v1", "--objective", "latency+2*energy"),
    ):
        refused = rooftile(*arguments)
        assert (refused.status, refused.err) == (2, message)
    bare = rooftile("map", tiny, "--hw", "tpu_v1", "--layer", "conv")
    assert bare.status == 0
    assert "energy" not in bare.out


def test_mappings_are_kept_in_the_user_s_cache_unless_asked_not_to(
    rooftile: Command, tiny: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(Path("home").absolute()))
    first = rooftile("run", tiny, "--hw", "edge_32x32", "--no-mapping-cache")
    assert not Path("home").exists()
    kept = rooftile("run", tiny, "--hw", "edge_32x32")
    entries = list(Path("home/rooftile/mappings").iterdir())
    assert len(entries) == 3, "one for each kernel"
    assert rooftile("run", tiny, "--hw", "edge_32x32").out == kept.out == first.out
    entries[0].write_bytes(entries[0].read_bytes()[:-9])
    damaged = rooftile("run", tiny, "--hw", "edge_32x32")
    assert damaged.out == first.out
    assert damaged.err.splitlines() == [
        f"mapping cache '{entries[0].absolute()}': the entry is damaged; it is made anew"
    ]
    other = rooftile("run", tiny, "--hw", "edge_32x32", "--mapping-cache", "other")
    assert other.out == first.out
    assert len(list(Path("other").iterdir())) == 3


def test_explain_repeats_the_search_of_the_run(rooftile: Command, tiny: str) -> None:
    searched = ("--search", "random", "--seed", "3", "--objective", "dram")
    rooftile("run", tiny, "--hw", "edge_32x32", *searched, "-o", "out", "--no-plots")
    with Path("out/layers.csv").open() as stream:
        (total,) = [row["total_cycles"] for row in csv.DictReader(stream) if row["layer"] == "conv"]
    assert f"{int(total):,}" in rooftile("explain", "out", "--layer", "conv").out
    limited = ("--time-limit", "9", "--no-plots")
    rooftile("run", tiny, "--hw", "edge_32x32", *limited, "-o", "limited")
    assert rooftile("explain", "limited", "--layer", "conv").status == 0  # mappings are there
    rooftile("run", tiny, "--hw", "edge_32x32", *limited, "--across", "residency", "-o", "across")
    refused = rooftile("explain", "across", "--layer", "conv")
    assert refused.status == 2
    assert "its search had a time limit of 9 s" in refused.err
