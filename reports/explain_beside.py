"""How layers run at the same time, as lines of text: what each has, and what that saves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from accel.units import format_bytes
from mapper.works import Beside, PlannedLayer, Work


def beside_lines(beside: Beside) -> Iterable[str]:
    """Yield what layers that run at the same time cost, after and before."""
    after, before = beside.estimate, beside.apart
    yield (
        f"  {len(beside.members)} layers run at the same time, each on cores of its own:"
        f" {after.cycles:,.0f} cycles, {format_bytes(after.dram_bytes)} of main memory (before:"
        f" {before.cycles:,.0f} and {format_bytes(before.dram_bytes)}, one after the other)"
    )


def members_with_heads(planned: PlannedLayer, work: Work) -> Iterator[tuple[list[str], Work]]:
    """Yield each member of a work with the line above it; a layer that runs alone has none."""
    if work.beside is None:
        yield [], work
        return
    for layer, member in zip(planned.layers, work.members, strict=True):
        cores = sorted({core for stage in member.stages for core in stage.cores})
        yield [f"  {layer.name} on {_cores(cores)}"], member


def _cores(numbers: Sequence[int]) -> str:
    if len(numbers) == 1:
        return f"core {numbers[0]}"
    return f"cores {numbers[0]} to {numbers[-1]}"
