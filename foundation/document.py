"""Read a YAML file as plain data, with the line of every key and item.

Scalars follow the core schema of YAML 1.2: ``1e6`` is a number, ``010`` is ten, ``on`` is text.
A file is only data: tags are refused, and so is whatever costs more than its size.

References
----------
.. [1] YAML 1.2.2, section 10.3, https://yaml.org/spec/1.2.2/#103-core-schema
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import yaml

from foundation.errors import RooftileError
from foundation.text_file import read_text

if TYPE_CHECKING:
    from pydantic import BaseModel

    M = TypeVar("M", bound=BaseModel)

Path_ = tuple[str | int, ...]

MAX_NESTING = 50
MAX_ALIASES = 100
MAX_NODES = 100_000
MAX_DIGITS = 40

_INTEGER = re.compile(r"[-+]?[0-9]+\Z|0o[0-7]+\Z|0x[0-9a-fA-F]+\Z")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")
_SPECIAL = re.compile(r"([-+]?)\.(?:inf|Inf|INF)\Z|\.(?:nan|NaN|NAN)\Z")
_WORDS: Mapping[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A YAML file as plain data.

    Parameters
    ----------
    name
        The file's name as the user gave it.
    data
        Mappings as dict with text keys, sequences as list, scalars as str, int, float, bool, None.
        What aliases repeat is one shared object: don't change it.
    lines
        1-based line of every key and item, by path. What stands below an alias has none.
    error
        Class of the errors that this file's mistakes raise.
    """

    name: str
    data: Any
    lines: Mapping[Path_, int]
    error: type[RooftileError]

    def at(self, path: Path_) -> Any:
        """Return the data at ``path``."""
        value = self.data
        for step in path:
            value = value[step]
        return value

    def line(self, path: Path_) -> int:
        """Return the line of ``path``, or of its nearest ancestor that has one."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.lines:
                return self.lines[path[:length]]
        return self.lines.get((), 1)

    def failure(self, path: Path_, message: str) -> RooftileError:
        """Return the error that ``message`` is about what stands at ``path``."""
        where = f"{dotted(path)}: " if path else ""
        return self.error(f"{self.name}:{self.line(path)}: {where}{message}")

    def validate(self, model: type[M], path: Path_ = (), context: object = None) -> M:
        """Return the data at ``path`` as a pydantic model.

        Raises
        ------
        RooftileError
            Of class ``error``, with the first mistake in the file's order.
        """
        from pydantic import ValidationError

        from foundation.validation import first_mistake

        try:
            return model.model_validate(self.at(path), context=context)
        except ValidationError as error:
            where, message = first_mistake(self, path, model, error)
            raise self.failure(where, message) from None


def dotted(path: Path_) -> str:
    """Return ``layers[3].stride`` for ``("layers", 3, "stride")``."""
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return "".join(steps).removeprefix(".")


def json_schema(model: type[BaseModel]) -> dict[str, Any]:
    """Return the JSON Schema of the files that a model describes, for editors."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **model.model_json_schema(),
    }


def read(path: Path, error: type[RooftileError]) -> Document:
    """Return the YAML file at ``path``.

    Raises
    ------
    RooftileError
        Of class ``error``: the file can't be read, isn't text, or isn't valid YAML.
    """
    return parse(read_text(path, error), str(path), error)


def parse(text: str, name: str, error: type[RooftileError]) -> Document:
    """Return the YAML document in ``text``.

    Raises
    ------
    RooftileError
        Of class ``error``: not one valid YAML document, or one beyond the limits above.
    """
    unprintable = _UNPRINTABLE.search(text)
    if unprintable:
        line = text.count("\n", 0, unprintable.start()) + 1
        raise error(
            f"{name}:{line}: isn't text: contains the character"
            f" U+{ord(unprintable.group()):04X}; give a YAML file"
        )
    # Events, not nodes: neither parser then recurses on what the file nests.
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    composer = _Composer(name, error, yaml.parse(text, Loader=loader))
    try:
        data = composer.document()
    except yaml.MarkedYAMLError as problem:
        raise error(_syntax_message(problem, text, name)) from None
    return Document(name=name, data=data, lines=composer.lines, error=error)


def _syntax_message(problem: yaml.MarkedYAMLError, text: str, name: str) -> str:
    mark = problem.problem_mark or problem.context_mark
    row = mark.line if mark else 0
    lines = text.split("\n")
    indentation = re.match(r"[ \t]*", lines[row] if row < len(lines) else "")
    line = min(row + 1, len(lines))
    if indentation and "\t" in indentation.group():
        return f"{name}:{line}: a tab can't indent YAML; use spaces"
    details = [part for part in (problem.context, problem.problem) if part]
    return f"{name}:{line}: isn't valid YAML: {', '.join(details)}"


def _line(event: Any) -> int:
    line: int = event.start_mark.line
    return line + 1


class _Composer:
    """Turns parser events into plain data; one object reads one document."""

    def __init__(self, name: str, error: type[RooftileError], events: Iterator[yaml.Event]) -> None:
        self._name = name
        self._error = error
        self._events = events
        # Anchor to value and number of nodes; None while the anchor's own node isn't complete.
        self._anchors: dict[str, tuple[Any, int] | None] = {}
        self._aliases = 0
        self._nodes = 0
        self.lines: dict[Path_, int] = {}

    def document(self) -> Any:
        """Return the data of the only document."""
        next(self._events)  # the stream's start
        if isinstance(next(self._events), yaml.StreamEndEvent):
            raise self._error(f"{self._name}:1: the file is empty")
        data = self._node(next(self._events), (), 0)
        next(self._events)  # the document's end
        event = next(self._events)
        if not isinstance(event, yaml.StreamEndEvent):
            raise self._failure(event, "a second document starts here but a file holds 1")
        return data

    def _failure(self, event: yaml.Event, message: str) -> RooftileError:
        return self._error(f"{self._name}:{_line(event)}: {message}")

    def _node(self, event: Any, path: Path_, depth: int) -> Any:
        self.lines.setdefault(path, _line(event))
        if isinstance(event, yaml.AliasEvent):
            return self._aliased(event)
        self._count(event, 1)
        anchor, tag = event.anchor, event.tag
        if tag is not None:
            raise self._failure(event, f"tag '{tag}' isn't allowed; remove it")
        if anchor is not None:
            self._anchors[anchor] = None
        before = self._nodes
        if isinstance(event, yaml.ScalarEvent):
            value = self._scalar(event)
        elif depth == MAX_NESTING:
            raise self._failure(event, f"nesting is deeper than the {MAX_NESTING} levels allowed")
        elif isinstance(event, yaml.SequenceStartEvent):
            value = self._sequence(path, depth)
        else:
            value = self._mapping(path, depth)
        if anchor is not None:
            self._anchors[anchor] = (value, self._nodes - before + 1)
        return value

    def _count(self, event: yaml.Event, nodes: int) -> None:
        self._nodes += nodes
        if self._nodes > MAX_NODES:
            raise self._failure(
                event, f"the file has more than {MAX_NODES} values, repeats by aliases included"
            )

    def _aliased(self, event: yaml.AliasEvent) -> Any:
        self._aliases += 1
        if self._aliases > MAX_ALIASES:
            raise self._failure(event, f"the file has more than {MAX_ALIASES} aliases")
        if event.anchor not in self._anchors:
            raise self._failure(event, f"alias '*{event.anchor}' has no anchor before it")
        target = self._anchors[event.anchor]
        if target is None:
            raise self._failure(event, f"alias '*{event.anchor}' stands inside its own anchor")
        value, nodes = target
        self._count(event, nodes)
        return value

    def _sequence(self, path: Path_, depth: int) -> list[Any]:
        items: list[Any] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            items.append(self._node(event, (*path, len(items)), depth + 1))
        return items

    def _mapping(self, path: Path_, depth: int) -> dict[str, Any]:
        items: dict[str, Any] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent):
                raise self._failure(event, "a key must be a single word or number")
            key = event.value
            if key in items:
                first = self.lines[(*path, key)]
                raise self._failure(
                    event, f"key '{key}' is given twice (first on line {first}); remove one"
                )
            self.lines[(*path, key)] = _line(event)
            items[key] = self._node(next(self._events), (*path, key), depth + 1)
        return items

    def _scalar(self, event: yaml.ScalarEvent) -> Any:
        text: str = event.value
        if not event.implicit[0]:  # quoted, or a block of text
            return text
        if text in _WORDS:
            return _WORDS[text]
        if _INTEGER.match(text):
            if len(text) > MAX_DIGITS:
                raise self._failure(
                    event, f"a number has {len(text)} digits but at most {MAX_DIGITS} are read"
                )
            base = {"0o": 8, "0x": 16}.get(text[:2], 10)
            return int(text[2:] if base != 10 else text, base)
        if _FLOAT.match(text):
            return float(text)
        special = _SPECIAL.match(text)
        if special:
            return float("nan" if special.group(1) is None else f"{special.group(1)}inf")
        return text
