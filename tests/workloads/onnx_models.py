"""Small ONNX models, and what the ONNX package's own evaluator makes of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from foundation.numerics import Array
from tests.workloads.foreign import outputs_of
from workloads.loaders.asked import AS_IT_IS, Asked
from workloads.loaders.imported.importer import Imported
from workloads.loaders.onnx.file import contents_of
from workloads.loaders.onnx.load import imported

node = helper.make_node


def model(
    nodes: Sequence[NodeProto],
    inputs: Mapping[str, Sequence[int | str]],
    weights: Mapping[str, Array] | None = None,
    outputs: Sequence[str] = ("y",),
    *,
    indices: Sequence[str] = (),
    opset: int = 18,
) -> ModelProto:
    """Return a model: inputs are fp32, those among ``indices`` int64."""
    kinds = {name: TensorProto.INT64 if name in indices else TensorProto.FLOAT for name in inputs}
    return helper.make_model(
        helper.make_graph(
            list(nodes),
            "graph",
            [helper.make_tensor_value_info(n, kinds[n], list(s)) for n, s in inputs.items()],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
            [numpy_helper.from_array(array, name) for name, array in (weights or {}).items()],
        ),
        opset_imports=[helper.make_opsetid("", opset)],
    )


def read(proto: ModelProto, asked: Asked = AS_IT_IS) -> Imported:
    """Return what the loader makes of a model."""
    return imported(contents_of(proto), "model", asked)


def outside(name: str, shape: Sequence[int]) -> TensorProto:
    """Return an fp32 array whose values are said to lie in ``weights.bin``."""
    tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=shape)
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "weights.bin"
    return tensor


def large_model(folder: Path, layers: int) -> Path:
    """Write a model of ``layers`` products of 256 MiB of weights each, all in ``weights.bin``."""
    names = ["x", *(f"h{number}" for number in range(1, layers)), "y"]
    nodes = [
        node("Gemm", [names[number], f"w{number}"], [names[number + 1]]) for number in range(layers)
    ]
    proto = model(nodes, {"x": (1, 8192)})
    proto.graph.initializer.extend(outside(f"w{n}", (8192, 8192)) for n in range(layers))
    path = folder / "large.onnx"
    path.write_bytes(proto.SerializeToString())
    return path


def random_inputs(proto: ModelProto, *, seed: int = 0, positive: bool = False) -> dict[str, Array]:
    """Return random fp32 values for a model's inputs, and indices of 0 to 3."""
    generator = np.random.default_rng(seed)
    values: dict[str, Array] = {}
    for entry in proto.graph.input:
        shape = [dim.dim_value for dim in entry.type.tensor_type.shape.dim]
        if entry.type.tensor_type.elem_type == TensorProto.INT64:
            values[entry.name] = generator.integers(0, 4, shape)
        else:
            array = generator.standard_normal(shape).astype(np.float32)
            values[entry.name] = np.abs(array) + 0.5 if positive else array
    return values


def check(proto: ModelProto, *, positive: bool = False, tolerance: float = 1e-4) -> Imported:
    """Compare a loaded model's outputs with the reference evaluator's; return what was loaded."""
    loaded = read(proto)
    inputs = random_inputs(proto, positive=positive)
    expected = ReferenceEvaluator(proto).run(None, inputs)
    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in proto.graph.initializer}
    found = outputs_of(loaded, {**weights, **inputs})
    for entry, values in zip(proto.graph.output, expected, strict=True):
        assert found[entry.name].shape == np.shape(values), entry.name
        np.testing.assert_allclose(
            found[entry.name], values, rtol=tolerance, atol=tolerance, err_msg=entry.name
        )
    return loaded
