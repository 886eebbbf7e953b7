"""Options of the command line that several commands have."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    _NumbersType = click.ParamType[tuple[int, ...]]
else:  # click 8.1's isn't generic
    _NumbersType = click.ParamType

hardware = click.option("--hw", "hardware", required=True, help="Preset name or YAML file.")
batch = click.option(
    "--batch",
    type=click.IntRange(1, 1_000_000),
    help="Inferences at once; overrides the network's.",
)
dtype = click.option("--dtype", help="Number type (int8, bf16, ...); overrides the network's.")

mapping = click.option(
    "--mapping",
    type=click.Path(path_type=Path),
    help="YAML file of mappings: its layers run exactly so, others are searched.",
)
constraints = click.option(
    "--constraints",
    type=click.Path(path_type=Path),
    help="YAML file of what the search for mappings may not try.",
)
split = click.option(
    "--split",
    type=click.Choice(["auto", "m", "n", "k", "groups"]),
    default="auto",
    show_default=True,
    help="Along what products are split over cores; auto takes the best.",
)

#: Exit status of a comparison that found a difference.
DIFFERS = 1


class Numbers(_NumbersType):
    """Whole numbers from 1 to a limit with a sign between them, such as ``16x16``.

    Parameters
    ----------
    name
        What messages call it: ``ROWSxCOLUMNS``.
    example
        A well-formed value.
    separator
        The sign.
    largest
        Limit of each number.
    """

    def __init__(self, name: str, *, example: str, separator: str, largest: int) -> None:
        self.name = name
        self._example = example
        self._separator = separator
        self._count = len(example.split(separator))
        self._largest = largest

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        """Return the numbers."""
        if isinstance(value, tuple):
            return value
        parts = value.strip().lower().split(self._separator)
        if len(parts) != self._count or not all(re.fullmatch(r"[0-9]{1,9}", p) for p in parts):
            self.fail(f"'{value}' must be {self.name}, such as {self._example}", param, ctx)
        numbers = tuple(int(part) for part in parts)
        for number in numbers:
            if not 1 <= number <= self._largest:
                self.fail(
                    f"'{value}': each number must be from 1 to {self._largest} but one is {number}",
                    param,
                    ctx,
                )
        return numbers
