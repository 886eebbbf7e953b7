"""Networks from YAML files and from the zoo. The format is described in ``workloads/FORMAT.md``."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from foundation.dtype import DTYPES, Dtype
from foundation.errors import WorkloadError, nearest
from workloads.graph import Graph, Tensor, TensorKind
from workloads.loaders.asked import Asked

if TYPE_CHECKING:
    from foundation.document import Document
    from workloads.loaders.expand import FlatLayer, FlatTensor, Place
    from workloads.loaders.models import NetworkFile

_ZOO = Path(__file__).resolve().parent.parent / "zoo"


def load_network(path: Path, *, batch: int | None = None, dtype: str | None = None) -> Graph:
    """Return the network in a YAML file.

    Parameters
    ----------
    path
        The file.
    batch, dtype
        Override the file's ``batch`` and ``dtype``.

    Raises
    ------
    WorkloadError
        The file can't be read, or doesn't describe a network: which line, and what to change.
    """
    from foundation.document import read

    return _network(read(path, WorkloadError), Asked(batch=batch, dtype=dtype))


def parse_network(
    text: str, name: str, *, batch: int | None = None, dtype: str | None = None
) -> Graph:
    """Return the network that YAML text describes; ``name`` stands for the file in messages."""
    from foundation.document import parse

    return _network(parse(text, name, WorkloadError), Asked(batch=batch, dtype=dtype))


def zoo_names() -> list[str]:
    """Return the names of the networks that come with Rooftile, sorted."""
    return sorted(path.stem for path in _ZOO.glob("*.yaml"))


def zoo_path(name: str) -> Path:
    """Return the file of a network of the zoo.

    Raises
    ------
    WorkloadError
        No network has this name.
    """
    known = zoo_names()
    if name not in known:
        raise WorkloadError(
            f"network '{name}': isn't in the zoo ({', '.join(known)}){nearest(name, known)}"
        )
    return _ZOO / f"{name}.yaml"


def load_zoo(name: str, *, batch: int | None = None, dtype: str | None = None) -> Graph:
    """Return a network of the zoo.

    Raises
    ------
    WorkloadError
        No network has this name.
    """
    return load_network(zoo_path(name), batch=batch, dtype=dtype)


def to_yaml(graph: Graph) -> str:
    """Return a network as YAML with all blocks, defaults and shapes written out."""
    from workloads.loaders.write import network_text

    return network_text(graph)


def schema() -> dict[str, Any]:
    """Return the JSON Schema of network files, for editors."""
    from foundation.document import json_schema
    from workloads.loaders.models import NetworkFile

    return json_schema(NetworkFile)


def load(path: Path, asked: Asked) -> Graph:
    """Return the network of a file; ``asked.dims`` override its ``parameters``.

    Raises
    ------
    WorkloadError
        As `load_network`, and for what a YAML network can't be asked for.
    """
    from foundation.document import read

    return _network(read(path, WorkloadError), asked)


def _network(document: Document, asked: Asked) -> Graph:
    from workloads.loaders.models import NetworkFile

    asked.check()
    asked.check_one_phase(f"{document.name}: a YAML network")
    network = document.validate(NetworkFile)
    for name in asked.dims:
        if name not in network.parameters:
            raise WorkloadError(
                f"{document.name}: has no parameter '{name}'{nearest(name, network.parameters)}"
            )
    return _build(
        document,
        network.model_copy(update={"parameters": {**network.parameters, **asked.dims}}),
        batch=network.batch if asked.batch is None else asked.batch,
        dtype=DTYPES[asked.dtype or network.dtype],
    )


def _build(document: Document, network: NetworkFile, *, batch: int, dtype: Dtype) -> Graph:
    from workloads.activations import density_note
    from workloads.build import GraphBuilder
    from workloads.loaders.compositions import adder_of
    from workloads.loaders.expand import Expander
    from workloads.loaders.weights import with_default

    expansion = Expander(document, network, batch).expand()
    _check_all_read(expansion.inputs + expansion.learned, expansion.layers)
    builder = GraphBuilder(network.name, batch)
    for flat in expansion.inputs:
        shape = flat.place.integers(flat.entry.shape, "shape", 1)
        with _located(flat.place):
            builder.add_input(flat.name, shape, _dtype(flat, dtype))
    for flat in expansion.learned:
        shape = flat.place.integers(flat.entry.shape, "shape", 1)
        with _located(flat.place):
            builder.add_learned(
                flat.name, shape, _dtype(flat, dtype), flat.constant, flat.trainable
            )
    for layer in _ordered(expansion.layers, set(builder.tensors)):
        inputs = [_input(layer, name, builder.tensors) for name in layer.inputs]
        if layer.tied_to:
            inputs.append(_tied(layer, builder.tensors))
        item = with_default(layer.item, network.weights)
        add = adder_of(item, layer.place, inputs, dtype)
        with _located(layer.place):
            add(builder, layer.name, layer.share)
            for role, trainable in layer.item.trainable.items():
                builder.count(layer.name, role, trainable)
    notes = [
        density_note(builder.tensors[layer.name], known.density, known.format)
        for layer in expansion.layers
        if (known := layer.item.activations) is not None
    ]
    return replace(builder.build(), notes=(*network.notes, *notes))


@contextmanager
def _located(place: Place) -> Iterator[None]:
    """Put file and line before the message of an error that already names its thing."""
    try:
        yield
    except WorkloadError as error:
        line = place.document.line(place.path)
        raise WorkloadError(f"{place.document.name}:{line}: {error}") from None


def _dtype(flat: FlatTensor, default: Dtype) -> Dtype:
    return DTYPES[flat.entry.dtype] if flat.entry.dtype else default


def _input(layer: FlatLayer, name: str, tensors: Mapping[str, Tensor]) -> Tensor:
    """Return a tensor that a layer reads: what another one has learned may not be there."""
    if name not in tensors:
        owner, _, role = name.rpartition(".")
        raise layer.place.failure(
            f"reads '{name}' but '{owner}' has no {role} of its own", "inputs"
        )
    return tensors[name]


def _tied(layer: FlatLayer, tensors: Mapping[str, Tensor]) -> Tensor:
    """Return the tensor that a layer shares: a learned one, or an embedding's table."""
    named = str(layer.tied_to)
    table = tensors.get(f"{named}.table") or _input(layer, named, tensors)
    if table.kind is not TensorKind.PARAMETER or len(table.shape) != 2:
        raise layer.place.failure(
            f"tied_to must name an embedding or a learned tensor of 2 axes, which"
            f" '{layer.tied_to}' isn't",
            "tied_to",
        )
    return table


def _check_all_read(flats: Sequence[FlatTensor], layers: Sequence[FlatLayer]) -> None:
    """Refuse an input that nothing reads: it is a misspelt reference somewhere."""
    from workloads.loaders.models import LearnedEntry

    read = {name for layer in layers for name in (*layer.inputs, layer.tied_to)}
    for flat in flats:
        idle = isinstance(flat.entry, LearnedEntry) and flat.entry.idle
        if idle and flat.name in read:
            raise flat.place.failure("is idle but a layer reads it; leave out 'idle'", "idle")
        if not idle and flat.name not in read:
            raise flat.place.failure(
                "no layer reads it; remove it, or name it in a layer's 'input'"
            )


def _ordered(layers: Sequence[FlatLayer], declared: Collection[str]) -> list[FlatLayer]:
    """Return the layers so that each comes after what it reads, otherwise in the file's order.

    What is ``declared`` as an input or learned is no layer's, whatever its name.
    """
    from workloads.loaders.expand import learned_by

    by_name = {layer.name: layer for layer in layers}
    done: set[str] = set()
    ordered: list[FlatLayer] = []
    for start in layers:
        # A dict keeps the order of a stack and finds a name at once.
        stack = {start.name: None} if start.name not in done else {}
        while stack:
            layer = by_name[next(reversed(stack))]
            read = [n for n in (*layer.inputs, layer.tied_to) if n and n not in declared]
            needed = (*read, *map(learned_by, read), layer.share)
            missing = next((n for n in needed if n in by_name and n not in done), None)
            if missing is None:
                done.add(stack.popitem()[0])
                ordered.append(layer)
            elif missing in stack:
                names = list(stack)
                chain = " → ".join((*names[names.index(missing) :][::-1], names[-1]))
                raise layer.place.failure(f"reads its own result ({chain}); break the cycle")
            else:
                stack[missing] = None
    return ordered
