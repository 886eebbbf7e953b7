"""The rules of mappings: what a machine can run as written, and why it can't."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import NamedTuple

from accel.bank_conflicts import edge_dimension
from accel.spec import AcceleratorSpec, ScratchpadSpec
from accel.systolic import DATAFLOWS
from foundation.dtype import DTYPES
from foundation.errors import MappingError, nearest
from mapper.boxes import OperandTiles
from mapper.kernel import Contraction, Kernel, Role, VectorBody
from mapper.mapping import Mapping
from mapper.splits import Split
from mapper.waiting import waiting_bytes


class Violation(NamedTuple):
    """A rule that a mapping breaks.

    Parameters
    ----------
    message
        What is wrong, with both numbers.
    loop, operand
        Number of the loop or of the operand that it is about, None where it is about neither.
    is_about_buffers
        Whether it is about the operand's number of buffers.
    """

    message: str
    loop: int | None = None
    operand: int | None = None
    is_about_buffers: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What a mapping keeps in a scratchpad: ``buffers`` times ``size_bytes`` of an operand."""

    what: str
    pad: ScratchpadSpec
    size_bytes: int
    buffers: int

    @property
    def total_bytes(self) -> int:
        """Bytes of all buffers, each aligned."""
        grain = self.pad.alignment_bytes
        return self.buffers * -(-self.size_bytes // grain) * grain

    @property
    def label(self) -> str:
        """Operand and bytes: ``weight 2 x 4096``."""
        times = f"{self.buffers} x " if self.buffers > 1 else ""
        return f"{self.what} {times}{self.size_bytes}"


def check(kernel: Kernel, spec: AcceleratorSpec, mapping: Mapping) -> None:
    """Check that a machine can run a mapping.

    Raises
    ------
    MappingError
        With the first rule that is broken.
    """
    for violation in violations(kernel, spec, mapping):
        raise MappingError(violation.message)


def violations(kernel: Kernel, spec: AcceleratorSpec, mapping: Mapping) -> Iterator[Violation]:
    """Yield the rules that a mapping breaks, the plainest first."""
    broken = [*step_violations(kernel, mapping), *_numbers(kernel, mapping)]
    if not broken:
        broken = [*_sums(kernel, mapping), *_places(kernel, mapping)]
    problem = dataflow_violation(spec, mapping.dataflow)
    if not broken and problem is not None:
        broken = [Violation(f"dataflow {problem}")]
    if not broken:
        broken = [*_blocks(kernel, spec, mapping), *_capacities(kernel, spec, mapping)]
    yield from broken


def dataflow_violation(spec: AcceleratorSpec, dataflow: str | None) -> str | None:
    """Return why a machine's array doesn't have a dataflow; None if it has it, or none is asked."""
    known = spec.array.dataflows
    if dataflow is None or dataflow in known:
        return None
    if dataflow not in DATAFLOWS:
        names = ", ".join(DATAFLOWS)
        return f"must be one of {names} but is '{dataflow}'{nearest(dataflow, DATAFLOWS)}"
    return (
        f"the array of machine '{spec.name}' is {' and '.join(known)} but the mapping is for"
        f" {dataflow}; write {' or '.join(known)}"
    )


def split_violation(kernel: Kernel, split: Split, cores: int) -> str | None:
    """Return why a kernel can't be split over so many cores; None if it can."""
    for d, ways in split.ways:
        dimension = kernel.dimensions[d]
        if dimension.role is Role.WHOLE:
            return f"dimension '{dimension.name}' isn't split: it is reduced, or a row, as a whole"
        if ways > dimension.extent:
            return (
                f"dimension '{dimension.name}' is split in {ways} but has {dimension.extent}"
                " iterations"
            )
    if split.parts > cores:
        return f"{split.parts} parts are unrolled over {cores} cores; split in fewer"
    summed = [kernel.dimensions[d].name for d, _ in split.ways if d in kernel.numbers(Role.K)]
    if len(summed) > 1:
        return (
            f"{len(summed)} dimensions of the sum are split ({', '.join(summed)}) but 1 can be;"
            " leave the others whole"
        )
    return None


def held(kernel: Kernel, spec: AcceleratorSpec, mapping: Mapping) -> list[Held]:
    """Return all that a mapping keeps in scratchpads, but for what stays between layers."""
    found = [
        Held(
            what=operand.role,
            pad=spec.scratchpad_of(operand.scratchpad),
            size_bytes=_region_bytes(kernel, mapping, number),
            buffers=mapping.num_buffers[number],
        )
        for number, operand in enumerate(kernel.operands)
        if not operand.is_kept
        and (operand is not kernel.output or isinstance(kernel.body, Contraction | VectorBody))
    ]
    if isinstance(kernel.body, Contraction):
        psum_bytes = DTYPES[kernel.inputs[0].dtype.accumulator].size_bytes
        kept = kernel.numbers(Role.GROUP, Role.M, Role.N)
        found.append(
            Held(
                what="psum",
                pad=spec.scratchpad_of("psum"),
                size_bytes=psum_bytes * prod(mapping.tile[d] for d in kept),
                buffers=mapping.num_buffers[-1],
            )
        )
        waiting = waiting_bytes(kernel, mapping)
        if waiting:
            pad = spec.scratchpad_of("output")
            found.append(Held(what="waiting psums", pad=pad, size_bytes=waiting, buffers=1))
    return found


def _region_bytes(kernel: Kernel, mapping: Mapping, number: int) -> int:
    """Return the bytes of an operand's region; outputs leave tile by tile."""
    operand = kernel.operands[number]
    is_output = number == len(kernel.inputs)
    size = mapping.tile if is_output else mapping.region(number, kernel.extents)
    return OperandTiles(kernel, operand).size_bytes(size)


def step_violations(kernel: Kernel, mapping: Mapping) -> Iterator[Violation]:
    """Loops go inwards in steps of 1 at least, and no step is larger than what is outside it."""
    inside = list(kernel.extents)
    is_looped = set()
    for number, (d, step) in enumerate(mapping.loops):
        dimension = kernel.dimensions[d]
        outer = f"the loop outside it goes by {inside[d]}"
        if d not in is_looped:
            outer = f"the dimension has {inside[d]} iterations"
        if not 1 <= step <= inside[d]:
            rule = "must be at least 1" if step < 1 else outer
            yield Violation(f"loop over '{dimension.name}' goes by {step} but {rule}", loop=number)
        is_looped.add(d)
        inside[d] = step
        if dimension.role is Role.WHOLE and step < dimension.extent:
            yield Violation(
                f"loop over '{dimension.name}' goes by {step} but all {dimension.extent} are needed"
                " at once: the dimension is reduced, or a row; leave the loop out",
                loop=number,
            )
    for d, dimension in enumerate(kernel.dimensions):
        if d not in is_looped:
            yield Violation(f"dimension '{dimension.name}' has no loop")


def _numbers(kernel: Kernel, mapping: Mapping) -> Iterator[Violation]:
    """Each operand has a place, and one buffer or two."""
    depth, count = len(mapping.loops), len(kernel.operands)
    for what, numbers in (("places", mapping.held), ("numbers of buffers", mapping.num_buffers)):
        if len(numbers) != count:
            yield Violation(f"{count} operands have {len(numbers)} {what}; give one for each")
            return
    for number, operand in enumerate(kernel.operands):
        if not 0 <= mapping.held[number] <= depth:
            yield Violation(
                f"'{operand.role}' is held inside of {mapping.held[number]} loops but there are"
                f" {depth}",
                operand=number,
            )
        if mapping.num_buffers[number] not in (1, 2):
            yield Violation(
                f"'{operand.role}' has {mapping.num_buffers[number]} buffers but 1 or 2 are"
                " possible",
                operand=number,
                is_about_buffers=True,
            )


def _cuts(kernel: Kernel, mapping: Mapping) -> list[bool]:
    """Return of each loop whether it has more than one turn."""
    inside = list(kernel.extents)
    found = []
    for d, step in mapping.loops:
        found.append(step < inside[d])
        inside[d] = step
    return found


def _sums(kernel: Kernel, mapping: Mapping) -> Iterator[Violation]:
    """Psums never leave the chip: loops over K are inside, or psums wait for their turns."""
    if not isinstance(kernel.body, Contraction):
        return
    cuts = _cuts(kernel, mapping)
    outermost = None
    for number, (d, step) in enumerate(mapping.loops):
        if not cuts[number]:
            continue
        dimension = kernel.dimensions[d]
        if dimension.role is Role.K:
            if outermost is None and number < mapping.held[-1]:
                outermost = number
        elif outermost is not None:
            summed, by = mapping.loops[outermost]
            yield Violation(
                f"loop over '{kernel.dimensions[summed].name}' by {by} is outside of that over"
                f" '{dimension.name}' by {step}, but psums never leave the chip; move it inside, or"
                " hold output outside of it",
                loop=outermost,
            )
            return


def _places(kernel: Kernel, mapping: Mapping) -> Iterator[Violation]:
    """What isn't a product makes results tile by tile; copies and lookups hold nothing else.

    Nor do psums wait that are scaled: a scale is for whole sums.
    """
    depth = len(mapping.loops)
    may_wait = isinstance(kernel.body, Contraction) and not kernel.body.is_scaled
    fixed: Sequence[int] = () if may_wait else (len(kernel.inputs),)
    if not isinstance(kernel.body, Contraction | VectorBody):
        fixed = range(len(kernel.operands))
    for number in fixed:
        if mapping.held[number] < depth:
            yield Violation(
                f"'{kernel.operands[number].role}' is held inside of {mapping.held[number]} of"
                f" {depth} loops but moves tile by tile; hold it nowhere",
                operand=number,
            )


def _blocks(kernel: Kernel, spec: AcceleratorSpec, mapping: Mapping) -> Iterator[Violation]:
    """Where an operand is laid out in blocks, a tile keeps to one."""
    if not isinstance(kernel.body, Contraction):
        return
    array = spec.array.with_dataflow(mapping.dataflow)
    flow = DATAFLOWS[array.dataflow]
    for number, name in enumerate(("input", "weight")):
        edge = edge_dimension(array, name)
        pad = spec.scratchpad_of(kernel.inputs[number].scratchpad)
        if pad.layout != "blocked":
            continue
        d = kernel.numbers(Role(edge))[-1]
        limit = spec.array.columns if flow.columns == edge else spec.array.rows
        if mapping.tile[d] > limit:
            yield Violation(
                f"a tile has {mapping.tile[d]} of '{kernel.dimensions[d].name}' but '{pad.name}'"
                f" is laid out in blocks of {limit}; make the innermost loop smaller"
            )


def _capacities(kernel: Kernel, spec: AcceleratorSpec, mapping: Mapping) -> Iterator[Violation]:
    """All that is held fits."""
    everything = held(kernel, spec, mapping)
    for pad in spec.scratchpads:
        inside = [one for one in everything if one.pad is pad]
        needed = sum(one.total_bytes for one in inside)
        if needed > pad.capacity_bytes:
            largest = max(inside, key=lambda one: one.total_bytes)
            names = [operand.role for operand in kernel.operands]
            yield Violation(
                f"scratchpad '{pad.name}' has {pad.capacity_bytes} bytes but {needed} are needed"
                f" ({', '.join(one.label for one in inside)}): {needed - pad.capacity_bytes} are"
                f" missing; take smaller steps",
                operand=names.index(largest.what) if largest.what in names else len(names) - 1,
            )
