"""Mappings as YAML: written by the mapper or by hand, and read back without loss."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from collections.abc import Mapping as Dictionary
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from accel.spec import AcceleratorSpec
from foundation.document import Document, Path_, json_schema, parse, read
from foundation.errors import MappingError, RooftileError, nearest
from mapper.kernel import Contraction, Kernel
from mapper.mapping import Mapping
from mapper.splits import Split, divided

if TYPE_CHECKING:
    from mapper.mapping_models import Nest

#: Text that YAML reads as itself without quotes.
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*( [A-Za-z0-9_./-]+)*\Z")
_WORDS = {"true", "false", "null"}


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenNest:
    """How a file says that one kernel runs.

    Parameters
    ----------
    nest
        What it says.
    document, path
        Where.
    """

    nest: Nest
    document: Document
    path: Path_

    def failure(self, path: Path_, message: str) -> RooftileError:
        """Return the error that ``message`` is about what stands at ``path`` inside the nest."""
        return self.document.failure((*self.path, *path), message)


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenLayer:
    """How a file says that a layer runs: one nest for each of its kernels."""

    name: str
    nests: tuple[WrittenNest, ...]

    def failure(self, message: str) -> RooftileError:
        """Return the error that ``message`` is about this layer."""
        document = self.nests[0].document
        return document.failure(("layers", self.name), message)


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingFile:
    """The mappings of a file.

    Parameters
    ----------
    document
        The file.
    layers
        Layer to how it runs; layers that are mapped alike have the same one.
    places
        Layer to where the file names it.
    """

    document: Document
    layers: Dictionary[str, WrittenLayer]
    places: Dictionary[str, Path_]

    def check_names(self, known: Iterable[str], network: str) -> None:
        """Raise MappingError for a layer that isn't one of the network's."""
        names = list(known)
        for name, place in self.places.items():
            if name not in names:
                raise self.document.failure(
                    place, f"network '{network}' has no layer '{name}'{nearest(name, names)}"
                )


def load_mappings(path: Path) -> MappingFile:
    """Return the mappings of a YAML file.

    Raises
    ------
    MappingError
        ``FILE:LINE: key: rule``, when it isn't one.
    """
    return _mappings(read(path, MappingError))


def parse_mappings(text: str, name: str) -> MappingFile:
    """Return the mappings of a file's text: as `load_mappings`, ``name`` is for errors."""
    return _mappings(parse(text, name, MappingError))


def schema() -> dict[str, Any]:
    """Return the JSON Schema of mapping files, for editors."""
    from mapper.mapping_models import MappingDocument

    return json_schema(MappingDocument)


def _mappings(document: Document) -> MappingFile:
    from mapper.mapping_models import MappingDocument

    layers: dict[str, WrittenLayer] = {}
    places: dict[str, Path_] = {}
    for name, entry in document.validate(MappingDocument).layers.items():
        path: Path_ = ("layers", name)
        nests = (
            [(entry, path)]
            if entry.kernels is None
            else [(nest, (*path, "kernels", number)) for number, nest in enumerate(entry.kernels)]
        )
        written = WrittenLayer(
            name=name,
            nests=tuple(WrittenNest(nest=n, document=document, path=p) for n, p in nests),
        )
        others = [(other, (*path, "also", i)) for i, other in enumerate(entry.also)]
        for alike, place in [(name, path), *others]:
            if alike in layers:
                raise document.failure(
                    place,
                    f"layer '{alike}' is mapped twice; the other mapping is"
                    f" '{layers[alike].name}' on line {document.line(places[alike])}",
                )
            layers[alike], places[alike] = written, place
    return MappingFile(document=document, layers=layers, places=places)


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerMapping:
    """What `mappings_text` writes of a layer.

    Parameters
    ----------
    name, also
        Its name, and those of the layers that are mapped alike.
    kernels, splits, mappings
        One of each for every kernel.
    """

    name: str
    also: tuple[str, ...]
    kernels: tuple[Kernel, ...]
    splits: tuple[Split, ...]
    mappings: tuple[Mapping, ...]


def mappings_text(layers: Iterable[LayerMapping], spec: AcceleratorSpec, head: str) -> str:
    """Return mappings as a YAML file.

    Layouts aren't in it: they follow from the mapping and the machine.

    Parameters
    ----------
    layers
        Those that have kernels.
    spec
        The machine.
    head
        One line that says what it is.
    """
    lines = [f"# {head}"]
    for layer in layers:
        if len(lines) == 1:
            lines.append("layers:")
        lines.append(f"  {_scalar(layer.name)}:")
        if layer.also:
            lines.append(f"    also: {_flow(layer.also)}")
        nests = list(zip(layer.kernels, layer.splits, layer.mappings, strict=True))
        if len(nests) == 1:
            lines += [f"    {line}" for line in _nest_lines(*nests[0], spec)]
            continue
        lines.append("    kernels:")
        for nest in nests:
            first, *others = _nest_lines(*nest, spec)
            lines += [f"    - {first}", *(f"      {line}" for line in others)]
    if len(lines) == 1:
        lines.append("layers: {}")
    return "\n".join(lines) + "\n"


def _nest_lines(
    kernel: Kernel, split: Split, mapping: Mapping, spec: AcceleratorSpec
) -> Iterator[str]:
    names = [dimension.name for dimension in kernel.dimensions]
    part = next(divided(kernel, split))  # of a split sum: without a bias, and with partial sums
    roles = [operand.role for operand in part.operands]
    if isinstance(kernel.body, Contraction):
        yield f"dataflow: {mapping.dataflow or spec.array.dataflow}"
    if split.ways:
        yield f"split: {_pairs((names[d], ways) for d, ways in split.ways)}"
    extents = split.largest_extents(kernel)
    plain = mapping.canonical(extents)
    looped = _explicit_loops(plain, extents)
    yield "loops:" if looped else "loops: []"
    for depth, (d, step) in enumerate(plain.loops[:looped]):
        held = [role for role, at in zip(roles, plain.held, strict=True) if at == depth]
        if held:
            yield f"- hold: {_scalar(held[0]) if len(held) == 1 else _flow(held)}"
        yield f"- {{for: {_scalar(names[d])}, by: {step}}}"
    yield f"buffers: {_pairs(zip(roles, mapping.num_buffers, strict=True))}"


def _explicit_loops(mapping: Mapping, extents: tuple[int, ...]) -> int:
    """Return how many loops of a canonical mapping have several turns: the others come last."""
    inside = list(extents)
    for number, (d, step) in enumerate(mapping.loops):
        if step >= inside[d]:
            return number
        inside[d] = step
    return len(mapping.loops)


def _pairs(pairs: Iterable[tuple[str, int]]) -> str:
    return f"{{{', '.join(f'{_scalar(key)}: {value}' for key, value in pairs)}}}"


def _flow(names: Iterable[str]) -> str:
    return f"[{', '.join(map(_scalar, names))}]"


def _scalar(text: str) -> str:
    """Return text as a YAML scalar that reads as the same text."""
    if _PLAIN.match(text) and text.lower() not in _WORDS:
        return text
    return json.dumps(text, ensure_ascii=False)
