"""The number types of tensors and accumulators."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, slots=True, kw_only=True)
class Dtype:
    """A number type.

    Parameters
    ----------
    name
        As written in YAML.
    size_bytes
        Bytes per element in every memory; of a vector, bytes of all its elements.
    is_integer
        True for two's-complement integers, False for floating point.
    accumulator
        Name of the type in which products of this type are summed.
    count
        Elements that lie side by side and move as one: 1 but for the operands of products whose
        weights are stored in segments (`foundation.stored`).
    """

    name: str
    size_bytes: int
    is_integer: bool
    accumulator: str
    count: int = 1

    @property
    def bits(self) -> int:
        """Bits of an element where elements are packed without gaps."""
        return _PACKED_BITS.get(self.name, 8 * self.size_bytes // self.count)

    @property
    def numpy(self) -> np.dtype[Any]:
        """The NumPy type with the same bits; int4 has a whole byte, tf32 is in fp32."""
        import numpy as np

        if self.name in _ML_DTYPES:
            import ml_dtypes

            found: np.dtype[Any] = np.dtype(getattr(ml_dtypes, _ML_DTYPES[self.name]))
            return found
        return np.dtype(_NUMPY.get(self.name, self.name))

    def vector(self, count: int, size_bytes: int | None = None) -> Dtype:
        """Return ``count`` elements that move as one, in ``size_bytes`` or without gaps."""
        size = self.size_bytes * count if size_bytes is None else size_bytes
        return replace(self, size_bytes=size, count=count)

    def __str__(self) -> str:
        return self.name


_PACKED_BITS = {"int4": 4}
_NUMPY = {"fp16": "float16", "fp32": "float32", "tf32": "float32", "int4": "int8"}
_ML_DTYPES = {"bf16": "bfloat16", "fp8_e4m3": "float8_e4m3fn", "fp8_e5m2": "float8_e5m2"}

DTYPES = {
    dtype.name: dtype
    for dtype in (
        Dtype(name="int8", size_bytes=1, is_integer=True, accumulator="int32"),
        Dtype(name="int32", size_bytes=4, is_integer=True, accumulator="int32"),
        Dtype(name="fp16", size_bytes=2, is_integer=False, accumulator="fp32"),
        Dtype(name="bf16", size_bytes=2, is_integer=False, accumulator="fp32"),
        Dtype(name="fp32", size_bytes=4, is_integer=False, accumulator="fp32"),
        # OCP 8-bit Floating Point Specification (OFP8), 1.0, 2023: E4M3 has no infinity.
        Dtype(name="fp8_e4m3", size_bytes=1, is_integer=False, accumulator="fp32"),
        Dtype(name="fp8_e5m2", size_bytes=1, is_integer=False, accumulator="fp32"),
        # NVIDIA A100 Tensor Core GPU Architecture, 2020: 8 bits of exponent and 10 of mantissa,
        # kept in memory as fp32.
        Dtype(name="tf32", size_bytes=4, is_integer=False, accumulator="fp32"),
        # Two in a byte, for weights only: a single one takes a byte.
        Dtype(name="int4", size_bytes=1, is_integer=True, accumulator="int32"),
    )
}
#: Names of the types that are computed on: int32 holds indices and sums, int4 weights.
ACTIVATION_DTYPES = tuple(name for name in DTYPES if name not in ("int32", "int4"))
#: Names of the types that weights may have.
WEIGHT_DTYPES = (*ACTIVATION_DTYPES, "int4")
