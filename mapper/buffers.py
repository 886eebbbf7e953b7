"""Buffers: tensors, or boxes of them, that stay in a scratchpad between layers.

Layers see one tensor in shapes of their own: a convolution writes groups and channels apart, the
next one reads them as channels; a reshape splits rows into heads. A buffer's axes are fine enough
for all of them: an axis of a view is one of its axes, or several that lie next to each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import prod

from mapper.kernel import Axis, Kernel, OperandMap, Role


def common_axes(shapes: Sequence[Sequence[int]]) -> tuple[int, ...] | None:
    """Return the coarsest row-major shape of which all shapes are joined axes; None if none is.

    >>> common_axes([(6, 4), (2, 12), (24,)])
    (2, 3, 4)
    """
    ends = {1}
    for shape in shapes:
        size = 1
        for extent in reversed(shape):
            size *= extent
            ends.add(size)
    ordered = sorted(ends)
    if any(outer % inner for inner, outer in pairwise(ordered)):
        return None
    return tuple(outer // inner for inner, outer in reversed(list(pairwise(ordered)))) or (1,)


def axis_runs(axes: Sequence[int], shape: Sequence[int]) -> list[list[int]]:
    """Return for each axis of a view the numbers of the axes that it joins; none where it is 1."""
    runs: list[list[int]] = []
    number = 0
    for extent in shape:
        run: list[int] = []
        while prod(axes[n] for n in run) < extent:
            run.append(number)
            number += 1
        assert prod(axes[n] for n in run) == extent, "the axes are fine enough for the view"
        runs.append(run)
    return runs


def crossings(axes: Sequence[int], shape: Sequence[int]) -> list[list[Range]]:
    """Return for each axis of a view the axes that it lies along, and its size along each.

    A view may part axes as well as join them.
    """
    fine = common_axes([axes, shape])
    assert fine is not None, "a view's axes and a buffer's have a common form"
    owner = {n: number for number, run in enumerate(axis_runs(fine, axes)) for n in run}
    found = []
    for run in axis_runs(fine, shape):
        sizes: dict[int, int] = {}
        for n in run:
            if n in owner:
                sizes[owner[n]] = sizes.get(owner[n], 1) * fine[n]
        found.append(list(sizes.items()))
    return found


Range = tuple[int, int]

#: Roles of dimensions that may become several: a product has one N, and sums have an order.
_FREE = (Role.GROUP, Role.M, Role.PARALLEL)


def to_axes(axes: Sequence[int], shape: Sequence[int], ranges: Sequence[Range]) -> list[Range]:
    """Return the smallest box along the axes that holds a box of a view.

    Ranges are from a first index up to, not including, a last one; along an axis of the view that
    is a single axis they may lie outside of the tensor.
    """
    box: list[Range] = [(0, extent) for extent in axes]
    for (low, high), run in zip(ranges, axis_runs(axes, shape), strict=True):
        if len(run) == 1:
            box[run[0]] = (low, high)
            continue
        size = prod(axes[n] for n in run)
        low, high = max(0, low), min(size, high)
        for place, n in enumerate(run):
            inner = prod(axes[m] for m in run[place + 1 :])
            first, last = low // inner, (high - 1) // inner
            box[n] = (first, last + 1)
            if first != last:
                break
            low, high = low - first * inner, high - first * inner
    return box


def to_view(axes: Sequence[int], shape: Sequence[int], box: Sequence[Range]) -> list[Range]:
    """Return the smallest box of a view that holds a box along the axes."""
    ranges = []
    for run in axis_runs(axes, shape):
        low, last = 0, 0
        for n in run:
            low, last = low * axes[n] + box[n][0], last * axes[n] + box[n][1] - 1
        ranges.append((low, last + 1))
    return ranges


@dataclass(frozen=True, slots=True, kw_only=True)
class Buffer:
    """A box of a tensor in a scratchpad, dense, with a border.

    Parameters
    ----------
    scratchpad
        Name.
    axes
        The tensor's size along each axis.
    before, after
        Elements of border.
    extents
        Elements of the box along each axis, border included.
    element_bytes
        Of one element.
    fill
        Value of the border, as an unsigned integer.
    """

    scratchpad: str
    axes: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]
    extents: tuple[int, ...]
    element_bytes: int
    fill: int = 0

    @property
    def strides(self) -> tuple[int, ...]:
        """Bytes per step along each axis."""
        strides = [self.element_bytes]
        for extent in reversed(self.extents[1:]):
            strides.append(strides[-1] * extent)
        return tuple(reversed(strides))

    @property
    def size_bytes(self) -> int:
        """Bytes of the box."""
        return prod(self.extents) * self.element_bytes

    @property
    def has_border(self) -> bool:
        """Whether something must be written around the tensor."""
        return any(self.before) or any(self.after)

    def view_strides(self, shape: Sequence[int]) -> tuple[int, ...]:
        """Return the bytes per step along each axis of a view, which may part axes further."""
        fine = common_axes([self.axes, shape])
        assert fine is not None, "a view's axes and a buffer's have a common form"
        strides = [0] * len(fine)
        for run, stride in zip(axis_runs(fine, self.axes), self.strides, strict=True):
            for n in reversed(run):
                strides[n] = stride
                stride *= fine[n]
        return tuple(strides[run[-1]] if run else 0 for run in axis_runs(fine, shape))

    def iteration_strides(self, operand: OperandMap, dimensions: int) -> tuple[int, ...]:
        """Return the bytes per step of each dimension of an operand's kernel."""
        result = [0] * dimensions
        steps = self.view_strides([axis.size for axis in operand.axes])
        for axis, step in zip(operand.axes, steps, strict=True):
            for dimension, coefficient in axis.terms:
                result[dimension] += coefficient * step
        return tuple(result)

    def offset_bytes(self, operand: OperandMap, low: Sequence[int], first: Sequence[int]) -> int:
        """Return the place of the element that an operand has at ``low``.

        ``first`` is the tensor's index, along each axis, of the box's first element.
        """
        steps = self.view_strides([axis.size for axis in operand.axes])
        place = sum(
            step * (axis.offset + sum(c * low[d] for d, c in axis.terms))
            for axis, step in zip(operand.axes, steps, strict=True)
        )
        return place - sum(a * b for a, b in zip(first, self.strides, strict=True))


def fitted(kernel: Kernel, role: str, buffer: Buffer) -> Kernel | None:
    """Return a kernel as loops that reach into a buffer; None where none can.

    Elements on both sides of a border aren't neighbours: a dimension that runs across one becomes
    several.
    """
    bordered = [n for n in range(len(buffer.axes)) if buffer.before[n] or buffer.after[n]]
    return parted(kernel, role, buffer.axes, bordered)


def parted(kernel: Kernel, role: str, axes: Sequence[int], numbers: Sequence[int]) -> Kernel | None:
    """Return a kernel in which no dimension of an operand runs across some axes of its tensor.

    None where a dimension does that can't become several.
    """
    for operand in kernel.operands:
        if operand.role != role:
            continue
        crossed = crossings(axes, [axis.size for axis in operand.axes])
        for axis, along in zip(operand.axes, crossed, strict=True):
            if any(n in numbers for n, _ in along[1:]):
                found = _parted(kernel, axis, [size for _, size in along])
                return parted(found, role, axes, numbers) if found is not None else None
    return kernel


def _parted(kernel: Kernel, axis: Axis, sizes: Sequence[int]) -> Kernel | None:
    """Return a kernel in which the only dimension along an axis is several, outermost first."""
    if len(axis.terms) != 1:
        return None
    ((number, _),) = axis.terms
    first = kernel.dimensions[number]
    if first.role not in _FREE:
        return None
    whole = Axis(size=first.extent, terms=((number, 1),))
    along = [a for operand in kernel.operands for a in operand.axes if operand.depends_on(number)]
    if any(a != whole for a in along if any(d == number for d, _ in a.terms)):
        return None
    more = len(sizes) - 1

    def moved(operand: OperandMap) -> OperandMap:
        axes: list[Axis] = []
        for one in operand.axes:
            if one == whole:
                axes += [Axis(size=size, terms=((number + n, 1),)) for n, size in enumerate(sizes)]
            else:
                terms = tuple((d + more * (d > number), c) for d, c in one.terms)
                axes.append(replace(one, terms=terms))
        return replace(operand, axes=tuple(axes))

    parts = [replace(first, name=f"{first.name}.{n}", extent=size) for n, size in enumerate(sizes)]
    return replace(
        kernel,
        dimensions=(*kernel.dimensions[:number], *parts, *kernel.dimensions[number + 1 :]),
        inputs=tuple(map(moved, kernel.inputs)),
        output=moved(kernel.output),
    )
