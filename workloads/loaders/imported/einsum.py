"""Einstein's sums over foreign tensors."""

from __future__ import annotations

from collections.abc import Sequence
from string import ascii_letters

from foundation.errors import WorkloadError
from workloads.loaders.imported import products, vector
from workloads.loaders.imported.importer import Importer
from workloads.loaders.imported.refused import UnsupportedError
from workloads.loaders.imported.values import Value


def einsum(to: Importer, name: str, equation: str, values: Sequence[Value]) -> Value:
    """Return the sum of products of tensors, one operand after the other.

    Raises
    ------
    UnsupportedError
        A letter is twice in one operand.
    WorkloadError
        The equation isn't one, or doesn't fit the shapes.
    """
    operands, output = _letters(equation, values)
    values = list(values)
    letters, value = operands.pop(0), values.pop(0)
    while operands:
        second, other = operands.pop(0), values.pop(0)
        later = "".join((output, *operands))
        letters, value = _single(to, name, letters, value, second + later)
        second, other = _single(to, name, second, other, letters + later)
        result = "".join(x for x in dict.fromkeys(letters + second) if x in later)
        value = _pair(to, name, value, letters, other, second, result)
        letters = result
    letters, value = _single(to, name, letters, value, output)
    return value.transposed([letters.index(letter) for letter in output])


def _letters(equation: str, values: Sequence[Value]) -> tuple[list[str], str]:
    """Return the letters of each operand and of the output, dots as letters of their own."""
    left, arrow, output = equation.replace(" ", "").partition("->")
    operands = left.split(",")
    unused = [letter for letter in ascii_letters if letter not in equation]
    spare = 0
    if len(operands) != len(values):
        raise WorkloadError(
            f"equation '{equation}' has {len(operands)} operands, not {len(values)}"
        )
    for place, (letters, value) in enumerate(zip(operands, values, strict=True)):
        count = value.rank - len(letters.replace("...", ""))
        if "..." in letters and 0 <= count <= len(unused):
            spare = max(spare, count)
            operands[place] = letters.replace("...", "".join(unused[:count][::-1]))
    dots = "".join(unused[:spare][::-1])
    if not arrow:
        joined = "".join(operands)
        single = sorted(x for x in set(joined) - set(dots) if joined.count(x) == 1)
        output = dots + "".join(single)
    output = output.replace("...", dots)
    for letters, value in zip(operands, values, strict=True):
        if not f"{letters}x".isalpha() or len(letters) != value.rank:
            shapes = ", ".join(str(list(v.shape)) for v in values)
            raise WorkloadError(f"equation '{equation}' doesn't fit {shapes}")
    if any(len(set(x)) != len(x) for x in (*operands, output)):
        raise UnsupportedError("has a letter twice in one operand, which isn't known")
    if not set(output) <= set("".join(operands)):
        raise WorkloadError(f"equation '{equation}' has a letter in its output only")
    return operands, output


def _single(to: Importer, name: str, letters: str, value: Value, needed: str) -> tuple[str, Value]:
    """Return an operand summed over the letters that nothing else has."""
    axes = [axis for axis, letter in enumerate(letters) if letter not in needed]
    if not axes:
        return letters, value
    total = vector.reduce(to, f"{name}.sum", "sum", value, axes, keeps=False)
    return "".join(letter for letter in letters if letter in needed), total


def _pair(
    to: Importer, name: str, left: Value, first: str, right: Value, second: str, result: str
) -> Value:
    """Return a product of two operands; without a common sum it is one of elements."""
    if any(letter not in result for letter in first + second):
        return products.contract(to, name, left, first, right, second, result)
    sides = []
    for letters, value in ((first, left), (second, right)):
        order = sorted(range(len(letters)), key=lambda axis: result.index(letters[axis]))
        sizes = dict(zip(letters, value.shape, strict=True))
        shape = tuple(sizes.get(letter, 1) for letter in result)
        sides.append(to.reshaped(value.transposed(order), shape))
    return vector.binary(to, name, "multiply", *sides)
