"""The time of a mapped kernel on one core, exact for memories of bandwidth and latency.

A program's time is that of its *script* (`accel.script`): which queue waits for what, how long each
instruction takes, how many bytes each transfer moves. `Pipeline` writes the script straight from
arrays of tiles, without lowering, and `accel.replay` runs it.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from functools import cache
from math import gcd, inf
from typing import assert_never

from accel.replay import Outside, Pace, Replay
from accel.script import Script
from accel.spec import AcceleratorSpec
from accel.units import FS_PER_SECOND
from mapper.computation import Computation, axes_of
from mapper.core_units import CoreUnits
from mapper.kernel import Contraction, Copy, Kernel, Lookup, OperandMap, VectorBody
from mapper.lower import copy_slots
from mapper.mapping import Mapping, tiling_of
from mapper.moves import ChainedParts, RowParts, TileParts, Woven
from mapper.weave import Weaver


def is_plain(spec: AcceleratorSpec) -> bool:
    """Whether all main memories have bandwidth and latency, and nothing lies before them."""
    has_dram = any(memory.dram is not None for memory in spec.memories)
    return spec.network is None and spec.shared_buffer is None and not has_dram


class Pipeline:
    """Scripts and times of mapped kernels on a core of a machine.

    Parameters
    ----------
    spec
        The machine.
    """

    def __init__(self, spec: AcceleratorSpec) -> None:
        self._spec = spec
        self._units = CoreUnits(spec)
        self._last: Computation | None = None

    def cycles(self, kernels: Sequence[Kernel], mappings: Sequence[Mapping]) -> int:
        """Return the cycles of a layer's kernels, or of a piece of them.

        Parameters
        ----------
        kernels, mappings
            As in `mapper.lower.lower`.
        """
        return replay(self._spec, [self.woven(kernels, mappings).script]).run()

    def woven(self, kernels: Sequence[Kernel], mappings: Sequence[Mapping]) -> Woven:
        """Return the script of what `mapper.lower.lower` makes of kernels and mappings."""
        match kernels[0].body:
            case Contraction() | VectorBody():
                return self._computation(kernels[0]).woven(mappings[0])
            case Copy():
                return self._copied(kernels, mappings)
            case Lookup() as body:
                return self._looked_up(kernels[0], mappings[0], body)
            case unknown:
                assert_never(unknown)

    def _computation(self, kernel: Kernel) -> Computation:
        """Return what mappings of a kernel share: many of one kernel come in a row."""
        if self._last is None or self._last.kernel is not kernel:
            self._last = Computation(kernel, self._units)
        return self._last

    def _copied(self, kernels: Sequence[Kernel], mappings: Sequence[Mapping]) -> Woven:
        _, slots = copy_slots(kernels, mappings, self._units.builder)
        loaded, memories, stored = array("q"), array("q"), array("q")
        sources, targets = [], []
        for kernel, mapping in zip(kernels, mappings, strict=True):
            (source,), target = kernel.inputs, kernel.output
            tiling = tiling_of(kernel, mapping)
            every = tiling.every()
            loaded += axes_of(kernel, source).tile_bytes(tiling, every)
            memories += self._memory(source) * tiling.count  # one may be learned, others not
            stored += axes_of(kernel, target).tile_bytes(tiling, every)
            sources.append((TileParts(kernel, source, tiling, every), tiling.count))
            targets.append((TileParts(kernel, target, tiling, every), tiling.count))
        weaver = Weaver()
        weaver.copy(loaded)
        script = weaver.script(
            memories=memories,
            stored=stored,
            stored_in=self._memory(kernels[0].output) * len(stored),
            tokens=[0, slots],
        )
        return Woven(
            script=script,
            loads=weaver.loads.numbers(),
            loaded=(ChainedParts(sources),),
            stored=ChainedParts(targets),
            operands=(kernels[0].inputs[0].operand,),
        )

    def _looked_up(self, kernel: Kernel, mapping: Mapping, body: Lookup) -> Woven:
        tiling = tiling_of(kernel, mapping)
        every = tiling.every()
        (indices,) = kernel.inputs
        row_bytes = body.table.axes[-1].size * body.table.dtype.size_bytes
        rows = [tiling.size(tile)[0] for tile in every]
        weaver = Weaver()
        weaver.look_up(
            axes_of(kernel, indices).tile_bytes(tiling, every),
            array("q", [count * row_bytes for count in rows]),
        )
        index_slots, row_slots = mapping.num_buffers
        script = weaver.script(
            memories=weaver.memories(self._memory(indices) + self._memory(body.table)),
            stored=axes_of(kernel, kernel.output).tile_bytes(tiling, every),
            stored_in=self._memory(kernel.output) * tiling.count,
            tokens=[0, index_slots, 0, row_slots],
        )
        return Woven(
            script=script,
            loads=weaver.loads.numbers(),
            loaded=(TileParts(kernel, indices, tiling, every), RowParts(body.table, rows)),
            stored=TileParts(kernel, kernel.output, tiling, every),
            operands=(indices.operand, body.table.operand),
        )

    def _memory(self, operand: OperandMap) -> array[int]:
        return array("q", [self._units.memory(operand)])


def replay(
    spec: AcceleratorSpec, cores: Sequence[Script], outside: Outside | None = None
) -> Replay:
    """Return a machine's queues, ready to run scripts side by side."""
    return Replay(
        _pace(spec.clock_hz),
        spec.dma.outstanding,
        [_pace(memory.bandwidth_bytes_per_s) for memory in spec.memories],
        [memory.latency_fs for memory in spec.memories],
        cores,
        outside,
    )


@cache
def _pace(per_second: float) -> Pace:
    """Return the time of a cycle, or of a byte, in femtoseconds."""
    if per_second == inf:
        return Pace(0, 1)
    common = gcd(FS_PER_SECOND, int(per_second))
    return Pace(FS_PER_SECOND // common, int(per_second) // common)
