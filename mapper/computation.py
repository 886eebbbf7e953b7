"""Scripts of kernels that compute: on the array, or on the vector unit alone."""

from __future__ import annotations

from array import array

from mapper.core_units import CoreUnits
from mapper.kernel import Kernel, OperandMap, axis_step
from mapper.mapping import Mapping, results_of, tiling_of
from mapper.moves import StripParts, TileParts, Woven
from mapper.residence import tiled_windows
from mapper.strips import Strips
from mapper.tile_work import KernelWork, TileWork
from mapper.tiling import NONE, Axes, Tiling
from mapper.weave import Weaver


def axes_of(kernel: Kernel, operand: OperandMap) -> Axes:
    """Return the axes of one of a kernel's operands."""
    extents = kernel.extents
    axes = [(axis.offset, axis_step(axis, extents), axis.size, axis.terms) for axis in operand.axes]
    return Axes(axes, operand.dtype.size_bytes)


class Computation:
    """A kernel that computes, and what its mappings share.

    Parameters
    ----------
    kernel, units
        What is computed, and by what.
    """

    def __init__(self, kernel: Kernel, units: CoreUnits) -> None:
        self.kernel = kernel
        self._work = KernelWork(kernel, units)
        self._inputs = [axes_of(kernel, operand) for operand in kernel.inputs]
        self._output = axes_of(kernel, kernel.output)
        dimensions = range(len(kernel.dimensions))
        self._depends = [
            [d for d in dimensions if operand.depends_on(d)] for operand in kernel.inputs
        ]
        self._memories = array("q", [units.memory(operand) for operand in kernel.inputs])
        self._stored_in = array("q", [units.memory(kernel.output)])

    def woven(self, mapping: Mapping) -> Woven:
        """Return the script of the kernel in a mapping."""
        kernel, is_product = self.kernel, self._work.is_product
        tiling = tiling_of(kernel, mapping)
        every = tiling.every()
        results = results_of(kernel, tiling) if is_product else every
        first_vector = 2 if is_product else 0
        uses = [every] * first_vector + [results] * (len(kernel.inputs) - first_vector)
        strips = [self._strips(n, mapping, tiling, own) for n, own in enumerate(uses)]
        work = TileWork(self._work, mapping, tiling, strips, uses, results)
        weaver = Weaver()
        weaver.compute(
            tiling.count,
            results,
            strips[:first_vector],
            strips[first_vector:],
            work.products,
            work.cycles,
        )
        buffers = mapping.num_buffers[-1]
        tokens = [0, 0] * len(strips) + [0, buffers] * (2 if is_product else 1)
        script = weaver.script(
            memories=weaver.memories(self._memories),
            stored=self._output.tile_bytes(tiling, results),
            stored_in=self._stored_in * len(results),
            tokens=tokens,
            products=[value for row in work.rows for value in row],
        )
        return Woven(
            script=script,
            loads=weaver.loads.numbers(),
            loaded=tuple(
                StripParts(kernel, operand, own)
                for operand, own in zip(kernel.inputs, strips, strict=True)
            ),
            stored=TileParts(kernel, kernel.output, tiling, results),
            operands=tuple(operand.operand for operand in kernel.inputs),
            sum_up=work.amount,
        )

    def _strips(self, number: int, mapping: Mapping, tiling: Tiling, uses: array[int]) -> Strips:
        """Return the strips of an input for the tiles that use it."""
        tiled = tiled_windows(self.kernel, number, mapping)
        return Strips(
            tiling,
            uses,
            self._inputs[number],
            held=mapping.held[number],
            buffers=mapping.num_buffers[number],
            depends=self._depends[number],
            sliding=next(iter(tiled), NONE),
            # Tiles that overlap along several axes, or by their taps, don't part a region in
            # strips.
            comes_whole=len(tiled) > 1 or any(count > 1 for count in tiled.values()),
        )
