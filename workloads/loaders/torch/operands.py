"""What PyTorch lets an operand be: a tensor, a tensor of integers or truth values, one number."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from foundation.dtype import DTYPES
from workloads.layers import Shape
from workloads.loaders.imported.importer import (
    Given,
    Importer,
    constant_value,
    known_array,
    weight_of,
)
from workloads.loaders.imported.values import Value, plain


def operand(to: Importer, item: Value | float | bool) -> Value:
    """Return what is computed on: integers, truth values and numbers become tensors of floats."""
    if not isinstance(item, Value):
        return constant_value(to, "number", np.asarray(item, np.float32))
    if item.dtype == to.dtype:
        return item
    known = known_array(item)
    if known is not None:
        return constant_value(to, "mask", known.astype(np.float32))
    weight = weight_of(item)
    if weight is not None:
        return replace(item, source=weight.of_type(to.dtype))
    if isinstance(item.source, Given):
        to.note(f"input '{item.source.name}' is given as {to.dtype}, to which it is converted")
        return replace(item, source=item.source.of_type(to.dtype))
    return given(to, item.source.name, item.shape)


def given(to: Importer, name: str, shape: Shape, *, is_index: bool = False) -> Value:
    """Return what follows from indices, masks or comparisons."""
    # Approximation: it is an input of the network, and what computes it costs nothing.
    to.note(f"'{name}' follows from indices or comparisons: it is an input, and costs nothing")
    return plain(Given(to, name, shape, DTYPES["int32"] if is_index else to.dtype))
