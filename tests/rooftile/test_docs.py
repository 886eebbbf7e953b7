"""What the documents tell a user to do, done as they say, in an empty folder."""

from __future__ import annotations

import re
import shlex
import signal
from pathlib import Path

import pytest

from accel.rtl.simulators import installed_simulators
from tests.rooftile.command import Command, process

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
#: The README's YAML files, under the names that its commands use.
FILES = ("tiny.yaml", "edge_64x64.yaml", "shapes.sweep.yaml")
COMMANDS_OF_FILES = "rooftile run tiny.yaml --hw edge_64x64.yaml"
COMMANDS = [
    line.removeprefix("$ ").partition("#")[0].strip()
    for block in re.findall(r"```console\n(.*?)```", README, re.DOTALL)
    for line in block.splitlines()
    if line.startswith("$ rooftile ")
]


@pytest.fixture
def documented(rooftile: Command) -> Command:
    for name, text in zip(FILES, re.findall(r"```yaml\n(.*?)```", README, re.DOTALL), strict=True):
        Path(name).write_text(text)
    Path("scenario.yaml").write_text("name: one\nrun: {network: tiny.yaml}\n")
    page = (ROOT / "reports" / "COST.md").read_text()
    prices, machine = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    Path("prices.yaml").write_text(prices)
    Path("machine.yaml").write_text(machine)
    Path("out").mkdir()
    return rooftile


def test_every_command_of_the_readme_runs_in_order(documented: Command) -> None:
    assert len(COMMANDS) >= 5
    for command in COMMANDS:
        done = documented(*shlex.split(command)[1:])
        assert (done.status, done.err) == (0, ""), command


def test_the_readmes_output_is_what_its_command_prints(documented: Command) -> None:
    (shown,) = re.findall(r"```text\n(.*?)```", README, re.DOTALL)
    assert documented(*COMMANDS_OF_FILES.split()[1:]).out.startswith(shown)


def test_the_readmes_table_names_real_commands(documented: Command) -> None:
    rows = re.findall(r"^\| (`rooftile .*?) \|", README, re.MULTILINE)
    assert len(rows) >= 6
    values = {
        "NAME": "conv1",
        "FILE": "tiny.yaml",
        "NETWORK": "tiny.yaml",
        "SPEC": "edge_64x64.yaml",
        "SCENARIO": "scenario.yaml",
        "RUN": "folder",
        "FOLDER": "folder",
        "MACHINE": "machine.yaml",
        "PRICES": "prices.yaml",
        "CONFIG": str(ROOT / "tests/workloads/huggingface/configs/gpt2.json"),
    }
    folder = ("-o", values["FOLDER"], "--no-plots")
    assert documented(*COMMANDS_OF_FILES.split()[1:], *folder).status == 0
    for row in rows:
        for command in re.findall(r"`rooftile (.*?)`", row):
            words = [values.get(word, word) for word in command.split()]
            words = [str(ROOT / w) if w.startswith("tests/") else w for w in words]
            if words[0] == "explore":
                starts_and_ends(words)
                continue
            if words[0] == "show":
                words[1] = "resnet18"
            if "rtl" not in words or installed_simulators():
                assert documented(*words).status == 0, command


def test_the_readmes_python_runs(documented: Command) -> None:
    assert documented is not None, "the folder is the command's"
    (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    names: dict[str, object] = {}
    exec(example, names)
    assert names["result"]


@pytest.mark.parametrize("document", ["README.md", "DESIGN.md", "CHANGELOG.md"])
def test_links_lead_somewhere(document: str) -> None:
    for target in re.findall(r"\]\(([^)#]+)", (ROOT / document).read_text()):
        if "://" not in target:
            assert (ROOT / target).exists(), target


def starts_and_ends(words: list[str]) -> None:
    """Check that a command prints an address and goes on until Ctrl-C."""
    started = process(*words, folder=Path.cwd())
    assert started.stdout is not None
    assert started.stdout.readline().startswith("http://127.0.0.1:")
    assert started.poll() is None
    started.send_signal(signal.SIGINT)
    started.communicate(timeout=60)
    assert started.returncode == 0


FOLDERS = (
    *("accel", "accel/dram", "accel/rtl", "accel/technology", "foundation", "isa", "mapper"),
    *("reports", "reports/figures"),
    *("rooftile", "rooftile/explore", "rooftile/sweep", "rooftile/validate", "workloads"),
)


def test_every_folder_says_what_it_owns() -> None:
    for folder in FOLDERS:
        readme = (ROOT / folder / "README.md").read_text()
        for path in (ROOT / folder).iterdir():
            if path.suffix in (".py", ".v") and path.name != "__init__.py":
                assert f"`{path.name}`" in readme, path
