"""Rounds: pieces of work that run side by side on some cores, and what they take."""

from __future__ import annotations

from collections.abc import Mapping as Dictionary
from collections.abc import Sequence
from typing import NamedTuple

from accel.replay import Replay
from accel.spec import AcceleratorSpec
from mapper.lower import lower
from mapper.operands import Placement
from mapper.pipeline import Pipeline, is_plain, replay
from mapper.side_by_side import Core, Moved, SideBySide
from mapper.stages import Piece
from mapper.written import written

#: Role of each operand of a layer to where its tensor lives.
Places = Dictionary[str, Placement]


class Ran(NamedTuple):
    """The cycles until all has landed, the queues of all cores afterwards, and what was moved."""

    cycles: int
    queues: Replay
    moved: Moved


class Rounds:
    """Scripts of pieces, and their time on a machine whatever its memories.

    Parameters
    ----------
    spec
        The machine.
    """

    def __init__(self, spec: AcceleratorSpec) -> None:
        self._spec = spec
        self._pipeline = Pipeline(spec)

    def cores(
        self,
        pieces: Sequence[Piece],
        places: Sequence[Places],
        free_bytes: Dictionary[str, int],
    ) -> list[Core]:
        """Return what each core runs.

        Parameters
        ----------
        pieces
            What runs side by side.
        places
            Those of each layer's operands, by `Piece.layer`.
        free_bytes
            Scratchpad name to bytes from its start that tiles may take.
        """
        return [self._core(piece, places[piece.layer], free_bytes) for piece in pieces]

    def run(self, cores: Sequence[Core]) -> Ran:
        """Run cores side by side, which are in the order of their numbers."""
        if is_plain(self._spec):
            queues = replay(self._spec, [core.woven.script for core in cores])
            return Ran(queues.run(), queues, Moved.of(cores))
        together = SideBySide(self._spec, cores)
        return Ran(together.run(), together.queues, together.moved)

    def _core(self, piece: Piece, places: Places, free_bytes: Dictionary[str, int]) -> Core:
        """Return what a piece runs; tensors that stay and psums that wait need its program."""
        kernels, mappings = piece.kernels, piece.mappings
        addresses = {role: place.address for role, place in places.items()}
        is_kept = any(operand.is_kept for kernel in kernels for operand in kernel.operands)
        if not is_kept and not any(mapping.psums_wait for mapping in mappings):
            woven = self._pipeline.woven(kernels, mappings)
            return Core(number=piece.core, woven=woven, addresses=addresses)
        nothing = {memory.name: 0 for memory in self._spec.memories}
        program = lower(kernels, mappings, self._spec, places, nothing, free_bytes, piece.core)
        script = written(program, self._spec)[piece.core]
        return Core(number=piece.core, woven=script, addresses=addresses)
