"""Scenario files: what runs, and for which requests."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from foundation.document import Document, json_schema, read
from foundation.errors import WorkloadError, nearest
from foundation.text_file import read_text
from workloads.scenario.models import MAX_COUNT

if TYPE_CHECKING:
    from workloads.scenario.models import Draw, Node, Requests

#: Parameters of a request, in the file's order.
Request = tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What runs, and how often with which parameters.

    Parameters
    ----------
    name
        The scenario's name.
    document
        The file, for messages.
    folder
        From which its files are looked for.
    run
        What runs for a request.
    requests
        Each distinct request once, to how often it comes.
    """

    name: str
    document: Document
    folder: Path
    run: Node
    requests: Mapping[Request, int]


def load_scenario(path: Path) -> Scenario:
    """Return the scenario of a YAML file.

    Raises
    ------
    WorkloadError
        ``FILE:LINE: key: rule``, when it isn't one.
    """
    from workloads.scenario.models import ScenarioFile

    document = read(path, WorkloadError)
    file = document.validate(ScenarioFile)
    return Scenario(
        name=file.name,
        document=document,
        folder=path.parent,
        run=file.run,
        requests=_requests(document, path.parent, file.parameters, file.requests),
    )


def schema() -> dict[str, Any]:
    """Return the JSON Schema of scenario files, for editors."""
    from workloads.scenario.models import ScenarioFile

    return json_schema(ScenarioFile)


def _requests(
    document: Document, folder: Path, parameters: Mapping[str, int], asked: Requests | None
) -> Mapping[Request, int]:
    if asked is None:
        return {tuple(parameters.items()): 1}
    if asked.file is not None:
        rows = _rows(folder / asked.file, parameters)
    else:
        for name in asked.draw:
            if name not in parameters:
                raise document.failure(
                    ("requests", "draw", name),
                    f"isn't one of parameters{nearest(name, parameters)}; add it there",
                )
        rows = _drawn(parameters, asked)
    return dict(sorted(Counter(rows).items(), key=lambda item: [size for _, size in item[0]]))


def _drawn(parameters: Mapping[str, int], asked: Requests) -> list[Request]:
    """Return random requests: those of a seed are always the same."""
    count = asked.count or 0
    generator = np.random.default_rng(asked.seed)
    columns = {name: [size] * count for name, size in parameters.items()}
    for name, draw in asked.draw.items():
        columns[name] = _column(generator, draw, count)
    return [tuple(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _column(generator: np.random.Generator, draw: Draw, count: int) -> list[int]:
    if draw.uniform is not None:
        low, high = draw.uniform
        numbers = generator.integers(low, high, count, endpoint=True)
    else:
        chances = draw.values or {}
        shares = np.array([*chances.values()])
        numbers = generator.choice(np.array([*map(int, chances)]), count, p=shares / shares.sum())
    step = draw.multiple_of
    return [-(-int(number) // step) * step for number in numbers]


def _rows(path: Path, parameters: Mapping[str, int]) -> list[Request]:
    """Return the requests of a CSV file, whose columns are parameters."""
    text = read_text(path, WorkloadError, "a CSV file")
    lines = list(csv.reader(StringIO(text)))
    header = [name.strip() for name in lines[0]] if lines else []
    for name in header:
        if name not in parameters or header.count(name) > 1:
            raise WorkloadError(
                f"{path}:1: column '{name}' must be one of parameters, once:"
                f" {', '.join(parameters) or 'there are none'}{nearest(name, parameters)}"
            )
    rows: list[Request] = []
    for number, line in enumerate(lines[1:], start=2):
        if not any(cell.strip() for cell in line):
            continue
        if len(line) != len(header):
            raise WorkloadError(
                f"{path}:{number}: has {len(line)} cells but the header {len(header)}"
            )
        sizes = dict(parameters)
        for name, cell in zip(header, map(str.strip, line), strict=True):
            if not cell.isascii() or not cell.isdecimal() or len(cell) > 12:
                raise WorkloadError(
                    f"{path}:{number}: column '{name}' must be a whole number but is '{cell}'"
                )
            sizes[name] = int(cell)
        rows.append(tuple(sizes.items()))
    if not 1 <= len(rows) <= MAX_COUNT:
        raise WorkloadError(
            f"{path}: has {len(rows)} requests but must have from 1 to {MAX_COUNT}, a line each"
            " behind a line of names"
        )
    return rows
