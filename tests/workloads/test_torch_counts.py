"""Counts of published networks are PyTorch's own: parameters, multiply-accumulates, output shapes.

`export_torch.py` wrote the files and what PyTorch's flop counter says of them. That counter leaves
out products of matrices and vectors; ``uncounted_macs`` are those, and part of ``macs``.
"""

from __future__ import annotations

import json
import lzma
import zipfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from tests.workloads.foreign import outputs_of
from tests.workloads.huggingface.configurations import TINY, TRANSLATED, built
from workloads.loaders.asked import AS_IT_IS
from workloads.loaders.imported.importer import Imported
from workloads.loaders.onnx import file as onnx_file
from workloads.loaders.onnx.load import imported as imported_onnx
from workloads.loaders.torch.file import contents
from workloads.loaders.torch.load import imported
from workloads.loaders.yaml import load_zoo

FOLDER = Path(__file__).parent / "torch"
REFERENCE: dict[str, dict[str, Any]] = json.loads((FOLDER / "reference.json").read_text())
#: Networks of the zoo by their names here.
ZOO = {
    **{name: name for name in ("alexnet", "resnet18", "resnet50", "squeezenet1_1", "densenet121")},
    **{name: name for name in ("mobilenet_v2", "mobilenet_v3_large", "mnasnet1_0")},
    **{name: name for name in ("shufflenet_v2_x1_0", "regnet_y_400mf", "efficientnet_b0")},
    **{name: name for name in ("convnext_tiny", "swin_t", "resnext50_32x4d")},
    "vit_b_16": "vit_b16",
}
#: Parameters and multiply-accumulates that a configuration has more than transformers' module.
BY_DEFINITION = {
    # The correction of the router's scores, one of 4 experts, is a parameter in DeepSeek's code.
    "deepseek_experts": (4, 0),
    # Fairseq's projection to 50 words is the table of 24 features; transformers 5 has it twice.
    "fsmt": (-50 * 24, 0),
    # PyTorch's convolution of 3 taps and 48 channels runs over both rims, of which one is cut off.
    "mamba": (0, -2 * 2 * 3 * 48),
}


EXPORTED = [name for name in sorted(REFERENCE) if (FOLDER / f"{name}.pt2").exists()]


@cache
def read(file: str) -> Imported:
    """Return the network of a file that `export_torch.py` wrote."""
    path = FOLDER / file
    if path.suffix == ".pt2":
        return imported(contents(path), path.stem, AS_IT_IS)
    proto = onnx.load_model_from_string(lzma.decompress(path.read_bytes()))
    return imported_onnx(onnx_file.contents_of(proto), "model", AS_IT_IS)


@pytest.mark.parametrize("name", EXPORTED)
def test_counts_are_pytorchs(name: str) -> None:
    found, expected = read(f"{name}.pt2"), REFERENCE[name]
    assert found.graph.total_parameters == expected["parameters"]
    assert found.graph.total_macs == expected["macs"]
    assert [list(value.shape) for value in found.outputs.values()] == expected["outputs"]


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.onnx.xz")), ids=lambda path: path.name)
def test_onnx_counts_are_pytorchs(path: Path) -> None:
    found, expected = read(path.name), REFERENCE[path.name.partition(".")[0]]
    assert found.graph.total_parameters == expected["parameters"] - expected["unread_parameters"]
    assert found.graph.total_macs == expected["macs"]
    assert [list(value.shape) for value in found.outputs.values()] == expected["outputs"]


@pytest.mark.parametrize("name", sorted(ZOO))
def test_the_zoo_has_the_same_counts(name: str) -> None:
    graph = load_zoo(ZOO[name])
    expected = REFERENCE[name]
    assert (graph.total_parameters, graph.total_macs) == (expected["parameters"], expected["macs"])


@pytest.mark.parametrize("name", sorted(TINY))
def test_a_configuration_has_the_same_counts(name: str, tmp_path: Path) -> None:
    dims = {"target": 8} if name in (*TRANSLATED, "whisper") else {}
    dims |= {} if name in ("vit", "whisper") else {"seq": 16}
    graph, expected = built(tmp_path, TINY[name], dims=dims), REFERENCE[f"tiny_{name}"]
    more = (
        graph.total_parameters - expected["parameters"],
        graph.total_macs - expected["macs"],
    )
    assert more == BY_DEFINITION.get(name, (0, 0))


def _stored(path: Path) -> dict[str, NDArray[Any]]:
    """Return all arrays of a file by name."""
    arrays = {}
    with zipfile.ZipFile(path) as archive:
        for entry in archive.namelist():
            if not entry.endswith("_config.json"):
                continue
            for name, payload in json.loads(archive.read(entry))["config"].items():
                place = f"{entry.rpartition('/')[0]}/{payload['path_name']}"
                meta = payload["tensor_meta"]
                kind = {7: "float32", 5: "int64", 12: "bool"}[meta["dtype"]]
                flat = np.frombuffer(archive.read(place), kind)
                arrays[name] = flat.reshape([size["as_int"] for size in meta["sizes"]])
    return arrays


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.case.pt2")), ids=lambda path: path.name)
def test_values_are_pytorchs(path: Path) -> None:
    """What a small network computes, in NumPy: a count can't be right of something else."""
    values = np.load(path.with_suffix("").with_suffix(".npz"))
    found = outputs_of(imported(contents(path), "case", AS_IT_IS), {**_stored(path), **values})
    assert found
    for name, array in found.items():
        np.testing.assert_allclose(array, values[f"output.{name}"], rtol=1e-4, atol=1e-5)


def test_all_files_are_small() -> None:
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 5_000_000
    assert len(EXPORTED) >= 85
    assert len(list(FOLDER.glob("*.onnx.xz"))) >= 75
