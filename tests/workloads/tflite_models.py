"""Small TFLite models, written with the flatbuffers builder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import tflite

from foundation.numerics import Array
from tests.workloads.foreign import outputs_of
from workloads.loaders.asked import AS_IT_IS, Asked
from workloads.loaders.imported.importer import Imported
from workloads.loaders.tflite.file import contents
from workloads.loaders.tflite.load import imported

_KINDS = {"float32": "FLOAT32", "int8": "INT8", "int32": "INT32", "float16": "FLOAT16"}


@dataclass(slots=True)
class Net:
    """A model that grows; tensors are known by name.

    Parameters
    ----------
    inputs
        Shapes of fp32 inputs; see ``kinds`` for other types.
    """

    inputs: Mapping[str, Sequence[int]]
    kinds: dict[str, str] = field(default_factory=dict)
    is_batch_open: bool = False
    arrays: dict[str, Array] = field(default_factory=dict)
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    operators: list[tuple[str, list[str], list[str], str, dict[str, Any]]] = field(
        default_factory=list
    )

    def add(
        self,
        operator: str,
        inputs: Sequence[str | Array],
        output: str | Sequence[str] = "y",
        shape: Sequence[int] | None = None,
        options: str = "",
        **settings: Any,
    ) -> str:
        """Add an operator: arrays among its inputs become tensors of the file."""
        outputs = [output] if isinstance(output, str) else list(output)
        names = []
        for place, value in enumerate(inputs):
            if not isinstance(value, str):
                name = f"{outputs[0]}/{place}"
                self.arrays[name] = value
                value = name
            names.append(value)
        if shape is not None:
            self.shapes[outputs[0]] = tuple(shape)
        self.operators.append((operator, names, outputs, options, settings))
        return outputs[0]

    def written(self, outputs: Sequence[str] = ("y",)) -> bytes:
        """Return the file."""
        builder = flatbuffers.Builder(1024)
        names = list(self.inputs) + list(self.arrays)
        for _, read, made, _, _ in self.operators:
            names += [n for n in (*read, *made) if n and n not in names]
        buffers = [_table(builder, "Buffer")]
        tensors = []
        for name in names:
            array = self.arrays.get(name)
            kind = self.kinds.get(name, "FLOAT32")
            shape = tuple(self.inputs.get(name, self.shapes.get(name, ())))
            if array is not None:
                buffers.append(_table(builder, "Buffer", Data=np.frombuffer(array.tobytes(), "u1")))
                kind, shape = _KINDS[array.dtype.name], array.shape
            signature = (-1, *shape[1:]) if self.is_batch_open and name in self.inputs else ()
            tensors.append(
                _table(
                    builder,
                    "Tensor",
                    Shape=np.asarray(shape, np.int32),
                    ShapeSignature=np.asarray(signature, np.int32),
                    Type=getattr(tflite.TensorType, kind),
                    Buffer=len(buffers) - 1 if array is not None else 0,
                    Name=name,
                )
            )
        codes = sorted({operator for operator, *_ in self.operators})
        operators = [self._operator(builder, entry, codes, names) for entry in self.operators]
        numbers = {name: number for number, name in enumerate(names)}
        graph = _table(
            builder,
            "SubGraph",
            Tensors=tensors,
            Inputs=np.asarray([numbers[name] for name in self.inputs], np.int32),
            Outputs=np.asarray([numbers[name] for name in outputs], np.int32),
            Operators=operators,
        )
        listed = [_code(builder, code) for code in codes]
        model = _table(
            builder, "Model", Version=3, OperatorCodes=listed, Subgraphs=[graph], Buffers=buffers
        )
        builder.Finish(model, b"TFL3")
        return bytes(builder.Output())

    def _operator(self, builder: Any, entry: Any, codes: list[str], names: list[str]) -> int:
        operator, read, made, options, settings = entry
        fields: dict[str, Any] = {}
        if options:
            fields["BuiltinOptions"] = _Offset(_table(builder, options, **settings))
            fields["BuiltinOptionsType"] = getattr(tflite.BuiltinOptions, options)
        numbers = [names.index(name) if name else -1 for name in read]
        return _table(
            builder,
            "Operator",
            OpcodeIndex=codes.index(operator),
            Inputs=np.asarray(numbers, np.int32),
            Outputs=np.asarray([names.index(name) for name in made], np.int32),
            **fields,
        )


def _code(builder: Any, operator: str) -> int:
    """Write an operator's code: in an older field, too, where it fits; or a name of its own."""
    number = getattr(tflite.BuiltinOperator, operator, None)
    if number is None:
        custom = tflite.BuiltinOperator.CUSTOM
        return _table(builder, "OperatorCode", DeprecatedBuiltinCode=custom, CustomCode=operator)
    return _table(
        builder, "OperatorCode", DeprecatedBuiltinCode=min(number, 127), BuiltinCode=number
    )


@dataclass(frozen=True, slots=True)
class _Offset:
    """Where a table lies."""

    place: int


def _table(builder: Any, kind: str, **fields: Any) -> int:
    """Write a table of the schema, and return where it lies."""
    ready: dict[str, Any] = {}
    for name, value in fields.items():
        if isinstance(value, str):
            ready[name] = builder.CreateString(value)
        elif isinstance(value, np.ndarray):
            if value.size:
                ready[name] = builder.CreateNumpyVector(value)
        elif isinstance(value, list):
            getattr(tflite, f"{kind}Start{name}Vector")(builder, len(value))
            for offset in reversed(value):
                builder.PrependUOffsetTRelative(offset)
            ready[name] = builder.EndVector()
        else:
            ready[name] = value.place if isinstance(value, _Offset) else value
    getattr(tflite, f"{kind}Start")(builder)
    for name, value in ready.items():
        getattr(tflite, f"{kind}Add{name}")(builder, value)
    place: int = getattr(tflite, f"{kind}End")(builder)
    return place


def read(content: bytes, folder: Path, asked: Asked = AS_IT_IS) -> Imported:
    """Return what the loader makes of a file."""
    path = folder / "model.tflite"
    path.write_bytes(content)
    return imported(contents(path), "model", asked)


def computed(net: Net, folder: Path, outputs: Sequence[str] = ("y",), **inputs: Array) -> Any:
    """Return a loaded model's outputs on inputs, by name."""
    loaded = read(net.written(outputs), folder)
    return outputs_of(loaded, {**net.arrays, **inputs})
