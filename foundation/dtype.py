"""The number types of tensors and accumulators."""

from __future__ import annotations

from dataclasses import dataclass
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
        Bytes per element in every memory.
    is_integer
        True for two's-complement integers, False for floating point.
    accumulator
        Name of the type in which products of this type are summed.
    """

    name: str
    size_bytes: int
    is_integer: bool
    accumulator: str

    @property
    def numpy(self) -> np.dtype[Any]:
        """The NumPy type with the same bits."""
        import numpy as np

        if self.name == "bf16":
            import ml_dtypes

            bfloat16: np.dtype[Any] = np.dtype(ml_dtypes.bfloat16)
            return bfloat16
        return np.dtype({"fp16": "float16", "fp32": "float32"}.get(self.name, self.name))

    def __str__(self) -> str:
        return self.name


DTYPES = {
    dtype.name: dtype
    for dtype in (
        Dtype(name="int8", size_bytes=1, is_integer=True, accumulator="int32"),
        Dtype(name="int32", size_bytes=4, is_integer=True, accumulator="int32"),
        Dtype(name="fp16", size_bytes=2, is_integer=False, accumulator="fp32"),
        Dtype(name="bf16", size_bytes=2, is_integer=False, accumulator="fp32"),
        Dtype(name="fp32", size_bytes=4, is_integer=False, accumulator="fp32"),
    )
}
