"""`rooftile teach`: an array, cycle by cycle, as a web page."""

from __future__ import annotations

from pathlib import Path

import click

from rooftile import options

_ARRAY = options.Numbers("ROWSxCOLUMNS", example="4x4", separator="x", largest=16)
_GEMM = options.Numbers("M,N,K", example="6,4,4", separator=",", largest=64)


@click.command()
@click.option("--array", required=True, type=_ARRAY, help="PEs, such as 4x4; at most 16x16.")
@click.option("--gemm", required=True, type=_GEMM, help="The product, each number at most 64.")
@click.option(
    "--dataflow",
    required=True,
    type=click.Choice(["ws", "os", "is"], case_sensitive=False),
    help="What stays in the PEs: weights, outputs or inputs.",
)
@click.option(
    "--registers",
    type=click.IntRange(1, 2),
    default=2,
    show_default=True,
    help="Registers of the stationary operand in a PE.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of operands.")
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), help="The page's file."
)
def teach(
    array: tuple[int, int],
    gemm: tuple[int, int, int],
    dataflow: str,
    registers: int,
    seed: int,
    output: Path,
) -> None:
    """Write a web page that steps through the cycles of a product on a systolic array."""
    from rooftile.teach import teach as write_lesson

    lesson = write_lesson(
        output,
        array=array,
        gemm=gemm,
        dataflow=dataflow.upper(),
        registers=registers,
        seed=seed,
    )
    click.echo(
        f"{len(lesson.frames):,} cycles, {lesson.average_utilization:.0%} of PEs busy on average\n"
        f"page: {output}"
    )
