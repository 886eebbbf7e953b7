"""Lowering of groups: what layers pass on stays in scratchpads, ordered by semaphores."""

from __future__ import annotations

from collections.abc import Mapping as Dictionary
from collections.abc import Sequence

from accel.spec import AcceleratorSpec
from isa.instruction import Queue
from isa.program import Program
from mapper.buffers import Buffer
from mapper.emitters import Emitter, emitter_of
from mapper.group import GroupMapping, Passage, Steps, member_tiles
from mapper.kernel import Contraction, Kernel
from mapper.operands import Placement, Transfers
from mapper.rings import Flag, ProgramBuilder


def lower_group(
    steps: Steps,
    mapping: GroupMapping,
    spec: AcceleratorSpec,
    placements: Sequence[Dictionary[str, Placement]],
    memory_bytes: Dictionary[str, int],
    free_bytes: Dictionary[str, int],
    placed: Dictionary[str, int] | None = None,
) -> Program:
    """Return the program of a group.

    Parameters
    ----------
    steps, mapping
        What it computes, and how.
    spec
        The machine.
    placements
        For each member, role of each operand to where its tensor lives.
    memory_bytes, free_bytes, placed
        As in `mapper.lower.lower`; of several members the first one's ring is placed.
    """
    builder = ProgramBuilder(spec, memory_bytes, free_bytes, placed=placed)
    passages = _passages(steps, builder)
    group = steps.group
    emitters: list[Emitter] = []
    for number, (member, own) in enumerate(zip(group.members, mapping.mappings, strict=True)):
        passed = {role: passages[p].view() for role, p in member.reads.items()}
        if member.writes is not None:
            passed["output"] = passages[member.writes].view()
        transfers = Transfers(builder, placements[number], passed)
        tiles = member_tiles(steps, number, own)
        emitters.append(emitter_of(transfers, member.kernel, own, tiles))
        for view in passed.values():
            view.member = number
    count, last = len(steps.tiles), max(member.lag for member in group.members)
    for turn in range(count + last):
        for number, (member, emitter) in enumerate(zip(group.members, emitters, strict=True)):
            step = turn - member.lag
            if 0 <= step < count:
                used = [passages[p] for p in dict.fromkeys(member.reads.values())]
                written = [passages[member.writes]] if member.writes is not None else []
                for passage in used:
                    passage.begin_read(number, step)
                for passage in written:
                    passage.begin_write(number, step)
                emitter.emit(step)
                for passage in written:
                    passage.end_write()
                for passage in used:
                    passage.end_read(number, step)
    return builder.program()


def _passages(steps: Steps, builder: ProgramBuilder) -> list[_Passage]:
    buffers = steps.buffers
    assert buffers is not None, "a group that is mapped has its passages in scratchpads"
    kernels = [member.kernel for member in steps.group.members]
    return [
        _Passage(builder, passage, buffer, kernels, [boxes[number] for boxes in steps.boxes])
        for number, (passage, buffer) in enumerate(zip(steps.group.passages, buffers, strict=True))
    ]


class _View:
    """A passage as one member sees it: its current step's."""

    def __init__(self, passage: _Passage) -> None:
        self._passage = passage
        self.member = -1

    @property
    def buffer(self) -> Buffer:
        """How a step's box lies in the scratchpad."""
        return self._passage.buffer

    def address(self) -> tuple[int, int]:
        """Return space and address of the step's box."""
        return self._passage.slot(self._passage.step_of[self.member])

    def first(self) -> tuple[int, ...]:
        """Return the tensor's index of the box's first element."""
        return self._passage.first(self._passage.step_of[self.member])


class _Passage:
    """The slots of a passage, and the semaphores that order who writes and reads them.

    The vector unit writes them, and what it reads itself is in order. The array waits for what it
    reads, and says when it has read it; where there is a border a load writes it first.
    """

    def __init__(
        self,
        builder: ProgramBuilder,
        passage: Passage,
        buffer: Buffer,
        kernels: Sequence[Kernel],
        boxes: Sequence[Sequence[tuple[int, int]]],
    ) -> None:
        self.buffer = buffer
        self.step_of: dict[int, int] = {}
        self._passage = passage
        self._boxes = boxes
        self._transfers = Transfers(builder, {})
        self._space, self._address = builder.reserve(
            passage.scratchpad, passage.slots * buffer.size_bytes
        )
        by_array = [n for n in passage.readers if isinstance(kernels[n].body, Contraction)]
        by_vector = [n for n in passage.readers if n not in by_array]
        writer = Queue.LOAD if buffer.has_border else Queue.VECTOR
        self._border: Flag | None = None
        if buffer.has_border:
            self._border = builder.flag("border_ready", Queue.LOAD, Queue.VECTOR)
        #: The last reader of each unit, and the flag with which it frees a slot.
        self._frees: dict[int, Flag] = {}
        self._ready: Flag | None = None
        if by_array:
            self._ready = builder.flag("passed_ready", Queue.VECTOR, Queue.MATRIX)
            self._frees[by_array[-1]] = builder.flag("passed_free", Queue.MATRIX, writer)
        if by_vector and buffer.has_border:
            self._frees[by_vector[-1]] = builder.flag("passed_free", Queue.VECTOR, writer)
        self._first_by_array = by_array[0] if by_array else None

    def view(self) -> _View:
        """Return the passage for a member."""
        return _View(self)

    def slot(self, step: int) -> tuple[int, int]:
        """Return space and address of a step's box."""
        return self._space, self._address + step % self._passage.slots * self.buffer.size_bytes

    def first(self, step: int) -> tuple[int, ...]:
        """Return the tensor's index of the first element of a step's box."""
        return tuple(low for low, _ in self._boxes[step])

    def begin_write(self, member: int, step: int) -> None:
        """Wait until a step's slot is free, and write the border."""
        self.step_of[member] = step
        if step >= self._passage.slots:
            for free in self._frees.values():
                free.wait()
        if self._border is not None:
            self._transfers.fill(*self.slot(step), self.buffer)
            self._border.signal()
            self._border.wait()

    def end_write(self) -> None:
        """Say that a step's box is there."""
        if self._ready is not None:
            self._ready.signal()

    def begin_read(self, member: int, step: int) -> None:
        """Wait for a step's box."""
        self.step_of[member] = step
        if self._ready is not None and member == self._first_by_array:
            self._ready.wait()

    def end_read(self, member: int, step: int) -> None:
        """Say that a step's box has been read, if somebody waits for its slot."""
        if member in self._frees and step + self._passage.slots < len(self._boxes):
            self._frees[member].signal()
