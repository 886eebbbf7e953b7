"""Weights that aren't as the activations are: of another type, with scales, sparse.

What a network says of a layer's weights becomes one `foundation.stored.Stored` for each part of its
outputs: one part, or several where outputs have different N of N:M.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import NamedTuple

from foundation.dtype import DTYPES, Dtype
from foundation.errors import WorkloadError
from foundation.stored import Stored

#: The longest segment that is chosen: a column in it takes one byte in compressed sparse rows.
MAX_SEGMENT = 256
#: Types that a scale makes sense of.
SCALED = ("int4", "int8", "fp8_e4m3", "fp8_e5m2")
_SMALL = 1e-9  # of densities: 0.1 · 30 is a little more than 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Sparsity:
    """Which weights are zero.

    Parameters
    ----------
    kept, period
        N and M: at most N of each M neighbours along the reduction aren't zero. Several N are dealt
        out evenly over the outputs. None with a density.
    density
        Part of the weights that isn't zero, at random places; None with N:M.
    block
        Neighbours along the reduction that are zero together.
    seed
        Of the random places.
    """

    kept: tuple[int, ...] = ()
    period: int | None = None
    density: float | None = None
    block: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        """Check what doesn't depend on the layer."""
        if self.density is not None and not 0 < self.density <= 1:
            raise WorkloadError(
                f"sparsity has a density of {self.density:g} but it must be above 0 and at most 1;"
                " leave 'sparsity' out for dense weights"
            )
        if self.period is not None:
            for n in self.kept:
                if not 1 <= n <= self.period:
                    raise WorkloadError(
                        f"sparsity keeps {n} of {self.period} neighbours but must keep 1 to"
                        f" {self.period}; correct 'n' or 'm'"
                    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """How a layer's weights are stored.

    Parameters
    ----------
    dtype
        Their type, None for that of the activations.
    scales
        ``"tensor"`` or ``"channel"`` for a scale of all weights or of each output, a number for one
        of each so many neighbours along the reduction; None for none, or for one of all integers
        that are multiplied by floating-point activations.
    scale_dtype
        Type of the scales of groups; other scales have the accumulators' type.
    sparsity
        Which of them are zero; None for none.
    format
        One of `foundation.formats.FORMATS`; None for the usual one of the pattern.
    """

    dtype: Dtype | None = None
    scales: str | int | None = None
    scale_dtype: Dtype = DTYPES["fp16"]
    sparsity: Sparsity | None = None
    format: str | None = None

    def __post_init__(self) -> None:
        """Check what doesn't depend on the layer."""
        if self.format not in (None, "dense") and self.sparsity is None:
            raise WorkloadError(
                f"format '{self.format}' stores sparse weights but they have no 'sparsity'; add it,"
                " or remove 'format'"
            )

    def scale_count(self, outputs: int, dtype: Dtype) -> int:
        """Return the scales that sums of ``outputs`` outputs are multiplied by: 0, 1 or all.

        ``dtype`` is that of the activations.
        """
        value = self.dtype or dtype
        if self.scales == "channel":
            return outputs
        is_bare = self.scales is None and value.is_integer and not dtype.is_integer
        return int(self.scales == "tensor" or is_bare)

    @property
    def group(self) -> int | None:
        """Neighbours that share a scale which is stored with them."""
        return self.scales if isinstance(self.scales, int) else None

    @property
    def seed(self) -> int:
        """Of the places of what isn't zero."""
        return 0 if self.sparsity is None else self.sparsity.seed


class Part(NamedTuple):
    """Some of a layer's outputs: the role of their weights, the first one, how many, how stored."""

    role: str
    low: int
    size: int
    stored: Stored | None


def parts_of(weights: Weights | None, shape: tuple[int, ...], dtype: Dtype) -> tuple[Part, ...]:
    """Return the parts of a layer's weights.

    Parameters
    ----------
    weights
        What the network says of them; None for dense ones of the activations' type.
    shape
        Of all of them: (..., K, N).
    dtype
        Type of the activations.

    Raises
    ------
    WorkloadError
        They can't be cut into equal segments, or types don't go together.
    """
    *_, reduced, outputs = shape
    if weights is None:
        return (Part("weight", 0, outputs, None),)
    value = weights.dtype or dtype
    _check_types(weights, value, dtype)
    sparsity = weights.sparsity
    if sparsity is None or sparsity.period is None:
        stored: Stored | None = _stored(weights, value, reduced, None)
        if stored == Stored(value=dtype):
            stored = None
        return (Part("weight", 0, outputs, stored),)
    if len(sparsity.kept) > outputs:
        raise WorkloadError(
            f"sparsity lists {len(sparsity.kept)} numbers 'n' but a group has {outputs} outputs;"
            " list fewer"
        )
    several = len(set(sparsity.kept)) > 1
    return tuple(
        Part(
            f"weight_{n}of{sparsity.period}" if several else "weight",
            low,
            size,
            _stored(weights, value, reduced, n),
        )
        for n, low, size in _dealt(sorted(sparsity.kept), outputs)
    )


def _dealt(kept: Sequence[int], outputs: int) -> Iterator[tuple[int, int, int]]:
    """Yield each N with the first and the number of its outputs: equal shares for each entry."""
    ends = [outputs * (place + 1) // len(kept) for place in range(len(kept))]
    low = 0
    for n in sorted(set(kept)):
        end = ends[len(kept) - 1 - kept[::-1].index(n)]
        yield n, low, end - low
        low = end


def _check_types(weights: Weights, value: Dtype, dtype: Dtype) -> None:
    if dtype.is_integer and not value.is_integer:
        raise WorkloadError(
            f"weights are {value} but activations {dtype}: sums of both would be floating point;"
            " give the activations a floating-point dtype"
        )
    if weights.scales is not None and value.name not in SCALED:
        raise WorkloadError(
            f"weights are {value} and have scales but only {', '.join(SCALED)} need them; remove"
            " 'scales', or change 'dtype'"
        )
    if weights.group is not None and dtype.is_integer:
        raise WorkloadError(
            f"scales of groups of {weights.group} need floating-point activations but they are"
            f" {dtype}: integer sums of several groups can't be scaled afterwards; use scales:"
            " channel, or another dtype"
        )


def _stored(weights: Weights, value: Dtype, reduced: int, n: int | None) -> Stored:
    """Return how weights are stored; ``n`` is N of an N:M pattern."""
    sparsity, group = weights.sparsity, weights.group
    if group is not None and reduced % group:
        raise WorkloadError(
            f"scales are of {group} neighbours each, which doesn't divide the {reduced} along the"
            " reduction (input channels of a group); change 'scales'"
        )
    row = group or reduced
    scale = weights.scale_dtype if group is not None else None
    if sparsity is None:
        dense = Stored(value=value, scale=scale)
        return _cut(dense, [group] if group else _divisors(row, 1))
    _check_divides(sparsity.block, row, "block")
    if n is None:
        assert sparsity.density is not None, "a pattern has a density or N:M"
        period = group or max(_divisors(row, sparsity.block))
        blocks = ceil(sparsity.density * period / sparsity.block - _SMALL)
        usual = "bitmap" if sparsity.block == 1 else "blocked_ell"
        return Stored(
            value=value,
            length=period,
            kept=blocks * sparsity.block,
            period=period,
            block=sparsity.block,
            format=weights.format or usual,
            scale=scale,
        )
    assert sparsity.period is not None, "N comes with M"
    _check_divides(sparsity.period, row, "m")
    usual = "nm" if n < sparsity.period else "dense"
    pattern = Stored(
        value=value,
        length=sparsity.period,
        kept=n,
        period=sparsity.period,
        format=weights.format or usual,
        scale=scale,
    )
    return _cut(pattern, [group] if group else _divisors(row, sparsity.period))


def _check_divides(size: int, row: int, key: str) -> None:
    if row % size:
        raise WorkloadError(
            f"sparsity has '{key}' {size}, which doesn't divide the {row} neighbours along the"
            f" reduction (input channels of a group, or those that share a scale); change '{key}'"
        )


def _cut(pattern: Stored, lengths: Sequence[int]) -> Stored:
    """Return a pattern in segments of the length that wastes the fewest bits."""
    choices = [replace(pattern, length=length) for length in lengths]
    return min(choices, key=lambda one: (one.size_bytes / one.length, one.length))


def _divisors(size: int, step: int) -> list[int]:
    """Return the divisors of a size that are multiples of ``step``, up to ``MAX_SEGMENT``.

    ``step`` itself is one, however large.
    """
    return [n for n in range(step, max(step, MAX_SEGMENT) + 1, step) if size % n == 0]
