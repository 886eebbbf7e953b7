"""Splits: into which parts a kernel can be cut so that cores work on them side by side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations, product
from math import prod

from foundation.dtype import DTYPES
from mapper.kernel import (
    Axis,
    Contraction,
    Dimension,
    Kernel,
    OperandMap,
    Role,
    VectorBody,
)
from mapper.parts import piece_of

#: Along what a product may be cut, as users name it: its rows, columns, sum, or groups.
AXES = {"m": Role.M, "n": Role.N, "k": Role.K, "groups": Role.GROUP}
#: What a user can ask for: the best split, or one along a single axis.
CHOICES = ("auto", *AXES)
_WAYS = sorted({factor << i for i in range(12) for factor in (1, 3)} - {1})
#: Role of the tensor of partial sums, which a split along K needs.
PARTIAL = "partial"


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """How a kernel is cut into nearly equal parts, one for each core.

    Parameters
    ----------
    ways
        Pairs of (number of a dimension, parts along it); none where one core does all.
    """

    ways: tuple[tuple[int, int], ...] = ()

    @property
    def parts(self) -> int:
        """Number of parts."""
        return prod(ways for _, ways in self.ways)

    def along_k(self, kernel: Kernel) -> int:
        """Return into how many parts the sum is cut: 1 if none has partial sums."""
        return prod(ways for d, ways in self.ways if kernel.dimensions[d].role is Role.K)

    def largest_extents(self, kernel: Kernel) -> tuple[int, ...]:
        """Return the size of the first part: no other is larger."""
        ways = dict(self.ways)
        return tuple(-(-e // ways.get(d, 1)) for d, e in enumerate(kernel.extents))

    def label(self, kernel: Kernel) -> str:
        """Return the split in words: ``4 cores along OC: 4 x 128``."""
        if not self.ways:
            return "1 core"
        sizes = []
        for d, ways in self.ways:
            dimension = kernel.dimensions[d]
            most = -(-dimension.extent // ways)
            bound = "" if dimension.extent % ways == 0 else "up to "
            sizes.append((dimension.name, f"{ways} x {bound}{most}"))
        names, counts = zip(*sizes, strict=True)
        return f"{self.parts} cores along {' and '.join(names)}: {', '.join(counts)}"


def splits(kernel: Kernel, cores: int, choice: str) -> list[Split]:
    """Return the splits of a kernel over at most ``cores`` cores, the whole kernel first.

    A kernel is cut along one dimension or two. Where a user's choice doesn't apply, as for a vector
    function, all splits are returned.
    """
    whole = [Split()]
    if cores == 1:
        return whole
    dimensions = _dimensions(kernel)
    if choice in AXES and isinstance(kernel.body, Contraction):
        dimensions = [d for d in dimensions if kernel.dimensions[d].role is AXES[choice]]
        whole = whole if not dimensions else []
    extents = kernel.extents
    ways = {d: _numbers_of_parts(extents[d], cores) for d in dimensions}
    single = [Split(ways=((d, count),)) for d in dimensions for count in ways[d]]
    double = [
        Split(ways=((first, some), (second, others)))
        for first, second in combinations(dimensions, 2)
        for some in ways[first]
        for others in ways[second]
        if some * others <= cores
    ]
    return [*whole, *single, *double]


def _numbers_of_parts(extent: int, cores: int) -> list[int]:
    """Return into how many parts a dimension is cut: 2^i, 3 · 2^i, and as many as can be."""
    most = min(extent, cores)
    return sorted({ways for ways in _WAYS if ways < most} | {most})


def _dimensions(kernel: Kernel) -> list[int]:
    """Return the dimensions that can be cut: of a sum only the longest, its channels."""
    numbers = [
        number
        for number in kernel.numbers(Role.GROUP, Role.M, Role.N, Role.PARALLEL)
        if kernel.extents[number] > 1
    ]
    reduced = max(kernel.numbers(Role.K), key=lambda d: kernel.extents[d], default=None)
    if reduced is not None and kernel.extents[reduced] > 1:
        numbers.append(reduced)
    return numbers


def divided(kernel: Kernel, split: Split) -> Iterator[Kernel]:
    """Yield the parts of a kernel, the largest first; those of a sum write partial sums."""
    along_k = split.along_k(kernel)
    for places in product(*(_ranges(kernel.extents[d], ways) for d, ways in split.ways)):
        lows = {d: low for (d, _), (_, low, _) in zip(split.ways, places, strict=True)}
        sizes = {d: size for (d, _), (_, _, size) in zip(split.ways, places, strict=True)}
        part = piece_of(kernel, lows, sizes)
        if along_k > 1:
            (index,) = (
                index
                for (d, _), (index, _, _) in zip(split.ways, places, strict=True)
                if kernel.dimensions[d].role is Role.K
            )
            part = _of_partial_sums(part, index, along_k)
        yield part


def _ranges(extent: int, ways: int) -> Iterator[tuple[int, int, int]]:
    """Yield number, start and size of nearly equal parts, the larger ones first."""
    size, longer = divmod(extent, ways)
    low = 0
    for index in range(ways):
        own = size + (index < longer)
        yield index, low, own
        low += own


def _of_partial_sums(kernel: Kernel, index: int, along_k: int) -> Kernel:
    """Return a product whose psums leave the chip as they are, as number ``index`` of several."""
    output = kernel.output
    partial = replace(
        output,
        role=PARTIAL,
        axes=(Axis(size=along_k, offset=index), *output.axes),
        dtype=DTYPES[output.dtype.accumulator],
    )
    assert isinstance(kernel.body, Contraction), "a product"
    body = replace(kernel.body, shift=0, activation="identity", is_partial=True, is_scaled=False)
    return replace(kernel, inputs=kernel.inputs[:2], output=partial, body=body)


def reduction(kernel: Kernel, along_k: int) -> Kernel:
    """Return the kernel that adds up a product's partial sums and makes its output of them."""
    body = kernel.body
    assert isinstance(body, Contraction)
    kept = kernel.numbers(Role.GROUP, Role.M, Role.N)
    renumbered = {old: new for new, old in enumerate(kept)}
    summed = len(kept)
    output, biases = _renumbered(kernel.output, renumbered), kernel.inputs[2:]
    partial = replace(
        output,
        role=PARTIAL,
        operand=kernel.inputs[0].operand,
        scratchpad="psum",
        axes=(Axis(size=along_k, terms=((summed, 1),)), *output.axes),
        dtype=DTYPES[output.dtype.accumulator],
    )
    dimensions = [replace(kernel.dimensions[d], role=Role.PARALLEL) for d in kept]
    return Kernel(
        dimensions=(*dimensions, Dimension(name="parts of K", extent=along_k, role=Role.WHOLE)),
        inputs=(partial, *(_renumbered(bias, renumbered) for bias in biases)),
        output=output,
        body=VectorBody(
            function=body.result_function, activation=body.activation, shift=body.shift
        ),
    )


def _renumbered(operand: OperandMap, numbers: dict[int, int]) -> OperandMap:
    axes = tuple(
        replace(axis, terms=tuple((numbers[d], c) for d, c in axis.terms)) for axis in operand.axes
    )
    return replace(operand, axes=axes)
