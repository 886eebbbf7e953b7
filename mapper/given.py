"""Stages of a layer whose mapping stands in a file: as it says, or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from accel.spec import AcceleratorSpec
from foundation.document import Path_
from foundation.errors import RooftileError, nearest
from mapper.check import Violation, dataflow_violation, split_violation, step_violations, violations
from mapper.cost import CostEstimate, estimate
from mapper.kernel import Contraction, Kernel
from mapper.layouts import conflict_cycles, with_layouts
from mapper.mapping import Loop, Mapping
from mapper.mapping_file import WrittenLayer, WrittenNest
from mapper.nest import nest_of
from mapper.search.price import can_price, exact_cycles
from mapper.splits import Split, reduction
from mapper.stages import Stage, is_copied, largest_part, stage_of


def given_stages(
    kernels: Sequence[Kernel], written: WrittenLayer, spec: AcceleratorSpec, cores: Sequence[int]
) -> tuple[Stage, ...]:
    """Return the stages of a layer as a file says.

    Parameters
    ----------
    kernels
        The layer's: none for a reshape.
    written
        What the file says.
    spec
        The machine.
    cores
        Numbers of the cores that may take part.

    Raises
    ------
    MappingError
        ``FILE:LINE: key: rule`` with the first rule that the mapping breaks.
    """
    if not kernels:
        raise written.failure("is a reshape, which moves no data and has no mapping; leave it out")
    if len(kernels) > 1 and is_copied(kernels):
        _check_count(written, len(kernels), "one for each input of a concatenation")
        chosen = [
            _split(kernel, nest, len(cores))
            for kernel, nest in zip(kernels, written.nests, strict=True)
        ]
        _check_equal_parts(written, chosen)
        found = [_mapped(*each, spec) for each in zip(kernels, chosen, written.nests, strict=True)]
        return (stage_of(kernels, chosen, found, cores),)
    return tuple(
        stage_of([kernel], [split], [_mapped(kernel, split, nest, spec)], cores)
        for kernel, split, nest in _one_by_one(kernels, written, len(cores))
    )


def _one_by_one(
    kernels: Sequence[Kernel], written: WrittenLayer, cores: int
) -> list[tuple[Kernel, Split, WrittenNest]]:
    """Return kernels with their splits and nests; behind a split sum comes that of its parts."""
    waiting = list(reversed(kernels))
    found = []
    for nest in written.nests:
        if not waiting:
            break
        kernel = waiting.pop()
        split = _split(kernel, nest, cores)
        found.append((kernel, split, nest))
        along_k = split.along_k(kernel)
        if along_k > 1:
            waiting.append(reduction(kernel, along_k))
    count = len(found) + len(waiting)
    if len(kernels) > 1:
        why = "one for each kernel of the layer, and one for the parts of a sum that is split"
    elif count > 1:
        why = "a sum that is split, then the sum of its parts"
    else:
        why = "the layer has one kernel"
    _check_count(written, count, why)
    return found


def _check_count(written: WrittenLayer, count: int, why: str) -> None:
    if len(written.nests) != count:
        raise written.failure(
            f"has {len(written.nests)} nests but {count} are needed ({why}); list them under"
            " 'kernels'"
        )


def _check_equal_parts(written: WrittenLayer, chosen: Sequence[Split]) -> None:
    for nest, split in zip(written.nests, chosen, strict=True):
        if split.parts != chosen[0].parts:
            raise nest.failure(
                ("split",),
                f"has {split.parts} parts but the first kernel has {chosen[0].parts}; all are split"
                " over the same cores",
            )


def _split(kernel: Kernel, nest: WrittenNest, cores: int) -> Split:
    ways = [
        (_dimension(kernel, name, nest, ("split", name)), count)
        for name, count in nest.nest.split.items()
        if count > 1
    ]
    split = Split(ways=tuple(ways))
    problem = split_violation(kernel, split, cores)
    if problem is not None:
        raise nest.failure(("split",), problem)
    return split


def _mapped(
    kernel: Kernel, split: Split, nest: WrittenNest, spec: AcceleratorSpec
) -> tuple[Mapping, CostEstimate]:
    """Return the mapping of a split kernel's largest part, and its cost."""
    part, share = largest_part(kernel, split, spec)
    if nest.nest.dataflow is not None and isinstance(kernel.body, Contraction):
        problem = dataflow_violation(spec, nest.nest.dataflow)
        if problem is not None:
            raise nest.failure(("dataflow",), problem)
    mapping, places = _mapping(part, nest)
    _refuse(step_violations(part, mapping), part, nest, places)
    mapping = replace(mapping, num_buffers=_buffers(part, nest, mapping))
    if spec.array.other_dataflows and isinstance(kernel.body, Contraction):
        mapping = replace(mapping, dataflow=nest.nest.dataflow)
    _refuse(violations(part, spec, mapping), part, nest, places)
    mapping = with_layouts(part, mapping, spec)
    cost = estimate(part, share, mapping)
    if can_price(part, share):
        (cycles,) = exact_cycles(part, share, [mapping])
        return mapping, cost.at_cycles(cycles, share)
    return mapping, cost.at_cycles(cost.cycles + conflict_cycles(part, mapping), share)


def _mapping(kernel: Kernel, nest: WrittenNest) -> tuple[Mapping, list[Path_]]:
    """Return the mapping that a nest says, and where each of its loops stands.

    Dimensions without a loop come last, whole. Operands have two buffers each.
    """
    loops: list[Loop] = []
    places: list[Path_] = []
    held: dict[int, int] = {}
    for number, step in enumerate(nest.nest.loops):
        path: Path_ = ("loops", number)
        for role in step.held:
            operand = _operand(kernel, role, nest, (*path, "hold"))
            if operand in held:
                raise nest.failure((*path, "hold"), f"'{role}' is held twice; remove one")
            held[operand] = len(loops)
        if step.dimension is not None and step.by is not None:
            d = _dimension(kernel, step.dimension, nest, (*path, "for"))
            loops.append(Loop(d, step.by))
            places.append((*path, "by"))
    looped = {d for d, _ in loops}
    whole = [Loop(d, e) for d, e in enumerate(kernel.extents) if d not in looped]
    depth = len(loops) + len(whole)
    at = [held.get(number, len(loops)) for number in range(len(kernel.operands))]
    mapping = Mapping(
        loops=(*loops, *whole),
        held=tuple(h if h < len(loops) else depth for h in at),
        num_buffers=(2,) * len(kernel.operands),
    )
    return mapping, places


def _buffers(kernel: Kernel, nest: WrittenNest, mapping: Mapping) -> tuple[int, ...]:
    """Return the buffers of operands: by default two where a region moves more than once."""
    given = {
        _operand(kernel, role, nest, ("buffers", role)): count
        for role, count in nest.nest.buffers.items()
    }
    nests = nest_of(kernel, mapping)
    depths = (*mapping.held[:-1], len(mapping.loops))
    return tuple(
        given.get(number, 1 + int(nests.moves(operand, depth).max() > 1))
        for number, (operand, depth) in enumerate(zip(kernel.operands, depths, strict=True))
    )


def _refuse(
    broken: Iterable[Violation], kernel: Kernel, nest: WrittenNest, places: Sequence[Path_]
) -> None:
    """Raise MappingError at the place of the first rule that is broken."""
    for message, loop, operand, is_about_buffers in broken:
        raise nest.failure(_path(kernel, nest, places, loop, operand, is_about_buffers), message)


def _path(
    kernel: Kernel,
    nest: WrittenNest,
    places: Sequence[Path_],
    loop: int | None,
    operand: int | None,
    is_about_buffers: bool,
) -> Path_:
    """Return where in a nest stands what a broken rule is about."""
    if loop is not None and loop < len(places):
        return places[loop]
    if operand is None:
        return ("loops",)
    role = kernel.operands[operand].role
    if is_about_buffers and role in nest.nest.buffers:
        return ("buffers", role)
    for number, step in enumerate(nest.nest.loops):
        if role in step.held:
            return ("loops", number, "hold")
    return ("loops",)


def _dimension(kernel: Kernel, name: str, nest: WrittenNest, path: Path_) -> int:
    return _number([d.name for d in kernel.dimensions], "dimension", name, nest, path)


def _operand(kernel: Kernel, role: str, nest: WrittenNest, path: Path_) -> int:
    return _number([operand.role for operand in kernel.operands], "operand", role, nest, path)


def _number(known: list[str], what: str, name: str, nest: WrittenNest, path: Path_) -> int:
    """Return the number of a name.

    Raises
    ------
    MappingError
        When it isn't known: the nearest is suggested.
    """
    if name in known:
        return known.index(name)
    error: RooftileError = nest.failure(
        path, f"unknown {what} '{name}', known are {', '.join(known)}{nearest(name, known)}"
    )
    raise error
