"""The choice of layouts: how a mapping's tiles lie in scratchpads with banks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from accel.bank_conflicts import edge_dimension, matmul_conflicts, vector_conflicts
from accel.spec import AcceleratorSpec, BankSpec, ScratchpadSpec
from foundation.dtype import DTYPES, Dtype
from mapper.boxes import OperandTiles
from mapper.kernel import Contraction, Kernel, OperandMap, Role, VectorBody
from mapper.layout import PACKED, Layout
from mapper.mapping import Mapping
from mapper.waiting import waiting_bytes

#: Strides of an operand's dimensions, to the conflict cycles of one tile.
Conflicts = Callable[[BankSpec, tuple[int, ...]], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tile:
    """An operand's tile: its axes, how they become strides, and who uses it.

    Parameters
    ----------
    pad
        The scratchpad that holds it.
    shape
        Elements along each axis.
    dtype
        Of its elements.
    buffers
        Slots.
    edge
        The axis that lies along the edge of the unit that uses it.
    strides
        Layout to the strides of the kernel's dimensions.
    conflicts
        Of one tile.
    """

    pad: ScratchpadSpec
    shape: tuple[int, ...]
    dtype: Dtype
    buffers: int
    edge: int
    strides: Callable[[Layout], tuple[int, ...]]
    conflicts: Conflicts

    def slot_bytes(self, layout: Layout) -> int:
        """Return the bytes of all of its slots."""
        size = layout.size_bytes(self.shape, self.dtype.size_bytes)
        aligned = -(-size // self.pad.alignment_bytes) * self.pad.alignment_bytes
        return self.buffers * aligned

    def cycles(self, layout: Layout) -> int:
        """Return the conflict cycles of one tile in a layout."""
        banks = self.pad.bank_model
        return self.conflicts(banks, self.strides(layout)) if banks is not None else 0


def with_layouts(kernel: Kernel, mapping: Mapping, spec: AcceleratorSpec) -> Mapping:
    """Return a mapping with the layouts of its tiles, and what they cost.

    Where a scratchpad says ``auto``, row-major comes first, then the edge axis fastest, then both
    with a gap at one axis, as far as they fit: the first without conflicts, else the one with the
    fewest.
    """
    if all(pad.bank_model is None for pad in spec.scratchpads):
        return mapping
    found = _tiles(kernel, mapping, spec.with_dataflow(mapping.dataflow))
    spare = {pad.name: pad.capacity_bytes for pad in spec.scratchpads}
    for tile in found:
        if tile is not None:
            spare[tile.pad.name] -= tile.slot_bytes(PACKED)
    spare[spec.scratchpad_of("output").name] -= waiting_bytes(kernel, mapping)
    layouts, cycles = [], []
    for tile in found:
        layout = PACKED if tile is None else _best(tile, spare[tile.pad.name])
        if tile is not None:
            spare[tile.pad.name] -= tile.slot_bytes(layout) - tile.slot_bytes(PACKED)
        layouts.append(layout)
        cycles.append(0 if tile is None else tile.cycles(layout))
    return replace(mapping, layouts=tuple(layouts), conflict_cycles=tuple(cycles))


def _best(tile: _Tile, spare_bytes: int) -> Layout:
    asked = tile.pad.layout
    if tile.pad.bank_model is None or asked == "row_major":
        return PACKED
    if asked != "auto":
        return Layout(last=tile.edge)
    best, fewest = PACKED, tile.cycles(PACKED)
    for layout in _candidates(tile):
        if not fewest:
            break
        if tile.slot_bytes(layout) - tile.slot_bytes(PACKED) > spare_bytes:
            continue
        cycles = tile.cycles(layout)
        if cycles < fewest:
            best, fewest = layout, cycles
    return best


def _candidates(tile: _Tile) -> Iterator[Layout]:
    """Yield layouts from the plainest on: gaps are whole words, up to one in every bank."""
    orders = [Layout(), Layout(last=tile.edge)]
    yield from orders
    assert tile.pad.width_bytes is not None
    for order in orders:
        fastest = len(tile.shape) - 1 if order.last is None else order.last
        for axis in reversed(range(len(tile.shape))):
            if axis == fastest or tile.shape[axis] == 1:
                continue
            for words in range(1, tile.pad.banks + 1):
                yield replace(order, padded=axis, pad_bytes=words * tile.pad.width_bytes)


def _tiles(kernel: Kernel, mapping: Mapping, spec: AcceleratorSpec) -> list[_Tile | None]:
    """Return the tiles of a kernel's operands, then that of its psums; None where only DMA goes."""
    match kernel.body:
        case Contraction():
            used = [
                *(
                    _product_operand(kernel, mapping, spec, index, name)
                    for index, name in enumerate(("input", "weight"))
                ),
                *(
                    _vector_operand(kernel, mapping, spec, index)
                    for index in range(2, len(kernel.operands))
                ),
                _psums(kernel, mapping, spec),
            ]
        case VectorBody():
            used = [
                _vector_operand(kernel, mapping, spec, index)
                for index in range(len(kernel.operands))
            ]
        case _:
            return [None] * len(kernel.operands)
    return list(used)


def _operand(
    kernel: Kernel,
    mapping: Mapping,
    spec: AcceleratorSpec,
    index: int,
    edge_dimensions: list[int],
    conflicts: Conflicts,
) -> _Tile:
    operand, region = kernel.operands[index], mapping.region(index, kernel.extents)
    return _Tile(
        pad=spec.scratchpad_of(operand.scratchpad),
        shape=OperandTiles(kernel, operand).shape(region),
        dtype=operand.dtype,
        buffers=mapping.num_buffers[index],
        edge=_axis_of(operand, [d for d in edge_dimensions if mapping.tile[d] > 1]),
        strides=lambda layout: OperandTiles(kernel, operand, layout).iteration_strides(region),
        conflicts=conflicts,
    )


def _axis_of(operand: OperandMap, dimensions: list[int]) -> int:
    """Return the axis that the fastest of some dimensions lies along: the last one if none does."""
    for dimension in reversed(dimensions):
        for axis, terms in enumerate(axis.terms for axis in operand.axes):
            if any(dimension == d for d, _ in terms):
                return axis
    return len(operand.axes) - 1


def _product_operand(
    kernel: Kernel, mapping: Mapping, spec: AcceleratorSpec, index: int, name: str
) -> _Tile:
    edge = Role(edge_dimension(spec.array, name))

    def conflicts(banks: BankSpec, strides: tuple[int, ...]) -> int:
        return matmul_conflicts(
            banks,
            array=spec.array,
            operand=name,
            extents=_extents(kernel, mapping),
            strides=strides,
            element_bytes=kernel.operands[index].dtype.size_bytes,
            accumulate=False,
        )

    return _operand(kernel, mapping, spec, index, kernel.numbers(edge), conflicts)


def _extents(kernel: Kernel, mapping: Mapping) -> tuple[tuple[int, ...], ...]:
    roles = (Role.GROUP, Role.M, Role.N, Role.K)
    return tuple(tuple(mapping.tile[d] for d in kernel.numbers(role)) for role in roles)


def _vector_operand(kernel: Kernel, mapping: Mapping, spec: AcceleratorSpec, index: int) -> _Tile:
    kept, reduced = _vector_dimensions(kernel)

    def conflicts(banks: BankSpec, strides: tuple[int, ...]) -> int:
        return vector_conflicts(
            banks,
            lanes=spec.vector.lanes,
            shape=tuple(mapping.tile[d] for d in (*kept, *reduced)),
            strides=tuple(strides[d] for d in (*kept, *reduced)),
            reduced=len(reduced),
            element_bytes=kernel.operands[index].dtype.size_bytes,
        )

    return _operand(kernel, mapping, spec, index, kept, conflicts)


def _vector_dimensions(kernel: Kernel) -> tuple[list[int], list[int]]:
    """Return the dimensions that lanes lie along, and those that are folded, by number."""
    body = kernel.body
    if isinstance(body, Contraction):
        return kernel.numbers(Role.GROUP, Role.M, Role.N), []
    assert isinstance(body, VectorBody)
    numbers = list(range(len(kernel.dimensions)))
    folded = kernel.numbers(Role.WHOLE) if body.folds else []
    return [number for number in numbers if number not in folded], folded


def _psums(kernel: Kernel, mapping: Mapping, spec: AcceleratorSpec) -> _Tile:
    """Return the psums' tile: the array writes and reads it, then the vector unit reads it."""
    kept = kernel.numbers(Role.GROUP, Role.M, Role.N)
    shape = tuple(mapping.tile[d] for d in kept)
    accumulator = DTYPES[kernel.inputs[0].dtype.accumulator]
    edge = Role(edge_dimension(spec.array, "psum"))
    numbers = [kept.index(d) for d in kernel.numbers(edge)]
    last = [n for n in numbers if shape[n] > 1] or numbers

    def strides(layout: Layout) -> tuple[int, ...]:
        return layout.strides(shape, accumulator.size_bytes)

    def conflicts(banks: BankSpec, strides: tuple[int, ...]) -> int:
        size = accumulator.size_bytes
        along_k = (0,) * len(kernel.numbers(Role.K))
        by_array = matmul_conflicts(
            banks,
            array=spec.array,
            operand="psum",
            extents=_extents(kernel, mapping),
            strides=(*strides, *along_k),
            element_bytes=size,
            accumulate=False,
        )
        return by_array + vector_conflicts(
            banks,
            lanes=spec.vector.lanes,
            shape=shape,
            strides=strides,
            reduced=0,
            element_bytes=size,
        )

    return _Tile(
        pad=spec.scratchpad_of("psum"),
        shape=shape,
        dtype=accumulator,
        buffers=mapping.num_buffers[-1],
        edge=last[-1],
        strides=strides,
        conflicts=conflicts,
    )


def conflict_cycles(kernel: Kernel, mapping: Mapping) -> int:
    """Return the conflict cycles of all tiles, as if none were smaller than the others.

    # Approximation: a product's vector work waits for banks behind the array's.
    """
    return sum(mapping.conflict_cycles) * mapping.tile_count(kernel.extents)
