"""Read a JSON file as plain data, with the line of every key.

References
----------
.. [1] RFC 8259, "The JavaScript Object Notation (JSON) Data Interchange Format", 2017.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any, NoReturn

from foundation.document import MAX_NESTING, Document, Path_
from foundation.errors import RooftileError
from foundation.text_file import read_text

#: A text, a bracket, a comma, or a line's end: what places depend on.
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{},\n]')


def read_json(path: Path, error: type[RooftileError]) -> Document:
    """Return the JSON file at ``path``.

    Raises
    ------
    RooftileError
        Of class ``error``: the file can't be read, isn't text, or isn't valid JSON.
    """
    return parse_json(read_text(path, error, "a JSON file"), str(path), error)


def parse_json(text: str, name: str, error: type[RooftileError]) -> Document:
    """Return the JSON document in ``text``.

    Raises
    ------
    RooftileError
        Of class ``error``: not valid JSON, a key given twice, or nested too deep.
    """

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            twice, _ = Counter(key for key, _ in pairs).most_common(1)[0]
            raise error(f"{name}: key '{twice}' is given twice; remove one")
        return found

    def refuse(constant: str) -> NoReturn:
        raise error(f"{name}: {constant} isn't a number in JSON; give a finite one")

    if _nesting(text) > MAX_NESTING:
        raise error(f"{name}: nesting is deeper than the {MAX_NESTING} levels allowed")
    try:
        data = json.loads(text, object_pairs_hook=unique, parse_constant=refuse)
    except json.JSONDecodeError as problem:
        message = f"{problem.msg[:1].lower()}{problem.msg[1:]}"
        raise error(f"{name}:{problem.lineno}: isn't valid JSON: {message}") from None
    except RooftileError:
        raise
    except ValueError:  # Python's own limit
        raise error(f"{name}: a number has too many digits") from None
    return Document(name=name, data=data, lines=_lines(text), error=error)


def _nesting(text: str) -> int:
    """Return how many brackets are open at once, at most."""
    depth = deepest = 0
    for token in _TOKEN.findall(text):
        depth += (token in "[{") - (token in "]}")
        deepest = max(deepest, depth)
    return deepest


def _lines(text: str) -> dict[Path_, int]:
    """Return the line of every key and item of valid JSON."""
    lines: dict[Path_, int] = {(): 1}
    path: list[str | int] = []  # a step for each open bracket: the key, or the item's number
    line, in_key = 1, False
    for match in _TOKEN.finditer(text):
        token = match.group()
        if token == "\n":
            line += 1
            continue
        if token[0] == '"':
            if in_key:
                path[-1] = json.loads(token)
                lines[tuple(path)] = line
                in_key = False
        elif token in "[{":
            path.append(0 if token == "[" else "")
            in_key = token == "{"
        elif token == ",":
            step = path[-1]
            in_key = isinstance(step, str)
            if isinstance(step, int):
                path[-1] = step + 1
        else:
            path.pop()
            in_key = False
    return lines
