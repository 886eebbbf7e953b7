"""Integers and truth values: what follows from them, and what they pick of a tensor."""

from __future__ import annotations

from dataclasses import replace
from math import prod

import numpy as np

from foundation.dtype import DTYPES
from workloads.layers import Shape
from workloads.loaders.imported import functions, movement, vector
from workloads.loaders.imported.importer import Importer
from workloads.loaders.imported.pending import Given
from workloads.loaders.imported.values import Value, plain
from workloads.loaders.imported.weights import constant_value, known_array, weight_of


class Following(Given):
    """What follows from integers and truth values, taken as an input of the network."""


def operand(to: Importer, item: Value | float | bool) -> Value:
    """Return what is computed on: integers, truth values and numbers become tensors of floats.

    A foreign operator takes any of them beside a tensor.
    """
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


def is_computed(to: Importer, value: Value) -> bool:
    """Whether layers compute on a value: numbers, or what the network is given or a file holds."""
    source = value.source
    is_held = known_array(value) is not None or weight_of(value) is not None
    is_input = isinstance(source, Given) and not isinstance(source, Following)
    return value.dtype == to.dtype or is_held or is_input


def given(to: Importer, name: str, shape: Shape, *, is_index: bool = False) -> Value:
    """Return what follows from indices, masks or comparisons."""
    # Approximation: it is an input of the network, and what computes it costs nothing.
    to.note(f"'{name}' follows from indices or comparisons: it is an input, and costs nothing")
    return plain(Following(to, name, shape, DTYPES["int32"] if is_index else to.dtype))


def picked(to: Importer, name: str, what: str, value: Value, shape: Shape) -> Value:
    """Return as many elements as computed indices pick; ``what`` names the node."""
    # Approximation: elements that computed indices pick are read as if they were the first ones,
    # and repeated where they are more than there are.
    to.note(f"{what} picks by indices: its elements are taken as the first ones")
    wanted, flat = prod(shape), to.reshaped(value, (value.size_elements,))
    copies = -(-wanted // value.size_elements)
    if copies > 1:
        wide = to.reshaped(flat, (1, value.size_elements))
        wide = vector.expand(to, f"{name}.copies", wide, (copies, value.size_elements))
        flat = to.reshaped(wide, (copies * value.size_elements,))
    return to.reshaped(movement.cut(to, name, flat, 0, 0, wanted), shape)


def replaced(to: Importer, name: str, what: str, value: Value, updates: Value) -> Value:
    """Return a tensor of which elements at computed indices are others; ``what`` is the node."""
    # Approximation: whichever elements are replaced, they are the first ones.
    to.note(f"{what} replaces by indices: its elements are taken as the first ones")
    value, updates = operand(to, value), operand(to, updates)
    flat, size = to.reshaped(value, (value.size_elements,)), value.size_elements
    count = min(updates.size_elements, size)
    new = movement.cut(to, name, to.reshaped(updates, (updates.size_elements,)), 0, 0, count)
    rest = movement.cut(to, f"{name}.rest", flat, 0, count, size)
    return to.reshaped(movement.concat(to, name, [new, rest], 0), value.shape)


def chosen(
    to: Importer,
    name: str,
    condition: Value,
    yes: Value | float,
    no: Value | float,
    shape: Shape,
) -> Value:
    """Return a choice: both sides times 0 or 1, added."""
    # Approximation: a condition that is computed is an input of the network, as numbers.
    known = known_array(condition)
    sides = [operand(to, side) for side in (yes, no)]
    if known is not None:
        return functions.choice(to, name, known, *sides)
    picks = operand(to, condition)
    inverse = given(to, f"{name}.others", condition.shape)
    parts = []
    for side, pick in zip(sides, (picks, inverse), strict=True):
        array = known_array(side)
        if array is not None and not array.any():
            continue
        if array is not None:  # numbers where the condition says so
            parts.append(pick)
        else:
            parts.append(vector.binary(to, f"{name}.side", "multiply", side, pick))
    whole = parts[0]
    for part in parts[1:]:
        whole = vector.binary(to, name, "add", whole, part)
    return vector.expand(to, name, whole, shape)
