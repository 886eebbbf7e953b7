"""How weights are stored: packed, sparse, with scales; and what of them an array can skip.

A product's weights are cut into *segments*: ``length`` neighbours along the reduction (input
channels) of one output. Every segment of a tensor takes equally many bytes, and whole ones, so that
any tile of them has an address and a size.
"""

from __future__ import annotations

from dataclasses import dataclass

from foundation.dtype import Dtype
from foundation.formats import FORMATS, Row

#: Elements that a segment may have: places in it take up to four bytes.
MAX_LENGTH = 1 << 31


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """How each segment of some weights is stored.

    Parameters
    ----------
    value
        Type of a value.
    length
        Elements of a segment.
    kept, period
        At most ``kept`` of each ``period`` neighbours aren't zero; equal where all may be.
    block
        Neighbours that are zero together.
    format
        One of `foundation.formats.FORMATS`.
    scale
        Type of the scale that is stored with each segment, None where there is none.
    """

    value: Dtype
    length: int = 1
    kept: int = 1
    period: int = 1
    block: int = 1
    format: str = "dense"
    scale: Dtype | None = None

    def __post_init__(self) -> None:
        """Check that parts are parts of what they are parts of."""
        for part, whole in (
            ("period", self.length),
            ("block", self.period),
            ("block", self.kept),
        ):
            size = getattr(self, part)
            if size < 1 or whole < 1 or whole % size:
                raise ValueError(f"'{self}': {part} {size} must divide {whole}")
        if self.kept > self.period:
            raise ValueError(f"'{self}': keeps {self.kept} but at most {self.period} are there")
        if self.length > MAX_LENGTH:
            raise ValueError(f"'{self}': length {self.length} must be at most {MAX_LENGTH}")

    @property
    def is_dense(self) -> bool:
        """Whether every element is stored, zeros too."""
        return self.format == "dense"

    @property
    def nonzeros(self) -> int:
        """Elements of a segment that may be other than zero."""
        return self.length // self.period * self.kept

    @property
    def values(self) -> int:
        """Values that are stored of a segment."""
        return self.length if self.is_dense else self.nonzeros

    @property
    def metadata_bits(self) -> int:
        """Bits of a segment that say where its values belong."""
        row = Row(length=self.length, values=self.values, period=self.period, block=self.block)
        return FORMATS[self.format](row)

    @property
    def scale_bits(self) -> int:
        """Bits of a segment's scale."""
        return 0 if self.scale is None else self.scale.bits

    @property
    def bits(self) -> int:
        """Bits of a segment, before they are rounded up to bytes."""
        return self.values * self.value.bits + self.metadata_bits + self.scale_bits

    @property
    def size_bytes(self) -> int:
        """Bytes of a segment."""
        return -(-self.bits // 8)

    @property
    def segment(self) -> Dtype:
        """A segment as an element of a tensor."""
        return self.value.vector(self.length, self.size_bytes)

    def __str__(self) -> str:
        """Return it as one word: ``int4/32:2/4:1:nm:fp16``."""
        scale = "none" if self.scale is None else self.scale.name
        parts = f"{self.value}/{self.length}:{self.kept}/{self.period}:{self.block}"
        return f"{parts}:{self.format}:{scale}"

    def at_most(self, kept: int, period: int) -> bool:
        """Whether at most ``kept`` of each ``period`` neighbours can be other than zero."""
        if self.length % period:
            return False
        if period % self.period == 0:
            return period // self.period * self.kept <= kept
        return self.period % period == 0 and self.kept <= kept
