"""The ONNX package's own conformance data: models, inputs and outputs that others made.

``pytest -rP`` prints how many cases there are, how many are known and how many agree.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto, numpy_helper

from foundation.errors import WorkloadError
from foundation.numerics import Array
from tests.workloads.foreign import outputs_of
from tests.workloads.onnx_models import read
from workloads.loaders.asked import Asked
from workloads.loaders.onnx.operators import HANDLERS

DATA = Path(onnx.__file__).parent / "backend" / "test" / "data"

#: Cases that are known and don't agree, by how their names begin, and why.
DIFFERENT = {
    **dict.fromkeys(
        (f"test_{name}" for name in ("atan", "ceil", "cos", "floor", "round", "sin")),
        "costs one operation per element, and isn't computed",
    ),
    "test_triu": "costs one operation per element, and isn't computed",
    "test_tril": "costs one operation per element, and isn't computed",
    "test_averagepool_2d_": "means of windows count padding as zeros",
    "test_averagepool_3d_": "means of windows count padding as zeros",
    "test_resize_downsample_scales_linear": "linear between pixels: by whole factors only",
    "test_resize_downsample_sizes_linear": "linear between pixels: by whole factors only",
    "test_resize_upsample_scales_linear_align_corners": "pixels' centres lie at half their width",
    "test_resize_upsample_scales_linear_half_pixel_symmetric": "linear by whole factors only",
    "test_resize_upsample_scales_cubic": "cubic costs and computes what linear does",
    "test_resize_upsample_sizes_cubic": "cubic costs and computes what linear does",
    "test_resize_downsample_scales_cubic": "cubic costs and computes what linear does",
    "test_resize_downsample_sizes_cubic": "cubic costs and computes what linear does",
    "test_resize_tf_crop_and_resize": "its region isn't cut out",
    "test_quantizelinear": "scales cost nothing and don't change values",
    "test_dequantizelinear": "scales cost nothing and don't change values",
    "test_dynamicquantizelinear": "scales cost nothing and don't change values",
    "test_qlinear": "scales cost nothing and don't change values",
    "test_convinteger": "zero points cost nothing and don't change values",
    "test_matmulinteger": "zero points cost nothing and don't change values",
    "test_onehot_": "computed indices are taken as not negative",
    "test_training_dropout": "networks are for inference",
    "test_rms_normalization_3d_": "their epsilon is 0.1, ours 1e-5",
    "test_layer_normalization_3d_": "their epsilon is 0.1, ours 1e-5",
    "test_nonmaxsuppression_identical_boxes": "where fewer boxes are left, box 0 is kept again",
    "test_nonmaxsuppression_suppress_by_IOU_and_scores": "as for identical boxes",
    "test_operator_add": "double precision beyond fp32",
}
#: Operators whose inputs behind the first are arrays of a file, of floating point, too.
LEARNED = {
    *("ConvTranspose", "GroupNormalization", "InstanceNormalization", "Resize", "Upsample"),
    *("DeformConv", "OneHot", "Pow"),
}


def _tensor(path: Path) -> Array:
    tensor = TensorProto()
    tensor.ParseFromString(path.read_bytes())
    return np.asarray(numpy_helper.to_array(tensor))


def _agrees(
    proto: ModelProto, inputs: Mapping[str, Array], outputs: Sequence[Array]
) -> bool | None:
    """Whether a model's outputs are these; those that are known while it is read aren't looked at.

    None where integers or truth values that the model computes are inputs here.

    Raises
    ------
    WorkloadError
        It isn't known.
    """
    weights = {t.name: np.asarray(numpy_helper.to_array(t)) for t in proto.graph.initializer}
    network = read(proto, Asked(dtype="fp32"))
    if any(name not in inputs for name, _ in network.inputs.values()):
        return None
    found = outputs_of(network, {**weights, **inputs})
    pairs = zip(proto.graph.output, outputs, strict=False)
    return all(
        _is_near(found[entry.name], np.asarray(expected))
        for entry, expected in pairs
        if entry.name in found
    )


def _is_near(found: Array, expected: Array) -> bool:
    return found.shape == expected.shape and np.allclose(
        found.astype(float), expected.astype(float), rtol=2e-3, atol=2e-3, equal_nan=True
    )


def _files() -> Iterator[tuple[str, ModelProto, dict[str, Array], list[Array]]]:
    """Yield the models that PyTorch exported, with their data."""
    for path in sorted(DATA.glob("pytorch-*/*/model.onnx")):
        proto = onnx.load(path)
        held = {tensor.name for tensor in proto.graph.initializer}
        names = [entry.name for entry in proto.graph.input if entry.name not in held]
        folder = path.parent / "test_data_set_0"
        inputs = {name: _tensor(folder / f"input_{n}.pb") for n, name in enumerate(names)}
        outputs = [_tensor(folder / f"output_{n}.pb") for n in range(len(proto.graph.output))]
        yield path.parent.name, proto, inputs, outputs


def _nodes() -> Iterator[tuple[str, ModelProto, dict[str, Array], list[Array]]]:
    """Yield the cases of single operators; small inputs behind the first are put into the file."""
    from onnx.backend.test.case.node import collect_testcases

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cases = collect_testcases(None)
    for case in cases:
        if case.model is None or case.data_sets is None:
            continue
        names = {node.op_type for node in case.model.graph.node}
        if not names <= {*HANDLERS, "Constant", "Shape", "Size", "ConstantOfShape", "Range"}:
            continue
        data = case.data_sets[0]
        arrays = [_plain(value) for value in (*data[0], *data[1])]
        if any(array is None for array in arrays):
            continue
        proto = ModelProto.FromString(case.model.SerializeToString())
        given = [entry.name for entry in proto.graph.input]
        inputs = dict(zip(given, arrays, strict=False))
        for name in given[1:]:
            value = inputs[name]
            is_indices = "Gather" in names and name == "indices"
            is_small = value.dtype.kind in "iub" or value.size == 1 or names & LEARNED
            if is_small and not is_indices:
                proto.graph.initializer.append(numpy_helper.from_array(value, name))
        yield case.name, proto, inputs, arrays[len(given) :]


def _plain(value: object) -> Any:
    """Return a tensor as an array, or None for a sequence or text."""
    array = numpy_helper.to_array(value) if isinstance(value, TensorProto) else value
    if not isinstance(array, np.ndarray | np.generic) or array.dtype.kind not in "biuf":
        return None
    return np.asarray(array)


def _count(cases: Iterator[tuple[str, ModelProto, dict[str, Array], list[Array]]]) -> Counter[str]:
    counts: Counter[str] = Counter()
    wrong = []
    for name, proto, inputs, outputs in cases:
        counts["cases"] += 1
        try:
            agrees = _agrees(proto, inputs, outputs)
        except WorkloadError:
            counts["refused"] += 1
            continue
        if agrees is None:
            counts["compute integers"] += 1
            continue
        counts["agree" if agrees else "differ by design"] += 1
        if not agrees and not name.startswith(tuple(DIFFERENT)):
            wrong.append(name)
    print(", ".join(f"{count} {what}" for what, count in counts.items()))
    assert wrong == []
    return counts


def test_what_pytorch_exported_computes_what_pytorch_computed() -> None:
    counts = _count(_files())
    assert counts["agree"] >= 89


@pytest.mark.slow
def test_single_operators_compute_what_the_standard_says() -> None:
    counts = _count(_nodes())
    assert counts["agree"] >= 758
