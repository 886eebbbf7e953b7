"""Files that ask for far more than their size: refused, or loaded, at once and in little memory."""

from __future__ import annotations

import json
import resource
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from onnx import NodeProto, helper

from tests.fuzz.formats import FORMATS, REFUSALS
from tests.fuzz.survival import little_memory, timed
from tests.workloads.huggingface.configurations import TINY
from tests.workloads.onnx_models import model, node

#: Processor time and memory that any of these may take.
_LIMIT_S, _LIMIT_BYTES = 3, 300 << 20


def _nested(opening: str, closing: str, depth: int) -> str:
    return opening * depth + closing * depth


def _network(layer: str, shape: str = "[1, 8, 8, 4]", more: str = "") -> str:
    return f"name: n\ninputs: {{x: {shape}}}\n{more}layers:\n  - {{name: a, {layer}}}\n"


_LAUGHS = "a: &a [1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
_BLOCKS = "".join(
    f"  b{depth}: {{layers: [{{name: c, use: b{depth + 1}, repeat: 1000}}]}}\n"
    for depth in range(9)
)
_YAML = {
    "laughs": _LAUGHS,
    "laughs inside": f"name: n\ninputs:\n  x: &x [{', '.join(['1'] * 9)}]\n{_LAUGHS}layers: *i\n",
    "nested lists": _nested("[", "]", 100_000),
    "nested mappings": _nested("{a: ", "}", 100_000),
    "nested blocks": "".join(f"{' ' * depth}a:\n" for depth in range(1000)),
    "an alias of itself": "name: &a [*a]\n",
    "a huge number": f"name: n\nbatch: {'9' * 100_000}\n",
    "an infinite number": "name: n\nbatch: 1e400\n",
    "not a number": "name: n\nbatch: .nan\n",
    "a number in hexadecimal": f"name: n\nbatch: 0x{'f' * 100_000}\n",
    "keys twice": "name: n\n" * 10_000,
    "invalid UTF-8": "name: \udcff\udcfe\n",
    "a NUL": "name: n\0\n",
    "many keys": "".join(f"k{number}: 1\n" for number in range(20_000)),
    "one long line": "name: " + "x" * 900_000,
    "many documents": "---\n" * 100_000,
}
_NETWORKS = {
    **_YAML,
    "many repeats": _network(
        "use: b, repeat: 1000000000", more="blocks: {b: {layers: [{name: c, op: relu}]}}\n"
    ),
    "repeats of repeats": f"name: n\ninputs: {{x: [1]}}\nblocks:\n{_BLOCKS}"
    "  b9: {layers: [{name: r, op: relu}]}\nlayers: [{name: a, use: b0, repeat: 1000}]\n",
    "a block of itself": _network("use: b", more="blocks: {b: {layers: [{name: c, use: b}]}}\n"),
    "large sizes": _network("op: relu", "[1000000000000, 1000000000000, 1000000000000]"),
    "a large batch": _network("op: relu") + "batch: 1000000\n",
    "many steps": _network("op: lstm, hidden: 4, direction: both", "[1, 1000000000, 4]"),
    "many steps of a gru": _network("op: gru, hidden: 4", "[1, 30000, 4]"),
    "a large factor": _network("op: resize, factor: 1000000000, mode: linear"),
    "a large kernel": _network("op: conv, out: 4, kernel: 1000000000, padding: same"),
    "a large stride": _network("op: conv_transpose, out: 4, kernel: 1000, stride: 1000000"),
    "a huge power": _network(f"op: linear, out: {'*'.join(['1000000000000'] * 12)}"),
    "many brackets": _network(f"op: linear, out: '{_nested('(', ')', 99)}'"),
    "large shifts": _network("op: linear, out: 4, shift: 1000000000000"),
    "a huge constant": _network(
        "op: add, inputs: [x, one]", more="learned: {one: {shape: [1], constant: 1e300}}\n"
    ),
    "many groups": _network("op: conv, out: 1000000000000, kernel: 1, groups: 4"),
    "a long equation": _network(f"op: matmul, inputs: [x, x], equation: '{'abcdefgh' * 10}->a'"),
    "many axes": _network("op: relu", f"[{', '.join(['1'] * 5000)}]"),
    "many repeated rows": _network("op: repeat, factors: [1000000, 1000000, 1000000, 1]"),
}
_HARDWARE = {
    **_YAML,
    "large array": "base: edge_32x32\nname: a\narray: {rows: 1000000000000}\n",
    "many cores": "base: npu_4core\nname: a\ncores: {count: 1000000000}\n",
    "a wide mesh": "base: mesh_64core\nname: a\nnetwork: {mesh: [1000000, 1000000]}\n",
    "many banks": "base: edge_32x32\nname: a\nscratchpads: {inputs: {banks: 1000000000000}}\n",
    "infinite bandwidth": "base: edge_32x32\nname: a\nmemories: {dram: {bandwidth: 1e400GB/s}}\n",
    "a huge clock": "base: edge_32x32\nname: a\nclock: 1e300GHz\n",
    "a base of itself": "base: base\nname: a\n",
}
_JSON = {
    "nested lists": _nested("[", "]", 400_000),
    "nested mappings": _nested('{"a": ', "}", 100_000).replace(": }", ": 1}", 1),
    "brackets in a text": json.dumps({"model_type": "[" * 100_000}),
    "a huge number": f'{{"model_type": "gpt2", "n_layer": {"9" * 100_000}}}',
    "an infinite number": '{"model_type": "gpt2", "n_layer": 1e400}',
    "not a number": '{"model_type": "gpt2", "n_layer": NaN}',
    "keys twice": '{"model_type": "gpt2", "model_type": "bert"}',
    "invalid UTF-8": '{"model_type": "\udcff"}',
    "a NUL": '{"model_type": "gpt2\0"}',
    "many quotes": '"' * 900_000,
    "many backslashes": '"' + "\\" * 900_000,
    **{
        f"a large {name}": json.dumps(
            {key: 10**9 if type(value) is int else value for key, value in config.items()}
        )
        for name, config in TINY.items()
    },
    **{
        f"many layers of {name}": json.dumps(
            {
                key: 1000 if "layers" in key or "expert" in key or key == "n_layer" else value
                for key, value in config.items()
            }
        )
        for name, config in TINY.items()
    },
}
_INPUT = 'layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 1 dim: 4 %s } } }\n'
_CAFFE = {
    "nested messages": _nested("a {", "}", 100_000),
    "nested lists": "a: " + _nested("[", "]", 100_000),
    "large sizes": _INPUT % "dim: 999999999999999999 dim: 999999999999999999",
    "a large kernel": _INPUT
    % "dim: 8 dim: 8"
    + 'layer { name: "a" type: "Convolution" bottom: "x" top: "a" convolution_param {'
    " num_output: 999999999999999999 kernel_size: 999999999999999999 pad: 999999999999999999 } }",
    "a large LRN": _INPUT % "dim: 8 dim: 8"
    + 'layer { name: "a" type: "LRN" bottom: "x" top: "a" lrn_param { local_size: 999999999 } }',
    "invalid UTF-8": 'name: "\udcff"',
    "a NUL": 'name: "\0"',
    "many quotes": "'" * 900_001,
    "many texts": "name: " + "'a' " * 200_000,
}
_MAPPINGS = {
    **_YAML,
    "many loops": f"layers: {{conv: {{loops: [{', '.join(['{for: OY, by: 1}'] * 20_000)}]}}}}\n",
    "a large step": "layers: {conv: {loops: [{for: OY, by: 1000000000000000000}]}}\n",
    "a large split": "layers: {conv: {split: {OC: 1000000000000}}}\n",
    "many kernels": f"layers: {{conv: {{kernels: [{', '.join(['{}'] * 20_000)}]}}}}\n",
}
_CONSTRAINTS = {
    **_YAML,
    "wildcards": f'constraints: [{{layers: "{"*a" * 60}b", buffers: {{weight: 2}}}}]\n',
    "a large tile": "constraints: [{dimensions: {M: {tile: 1000000000000000000}}}]\n",
    "many sizes": "constraints: [{dimensions: {M: {tile: {only: ["
    + ", ".join(map(str, range(1, 90_000)))
    + "]}}}}]\n",
    "cores": "constraints: [{split: {max_cores: 1000000000000000000}}]\n",
}
_CSV = {
    "large sizes": "Layer, M, N, K,\n" + "a, 999999999, 999999999, 999999999\n" * 3,
    "digits": f"Layer, M, N, K,\na, {'9' * 100_000}, 1, 1\n",
    "many lines": "Layer, M, N, K,\n" + "a,1,1,1\n" * 20_000,
    "commas": "," * 900_000,
    "a NUL": "Layer, M, N, K,\na\0, 1, 1, 1\n",
    "invalid UTF-8": "Layer, M, N, K,\n\udcff, 1, 1, 1\n",
}
_CFG = {
    "digits": f"ArrayHeight: {'9' * 100_000}\n",
    "colons": ":" * 900_000,
    "brackets": "[" * 900_000,
    "keys twice": "ArrayHeight: 1\n" * 50_000,
    "a NUL": "run_name: \0\n",
}
_CHOICE = '"%s": {"_type": "choice", "_value": [%s]}'
_NNI = {
    "nested lists": _nested("[", "]", 100_000),
    "nested options": '{"a": {"_type": "choice", "_value": [{"_name": 1, ' * 20_000,
    "many options": f"{{{_CHOICE % ('clock', ', '.join(map(str, range(10**9, 10**9 + 80_000))))}}}",
    "many labels": "{" + ", ".join(_CHOICE % (f"a{n}", '{"_name": 1}') for n in range(9000)) + "}",
    "many keys of an option": "{"
    + _CHOICE
    % ("a", ", ".join(f'{{"_name": {n}, {_CHOICE % ("clock", n + 1)}}}' for n in range(9000)))
    + "}",
    "digits": f"{{{_CHOICE % ('clock', '9' * 4000)}}}",
    "a large number": f"{{{_CHOICE % ('clock', '1e999')}}}",
    "a large range": '{"batch": {"_type": "randint", "_value": [1, 9000000000000000000]}}',
    "a small step": '{"clock": {"_type": "quniform", "_value": [1, 2e9, 1e-320]}}',
    "a long word": f"{{{_CHOICE % ('phase', chr(34) + 'x' * 900_000 + chr(34))}}}",
}
_TEXTS = {
    "network": _NETWORKS,
    "hardware": _HARDWARE,
    "huggingface": _JSON,
    "caffe": _CAFFE,
    "mapping": _MAPPINGS,
    "constraints": _CONSTRAINTS,
    "nni": _NNI,
    "scalesim": _CSV,
    "scalesim_cfg": _CFG,
}


#: What takes about a second, as all of 100,000 layers do.
_SLOW = ("many layers", "many repeats", "repeats of repeats", "many sizes")


def _loads_at_once(name: str, content: bytes, folder: Path) -> bool:
    """Load a file within the limits, and return whether it was accepted."""
    form = next(form for form in FORMATS if form.name == name)
    path = folder / f"bomb{form.suffix}"
    path.write_bytes(content)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.process_time()
    message = ""
    with little_memory(), timed():
        try:
            form.load(path, 0)
            accepted = True
        except REFUSALS as error:
            accepted, message = False, str(error)
    assert len(message) < 2000, "a message is meant to be read"
    assert time.process_time() - start < _LIMIT_S
    assert 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) < _LIMIT_BYTES
    return accepted


@pytest.mark.parametrize(
    ("name", "what"),
    [
        pytest.param(name, what, marks=[pytest.mark.slow] * what.startswith(_SLOW))
        for name, texts in _TEXTS.items()
        for what in texts
    ],
)
def test_what_asks_for_too_much_ends_at_once(name: str, what: str, tmp_path: Path) -> None:
    _loads_at_once(name, _TEXTS[name][what].encode(errors="surrogateescape"), tmp_path)


_HUGE = np.array([1 << 40])


@pytest.mark.parametrize(
    "nodes",
    [
        [helper.make_node("Split", ["x"], [f"y{n}" if n else "y" for n in range(10_000)], axis=1)],
        [node("Concat", ["x"] * 30_000, ["y"], axis=1)],
        [node("Einsum", ["x", "x"], ["y"], equation="a" * 5000)],
        [node("Reshape", ["x", "h"], ["y"])],
        [node("Conv", ["x", "w"], ["y"], pads=[1 << 62] * 4, strides=[1, 1])],
        [node("MaxPool", ["x"], ["y"], kernel_shape=[1 << 62, 1 << 62])],
        [node("Transpose", ["x"], ["y"], perm=list(range(10_000)))],
        [node("DepthToSpace", ["x"], ["y"], blocksize=1 << 62)],
    ],
    ids=lambda nodes: nodes[0].op_type,
)
def test_onnx_that_asks_for_too_much_ends_at_once(nodes: list[NodeProto], tmp_path: Path) -> None:
    proto = model(
        nodes, {"x": (1, 30_000, 1, 1)}, {"h": _HUGE, "w": np.ones((1, 30_000, 1, 1), "f")}
    )
    _loads_at_once("onnx", proto.SerializeToString(), tmp_path)


def test_onnx_of_many_nodes_ends_at_once(tmp_path: Path) -> None:
    names = ["x", *(f"t{number}" for number in range(3000)), "y"]
    nodes = [node("Relu", [a], [b]) for a, b in pairwise(names)]
    assert _loads_at_once("onnx", model(nodes, {"x": (1, 4)}).SerializeToString(), tmp_path)
