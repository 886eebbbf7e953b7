"""Options of the command line that several commands have."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from workloads.training.options import Training

    _NumbersType = click.ParamType[tuple[int, ...]]
else:  # click 8.1's isn't generic
    _NumbersType = click.ParamType

Command = TypeVar("Command", bound=Callable[..., Any])

hardware = click.option("--hw", "hardware", required=True, help="Preset name or file.")
_ASKED = (
    click.option(
        "--batch",
        type=click.IntRange(1, 1_000_000),
        help="Inferences at once; overrides the network's.",
    ),
    click.option("--dtype", help="Number type (int8, bf16, ...); overrides the network's."),
    click.option(
        "--dim",
        "dims",
        multiple=True,
        metavar="NAME=SIZE",
        help="Size of a dimension that the file leaves open, or of a YAML network's parameter.",
    ),
    click.option(
        "--phase",
        metavar="PHASE",
        help="Of a language model: prefill:TOKENS, or decode:TOKENS@CONTEXT; of a batch of mixed"
        " lengths prefill:512,64x3.",
    ),
    click.option(
        "--page",
        type=click.IntRange(1, 1_000_000),
        metavar="TOKENS",
        help="Of a page of the caches of a step of decoding; in one piece by default.",
    ),
    click.option(
        "--allow-unknown-as-vector",
        "unknown_as_vector",
        is_flag=True,
        help="Take operators that aren't known as functions of the vector unit.",
    ),
    click.option(
        "--training",
        "optimizer",
        type=click.Choice(["sgd", "adam"]),
        help="Take one training step with this optimizer: forward, loss, backward, update.",
    ),
    click.option(
        "--loss",
        type=click.Choice(["cross_entropy", "mean_squared_error"]),
        help="Of --training.  [default: cross_entropy]",
    ),
    click.option(
        "--recompute",
        metavar="LIST",
        help="Of --training: what isn't kept but computed again, blocks or names of blocks or"
        " layers with commas between.",
    ),
    click.option(
        "--precision",
        type=click.Choice(["mixed", "pure"]),
        help="Of --training: mixed updates in fp32, with a copy of narrower weights; pure in the"
        " weights' type.  [default: mixed]",
    ),
)


def asked(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command what is asked of its network, which it gets as ``asked``."""

    @wraps(command)
    def with_asked(
        *arguments: Any,
        batch: int | None,
        dtype: str | None,
        dims: tuple[str, ...],
        phase: str | None,
        page: int | None,
        unknown_as_vector: bool,
        optimizer: str | None,
        loss: str | None,
        recompute: str | None,
        precision: str | None,
        **others: Any,
    ) -> None:
        from workloads.loaders.asked import Asked

        found = Asked(
            batch=batch,
            dtype=dtype,
            dims=dict(map(_dim, dims)),
            phase=phase,
            page=page,
            unknown_as_vector=unknown_as_vector,
            training=_training(optimizer, loss, recompute, precision),
        )
        command(*arguments, asked=found, **others)

    for option in reversed(_ASKED):
        with_asked = option(with_asked)
    return with_asked


def _training(
    optimizer: str | None, loss: str | None, recompute: str | None, precision: str | None
) -> Training | None:
    """Return the training that a user asks for."""
    from workloads.training.options import Training

    details = {"loss": loss, "recompute": recompute, "precision": precision}
    given = {name: value for name, value in details.items() if value is not None}
    if optimizer is None:
        for name in given:
            raise click.UsageError(f"--{name} says how a network is trained: add --training")
        return None
    found = Training(optimizer=optimizer)
    if loss is not None:
        found = replace(found, loss=loss)
    if precision is not None:
        found = replace(found, precision=precision)
    if recompute is not None:
        names = tuple(name.strip() for name in recompute.split(","))
        found = replace(found, recompute=names)
    return found


def _dim(text: str) -> tuple[str, int]:
    """Return name and size of a dimension that a user gives."""
    name, sign, size = text.partition("=")
    if not name or not sign or not size.isascii() or not size.isdecimal():
        raise click.UsageError(f"--dim '{text}': must be NAME=SIZE, such as seq=384")
    return name, int(size)


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


def passes(default: str) -> Callable[[Command], Command]:
    """Return the option that names passes, with what is meant without it."""
    return click.option(
        "--passes",
        metavar="LIST",
        default=default,
        show_default=True,
        help="How to rewrite the network first: all, none, or names with commas between.",
    )


def engine(default: str) -> Callable[[Command], Command]:
    """Return the option that names the engine, with the one that runs without it."""
    return click.option(
        "--engine",
        type=click.Choice(["cycle", "analytical"]),
        default=default,
        show_default=True,
        help="Event by event, or without programs: no timeline, no causes of stalls.",
    )


#: As in `rooftile.generation.generate`, which help doesn't wait for.
TOLERANCE = 0.005
tolerance = click.option(
    "--tolerance",
    type=click.FloatRange(0, 1),
    default=TOLERANCE,
    show_default=True,
    help="How far off the sum over all steps may be, as a part of it; 0 simulates every step.",
)
across = click.option(
    "--across",
    default="none",
    show_default=True,
    metavar="LIST",
    callback=lambda _, __, value: _passes_across(value),
    help="Passes over several layers: all, none, or some of fusion, residency, prefetch, order and"
    " concurrent.",
)


def _passes_across(text: str) -> tuple[str, ...]:
    """Return the passes over several layers that a user asks for."""
    from foundation.errors import MappingError, nearest
    from mapper.plan import ACROSS

    if text in ("none", "all"):
        return ACROSS if text == "all" else ()
    names = tuple(part.strip() for part in text.split(","))
    for name in names:
        if name not in ACROSS:
            raise MappingError(
                f"--across '{name}': must be all, none, or some of {', '.join(ACROSS)}"
                f"{nearest(name, ['all', 'none', *ACROSS])}"
            )
    return tuple(name for name in ACROSS if name in names)


#: As in `mapper.search.find.STRATEGIES`, which help doesn't wait for.
STRATEGIES = ("exhaustive", "branch_and_bound", "evolutionary", "random")
_SEARCH = (
    click.option(
        "--objective",
        default="latency",
        show_default=True,
        help="What mappings make small: latency, dram, energy, edp (energy times latency), or a sum"
        " such as latency+0.5*dram.",
    ),
    click.option(
        "--search",
        "strategy",
        type=click.Choice(STRATEGIES),
        default=STRATEGIES[0],
        show_default=True,
        help="How the map space is looked through.",
    ),
    click.option(
        "--seed", type=click.IntRange(0), default=0, show_default=True, help="Of what draws."
    ),
    click.option(
        "--time-limit",
        type=click.FloatRange(0, min_open=True),
        metavar="SECONDS",
        help="For the search of each layer; the best so far is taken.",
    ),
    click.option(
        "--mapping-cache",
        type=click.Path(file_okay=False, path_type=Path),
        help="Folder for found mappings, by default in your cache folder.",
    ),
    click.option("--no-mapping-cache", is_flag=True, help="Neither read nor keep found mappings."),
)


def search(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of the search, which it gets as ``search``."""

    @wraps(command)
    def with_search(
        *arguments: Any,
        objective: str,
        strategy: str,
        seed: int,
        time_limit: float | None,
        mapping_cache: Path | None,
        no_mapping_cache: bool,
        **others: Any,
    ) -> None:
        from mapper.search.cache import MappingCache, user_folder
        from mapper.search.find import SearchOptions
        from mapper.search.problem import Effort

        def warn(message: str) -> None:
            click.echo(message, err=True)

        cache = None
        if not no_mapping_cache:
            cache = MappingCache(mapping_cache or user_folder(), warn=warn)
        found = SearchOptions(
            objective=objective,
            strategy=strategy,
            effort=Effort(seed=seed, seconds=time_limit),
            cache=cache,
        )
        command(*arguments, search=found, **others)

    for option in reversed(_SEARCH):
        with_search = option(with_search)
    return with_search


results = click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="New folder for the results."
)


def mapped(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the machine, what is asked of its network, and how that is mapped."""
    for option in (search, across, passes("none"), split, asked, hardware):
        command = option(command)
    return command


def repeated(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command that runs networks many times how exact it is, and where results go."""
    for option in (results, engine("analytical"), search, split, tolerance):
        command = option(command)
    return command


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
