"""A TFLite file as plain Python: operators, and shapes and types of tensors.

The file is mapped into memory: of its arrays, only what is small enough to be a shape or a number
is read.

References
----------
.. [1] TensorFlow Lite, "schema.fbs", https://github.com/tensorflow/tensorflow
   (tensorflow/compiler/mlir/lite/schema/schema.fbs)
"""

from __future__ import annotations

import mmap
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from foundation.errors import WorkloadError
from foundation.numerics import Array
from workloads.layers import Shape

#: Floating-point types (TensorType) to ours, and those of quantized numbers, which become int8.
NUMBERS = {
    **{"FLOAT32": "fp32", "FLOAT64": "fp32", "FLOAT16": "fp16", "BFLOAT16": "bf16"},
    **dict.fromkeys(("INT8", "UINT8", "INT16", "INT4"), "int8"),
}
_NUMPY = {
    **{"FLOAT32": "<f4", "FLOAT64": "<f8", "FLOAT16": "<f2", "INT8": "i1", "UINT8": "u1"},
    **{"INT16": "<i2", "INT32": "<i4", "INT64": "<i8", "BOOL": "?"},
}
#: The most elements of an array that are decoded.
_MOST_NUMBERS, _MOST_INTEGERS = 1 << 12, 1 << 22
#: The most axes of a tensor, and the most entries of all lists of a file: more isn't a network.
_MOST_AXES, _MOST_ENTRIES = 32, 1 << 20

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A tensor of the file.

    Parameters
    ----------
    name
        Unique: numbered where the file has several of one name.
    shape
        Its sizes.
    kind
        Its type, as the schema calls it.
    is_array
        Whether its values are in the file.
    known
        Its elements, if they are in the file and few.
    is_open
        Whether the size of its first axis is left open.
    """

    name: str
    shape: Shape
    kind: str
    is_array: bool
    known: Array | None
    is_open: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """An operator of the file: inputs that are left out are None; options by the schema's names."""

    name: str
    operator: str
    inputs: tuple[int | None, ...]
    outputs: tuple[int, ...]
    options: Mapping[str, Any]

    def __str__(self) -> str:
        return f"operator '{self.name}' ({self.operator})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What a file holds: tensors, operators in order, and which tensors go in and come out."""

    tensors: tuple[Held, ...]
    operations: tuple[Operation, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]

    @property
    def dtype(self) -> str:
        """The number type of most weights, of most inputs where there are none."""
        for tensors in ([t for t in self.tensors if t.is_array], map(self.tensor, self.inputs)):
            elements: Counter[str] = Counter()
            for tensor in tensors:
                if tensor.kind in NUMBERS:
                    elements[NUMBERS[tensor.kind]] += prod(tensor.shape)
            if elements:
                return max(elements, key=lambda name: elements[name])
        return "fp32"

    def tensor(self, number: int) -> Held:
        """Return a tensor by its number."""
        return self.tensors[number]


def contents(path: Path) -> Contents:
    """Return what a TFLite file holds.

    Raises
    ------
    WorkloadError
        It can't be read as a TFLite model, or the package tflite isn't there.
    """
    try:
        import tflite
    except ImportError:
        raise WorkloadError(
            f"{path}: reading TFLite needs the package tflite; install it with"
            " pip install 'rooftile[tflite]'"
        ) from None
    if not path.is_file():
        raise WorkloadError(f"{path}: {'is a folder' if path.is_dir() else 'no such file'}")
    try:
        with path.open("rb") as file:
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        if data[4:8] != b"TFL3":
            raise WorkloadError("doesn't begin as a TFLite model, with the identifier TFL3")
        return _Reader(tflite, data).contents()
    except WorkloadError as error:
        raise WorkloadError(f"{path}: {error}") from None
    # Flatbuffers for Python have no verifier: an offset that leads nowhere ends in whatever the
    # code that follows it raises. Nothing of ours runs in here but `_Reader`.
    except Exception as error:
        raise WorkloadError(f"{path}: can't be read as a TFLite model: {error}") from error


class _Reader:
    """Turns the schema's objects into ours, and counts what it reads."""

    def __init__(self, schema: Any, data: mmap.mmap) -> None:
        self._schema, self._data = schema, data
        self._entries = 0
        self._kinds = _names(schema.TensorType)
        self._options = _names(schema.BuiltinOptions)

    def contents(self) -> Contents:
        """Return what the file holds."""
        model = self._schema.Model.GetRootAs(self._data, 0)
        if model.SubgraphsLength() != 1:
            raise WorkloadError(
                f"has {model.SubgraphsLength()} graphs but 1 is read; export the model without"
                " control flow"
            )
        codes = [
            self._code(code) for code in self._all(model.OperatorCodesLength, model.OperatorCodes)
        ]
        buffers = list(self._all(model.BuffersLength, model.Buffers))
        graph = model.Subgraphs(0)
        taken: Counter[str] = Counter()
        tensors = []
        for number, tensor in enumerate(self._all(graph.TensorsLength, graph.Tensors)):
            tensors.append(self._tensor(number, tensor, buffers, taken))
        operations = tuple(
            self._operation(operation, codes, tensors)
            for operation in self._all(graph.OperatorsLength, graph.Operators)
        )
        if not operations:
            raise WorkloadError("has no operator; give a TFLite model")
        return Contents(
            tensors=tuple(tensors),
            operations=operations,
            inputs=tuple(self._numbers(graph.InputsLength, graph.Inputs, len(tensors))),
            outputs=tuple(self._numbers(graph.OutputsLength, graph.Outputs, len(tensors))),
        )

    def _count(self, entries: int) -> None:
        self._entries += entries
        if self._entries > _MOST_ENTRIES:
            raise WorkloadError(f"its lists have more than {_MOST_ENTRIES} entries")

    def _all(self, length: Callable[[], int], entry: Callable[[int], T]) -> Iterator[T]:
        """Yield the entries of a list."""
        size = length()
        self._count(size)
        return (entry(number) for number in range(size))

    def _numbers(
        self, length: Callable[[], int], entry: Callable[[int], int], tensors: int
    ) -> list[int]:
        """Return numbers of tensors, all of which exist."""
        found = [int(number) for number in self._all(length, entry)]
        if not all(0 <= number < tensors for number in found):
            raise WorkloadError(f"names tensors {found} but there are {tensors}")
        return found

    def _text(self, text: bytes | None, default: str) -> str:
        self._count(len(text or b"") // 64)
        return (text or b"").decode(errors="replace")[:200] or default

    def _code(self, code: Any) -> str:
        """Return an operator's name; a custom one's as the file says."""
        number = code.BuiltinCode()
        name = _names(self._schema.BuiltinOperator).get(number, f"number {number}")
        return self._text(code.CustomCode(), name) if name == "CUSTOM" else name

    def _tensor(self, number: int, tensor: Any, buffers: list[Any], taken: Counter[str]) -> Held:
        name = self._text(tensor.Name(), f"tensor{number}")
        taken[name] += 1
        name = name if taken[name] == 1 else f"{name}#{number}"
        axes = tensor.ShapeLength()
        if axes > _MOST_AXES:
            raise WorkloadError(
                f"tensor '{name}': has {axes} axes but at most {_MOST_AXES} are read"
            )
        shape = tuple(int(size) for size in self._all(tensor.ShapeLength, tensor.Shape))
        if any(size < 0 for size in shape):
            raise WorkloadError(f"tensor '{name}': shape {list(shape)} has negative sizes")
        kind = self._kinds.get(tensor.Type(), f"number {tensor.Type()}")
        raw = self._bytes(buffers[tensor.Buffer()]) if tensor.Buffer() else None
        signature = tensor.ShapeSignatureLength()
        return Held(
            name=name,
            shape=shape,
            kind=kind,
            is_array=raw is not None,
            known=None if raw is None else _decoded(raw, shape, kind),
            is_open=bool(signature) and tensor.ShapeSignature(0) == -1,
        )

    def _bytes(self, buffer: Any) -> Array | None:
        """Return the bytes of an array, which are mapped; None where there are none."""
        if buffer.DataLength():
            return np.asarray(buffer.DataAsNumpy())
        if buffer.Offset() > 1:  # beyond the first 2 GB: outside of the flatbuffer
            return np.frombuffer(self._data, np.uint8, buffer.Size(), buffer.Offset())
        return None

    def _operation(self, operation: Any, codes: list[str], tensors: list[Held]) -> Operation:
        outputs = self._numbers(operation.OutputsLength, operation.Outputs, len(tensors))
        inputs = [int(n) for n in self._all(operation.InputsLength, operation.Inputs)]
        if not all(-1 <= number < len(tensors) for number in inputs):
            raise WorkloadError(f"names tensors {inputs} but there are {len(tensors)}")
        return Operation(
            name=tensors[outputs[0]].name if outputs else "nothing",
            operator=codes[operation.OpcodeIndex()],
            inputs=tuple(None if number == -1 else number for number in inputs),
            outputs=tuple(outputs),
            options=self._settings(operation),
        )

    def _settings(self, operation: Any) -> dict[str, Any]:
        """Return an operator's options: whatever its class in the schema has."""
        table = operation.BuiltinOptions()
        kind = self._options.get(operation.BuiltinOptionsType(), "NONE")
        if table is None or kind == "NONE":
            return {}
        options = getattr(self._schema, kind)()
        options.Init(table.Bytes, table.Pos)
        names = [name for name in vars(type(options)) if name[0].isupper()]
        lists = [name.removesuffix("Length") for name in names if name.endswith("Length")]
        others = ("Length", "AsNumpy", "IsNone", "BufferHasIdentifier", "Init")
        settings: dict[str, Any] = {}
        for name in names:
            entry = getattr(options, name)
            if name in lists:
                length = getattr(options, f"{name}Length")
                settings[name] = [int(item) for item in self._all(length, entry)]
            elif not name.endswith(others) and not name.startswith("GetRootAs"):
                settings[name] = entry()
        return settings


def _names(enumeration: Any) -> dict[int, str]:
    """Return number to name of one of the schema's enumerations."""
    return {number: name for name, number in vars(enumeration).items() if name[0].isupper()}


def _decoded(raw: Array, shape: Shape, kind: str) -> Array | None:
    """Return the elements of an array, or None where they are many or of another size."""
    most = _MOST_NUMBERS if kind in NUMBERS else _MOST_INTEGERS
    dtype = np.dtype(_NUMPY[kind]) if kind in _NUMPY else None
    if dtype is None or prod(shape) > most or raw.size != prod(shape) * dtype.itemsize:
        return None
    return np.frombuffer(raw.tobytes(), dtype).reshape(shape)
