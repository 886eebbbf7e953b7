"""What a sweep was made from stays with its results: its folder is enough to run it again."""

from __future__ import annotations

import shlex
import shutil
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import yaml

from foundation.errors import SweepError
from rooftile.sweep.kept import keep, renamed
from rooftile.sweep.run import run_sweep
from rooftile.sweep.store import Results
from rooftile.sweep.sweep_file import load_sweep
from rooftile.sweep.view import sweep_view
from tests.rooftile.command import Command
from tests.rooftile.sweep.sweeps import NETWORK, SMALL, loaded

SWEEP = """\
# A comment that stays.
hardware: machines/slow.yaml
networks: [nets/one/gemm.yaml, "nets/two/gemm.yaml",  'nets/graph.yaml']
grid: {clock: [1GHz, 2GHz]}
"""
MACHINE = "base: edge_32x32\nname: slow\nmemories: {dram: {bandwidth: 4GB/s}}\n"
GRAPH = """\
name: gcn
inputs: {x: [4, 8]}
layers:
  - {name: conv, op: graph_conv, out: 4, graph: ../graphs/edges.txt}
"""


@pytest.fixture
def original(tmp_path: Path) -> Path:
    """Return a sweep's file, whose machine and networks lie here and there."""
    folder = tmp_path / "original"
    texts = {
        "some.sweep.yaml": SWEEP,
        "machines/slow.yaml": MACHINE,
        "nets/one/gemm.yaml": NETWORK,
        "nets/two/gemm.yaml": NETWORK.replace("out: 64", "out: 128"),
        "nets/graph.yaml": GRAPH,
        "graphs/edges.txt": "0 1\n1 2\n2 3\n",
        "spaces/rows.json": '{"array.rows": {"_type": "choice", "_value": [16, 32]}}',
    }
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder / "some.sweep.yaml"


def prices(folder: Path) -> list[tuple[Any, ...]]:
    """Return rows without where their networks lie."""
    with closing(Results(folder)) as results:
        place = results.columns.index("network")
        return [
            (*row[:place], Path(row[place]).name[-9:], *row[place + 1 :]) for row in results.rows()
        ]


SEARCH = ["optimize", "--objective", "time", "--sampler", "random", "--trials", "9", "--seed", "3"]


@pytest.mark.parametrize(
    ("more", "command"),
    [
        ("", ["sweep"]),
        ("", SEARCH),
        ("space: spaces/rows.json\n", [*SEARCH, "--engines", "estimate,analytical", "--eta", "4"]),
    ],
)
def test_the_command_of_a_moved_folder(
    rooftile: Command,
    original: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    more: str,
    command: list[str],
) -> None:
    original.write_text(original.read_text() + more)
    done = rooftile(command[0], original, "-o", tmp_path / "out", *command[1:])
    assert done.status == 0, done.err
    (tmp_path / "elsewhere").mkdir()
    moved = tmp_path / "elsewhere" / "moved"
    shutil.move(tmp_path / "out", moved)
    shutil.rmtree(original.parent)
    shown = sweep_view(moved)["configuration"]
    monkeypatch.chdir(moved)
    program, *words = shlex.split(shown["command"])
    assert program == "rooftile"
    again = rooftile(*words)
    assert again.status == 0, again.err
    assert prices(Path("../again")) == prices(moved)
    assert sorted(Path("../again/inputs").iterdir()) != []
    assert sweep_view(Path("../again"))["configuration"]["command"] == shown["command"]


def test_copies_are_whole_and_named_once(original: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    digests = keep(load_sweep(original), tmp_path / "out")
    texts = {name: (tmp_path / "out" / name).read_text() for name in digests}
    assert sorted(texts) == [
        *("inputs/2-gemm.yaml", "inputs/edges.txt", "inputs/gemm.yaml", "inputs/graph.yaml"),
        *("inputs/slow.yaml", "sweep.yaml"),
    ]
    assert texts["inputs/2-gemm.yaml"] == NETWORK.replace("out: 64", "out: 128")
    assert texts["inputs/graph.yaml"] == GRAPH.replace("../graphs/edges.txt", "edges.txt")
    assert texts["sweep.yaml"] == SWEEP.replace("machines/", "inputs/").replace(
        "nets/one/gemm", "inputs/gemm"
    ).replace('"nets/two/gemm.yaml"', "inputs/2-gemm.yaml").replace(
        "'nets/graph.yaml'", "inputs/graph.yaml"
    )
    for name, text in texts.items():
        assert digests[name] == sha256(text.encode()).hexdigest()


def test_a_sweep_of_presets_is_kept_as_it_is(tmp_path: Path) -> None:
    data = {**SMALL, "networks": ["lenet"], "grid": {"array.rows": [32]}}
    sweep = loaded(tmp_path, data)
    run_sweep(sweep, tmp_path / "out")
    assert (tmp_path / "out" / "sweep.yaml").read_text() == sweep.text
    assert not (tmp_path / "out" / "inputs").exists()


def test_a_file_that_is_gone(tmp_path: Path) -> None:
    sweep = loaded(tmp_path, SMALL)
    (tmp_path / "gemm.yaml").unlink()
    with pytest.raises(SweepError, match=r"file '.*gemm.yaml': can't be read \(No such file"):
        run_sweep(sweep, tmp_path / "out")


@pytest.mark.parametrize(
    "text",
    [
        "hardware: a b.yaml # a b.yaml\nnetworks: [a b.yaml]\n",
        "{networks: ['a b.yaml'], hardware: \"a b.yaml\"}",
        "hardware: &it a b.yaml\nnetworks:\n- *it\n",
        "\ufeffhardware: >-\n  a b.yaml\nnetworks: [a b.yaml]\nname: a b.yaml\n",
    ],
)
@pytest.mark.parametrize("name", ["inputs/c.yaml", 'inputs/"c: #é.yaml', "inputs/- c"])
def test_names_are_replaced_where_they_stand(text: str, name: str) -> None:
    new = renamed(text, ("hardware", "networks"), {"a b.yaml": name})
    data = yaml.safe_load(new)
    assert data == {**yaml.safe_load(text), "hardware": name, "networks": [name]}


def test_small_numbers_of_a_machine_stay_numbers(original: Path) -> None:
    machine = original.parent / "machines" / "slow.yaml"
    machine.write_text(MACHINE + "vector: {cycles_per_element: {requantize: 1.0e-6}}\n")
    own = load_sweep(original).machine["vector"]["cycles_per_element"]["requantize"]
    assert own == 1e-6
