"""A TFLite file becomes a graph: ``load`` reads it and walks its operators."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import prod
from pathlib import Path

from foundation.dtype import DTYPES
from foundation.errors import WorkloadError
from workloads.graph import Graph
from workloads.loaders.asked import Asked
from workloads.loaders.imported import vector
from workloads.loaders.imported.importer import Imported, Importer
from workloads.loaders.imported.pending import Given
from workloads.loaders.imported.refused import UnsupportedError
from workloads.loaders.imported.values import Value, plain
from workloads.loaders.imported.walk import (
    check_input,
    computed,
    located,
    network,
    or_as_vector,
    settle,
    stored_array,
)
from workloads.loaders.tflite.file import NUMBERS, Contents, Held, Operation, contents
from workloads.loaders.tflite.operation import Inputs, folded
from workloads.loaders.tflite.operators import HANDLERS


def load(path: Path, asked: Asked) -> Graph:
    """Return the network of a TFLite file.

    Raises
    ------
    WorkloadError
        The file can't be read, or has an operator that isn't known.
    """
    asked.check()
    file = contents(path)
    return network(str(path), lambda: imported(file, path.stem, asked))


def imported(file: Contents, name: str, asked: Asked) -> Imported:
    """Return the network of what a file holds, and where its tensors went.

    Raises
    ------
    WorkloadError
        As `load`.
    """
    for dim in asked.dims:
        raise WorkloadError(f"has no dimension '{dim}'; leave --dim out")
    asked.check_one_phase("a TFLite file")
    return _Walk(file, name, asked).done()


class _Walk:
    """One way through a file's operators."""

    def __init__(self, file: Contents, name: str, asked: Asked) -> None:
        self._file, self._asked = file, asked
        self._operations = _live(file)
        self._batch = _batch(file, asked)
        self._to = Importer(name, self._batch, DTYPES[asked.dtype or file.dtype])
        self._readers = Counter(
            n for operation in self._operations for n in operation.inputs if n is not None
        )
        self._readers.update(file.outputs)
        self._values: dict[int, Value] = {}
        #: Whether sizes in the file hold: another batch changes them.
        self._says_shapes = all(
            not tensor.is_open or tensor.shape[:1] == (self._batch,)
            for tensor in map(file.tensor, file.inputs)
        )

    def done(self) -> Imported:
        """Return the network of all operators."""
        for number, tensor in enumerate(self._file.tensors):
            if tensor.is_array and number in self._readers:
                self._values[number] = self._weight(tensor)
        for number in self._file.inputs:
            if number in self._readers and number not in self._values:
                self._values[number] = self._input(self._file.tensor(number))
        for operation in self._operations:
            for number, value in zip(operation.outputs, self._outputs(operation), strict=False):
                self._bind(operation, number, value)
        outputs = {self._file.tensor(n).name: self._values.get(n) for n in self._file.outputs}
        return self._to.finish(computed(outputs, "operator"))

    def _dtype(self, tensor: Held) -> str:
        return self._to.dtype.name if tensor.kind in NUMBERS else "int32"

    def _weight(self, tensor: Held) -> Value:
        name, dtype = tensor.name, DTYPES[self._dtype(tensor)]
        is_learned = tensor.kind in NUMBERS and prod(tensor.shape) > 1
        return stored_array(
            self._to, name, tensor.shape, dtype, tensor.known, is_learned=is_learned
        )

    def _input(self, tensor: Held) -> Value:
        shape = (self._batch, *tensor.shape[1:]) if tensor.is_open else tensor.shape
        check_input(tensor.name, shape)
        return plain(Given(self._to, tensor.name, shape, DTYPES[self._dtype(tensor)]))

    def _bind(self, operation: Operation, number: int, value: Value) -> None:
        """Keep an output; what several operators read gets nothing more at its end."""
        tensor = self._file.tensor(number)
        is_said = self._says_shapes and not tensor.is_open and tensor.shape
        if is_said and value.shape != tensor.shape:
            raise WorkloadError(
                f"{operation}: computes {list(value.shape)} but the file says {list(tensor.shape)}"
            )
        self._values[number] = value
        settle(value, self._readers[number])

    def _outputs(self, operation: Operation) -> Sequence[Value]:
        """Return an operator's outputs: known, computed by layers, or a guess if allowed."""
        inputs: list[Value | None] = []
        for number in operation.inputs:
            if number is not None and number not in self._values:
                name = self._file.tensor(number).name
                raise WorkloadError(
                    f"{operation}: reads '{name}', which nothing before it computes"
                )
            inputs.append(None if number is None else self._values[number])
        with located(operation, "inputs or options"):
            known = folded(self._to, operation, inputs)
            outputs = self._by_handler(operation, inputs) if known is None else known
        return [outputs] if isinstance(outputs, Value) else outputs

    def _by_handler(self, operation: Operation, inputs: Inputs) -> Value | Sequence[Value]:
        """Return an operator's outputs as layers compute them."""
        return or_as_vector(
            self._asked,
            lambda: self._handled(operation, inputs),
            lambda: self._unknown(operation, inputs),
        )

    def _handled(self, operation: Operation, inputs: Inputs) -> Value | Sequence[Value]:
        handler = HANDLERS.get(operation.operator)
        if handler is None:
            raise UnsupportedError("isn't known")
        said = [self._file.tensor(number).shape for number in operation.outputs]
        return handler(self._to, operation, inputs, said)

    def _unknown(self, operation: Operation, inputs: Inputs) -> list[Value]:
        """Return outputs of the shapes that the file says; integers are inputs of the network."""
        # Approximation: as of `vector.unknown`; what computes integers costs nothing.
        self._to.note(f"{operation} isn't known: taken as a function of the vector unit")
        values = [value for value in inputs if value is not None]
        outputs = []
        for tensor in map(self._file.tensor, operation.outputs):
            shape = (self._batch, *tensor.shape[1:]) if tensor.is_open else tensor.shape
            if tensor.kind in NUMBERS:
                outputs.append(vector.unknown(self._to, operation.name, values, shape))
            else:
                outputs.append(plain(Given(self._to, tensor.name, shape, DTYPES["int32"])))
        return outputs


def _live(file: Contents) -> list[Operation]:
    """Return the operators that outputs need, in order."""
    needed, live = set(file.outputs), []
    for operation in reversed(file.operations):
        if needed.intersection(operation.outputs):
            needed.update(number for number in operation.inputs if number is not None)
            live.append(operation)
    return live[::-1]


def _batch(file: Contents, asked: Asked) -> int:
    """Return the batch: the inputs' first size, or what is asked for where that is open."""
    inputs = [tensor for tensor in map(file.tensor, file.inputs) if tensor.shape]
    found = inputs[0].shape[0] if inputs else 1
    if asked.batch in (None, found) or any(tensor.is_open for tensor in inputs):
        return asked.batch or found
    raise WorkloadError(
        f"batch {asked.batch} is asked for but the file's inputs have {found}; leave --batch out,"
        " or export the model with an open batch dimension"
    )
