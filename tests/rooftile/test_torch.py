"""PyTorch's files on the command line, and what their page says."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import rooftile as package
from foundation.errors import WorkloadError
from tests.rooftile.command import Command
from workloads.loaders.torch.operators import HANDLERS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "workloads" / "loaders" / "TORCH.md").read_text()
RESNET = ROOT / "tests" / "workloads" / "torch" / "resnet18.pt2"


def test_the_pages_commands_print_what_it_shows(rooftile: Command) -> None:
    shutil.copy(RESNET, "resnet18.pt2")
    (block,) = re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)
    (shown,) = re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)
    commands = [line.removeprefix("$ rooftile ").split() for line in block.splitlines()]
    printed = [rooftile(*command) for command in commands]
    assert [outcome.status for outcome in printed] == [0, 0]
    assert printed[0].out.endswith(shown)
    assert "resnet18, batch 1, on edge_32x32" in printed[1].out


def test_the_page_names_every_operator() -> None:
    assert set(HANDLERS) <= set(re.findall(r"\w+", PAGE))


class _Module:
    """What `from_module` asks of a module."""

    training = False


def _torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put something in PyTorch's place that exports a ResNet-18, or fails without inputs."""

    class Exported:
        pass

    def export(module: Any, inputs: Any, *_: Any, **options: Any) -> Exported:
        if not inputs:
            raise RuntimeError("forward() misses 'x'")
        return Exported()

    class Context:
        __enter__ = __exit__ = lambda *_: None

    tools = SimpleNamespace(
        ExportedProgram=Exported,
        export=export,
        save=lambda _, path: shutil.copy(RESNET, path),
    )
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(export=tools, no_grad=Context))


def test_a_module_is_exported_and_read(monkeypatch: pytest.MonkeyPatch) -> None:
    _torch(monkeypatch)
    graph = package.from_module(_Module(), [1], name="r18")
    assert (graph.name, graph.total_parameters) == ("r18", 11_689_512)
    with pytest.raises(WorkloadError, match=r"module '_Module': can't be exported: forward\(\)"):
        package.from_module(_Module())
    module = _Module()
    module.training = True
    with pytest.raises(WorkloadError, match=r"is in training mode; call eval\(\) first"):
        package.from_module(module, [1])
