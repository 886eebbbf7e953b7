"""Arrays of a foreign file: learned, or constants."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from foundation.dtype import DTYPES, Dtype
from foundation.numerics import Array
from workloads.graph import Tensor
from workloads.layers import Shape
from workloads.loaders.imported.values import Axes, Pending, Recipe, Value, plain, reshaped, uniform

if TYPE_CHECKING:
    from workloads.loaders.imported.importer import Importer


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """What a layer learns in one role.

    Parameters
    ----------
    recipe
        How its value follows from the file's arrays.
    weights
        What it counts as its parameters: values that are weights of the file.
    key
        Equal for what has equal values; None where that isn't known.
    """

    recipe: Recipe
    weights: tuple[Value, ...] = ()
    key: Hashable = None


class Weight(Pending):
    """An array of the file: learned, or a constant.

    Parameters
    ----------
    to
        Where it is put if a layer reads it like an activation.
    recipe
        How it follows from the file's arrays.
    known
        Its elements, where they are known.
    bases
        Elements of the file's learned arrays that it is made of, by name: none for a constant.
    """

    def __init__(
        self,
        to: Importer,
        name: str,
        shape: Shape,
        dtype: Dtype,
        recipe: Recipe,
        known: Array | None = None,
        bases: Mapping[str, int] | None = None,
    ) -> None:
        super().__init__(name, shape, dtype)
        self._to, self.recipe, self.known = to, recipe, known
        self.bases = dict(bases or {})

    @property
    def is_learned(self) -> bool:
        """Whether it is learned, even if all its elements happen to be one number."""
        return bool(self.bases)

    def put(self, axes: Axes) -> tuple[Tensor, Axes]:
        """Add a learned tensor."""
        shape = tuple(self.shape[axis] for axis in axes) or (1,)

        def value(arrays: Mapping[str, Array]) -> Array:
            array = self.recipe(arrays).transpose(axes).reshape(shape)
            return array.astype(self.dtype.numpy)

        learned = Learned(recipe=value, weights=(plain(self),))
        return self._to.learn(self.name, shape, self.dtype, learned), axes

    def reshaped(self, value: Value, shape: Shape) -> Value:
        """Return ``value``, which is this weight's, in another shape."""
        permutation = value.order

        def reshape(array: Array) -> Array:
            return reshaped(array.transpose(permutation), shape)

        known = None if self.known is None else reshape(self.known)
        recipe = self.recipe
        return plain(
            Weight(
                self._to,
                self.name,
                shape,
                self.dtype,
                lambda arrays: reshape(recipe(arrays)),
                known,
                self.bases,
            )
        )

    def of_type(self, dtype: Dtype) -> Weight:
        """Return the same array in another type."""
        return Weight(self._to, self.name, self.shape, dtype, self.recipe, self.known, self.bases)


def weight_of(value: Value) -> Weight | None:
    """Return the weight that a value is, transposed perhaps."""
    return value.source if isinstance(value.source, Weight) else None


def bases_of(value: Value) -> Mapping[str, int]:
    """Return elements of the file's learned arrays that a value is made of, by name."""
    weight = weight_of(value)
    return {} if weight is None else weight.bases


def recipe_of(value: Value) -> Recipe:
    """Return how the foreign array of a weight's value follows from the file's arrays."""
    weight, order = weight_of(value), value.order
    assert weight is not None
    recipe = weight.recipe
    return lambda arrays: recipe(arrays).transpose(order)


def learned_of(value: Value, change: Callable[[Array], Array], *form: Hashable) -> Learned:
    """Return what a layer learns that has a weight of the file, changed.

    Parameters
    ----------
    value
        The weight.
    change
        How a value of ours follows from the foreign array.
    form
        What else the change depends on.
    """
    weight, recipe = weight_of(value), recipe_of(value)
    assert weight is not None
    return Learned(
        recipe=lambda arrays: change(recipe(arrays)),
        weights=(value,),
        key=(weight.name, weight.shape, value.order, *form),
    )


def known_array(value: Value) -> Array | None:
    """Return the elements of a value, where they are known."""
    weight = weight_of(value)
    return None if weight is None or weight.known is None else weight.known.transpose(value.order)


def number_of(value: Value) -> float | None:
    """Return the number that all elements of a constant are, where they are known to be one."""
    weight = weight_of(value)
    return None if weight is None or weight.is_learned else uniform(known_array(value))


def constant_value(to: Importer, name: str, array: Array) -> Value:
    """Return a value of known elements; NumPy booleans and integers are indices."""
    dtype = to.dtype if np.issubdtype(array.dtype, np.floating) else DTYPES["int32"]
    return plain(Weight(to, name, array.shape, dtype, lambda _: array, array))
