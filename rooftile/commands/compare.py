"""The command that compares finished runs, and fails where one got slower."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rooftile import options

if TYPE_CHECKING:
    _PercentageType = click.ParamType[Fraction]
else:  # click 8.1's isn't generic
    _PercentageType = click.ParamType


class Percentage(_PercentageType):
    """A percentage such as ``5%``, as the fraction that it is."""

    name = "PERCENT"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Fraction:
        """Return the fraction."""
        if isinstance(value, Fraction):
            return value
        match = re.fullmatch(r"([0-9]{1,6}(?:\.[0-9]{1,6})?) ?%", value.strip())
        if match is None:
            self.fail(f"'{value}' must be a percentage, such as 5% or 0.5%", param, ctx)
        return Fraction(match.group(1)) / 100


@click.command()
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--fail-on-regression",
    "limit",
    type=Percentage(),
    help="End with status 1 if the total takes so much longer than in the first run, such as 5%.",
)
@click.option("--per-layer", is_flag=True, help="Of --fail-on-regression: or if any layer does.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--csv", "as_csv", is_flag=True, help="Print a CSV row for each run and layer.")
def compare(
    runs: tuple[Path, ...], limit: Fraction | None, per_layer: bool, as_json: bool, as_csv: bool
) -> None:
    """Compare folders of `rooftile run -o` with the first: what is faster, and why."""
    from rooftile.comparison import compare as compare_all

    if as_json and as_csv:
        raise click.UsageError("--json and --csv both print on standard output: leave out one")
    if per_layer and limit is None:
        raise click.UsageError("--per-layer says what may fail: add --fail-on-regression")
    compared = compare_all(*runs)
    regressions = () if limit is None else compared.regressions(limit, per_layer=per_layer)
    if as_csv:
        click.echo(compared.csv(), nl=False)
    else:
        click.echo(compared.json() if as_json else str(compared))
    for regression in regressions:
        click.echo(f"regression: {regression}", err=True)
    if regressions:
        raise click.exceptions.Exit(options.DIFFERS)
