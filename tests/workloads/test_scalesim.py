"""SCALE-Sim's topology files: what they mean, and what is wrong with bad ones."""

from __future__ import annotations

from math import ceil
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foundation.errors import WorkloadError
from workloads.graph import Graph
from workloads.layers import Convolution, Linear, Window
from workloads.loaders.asked import AS_IT_IS, Asked
from workloads.loaders.files import load_file

CONVOLUTION = (
    "Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter,"
    " Strides"
)
GEMM = "Layer, M, N, K"


def load(text: str, folder: Path, asked: Asked = AS_IT_IS) -> Graph:
    path = folder / "topology.csv"
    path.write_text(text)
    return load_file(path, asked)


def test_layers_are_independent(tmp_path: Path) -> None:
    graph = load(f"{CONVOLUTION},\nA, 8, 9, 3, 2, 4, 5, 2,\nB, 6, 6, 1, 1, 7, 3, 1,\n", tmp_path)
    assert graph.name == "topology"
    assert [(x.name, x.inputs) for x in graph.layers] == [("A", ("A.input",)), ("B", ("B.input",))]
    assert graph.tensors["A.input"].shape == (1, 8, 9, 4)
    windows = (Window(3, stride=2, pad_after=1), Window(2, stride=2, pad_after=1))
    assert graph.layers[0].operator == Convolution(out_channels=5, windows=windows)
    assert graph.tensors["A"].shape == (1, 4, 5, 5)
    assert set(graph.outputs) == {"A", "B"}


def test_products(tmp_path: Path) -> None:
    graph = load(f"{GEMM},\nL0,196,192,384,\nL1, 4, 5, 6", tmp_path, Asked(batch=3, dtype="bf16"))
    assert graph.layers[0].operator == Linear(out_features=192, bias=False)
    assert graph.total_macs == 3 * (196 * 192 * 384 + 4 * 5 * 6)
    assert graph.total_parameters == 192 * 384 + 5 * 6
    assert str(graph.tensors["L1"].dtype) == "bf16"


sizes = st.integers(1, 40)


@settings(max_examples=60)
@given(height=sizes, width=sizes, fy=sizes, fx=sizes, stride=st.integers(1, 9))
def test_positions_are_rounded_up(height: int, width: int, fy: int, fx: int, stride: int) -> None:
    height, width = height + fy - 1, width + fx - 1
    row = f"A, {height}, {width}, {fy}, {fx}, 3, 2, {stride},"
    with TemporaryDirectory() as folder:
        graph = load(f"{CONVOLUTION},\n{row}\n", Path(folder))
    positions = ceil((height - fy + stride) / stride), ceil((width - fx + stride) / stride)
    assert graph.tensors["A"].shape == (1, *positions, 2)
    assert graph.total_macs == positions[0] * positions[1] * fy * fx * 3 * 2


def test_depthwise_layers_have_a_group_for_every_channel(tmp_path: Path) -> None:
    graph = load(f"{CONVOLUTION},\nDP1, 8, 8, 3, 3, 32, 2, 1,\n", tmp_path)
    operator = graph.layers[0].operator
    assert isinstance(operator, Convolution)
    assert (operator.groups, operator.out_channels) == (32, 64)
    assert graph.total_macs == 32 * 6 * 6 * 9 * 2  # 32 layers of 1 channel and 2 filters


def test_what_real_files_have_besides(tmp_path: Path) -> None:
    text = (
        "Layer name, IFMAP height, IFMAP width, Filter height, Filter width, Channels, Num filter,"
        " Stride height, Stride width,\n\n"
        "\tConv 1_dw, 112, 112, 3, 3, 1, 1, 2, 1,1:1,#dw\n"
        "1x1, 8, 8, 1, 1, 4, 4, 1, 1\n"
        "1x1, 8, 8, 1, 1, 4, 4, 1, 1,\n"
    )
    graph = load(text, tmp_path)
    assert [layer.name for layer in graph.layers] == ["Conv_1_dw", "_1x1", "_1x1_2"]
    assert graph.tensors["Conv_1_dw"].shape == (1, 56, 110, 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "{file}:1: the file is empty"),
        (
            "Layer, M, N,\nA, 1, 2,",
            f"{{file}}:1: the header is 'Layer, M, N' but must be '{CONVOLUTION}' or '{GEMM}'",
        ),
        (f"{GEMM},\n\n", "{file}:1: no layers follow the header"),
        (
            f"{GEMM},\nA, 1, 2,",
            "{file}:2: layer 'A': has 3 columns but must have 4: Layer, M, N, K",
        ),
        (
            f"{GEMM},\n\nA, 1, 0, 3,",
            "{file}:3: layer 'A': N is '0' but must be a whole number from 1 to 999999999",
        ),
        (
            f"{GEMM},\nA, 1, 2.5, 3,",
            "{file}:2: layer 'A': N is '2.5' but must be a whole number from 1 to 999999999",
        ),
        (f"{GEMM},\n, 1, 2, 3,", "{file}:2: the layer has no name; add one"),
        (
            f"{GEMM}, Sparsity,\nA, 1, 2, 3, 1:2,",
            "{file}:2: layer 'A': sparsity is 1:2 but every weight is computed; write 1:1 or leave"
            " it out",
        ),
        (
            f"{CONVOLUTION},\nA, 5, 5, 3, 7, 1, 1, 1,",
            "{file}:2: layer 'A': Filter Width is 7 but IFMAP Width is 5; SCALE-Sim's IFMAP sizes"
            " include padding",
        ),
    ],
)
def test_bad_files(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(WorkloadError) as caught:
        load(text, tmp_path)
    assert str(caught.value) == message.format(file=tmp_path / "topology.csv")


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (Asked(dims={"M": 3}), "{file}: has no dimension 'M'; leave --dim out"),
        (
            Asked(phase="decode:1@8"),
            "{file}: has no phases but 'decode:1@8' is asked for; leave --phase out",
        ),
        (Asked(batch=0), "batch is 0 but must be at least 1"),
    ],
)
def test_what_it_cannot_be_asked_for(asked: Asked, message: str, tmp_path: Path) -> None:
    with pytest.raises(WorkloadError) as caught:
        load(f"{GEMM},\nA, 1, 2, 3,", tmp_path, asked)
    assert str(caught.value) == message.format(file=tmp_path / "topology.csv")


def test_no_such_file(tmp_path: Path) -> None:
    path = tmp_path / "none.csv"
    with pytest.raises(WorkloadError, match=r"none\.csv: no such file$"):
        load_file(path)
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(WorkloadError, match=r"is a folder; give a topology file of SCALE-Sim$"):
        load_file(tmp_path / "folder.csv")
