"""Inputs and layers that are put into a graph once something reads them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from foundation.dtype import Dtype
from workloads.graph import Tensor
from workloads.layers import Convolution, Elementwise, Linear, MatMul, Shape
from workloads.loaders.imported.refused import check_operands
from workloads.loaders.imported.values import Axes, Pending, Value, channels_last
from workloads.loaders.imported.weights import Learned
from workloads.transposed import TransposedConvolution

if TYPE_CHECKING:
    from workloads.loaders.imported.importer import Importer


class Given(Pending):
    """An input of the network.

    Parameters
    ----------
    to
        Where it is put.
    foreign
        The input's name in the file.
    is_image
        Whether it lies channels-last whoever reads it first.
    """

    def __init__(
        self, to: Importer, foreign: str, shape: Shape, dtype: Dtype, *, is_image: bool = False
    ) -> None:
        super().__init__(foreign, shape, dtype)
        self._to = to
        self.fixed = channels_last(len(shape)) if is_image else None
        self._casts: dict[Dtype, Given] = {}

    def put(self, axes: Axes) -> tuple[Tensor, Axes]:
        """Add the input."""
        lie = self.fixed or axes
        return self._to.give(self.name, self.name, self.shape, self.dtype, lie), lie

    def of_type(self, dtype: Dtype) -> Given:
        """Return an input of the same shape and another type, for casts of it."""
        if dtype == self.dtype:
            return self
        if dtype not in self._casts:
            self._casts[dtype] = type(self)(self._to, self.name, self.shape, dtype)
        return self._casts[dtype]


class Product(Pending):
    """A layer whose bias, normalization or activation may still come.

    Parameters
    ----------
    to
        Where it is put.
    operator, inputs
        What it computes, on what.
    shape
        Its output's.
    learned
        What it learns, by role.

    Raises
    ------
    UnsupportedError
        It would compute on integers.
    """

    def __init__(
        self,
        to: Importer,
        name: str,
        operator: Convolution | TransposedConvolution | Linear | MatMul | Elementwise,
        inputs: tuple[Tensor, ...],
        shape: Shape,
        learned: Mapping[str, Learned] | None = None,
    ) -> None:
        check_operands(operator, inputs)
        super().__init__(name, shape, inputs[0].dtype)
        self._to, self._inputs = to, inputs
        self.operator = operator
        self.learned = dict(learned or {})
        self.fixed = None if isinstance(operator, MatMul) else tuple(range(len(shape)))
        #: Whether nobody else reads it: what follows may become its end.
        self.is_read_once = True

    def put(self, axes: Axes) -> tuple[Tensor, Axes]:
        """Add the layer; a matrix product computes its axes in any order."""
        if self.fixed is not None or not isinstance(self.operator, MatMul):
            tensor = self._to.layer(self.name, self.operator, self._inputs, self.learned)
            return tensor, self.fixed or axes
        first, second, letters = self.operator.subscripts()
        turned = "".join(letters[axis] for axis in axes)
        operator = replace(self.operator, equation=f"{first},{second}->{turned}")
        return self._to.layer(self.name, operator, self._inputs), axes


class Deferred(Pending):
    """Layers that are added once something reads what they compute.

    Parameters
    ----------
    make
        Adds them and returns their result.
    lie
        The axes as they lie in the result.
    """

    def __init__(
        self, name: str, shape: Shape, dtype: Dtype, make: Callable[[], Tensor], lie: Axes
    ) -> None:
        super().__init__(name, shape, dtype)
        self._make = make
        self.fixed = lie

    def put(self, axes: Axes) -> tuple[Tensor, Axes]:
        """Add the layers."""
        return self._make(), self.fixed or axes


def fusable(value: Value) -> Product | None:
    """Return the product behind a value, if something may still become its end."""
    product = value.pending
    return product if isinstance(product, Product) and product.is_read_once else None
