"""What all ways through foreign nodes share: inputs, outputs, and what is wrong where."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from math import prod
from typing import TypeVar

from foundation.dtype import Dtype
from foundation.errors import WorkloadError
from foundation.numerics import Array
from workloads.graph import Graph
from workloads.layers import Shape
from workloads.loaders.asked import Asked
from workloads.loaders.imported.importer import Imported, Importer
from workloads.loaders.imported.pending import fusable
from workloads.loaders.imported.refused import UnsupportedError
from workloads.loaders.imported.values import Value, plain
from workloads.loaders.imported.weights import Weight, weight_of

Outputs = TypeVar("Outputs")

#: What comes out of a handler where a file's values don't fit.
_UNFIT = (ArithmeticError, LookupError, MemoryError, TypeError, ValueError)


def network(what: str, read: Callable[[], Imported]) -> Graph:
    """Return the network that is read, which must compute something.

    Raises
    ------
    WorkloadError
        Of ``read``, with ``what`` it is about in front.
    """
    try:
        graph = read().graph
        if not graph.layers:
            raise WorkloadError("computes nothing; give a network that has at least one layer")
    except WorkloadError as error:
        text = str(error)
        raise WorkloadError(text if text.startswith(what) else f"{what}: {text}") from None
    return graph


@contextmanager
def located(node: object, takes: str, *others: type[Exception]) -> Iterator[None]:
    """Say at which node something is wrong.

    Parameters
    ----------
    node
        Which.
    takes
        What an operator is given, in words.
    others
        What else comes out of a handler where that doesn't fit.

    Notes
    -----
    A file's values may be anything, and handlers compute with them: what that raises is an error of
    the file.

    Raises
    ------
    WorkloadError
        Whatever is wrong.
    """
    unfit: tuple[type[Exception], ...] = (*_UNFIT, *others)
    try:
        yield
    except WorkloadError as error:
        raise WorkloadError(f"{node}: {error}") from None
    except unfit as error:
        raise WorkloadError(
            f"{node}: its {takes} aren't what the operator takes ({error})"
        ) from error


def or_as_vector(
    asked: Asked, compute: Callable[[], Outputs], guess: Callable[[], Outputs]
) -> Outputs:
    """Return what a handler computes, or a guess where it can't and the user allows one.

    Raises
    ------
    WorkloadError
        It can't, and no guess is allowed.
    """
    try:
        return compute()
    except UnsupportedError as error:
        if asked.unknown_as_vector:
            return guess()
        raise WorkloadError(
            f"{error}; --allow-unknown-as-vector takes it as a function of the vector unit"
        ) from None


def stored_array(
    to: Importer, name: str, shape: Shape, dtype: Dtype, known: Array | None, *, is_learned: bool
) -> Value:
    """Return an array of the file; its elements count as parameters if it is learned."""
    bases = {name: prod(shape)} if is_learned else {}
    return plain(Weight(to, name, shape, dtype, lambda arrays: arrays[name], known, bases))


def check_input(name: str, shape: Shape) -> None:
    """Raise WorkloadError where an input has no elements."""
    if min(shape, default=1) < 1:
        raise WorkloadError(
            f"input '{name}': its shape is {list(shape)} but sizes must be at least 1"
        )


def settle(value: Value, reads: int) -> None:
    """End an output that several nodes read: it gets nothing more at its end."""
    product = fusable(value)
    if product is not None and reads != 1:
        product.is_read_once = False
        if product.fixed is not None:
            product.lay(product.fixed)


def computed(outputs: Mapping[str, Value | None], by: str) -> dict[str, Value]:
    """Return the outputs of a file that inference computes; ``by`` is what it calls its nodes.

    Raises
    ------
    WorkloadError
        Nothing makes one.
    """
    found = {}
    for name, value in outputs.items():
        if value is None:
            raise WorkloadError(f"output '{name}': no {by} computes it")
        if weight_of(value) is None:
            found[name] = value
    return found


def is_learned(value: Value | None) -> bool:
    """Whether a value is a learned array of the file: what follows from it isn't known."""
    weight = None if value is None else weight_of(value)
    return weight is not None and weight.is_learned
