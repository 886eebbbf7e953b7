"""Operands as loop nests hold them: regions, how often they move, and the bytes of both.

Every function takes many loop nests at once, as `mapper.cost` does.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from accel.spec import AcceleratorSpec, MemorySpec
from foundation.dtype import DTYPES
from mapper.kernel import Contraction, Copy, Kernel, OperandMap, Role, axis_step
from mapper.nest import Nests, padding_of
from mapper.taking import Counts, Reals, Take, joined


class Slots:
    """What scratchpads hold: regions of operands, psums, and psums that wait.

    Parameters
    ----------
    kernel, spec
        What is mapped, onto what.
    regions
        For each operand the bytes of its region.
    psums
        Bytes of a tile's psums, if the kernel has any; they have as many slots as the output.
    waiting
        Bytes of the psums that wait in the output's scratchpad, if any do.
    """

    def __init__(
        self,
        kernel: Kernel,
        spec: AcceleratorSpec,
        regions: Sequence[Counts],
        psums: Counts | None,
        waiting: Counts | None = None,
    ) -> None:
        last = len(regions) - 1
        sizes: list[tuple[int | None, str, Counts]] = [
            (number, what.scratchpad, region)
            for number, (what, region) in enumerate(zip(kernel.operands, regions, strict=True))
            if number < last or not is_copy(kernel)
        ]
        if psums is not None:
            sizes.append((last, "psum", psums))
        if waiting is not None:
            sizes.append((None, "output", waiting))
        #: Number of the operand that says how many slots there are, scratchpad, bytes of a slot.
        self._slots = [
            (number, pad.name, -(-size // pad.alignment_bytes) * pad.alignment_bytes)
            for number, operand, size in sizes
            for pad in (spec.scratchpad_of(operand),)
        ]

    def required_bytes(self, buffers: Sequence[Counts | None]) -> dict[str, Counts]:
        """Return scratchpad name to the bytes that are needed in it.

        ``buffers`` are the slots of each operand, None for one.
        """
        required: dict[str, Any] = {}
        for number, pad, size in self._slots:
            slots = None if number is None else buffers[number]
            whole = size if slots is None else size * slots
            required[pad] = required[pad] + whole if pad in required else whole
        return required


class HeldOperand(NamedTuple):
    """An operand of many nests, held at a depth.

    Parameters
    ----------
    region, first
        Bytes of its largest region, and of the first strip that comes.
    moves
        How often its region is moved.
    strips
        Different parts that the tiles of a region use.
    traffic
        Bytes moved.
    bursts
        Bytes on a memory's bus for each of them; None where it moves any number.
    """

    region: Counts
    first: Counts
    moves: Counts
    strips: Counts
    traffic: Counts
    bursts: Reals | None

    @classmethod
    def of(
        cls,
        nests: Nests,
        operand: OperandMap,
        depth: int,
        spec: AcceleratorSpec,
        without: frozenset[int] = frozenset(),
    ) -> HeldOperand:
        """Return what holding an operand at a depth means; what is kept needs nothing more.

        It is only used in the first turns of loops over the dimensions in ``without``.
        """
        region = region_bytes(nests, operand, depth)
        if operand.is_kept:
            one = np.ones(1, np.int64)
            return cls(
                region=region, first=region, moves=one, strips=one, traffic=region, bursts=None
            )
        first = region_bytes(nests, operand, nests.depth)
        strips = nests.distinct(operand, nests.depth) // nests.distinct(operand, depth)
        is_whole = _comes_whole(nests, operand, depth)
        if is_whole is not None:
            first, strips = np.where(is_whole, region, first), np.where(is_whole, 1, strips)
        return cls(
            region=region,
            first=first,
            moves=nests.moves(operand, depth, without),
            strips=strips,
            traffic=nests.sweep_bytes(operand, depth) * nests.repeats(operand, depth, without),
            bursts=burst_factor(operand, nests, depth, spec),
        )

    @property
    def bus_bytes(self) -> Counts | Reals:
        """Bytes on a memory's bus for all that is moved."""
        return self.traffic if self.bursts is None else self.traffic * self.bursts

    @property
    def first_bus_bytes(self) -> Counts | Reals:
        """Bytes on a memory's bus for the first strip."""
        return self.first if self.bursts is None else self.first * self.bursts

    def taken(self, take: Take) -> HeldOperand:
        """Return the same of some of the nests."""
        return HeldOperand(
            region=take(self.region),
            first=take(self.first),
            moves=take(self.moves),
            strips=take(self.strips),
            traffic=take(self.traffic),
            bursts=None if self.bursts is None else take(self.bursts),
        )

    @classmethod
    def joined(cls, parts: Sequence[HeldOperand], counts: Sequence[int]) -> HeldOperand:
        """Return the same operand of several lists of nests, with so many in each."""
        region, first, moves, strips, traffic = (
            joined(column, counts) for column in zip(*(part[:-1] for part in parts), strict=True)
        )
        bursts = [part.bursts for part in parts if part.bursts is not None]
        return cls(
            region=region,
            first=first,
            moves=moves,
            strips=strips,
            traffic=traffic,
            bursts=joined(bursts, counts) if bursts else None,
        )


def region_bytes(nests: Nests, operand: OperandMap, depth: int) -> Counts:
    """Return the bytes of an operand's largest region; what is kept needs nothing more."""
    return np.zeros(1, np.int64) if operand.is_kept else nests.box_bytes(operand, depth)


def filled_bytes(nests: Nests, operand: OperandMap, depth: int, traffic: Counts) -> Counts:
    """Return the bytes that loads write into a scratchpad: what they move, and padding.

    ``traffic`` is what they move of an operand that is held at a depth.
    """
    if operand.is_kept or not any(padding_of(x, nests.kernel.extents) for x in operand.axes):
        return traffic
    once = nests.sweep_bytes(operand, depth, with_padding=True)
    return once * nests.repeats(operand, depth)


def _comes_whole(nests: Nests, operand: OperandMap, depth: int) -> NDArray[np.bool_] | None:
    """Return where a region doesn't come in strips, as in `mapper.residence.Residence`.

    None where every region does.
    """
    windows = [axis for axis in operand.axes if len(axis.terms) > 1]
    if not windows or depth == nests.depth:
        return None
    axes: Any = 0
    by_taps: Any = np.False_
    for axis in windows:
        cut = sum(
            (nests.size(nests.depth, d) < nests.size(depth, d)).astype(np.int64)
            for d, _ in axis.terms
        )
        axes = axes + (cut > 0)
        by_taps = by_taps | (cut > 1)
    result: NDArray[np.bool_] = by_taps | (axes > 1)
    return result


def psum_bytes(nests: Nests) -> Counts | None:
    """Return the bytes of a tile's psums, if the kernel has any."""
    if not isinstance(nests.kernel.body, Contraction):
        return None
    return _psums_at(nests, nests.depth)


def waiting_bytes(nests: Nests, depth: int) -> Counts | None:
    """Return the bytes of psums that wait where the output is held at a depth, if any do."""
    if depth == nests.depth or not isinstance(nests.kernel.body, Contraction):
        return None
    return _psums_at(nests, depth)


def _psums_at(nests: Nests, depth: int) -> Counts:
    numbers = nests.kernel.numbers(Role.GROUP, Role.M, Role.N)
    one = np.asarray(accumulator_bytes(nests.kernel), dtype=np.int64)
    return prod((nests.size(depth, d) for d in numbers), start=one)


def accumulator_bytes(kernel: Kernel) -> int:
    """Return the bytes of a psum."""
    return DTYPES[kernel.inputs[0].dtype.accumulator].size_bytes


def is_copy(kernel: Kernel) -> bool:
    """Whether the output's tile is the input's tile: nothing is computed on the way."""
    return isinstance(kernel.body, Copy)


def burst_factor(
    operand: OperandMap, nests: Nests, depth: int, spec: AcceleratorSpec
) -> Reals | None:
    """Return the bytes on a memory's bus for each byte of an operand's parts at a depth.

    None where a memory moves any number of bytes. A DRAM moves whole bursts. A part's runs of
    contiguous bytes begin anywhere in a burst, unless runs and what lies between their starts are
    whole bursts themselves.
    # Approximation: bursts that two runs share count for both; tensors start at a burst.
    """
    memory = memory_of(operand, spec)
    if memory.dram is None:
        return None
    burst, element = memory.dram.transaction_bytes, operand.dtype.size_bytes
    run = np.asarray(element)
    pitch = np.asarray(element)
    is_whole = np.ones((), dtype=np.bool_)
    stride = element
    for axis in reversed(operand.axes):
        step = axis_step(axis, nests.kernel.extents)
        box = 1 + sum((c // step * (nests.size(depth, d) - 1) for d, c in axis.terms), start=0)
        joined = is_whole & (step == 1)
        run = np.where(joined, run * np.minimum(box, axis.size), run)
        pitch = np.where(is_whole & (box > 1), stride * (axis.size if step == 1 else step), pitch)
        is_whole = joined & (box >= axis.size)
        stride *= axis.size
    is_aligned = (run % burst == 0) & (pitch % burst == 0)
    factor: Reals = np.where(is_aligned, 1.0, (run - element + burst) / run)
    return factor


def memory_of(operand: OperandMap, spec: AcceleratorSpec) -> MemorySpec:
    """Return the main memory that an operand's tensor lives in."""
    return spec.memory_of("parameters" if operand.is_parameter else "activations")
