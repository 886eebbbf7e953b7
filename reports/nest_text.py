"""A loop nest that a person can read: what stays where, and what one instruction covers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import prod

from accel.spec import AcceleratorSpec
from accel.systolic import DATAFLOWS
from accel.units import format_bytes
from mapper.check import Held, held
from mapper.kernel import Contraction, Kernel, Role
from mapper.mapping import Mapping
from mapper.nest import Nests, nest_of


def nest_lines(kernel: Kernel, spec: AcceleratorSpec, mapping: Mapping) -> Iterable[str]:
    """Yield the loops of a kernel's mapping, outermost first, each inside the one before."""
    plain = mapping.canonical(kernel.extents)
    nests, kept = nest_of(kernel, plain), {one.what: one for one in held(kernel, spec, plain)}
    inside, margin, depth = list(kernel.extents), "    ", 0
    for depth, (d, step) in enumerate(plain.loops):
        if step >= inside[d]:
            break
        yield from (margin + line for line in _held_lines(kernel, plain, nests, kept, depth))
        count, rest = -(-inside[d] // step), inside[d] % step
        last = f", the last of {rest}" if rest else ""
        yield f"{margin}for {kernel.dimensions[d].name} in {count} steps of {step}{last}"
        inside[d] = step
        margin += "  "
    yield from (margin + line for line in _tile_lines(kernel, spec, plain, nests, kept))


def _held_lines(
    kernel: Kernel, mapping: Mapping, nests: Nests, kept: dict[str, Held], depth: int
) -> Iterator[str]:
    """Yield what is held outside of loop number ``depth``."""
    for number, operand in enumerate(kernel.operands):
        if mapping.held[number] != depth or (operand.is_kept and operand is not kernel.output):
            continue
        if operand is kernel.output:
            yield f"psums wait in {_place(kept['waiting psums'])}"
        else:
            moves = int(nests.moves(operand, depth).max())
            yield f"{operand.role} stays in {_place(kept[operand.role])}, loaded {_times(moves)}"


def _tile_lines(
    kernel: Kernel, spec: AcceleratorSpec, mapping: Mapping, nests: Nests, kept: dict[str, Held]
) -> Iterator[str]:
    """Yield what one instruction loads, does and stores."""
    depth = len(mapping.loops)
    results = int(nests.distinct(kernel.output, depth).max())
    for number, operand in enumerate(kernel.inputs):
        if mapping.held[number] == depth and not operand.is_kept:
            is_first = number > 1 and "waiting psums" in kept
            without = frozenset(kernel.numbers(Role.K) if is_first else ())
            moves = int(nests.moves(operand, depth, without).max())
            first = ", before the first of K" if is_first else ""
            yield f"load {operand.role} to {_place(kept[operand.role])}, {_times(moves)}{first}"
    yield from _work_lines(kernel, spec, mapping)
    if "psum" in kept:
        yield f"psums in {_place(kept['psum'])}"
    if kernel.output.is_kept:
        return
    place = f" from {_place(kept['output'])}" if "output" in kept else ""
    last = ", after the last of K" if "waiting psums" in kept else ""
    yield f"store output{place}{last}, {_times(results)}"


def _work_lines(kernel: Kernel, spec: AcceleratorSpec, mapping: Mapping) -> Iterator[str]:
    """Yield what is computed of a tile, and of a product what lies where on the array."""
    tile = mapping.tile
    named = zip(kernel.dimensions, tile, strict=True)
    sizes = [f"{dimension.name} {size}" for dimension, size in named if size > 1] or ["1 element"]
    if not isinstance(kernel.body, Contraction):
        yield f"one instruction: {', '.join(sizes)}"
        return
    extent = {
        role.value: prod(tile[d] for d in kernel.numbers(role))
        for role in (Role.GROUP, Role.M, Role.N, Role.K)
    }
    extent["K"] = kernel.reduction(spec.array).steps(extent["K"])
    flow = DATAFLOWS[mapping.dataflow or spec.array.dataflow]
    chosen = f", {flow.name}" if spec.array.other_dataflows else ""
    rows, columns, time = (extent[name] for name in (flow.rows, flow.columns, flow.time))
    folds = extent["group"] * -(-rows // spec.array.rows) * -(-columns // spec.array.columns)
    stored = kernel.stored
    segments = f", of segments {stored}" if stored is not None else ""
    yield f"one matmul: {', '.join(sizes)}{segments}"
    yield (
        f"  array{chosen}: {flow.rows} {rows} along {spec.array.rows} rows,"
        f" {flow.columns} {columns} along {spec.array.columns} columns,"
        f" {flow.time} {time} in time: {folds:,}"
        f" {'fold' if folds == 1 else 'folds'}"
    )


def _place(one: Held) -> str:
    times = f"{one.buffers} x " if one.buffers > 1 else ""
    return f"{one.pad.name} ({times}{format_bytes(one.size_bytes)})"


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count:,} times")
