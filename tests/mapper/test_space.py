"""Which tiles are tried, and that the chosen one fits."""

from hypothesis import given
from hypothesis import strategies as st

from accel.spec import AcceleratorSpec
from foundation.dtype import DTYPES
from isa.instruction import Operand
from mapper.boxes import OperandTiles
from mapper.kernel import Axis, Copy, Dimension, Kernel, OperandMap, Role, compulsory_bytes
from mapper.mapping import Loop, Mapping, Tile, tiles
from mapper.planner import make_plan
from mapper.space import nested_sizes, sizes
from tests.laws.graphs import chains
from tests.laws.machines import MACHINES
from workloads.graph import Graph


@given(st.integers(1, 5000), st.integers(1, 256))
def test_sizes_hold_all_and_one_and_multiples(extent: int, grain: int) -> None:
    found = sizes(extent, grain)
    assert found == sorted(set(found), reverse=True)
    assert found[0] == extent
    assert found[-1] == 1
    assert all(size % grain == 0 or size == extent or size < grain for size in found)


def test_inner_dimensions_are_cut_only_where_outer_ones_are_one() -> None:
    found = nested_sizes([4, 6])
    assert (4, 6) in found
    assert (1, 3) in found
    assert all(inner == 6 or outer == 1 for outer, inner in found)


def plain(role: str, axes: tuple[Axis, ...]) -> OperandMap:
    return OperandMap(
        role=role,
        operand=Operand.INPUT,
        scratchpad="input",
        is_parameter=False,
        axes=axes,
        dtype=DTYPES["int8"],
    )


def window_kernel(size: int, kernel: int, stride: int, pad: int, outputs: int) -> Kernel:
    """Return a 1-D window: outputs along dimension 0, taps along dimension 1."""
    axis = Axis(size=size, terms=((0, stride), (1, 1)), offset=-pad)
    return Kernel(
        dimensions=(
            Dimension(name="O", extent=outputs, role=Role.PARALLEL),
            Dimension(name="F", extent=kernel, role=Role.WHOLE),
        ),
        inputs=(plain("input0", (axis,)),),
        output=plain("output", (Axis(size=outputs, terms=((0, 1),)),)),
        body=Copy(),
    )


@given(st.integers(1, 30), st.integers(1, 5), st.integers(1, 4), st.integers(0, 4), st.data())
def test_a_box_holds_what_its_tile_touches(
    size: int, kernel: int, stride: int, pad: int, data: st.DataObject
) -> None:
    outputs = max(1, (size + 2 * pad - kernel) // stride + 1)
    nest = window_kernel(size, kernel, stride, pad, outputs)
    low = data.draw(st.integers(0, outputs - 1))
    count = data.draw(st.integers(1, outputs - low))
    operand = OperandTiles(nest, nest.inputs[0])
    tile = Tile(low=(low, 0), size=(count, kernel))
    box = operand.box(operand.span(tile))
    (step,), (strides) = operand.steps, operand.iteration_strides(tile.size)
    first = low * stride - pad
    positions = [first + o * stride + f for o in range(count) for f in range(kernel)]
    places = [o * strides[0] + f * strides[1] for o in range(count) for f in range(kernel)]
    width = box.before[0] + box.inside[0] + box.after[0]
    for position, place in zip(positions, places, strict=True):
        assert 0 <= place < width
        assert position == first + place * step
        inside = box.before[0] <= place < box.before[0] + box.inside[0]
        assert inside == (0 <= position < size)
        if inside:
            assert position == box.start[0] + (place - box.before[0]) * step


@given(st.integers(1, 40), st.integers(1, 5), st.integers(1, 4), st.integers(0, 4))
def test_compulsory_bytes_count_every_touched_element_once(
    size: int, kernel: int, stride: int, pad: int
) -> None:
    outputs = max(1, (size + 2 * pad - kernel) // stride + 1)
    nest = window_kernel(size, kernel, stride, pad, outputs)
    touched = {o * stride - pad + f for o in range(outputs) for f in range(kernel)}
    expected = len([index for index in touched if 0 <= index < size]) + outputs
    assert compulsory_bytes(nest) == expected


def test_tiles_follow_the_loop_order_and_are_ragged_at_the_end() -> None:
    kernel = window_kernel(10, 1, 1, 0, 10)
    found = list(
        tiles(kernel, Mapping(loops=(Loop(1, 1), Loop(0, 4)), held=(2, 2), num_buffers=(2, 2)))
    )
    assert [(tile.low[0], tile.size[0]) for tile in found] == [(0, 4), (4, 4), (8, 2)]


@given(graph=chains("int8"), spec=st.sampled_from(MACHINES))
def test_every_chosen_mapping_fits(graph: Graph, spec: AcceleratorSpec) -> None:
    for work in make_plan(graph, spec).works:
        if len(work.kernels) != 1:
            continue
        (kernel,), (mapping,) = work.kernels, work.stages[0].mappings
        used = dict.fromkeys((pad.name for pad in spec.scratchpads), 0)
        for number, operand in enumerate(kernel.operands):
            if isinstance(kernel.body, Copy) and operand is kernel.output:
                continue
            region, buffers = mapping.region(number, kernel.extents), mapping.num_buffers[number]
            size = OperandTiles(kernel, operand).size_bytes(region)
            used[spec.scratchpad_of(operand.scratchpad).name] += size * buffers
        assert all(used[pad.name] <= pad.capacity_bytes for pad in spec.scratchpads)
