"""A layer's entry in the file becomes layers of a graph: one, or several where it is composed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from foundation.dtype import Dtype
from workloads.build import GraphBuilder
from workloads.graph import Tensor
from workloads.loaders.expand import Place
from workloads.loaders.models import LayerItem, ResizeLayer
from workloads.loaders.operators import check_count, operator_of, per_axis, spatial_axes
from workloads.resize import add_resize

#: Adds the layers of an entry to a graph; the last one has the entry's name.
Adder = Callable[[GraphBuilder, str], Tensor]


def adder_of(
    item: LayerItem, place: Place, inputs: Sequence[Tensor], default_dtype: Dtype
) -> Adder:
    """Return what adds the layers of an entry; parameters as of `operator_of`.

    Raises
    ------
    WorkloadError
        Wrong number of inputs, or an attribute out of its range.
    """
    match item:
        case ResizeLayer():
            return _resize(item, place, inputs)
        case _:
            operator = operator_of(item, place, inputs, default_dtype)
            return lambda builder, name: builder.add_layer(name, operator, inputs)


def _resize(item: ResizeLayer, place: Place, inputs: Sequence[Tensor]) -> Adder:
    check_count(item, place, inputs)
    (tensor,) = inputs
    factors = per_axis(item.factor, "factor", place, spatial_axes(item, place, tensor))
    is_linear = item.mode == "linear"
    return lambda builder, name: add_resize(builder, name, tensor, factors, linear=is_linear)
