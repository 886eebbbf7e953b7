"""Buffers: one tensor in the shapes of several layers, and boxes of it."""

from __future__ import annotations

from math import prod

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from foundation.dtype import DTYPES
from isa.instruction import Operand
from mapper.buffers import Buffer, axis_runs, common_axes, fitted, to_axes, to_view
from mapper.kernel import Axis, Dimension, Kernel, OperandMap, Role, VectorBody


@st.composite
def joined(draw: st.DrawFn) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return axes, and a view that joins some of them."""
    axes = tuple(draw(st.lists(st.integers(1, 4), min_size=1, max_size=4)))
    view: list[int] = []
    for size in axes:
        if view and draw(st.sampled_from([0, 1])):
            view[-1] *= size
        else:
            view.append(size)
    return axes, tuple(view)


def test_common_axes_are_as_coarse_as_can_be() -> None:
    assert common_axes([(6, 4), (2, 12), (24,)]) == (2, 3, 4)
    assert common_axes([(1, 8, 8, 1, 16), (1, 8, 8, 16)]) == (8, 8, 16)
    assert common_axes([(6, 4), (8, 3)]) is None
    assert common_axes([(1, 1)]) == (1,)


@given(joined())
def test_a_view_is_made_of_whole_axes(case: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    fine, view = case
    axes = common_axes([fine, view])
    assert axes is not None
    runs = axis_runs(axes, view)
    assert [prod(axes[n] for n in run) for run in runs] == list(view)


@given(joined(), st.data())
def test_a_box_of_a_view_lies_in_its_box_of_axes(
    case: tuple[tuple[int, ...], tuple[int, ...]], data: st.DataObject
) -> None:
    fine, view = case
    axes = common_axes([fine, view])
    assert axes is not None
    ranges = []
    for size in view:
        low = data.draw(st.integers(0, size - 1))
        ranges.append((low, data.draw(st.integers(low + 1, size))))
    numbers = np.arange(prod(view))
    wanted = numbers.reshape(view)[tuple(slice(*one) for one in ranges)]
    box = to_axes(axes, view, ranges)
    held = numbers.reshape(axes)[tuple(slice(*one) for one in box)]
    assert set(wanted.ravel()) <= set(held.ravel())
    back = to_view(axes, view, box)
    computed = numbers.reshape(view)[tuple(slice(*one) for one in back)]
    assert set(held.ravel()) <= set(computed.ravel())


def operand(role: str, axes: tuple[Axis, ...]) -> OperandMap:
    return OperandMap(
        role=role,
        operand=Operand.INPUT,
        scratchpad="input",
        is_parameter=False,
        axes=axes,
        dtype=DTYPES["int8"],
    )


def rows_kernel(rows: int, columns: int) -> Kernel:
    """Return a function of rows x columns elements as one long dimension."""
    size = rows * columns
    axes = (Axis(size=size, terms=((0, 1),)),)
    return Kernel(
        dimensions=(Dimension(name="p0", extent=size, role=Role.PARALLEL),),
        inputs=(operand("input0", axes),),
        output=operand("output", axes),
        body=VectorBody(function="relu", activation="identity"),
    )


def bordered(rows: int, columns: int) -> Buffer:
    return Buffer(
        scratchpad="input",
        axes=(rows, columns),
        before=(0, 1),
        after=(0, 2),
        extents=(rows, columns + 3),
        element_bytes=1,
    )


def test_a_dimension_that_runs_across_a_border_becomes_two() -> None:
    kernel = fitted(rows_kernel(5, 7), "output", bordered(5, 7))
    assert kernel is not None
    assert kernel.extents == (5, 7)
    assert [axis.size for axis in kernel.output.axes] == [5, 7]
    strides = bordered(5, 7).iteration_strides(kernel.output, 2)
    assert strides == (10, 1)
    assert bordered(5, 7).offset_bytes(kernel.output, (2, 3), (0, -1)) == 2 * 10 + 4


def test_a_view_may_part_an_axis_with_a_border() -> None:
    assert bordered(5, 6).view_strides((5, 2, 3)) == (9, 3, 1)
    assert bordered(6, 5).view_strides((2, 3, 5)) == (24, 8, 1)


def test_a_sum_can_not_be_parted() -> None:
    kernel = rows_kernel(5, 7)
    reduced = Kernel(
        dimensions=(Dimension(name="r0", extent=35, role=Role.WHOLE),),
        inputs=kernel.inputs,
        output=kernel.output,
        body=kernel.body,
    )
    assert fitted(reduced, "output", bordered(5, 7)) is None
