"""What activations with zeros would take in a sparse format: an estimate beside the counts.

# Approximation: every row of channels has as many values as the density says. Nothing else follows
from a density: activations are moved and kept as they are, and arrays multiply their zeros.
"""

from __future__ import annotations

from math import ceil

from foundation.formats import FORMATS, Row
from workloads.graph import Tensor

_SMALL = 1e-9  # of densities: 0.1 · 30 is a little more than 3


def sparse_bytes(tensor: Tensor, density: float, format_name: str) -> int:
    """Return the bytes of a tensor in a sparse format, row by row along its last axis.

    Parameters
    ----------
    tensor
        The activations.
    density
        Part of them that isn't zero, above 0 and at most 1.
    format_name
        One of `foundation.formats.FORMATS`.
    """
    length = tensor.shape[-1]
    values = ceil(density * length - _SMALL)
    row = Row(length=length, values=values, period=length, block=1)
    bits = values * tensor.dtype.bits + FORMATS[format_name](row)
    return tensor.size_elements // length * -(-bits // 8)


def density_note(tensor: Tensor, density: float, format_name: str) -> str:
    """Return what a density says of a tensor, in words."""
    return (
        f"'{tensor.name}': activations of density {density:g} would take"
        f" {sparse_bytes(tensor, density, format_name):,} of {tensor.size_bytes:,} bytes as"
        f" {format_name}; runs move and multiply them as they are"
    )
