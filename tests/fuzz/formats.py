"""The formats that are fuzzed: for each a few small files, and what loads them."""

from __future__ import annotations

import json
import lzma
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from random import Random

import numpy as np

from accel.scalesim_file import load_scalesim
from accel.spec_file import load_preset, load_spec
from foundation.errors import RooftileError
from mapper.constraints import load_constraints
from mapper.mapping_file import load_mappings
from mapper.planner import make_plan
from reports.cost import die_yield
from reports.figures.capacity import capacity_traffic
from reports.figures.pareto import pareto_front
from reports.figures.peaks_file import load_peaks
from reports.figures.shapes import array_shapes
from reports.figures.table import read_table
from reports.figures.tornado import tornado_of
from reports.prices import load_prices
from rooftile.sweep.space import Space
from rooftile.sweep.sweep_file import load_sweep
from tests.accel.test_scalesim_file import LINES
from tests.fuzz.networks import NETWORKS
from tests.reports.figures.tables import CAPACITY, FRONT, KNOBS, SHAPES
from tests.reports.figures.test_peaks_file import GOOD
from tests.workloads.caffe import nets
from tests.workloads.huggingface.configurations import TINY
from tests.workloads.onnx_models import model, node
from tests.workloads.test_onnx_operators import LAYER_NORM, NUMBERS, attention
from tests.workloads.test_scalesim import CONVOLUTION, GEMM
from tests.workloads.test_tflite import CONV, ints
from tests.workloads.test_torch_files import MLP
from tests.workloads.tflite_models import Net
from workloads.loaders.asked import AS_IT_IS, Asked
from workloads.loaders.files import load_file
from workloads.loaders.yaml import parse_network

_ROOT = Path(__file__).parents[2]
_TORCH = _ROOT / "tests" / "workloads" / "torch"


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A kind of file.

    Parameters
    ----------
    name
        What it is called on the command line.
    suffix
        Of its files.
    victims
        Returns valid files.
    load
        Loads a file; the number of the file decides what is asked for besides.
    spares
        Returns files that needn't be valid: they only lend words and parts.
    """

    name: str
    suffix: str
    victims: Callable[[], Sequence[bytes]]
    load: Callable[[Path, int], object]
    spares: Callable[[], Sequence[bytes]] = list


def _network(*asked: Asked) -> Callable[[Path, int], object]:
    """Return a loader of networks, which are counted as well."""

    def load(path: Path, number: int) -> object:
        graph = load_file(path, asked[number % len(asked)])
        return graph.total_macs, graph.total_parameters, graph.outputs

    return load


_ANY = (AS_IT_IS, Asked(unknown_as_vector=True), Asked(batch=1, dtype="bf16"))


def _files(*patterns: str) -> list[bytes]:
    """Return the repository's files of some patterns that are small."""
    paths = chain.from_iterable(sorted(_ROOT.glob(pattern)) for pattern in patterns)
    return [path.read_bytes() for path in paths if path.stat().st_size < 4000]


_MAPPINGS = (
    b"layers:\n  conv:\n    also: [same]\n    dataflow: OS\n    split: {OC: 2}\n    loops:\n"
    b"    - hold: weight\n    - {for: OY, by: 8}\n    - hold: [input0, bias]\n"
    b"    - {for: OX, by: 4}\n    buffers: {input0: 2, weight: 1, output: 2}\n",
    b"layers:\n  fc:\n    kernels:\n    - split: {K: 2}\n      loops: [{for: N, by: 4}]\n"
    b"    - split: {N: 2}\n",
    b"layers: {conv: {also: [same], loops: [{hold: weight}, {for: OY, by: 5}]}}\n",
)
_CONSTRAINTS = (
    b'constraints:\n- layers: "c*"\n  operators: [conv, linear]\n  dimensions:\n'
    b"    M: {tile: {max: 256}}\n"
    b"    OC: {tile: {min: 4, max: 8, not: [6]}}\n    K: {tile: {max: 512}, block: {max: 512}}\n"
    b"  order: [M outside N, K outside M]\n  hold: {weight: whole, input0: {not: tile}}\n"
    b"  buffers: {weight: 2}\n  split: {max_cores: 4, not: [k]}\n  dataflow: {not: WS}\n"
    b"- hold: {output: {not: block}}\n",
    b"constraints:\n- dimensions: {OX: {tile: {only: [4, 8]}}}\n- layers: fc\n"
    b"  split: {along: [n]}\n",
)
_TECHNOLOGY = b"""\
base: npu_4core
name: derived
energy:
  technology: {node: 28nm, voltage: 900mV, dram: {dram: hbm2}, link: 2mm}
  mac: {bf16: 1.5pJ}
  vector: null
area:
  technology: 28nm
  network: 0.2mm2
  other: null
"""
_PRICES = b"""\
currency: credits
wafer: {cost: 1000, diameter: 300mm}
yield: {model: negative_binomial, defects: 0.1/cm2, clustering: 3}
packaging: 1
memory: {dram: 1/GiB}
other: null
electricity: 0.1/kWh
power_usage_effectiveness: 1.1
lifetime: 4 years
utilization: 0.5
"""
#: What mappings and constraints are about.
_SMALL = """\
name: small
inputs: {image: [1, 16, 16, 8]}
layers:
  - {name: conv, op: conv, out: 8, kernel: 3, padding: 1, bias: true}
  - {name: same, op: conv, out: 8, kernel: 3, padding: 1, bias: true}
  - {name: fc, op: linear, out: 8}
"""


def _mapping(path: Path, number: int) -> object:
    """Load a file of mappings, and map a network by every tenth."""
    mappings = load_mappings(path)
    if number % 10:
        return mappings
    return make_plan(parse_network(_SMALL, "small"), load_preset("npu_4core"), mappings=mappings)


def _constraints(path: Path, number: int) -> object:
    """Load a file of constraints, and map a network under every tenth."""
    constraints = load_constraints(path)
    if number % 10:
        return constraints
    graph = parse_network(_SMALL, "small")
    return make_plan(graph, load_preset("npu_4core"), constraints=constraints)


def _table(path: Path, number: int) -> object:
    """Load a table, and make one kind of picture's data from it."""
    table = read_table(path)
    makers: tuple[Callable[[], object], ...] = (
        lambda: pareto_front(table, x="time_s", y="pj"),
        lambda: tornado_of(table, "time_us"),
        lambda: capacity_traffic(table, label="network"),
        lambda: array_shapes(table, "time_us"),
    )
    return makers[number % len(makers)]()


def _topologies() -> list[bytes]:
    rows = (
        "A, 8, 9, 3, 2, 4, 5, 2,\nB_DP, 6, 6, 1, 1, 7, 3, 1, 1:1,\n",
        "L0,196,192,384,\nL1, 4, 5, 6",
    )
    return [f"{CONVOLUTION},\n{rows[0]}".encode(), f"{GEMM},\n{rows[1]}".encode()]


def _configurations() -> list[bytes]:
    lines = [f"{key} : {value}" for key, value in LINES.items()]
    text = "\n".join(["[general]", "run_name = x", "[architecture_presets]", *lines])
    return [text.encode(), text.replace(" : ", "=").encode()]


def _caffe() -> list[bytes]:
    small = nets.source(1, 3, 16, 16) + nets.convolution("c", "data", 4, 3, "group: 1 dilation: 1")
    small += nets.normalized("n", "c", 6, 3) + nets.pool("p", "n_out", 3, 2, "pool: AVE pad: 1")
    small += nets.layer("f", "InnerProduct", "p", "inner_product_param { num_output: 5 }")
    joined = nets.source(1, 4, 6, 6) + nets.convolution("a", "data", 4, 1)
    joined += nets.layer("b", "Eltwise", "a data", "eltwise_param { operation: MAX }")
    joined += nets.layer("c", "Concat", "a b") + nets.layer("d", "Softmax", "c")
    return [small.encode(), joined.encode()]


def _onnx() -> list[bytes]:
    """Return models with convolutions, shape arithmetic, attention, and patterns of nodes."""
    cnn = [
        node("Conv", ["x", "w"], ["a"], pads=[1, 1, 1, 1]),
        node("Relu", ["a"], ["b"]),
        node("MaxPool", ["b"], ["c"], kernel_shape=[2, 2], strides=[2, 2]),
        node("Shape", ["c"], ["s"]),
        node("Slice", ["s", "i", "j"], ["n"]),
        node("Concat", ["n", "k"], ["r"], axis=0),
        node("Reshape", ["c", "r"], ["f"]),
        node("Split", ["f"], ["p", "q"], axis=1, num_outputs=2),
        node("Mul", ["p", "q"], ["y"]),
    ]
    weights = {
        "w": np.ones((4, 3, 3, 3), "f"),
        "i": np.array([0]),
        "j": np.array([1]),
        "k": np.array([-1]),
    }
    others = [
        node("Pad", ["x", "pads"], ["a"]),
        node("Tile", ["a", "times"], ["b"]),
        node("Expand", ["b", "wide"], ["c"]),
        node("ReduceMean", ["c"], ["d"], axes=[2, 3], keepdims=1),
        node("ConstantOfShape", ["wide"], ["e"]),
        node("Add", ["d", "e"], ["f"]),
        node("Gather", ["f", "which"], ["g"], axis=1),
        node("Range", ["zero", "ten", "one"], ["h"]),
        node("Cast", ["h"], ["i"], to=1),
        node("MatMul", ["g", "m"], ["j"]),
        node("Mul", ["j", "i"], ["y"]),
    ]
    numbers = {
        "pads": np.array([0, 0, 1, 1, 0, 0, 1, 1]),
        "times": np.array([1, 2, 1, 1]),
        "wide": np.array([2, 6, 1, 1]),
        "which": np.array([0, 2, 5]),
        "zero": np.array(0),
        "ten": np.array(10),
        "one": np.array(1),
        "m": np.ones((1, 10), "f"),
    }
    return [
        model(cnn, {"x": (1, 3, 8, 8)}, weights).SerializeToString(),
        model(others, {"x": (1, 3, 4, 4)}, numbers, opset=17).SerializeToString(),
        attention(1, 3, 2, 2).SerializeToString(),
        model(LAYER_NORM, {"x": (2, 8)}, NUMBERS, opset=17).SerializeToString(),
        lzma.decompress((_TORCH / "squeezenet1_1.optimized.onnx.xz").read_bytes()),
    ]


def _tflite() -> list[bytes]:
    """Return models with convolutions, and with shape arithmetic."""
    cnn = Net({"x": (1, 8, 8, 3)}, is_batch_open=True)
    settings = {"StrideW": 1, "StrideH": 1, "FusedActivationFunction": 1}
    filters = np.ones((4, 3, 3, 3), "f")
    cnn.add("CONV_2D", ["x", filters, np.ones(4, "f")], "a", (1, 8, 8, 4), CONV, **settings)
    settings = {"StrideW": 2, "StrideH": 2, "FilterWidth": 2, "FilterHeight": 2}
    cnn.add("MAX_POOL_2D", ["a"], "b", (1, 4, 4, 4), "Pool2DOptions", **settings)
    cnn.add("MEAN", ["b", ints(1, 2)], "c", (1, 4), "ReducerOptions")
    cnn.add("FULLY_CONNECTED", ["c", np.ones((5, 4), "f")], "y", (1, 5), "FullyConnectedOptions")
    moves = Net({"x": (1, 4, 4, 6), "i": (2,)}, kinds={"i": "INT32"})
    moves.add("SHAPE", ["x"], "s")
    bounds = [ints(0), ints(1), ints(1)]
    moves.add("STRIDED_SLICE", ["s", *bounds], "n", None, "StridedSliceOptions", ShrinkAxisMask=1)
    moves.add("PACK", ["n", np.asarray(-1, np.int32)], "t", None, "PackOptions", ValuesCount=2)
    moves.add("PAD", ["x", ints(0, 0, 1, 2, 0, 1, 0, 0).reshape(4, 2)], "p")
    moves.add("TILE", ["p", ints(1, 2, 1, 1)], "w")
    moves.add("SPLIT", [ints(3), "w"], ("a", "b"), None, "SplitOptions", NumSplits=2)
    moves.add("CONCATENATION", ["a", "b"], "c", None, "ConcatenationOptions", Axis=1)
    moves.add("RESHAPE", ["c", "t"], "r")
    moves.add("EMBEDDING_LOOKUP", ["i", np.ones((9, 4), "f")], "e")
    moves.add("SUM", ["e", ints(0, 1)], "u", None, "ReducerOptions")
    moves.add("ADD", ["r", "u"], "y", None, "AddOptions")
    return [cnn.written(), moves.written()]


def _programs() -> list[bytes]:
    """Return the JSON of exported programs, and whole files."""
    found = []
    for name in ("attention.case", "recommender", "gru.case", "functions.case", "unet"):
        with zipfile.ZipFile(_TORCH / f"{name}.pt2") as file:
            inside = {entry.partition("/")[2]: file.read(entry) for entry in file.namelist()}
        found.append(next(text for entry, text in inside.items() if entry.startswith("models/")))
    return [*found, json.dumps(MLP).encode(), (_TORCH / "attention.case.pt2").read_bytes()]


def _program(path: Path, number: int) -> object:
    """Load a file, or what is around a program's JSON: a zip's checksums find all else."""
    content = path.read_bytes()
    whole = path.with_suffix(".pt2")
    if content[:2] == b"PK":
        whole.write_bytes(content)
    else:
        with zipfile.ZipFile(whole, "w") as file:
            file.writestr("program/models/model.json", content)
    return _network(*_ANY, Asked(dims={"x.0": 3}))(whole, number)


_SWEEP = """\
name: everything
hardware: edge_32x32
networks: [lenet]
batch: 2
grid:
  array.rows: {from: 4, to: 64, factor: 2}
  memories.dram.bandwidth: {from: 1GB/s, to: 64GB/s, count: 5, scale: log}
  clock: {from: 500MHz, to: 1GHz, step: 100MHz}
zip:
  - {scratchpads.input.capacity: [64KiB, 128KiB], vector.lanes: [16, 32]}
derived:
  array.columns: min(64, 1024 // array.rows)
  memories.dram.latency: 50ns + 10ns * log2(array.rows)
constraints: [array.rows * array.columns <= 1024, time <= 1s]
engine: estimate
best: {count: 3, by: time, engine: analytical}
limit: 1000
"""

_NNI = """\
{
  "array.rows": {"_type": "choice", "_value": [8, 16, 32]},
  "batch": {"_type": "randint", "_value": [1, 4]},
  "clock": {"_type": "uniform", "_value": ["500MHz", 2e9]},
  "vector.lanes": {"_type": "quniform", "_value": [8, 64, 8]},
  "scratchpads.input.capacity": {"_type": "qloguniform", "_value": ["16KiB", "1MiB", "1KiB"]},
  "scratchpads.weight.capacity": {"_type": "qlognormal", "_value": [11.5, 0.5, 1024]},
  "memories.dram.latency": {"_type": "qnormal", "_value": ["100ns", "10ns", "1ns"]},
  "dram": {"_type": "choice", "_value": [
    {"_name": "slow", "memories.dram.bandwidth": {"_type": "lognormal", "_value": [22.5, 0.1]}},
    {"_name": "fast",
     "memories.dram.bandwidth": {"_type": "loguniform", "_value": ["16GB/s", "64GB/s"]},
     "array.columns": {"_type": "choice", "_value": [{"_name": 16}, {"_name": 32}]}}]}
}
"""


def _space(path: Path, number: int) -> object:
    """Load a search space, and draw points from it."""
    sweep = path.with_suffix(".sweep.yaml")
    sweep.write_text(f"hardware: edge_32x32\nnetworks: [lenet]\nspace: {path.name}\n")
    space = Space(load_sweep(sweep))
    draws = Random(number)
    return [space.drawn(_Evenly(draws)) for _ in range(3)]


class _Evenly:
    """Draws from a search space."""

    def __init__(self, draws: Random) -> None:
        self._draws = draws

    def place(self, _: str, count: int, /) -> int:
        return self._draws.randrange(count)

    option = place

    def quantile(self, _: str, /) -> float:
        return self._draws.random()


FORMATS = (
    Format(
        name="network",
        suffix=".yaml",
        victims=lambda: [*NETWORKS, *_files("workloads/zoo/*.yaml")],
        spares=lambda: _files("tests/bad_inputs/networks/*.yaml"),
        load=_network(AS_IT_IS, Asked(batch=2, dtype="bf16")),
    ),
    Format(
        name="hardware",
        suffix=".yaml",
        victims=lambda: [_TECHNOLOGY, *_files("accel/presets/*.yaml")],
        spares=lambda: _files("tests/bad_inputs/hardware/*.yaml"),
        load=lambda path, _: load_spec(path).label,
    ),
    Format(name="onnx", suffix=".onnx", victims=_onnx, load=_network(*_ANY)),
    Format(name="pt2", suffix=".json", victims=_programs, load=_program),
    Format(name="tflite", suffix=".tflite", victims=_tflite, load=_network(*_ANY)),
    Format(
        name="huggingface",
        suffix=".json",
        victims=lambda: [
            *(json.dumps(config, indent=1).encode() for config in TINY.values()),
            *_files("tests/workloads/huggingface/configs/*.json"),
        ],
        load=_network(AS_IT_IS, Asked(phase="decode:1@64"), Asked(phase="prefill:8", batch=2)),
    ),
    Format(name="scalesim", suffix=".csv", victims=_topologies, load=_network(*_ANY)),
    Format(
        name="scalesim_cfg",
        suffix=".cfg",
        victims=_configurations,
        load=lambda path, _: load_scalesim(path).label,
    ),
    Format(name="caffe", suffix=".prototxt", victims=_caffe, load=_network(*_ANY)),
    Format(name="mapping", suffix=".yaml", victims=lambda: _MAPPINGS, load=_mapping),
    Format(name="constraints", suffix=".yaml", victims=lambda: _CONSTRAINTS, load=_constraints),
    Format(
        name="sweep",
        suffix=".yaml",
        victims=lambda: [*_files("rooftile/sweep/examples/*.yaml"), _SWEEP.encode()],
        load=lambda path, _: Space(load_sweep(path)).point(0),
    ),
    Format(name="nni", suffix=".json", victims=lambda: [_NNI.encode()], load=_space),
    Format(
        name="prices",
        suffix=".yaml",
        victims=lambda: [_PRICES],
        load=lambda path, _: die_yield(load_prices(path).yield_, 100.0),
    ),
    Format(
        name="peaks",
        suffix=".yaml",
        victims=lambda: [*_files("reports/figures/published/*.yaml"), GOOD.encode()],
        load=lambda path, _: load_peaks(path),
    ),
    Format(
        name="table",
        suffix=".csv",
        victims=lambda: [text.encode() for text in (FRONT, KNOBS, CAPACITY, SHAPES)],
        load=_table,
    ),
)
#: What a file that can't be loaded raises; nothing else may come out of a loader.
REFUSALS = RooftileError
