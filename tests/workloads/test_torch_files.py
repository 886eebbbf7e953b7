"""Exported programs: what a file says and leaves open, and files that can't be read."""

from __future__ import annotations

import copy
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from foundation.errors import WorkloadError
from workloads.graph import Graph
from workloads.layers import Convolution, Linear
from workloads.loaders.asked import AS_IT_IS, Asked
from workloads.loaders.files import load_file
from workloads.loaders.torch import archive
from workloads.loaders.torch.module import from_module
from workloads.loaders.torch.sizes import size_of
from workloads.loaders.yaml import parse_network, to_yaml

FOLDER = Path(__file__).parent / "torch"
Program = dict[str, Any]


def _tensor(name: str) -> Program:
    return {"as_tensor": {"name": name}}


def _meta(*sizes: int | str, dtype: int = 7) -> Program:
    """Return type and sizes of a tensor; text is an expression."""
    shape = [{"as_expr": {"expr_str": s}} if isinstance(s, str) else {"as_int": s} for s in sizes]
    return {"dtype": dtype, "sizes": shape}


def _node(operator: str, output: str, **arguments: Any) -> Program:
    inputs = [{"name": name, "arg": argument} for name, argument in arguments.items()]
    target = f"torch.ops.aten.{operator}"
    return {"target": target, "inputs": inputs, "outputs": [_tensor(output)], "metadata": {}}


def program(
    nodes: list[Program], metas: dict[str, Program], inputs: list[str], *parameters: str
) -> Program:
    """Return a program whose output is that of its last node."""
    specs = [{"parameter": {"arg": {"name": name}, "parameter_name": name}} for name in parameters]
    specs += [{"user_input": {"arg": _tensor(name)}} for name in inputs]
    last = nodes[-1]["outputs"][0] if nodes else _tensor(inputs[0])
    graph = {"nodes": nodes, "tensor_values": metas, "sym_int_values": {}}
    outputs = [{"user_output": {"arg": last}}]
    return {
        "schema_version": {"major": 8, "minor": 5},
        "graph_module": {
            "graph": graph,
            "signature": {"input_specs": specs, "output_specs": outputs},
        },
    }


MLP = program(
    [
        _node("linear.default", "h", input=_tensor("x"), weight=_tensor("w")),
        _node("relu_.default", "y", self=_tensor("h")),
    ],
    {"x": _meta("s7", 4), "w": _meta(3, 4), "h": _meta("s7", 3), "y": _meta("s7", 3)},
    ["x"],
    "w",
)


def write(path: Path, content: Program | str, name: str = "models/model.json") -> Path:
    """Write a `.pt2` file of one program."""
    text = content if isinstance(content, str) else json.dumps(content)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(f"anything/{name}", text)
    return path


def _read(tmp_path: Path, content: Program | str, asked: Asked = AS_IT_IS) -> Graph:
    return load_file(write(tmp_path / "net.pt2", content), asked)


@pytest.mark.parametrize(
    "asked", [Asked(batch=5), Asked(dims={"x.0": 5}), Asked(dims={"s7": 5})], ids=str
)
def test_open_sizes_are_bound(tmp_path: Path, asked: Asked) -> None:
    graph = _read(tmp_path, MLP, asked)
    (layer,) = graph.layers
    assert isinstance(layer.operator, Linear)
    assert layer.operator.activation == "relu"
    assert (graph.batch, graph.total_macs, graph.total_parameters) == (5, 60, 12)


def test_a_program_of_older_files_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "net.pt2", MLP, "serialized_exported_program.json")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(tmp_path / "old.pt2", "w") as new:
        new.writestr("serialized_exported_program.json", old.read(old.namelist()[0]))
    assert load_file(tmp_path / "old.pt2", Asked(batch=2)).total_macs == 24


def _changed(change: Callable[[Program], Any]) -> Program:
    content = copy.deepcopy(MLP)
    change(content)
    return content


def _graph(content: Program) -> Any:
    return content["graph_module"]["graph"]


UNKNOWN = _changed(lambda p: _graph(p)["nodes"][1].update(target="torch.ops.mine.twist.default"))


@pytest.mark.parametrize(
    ("content", "asked", "message"),
    [
        (MLP, AS_IT_IS, "input 'x': its dimension 'x.0' is open; give --dim x.0=SIZE or --batch"),
        (MLP, Asked(dims={"y.0": 1}), "has no open dimension 'y.0'; did you mean 'x.0'?"),
        (MLP, Asked(batch=1, phase="prefill:4"), "an exported program is one phase but"),
        (MLP, Asked(batch=1, page=16), "an exported program has no caches in pages; leave --page"),
        (
            _changed(lambda p: p["schema_version"].update(major=7)),
            AS_IT_IS,
            "its schema has version 7.5 but only 8 is read; export it again with PyTorch 2.5",
        ),
        (
            _changed(lambda p: p["schema_version"].update(major=9)),
            AS_IT_IS,
            "its schema has version 9.5 but only 8 is read; export it with an earlier PyTorch",
        ),
        (
            UNKNOWN,
            Asked(batch=2),
            "node 'y' (mine::twist): operator 'torch.ops.mine.twist.default' isn't known;"
            " --allow-unknown-as-vector takes it as a function of the vector unit",
        ),
        (
            _changed(lambda p: _graph(p)["tensor_values"].update(h=_meta("s7", 5))),
            Asked(batch=2),
            "node 'h' (linear): its output 'h' is [2, 3] but the file says [2, 5]",
        ),
        (
            _changed(lambda p: _graph(p)["tensor_values"].update(h=_meta("u0", 3))),
            Asked(batch=2),
            "node 'h' (linear): the size 'u0' depends on 'u0', which the data decides",
        ),
        (
            _changed(lambda p: _graph(p)["nodes"].pop(0)),
            Asked(batch=2),
            "node 'y' (relu_): reads 'h', which nothing before it computes",
        ),
        (
            _changed(lambda p: _graph(p)["nodes"].clear()),
            Asked(batch=2),
            "its program has no node; give a network that computes something",
        ),
        ("[" * 100_000, AS_IT_IS, "'models/model.json' isn't JSON"),
        ("[1]", AS_IT_IS, "'models/model.json' must be an object of JSON but is [1]"),
        ("{}", AS_IT_IS, "its JSON isn't what torch.export.save writes (KeyError"),
        (
            _changed(lambda p: _graph(p)["nodes"][0].update(inputs=7)),
            AS_IT_IS,
            "its JSON isn't what torch.export.save writes (TypeError",
        ),
    ],
)
def test_bad_programs(tmp_path: Path, content: Program | str, asked: Asked, message: str) -> None:
    with pytest.raises(WorkloadError) as caught:
        _read(tmp_path, content, asked)
    assert str(caught.value).startswith(f"{tmp_path / 'net.pt2'}: ")
    assert message in str(caught.value)


def test_an_unknown_operator_may_be_a_function_of_the_vector_unit(tmp_path: Path) -> None:
    graph = _read(tmp_path, UNKNOWN, Asked(batch=2, unknown_as_vector=True))
    assert graph.total_macs == 24
    assert graph.notes == (
        "node 'y' (mine::twist) isn't known: taken as a function of the vector unit",
    )


def test_a_file_is_a_whole_zip(tmp_path: Path) -> None:
    path = write(tmp_path / "net.pt2", MLP)
    data = path.read_bytes()
    for content in (b"", b"pickle", data[: len(data) // 2], data[:40] + b"#" + data[41:]):
        path.write_bytes(content)
        with pytest.raises(WorkloadError, match=r"isn't a whole zip|isn't JSON"):
            load_file(path)
    with pytest.raises(WorkloadError, match="no such file"):
        load_file(tmp_path / "other.pt2")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["data/x.so"], "holds a compiled model; save the network with torch.export.save"),
        (["data/x"], "holds no exported program; save the network with torch.export.save"),
        (["models/a.json", "models/b.json"], "holds 2 programs (models/a.json, models/b.json)"),
    ],
)
def test_a_file_holds_one_program(tmp_path: Path, names: list[str], message: str) -> None:
    with zipfile.ZipFile(tmp_path / "net.pt2", "w") as file:
        for name in names:
            file.writestr(f"net/{name}", "{}")
    with pytest.raises(WorkloadError) as caught:
        load_file(tmp_path / "net.pt2")
    assert message in str(caught.value)


def test_what_is_unpacked_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MOST_BYTES", 1000)
    with pytest.raises(WorkloadError, match=r"has 100000 bytes but at most 1000 are read"):
        _read(tmp_path, " " * 100_000)


@pytest.mark.parametrize(
    ("expression", "size"),
    [
        *(("s0", 6), ("2*s0 + 1", 13), ("((s0 - 1)//2)", 2), ("s0**2", 36), ("-s0 + 7", 1)),
        *(("Add(Mul(Integer(2), Symbol('s0', positive=True)), Integer(-1))", 11),),
        *(("Pow(Symbol('s0', integer=True), Integer(2))", 36),),
        *(("Max(1, s0)", 6), ("Mod(s0, 4)", 2), ("FloorDiv(s0, 4)", 1), ("CeilToInt(s0/4)", 2)),
    ],
)
def test_sizes_are_computed(expression: str, size: int) -> None:
    assert size_of(expression, {"s0": 6}) == size


@pytest.mark.parametrize(
    "expression",
    ["s1", "s0/4", "s0**99", "__import__('os')", "s0//0", "(" * 3000, "s0 if s0 else 1"],
)
def test_other_sizes_are_errors(expression: str) -> None:
    with pytest.raises(WorkloadError, match="the size '"):
        size_of(expression, {"s0": 6})


def test_a_convolution_network_survives_as_yaml() -> None:
    """What counts as no parameter, or as more than is stored, stays so."""
    graph = load_file(FOLDER / "vgg11_bn.pt2")
    assert isinstance(graph.layers[0].operator, Convolution)
    again = parse_network(to_yaml(graph), "again.yaml")
    assert (again.layers, again.tensors, again.notes) == (graph.layers, graph.tensors, graph.notes)


def test_without_the_package_a_module_isnt_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    with pytest.raises(WorkloadError, match=r"pip install 'rooftile\[torch\]'"):
        from_module(object())


def test_encrypted_entries_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "net.pt2", MLP)
    data = bytearray(path.read_bytes())
    for start, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = -1
        while (place := data.find(start, place + 1)) >= 0:
            data[place + flags] |= 1
    path.write_bytes(data)
    with pytest.raises(WorkloadError, match=r"is encrypted; save the network without that"):
        load_file(path)


def test_what_cant_be_unpacked_in_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_memory(*_: object) -> None:
        raise MemoryError

    path = write(tmp_path / "net.pt2", MLP)
    monkeypatch.setattr(zipfile.ZipFile, "open", no_memory)
    with pytest.raises(WorkloadError, match=r"can't be unpacked in the memory that there is"):
        load_file(path)
