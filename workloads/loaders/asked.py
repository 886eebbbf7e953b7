"""What a user asks of a network, whatever its file says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from foundation.dtype import ACTIVATION_DTYPES
from foundation.errors import WorkloadError, nearest
from workloads.training.options import Training


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a loader is asked for; by default what the file says.

    Parameters
    ----------
    batch
        Inferences at once.
    dtype
        Type of inputs, weights and activations.
    dims
        Name of a dimension that the file leaves open to its size.
    phase
        Of a language model: ``prefill:TOKENS`` or ``decode:TOKENS@CONTEXT``; several lengths with
        commas between are those of a batch.
    beams
        Beginnings of an answer that a step of decoding goes on with, for each sequence.
    page
        Tokens of a page of the caches that a step of decoding reads; in one piece by default.
    unknown_as_vector
        Whether an operator that isn't known becomes a function of the vector unit.
    training
        How it is trained; then the network is one step of its training.
    """

    batch: int | None = None
    dtype: str | None = None
    dims: Mapping[str, int] = field(default_factory=dict)
    phase: str | None = None
    beams: int = 1
    page: int | None = None
    unknown_as_vector: bool = False
    training: Training | None = None

    def check(self) -> None:
        """Raise WorkloadError for what no network can be."""
        if self.batch is not None and self.batch < 1:
            raise WorkloadError(f"batch is {self.batch} but must be at least 1")
        if self.dtype is not None and self.dtype not in ACTIVATION_DTYPES:
            raise WorkloadError(
                f"dtype '{self.dtype}': must be one of {', '.join(ACTIVATION_DTYPES)}"
                f"{nearest(self.dtype, ACTIVATION_DTYPES)}"
            )
        for name, count in (("beams", self.beams), ("page", self.page)):
            if count is not None and count < 1:
                raise WorkloadError(f"{name} is {count} but must be at least 1")
        for name, size in self.dims.items():
            if size < 1:
                raise WorkloadError(f"dimension '{name}' is {size} but must be at least 1")

    def check_one_phase(self, what: str) -> None:
        """Raise WorkloadError where a file is asked for what only language models have."""
        if self.phase is not None:
            raise WorkloadError(
                f"{what} is one phase but '{self.phase}' is asked for; leave --phase out"
            )
        if self.page is not None:
            raise WorkloadError(f"{what} has no caches in pages; leave --page out")

    def check_fixed(self, name: str) -> None:
        """As `check`, for a file ``name`` that leaves no dimension open and has no phases."""
        self.check()
        for dim in self.dims:
            raise WorkloadError(f"{name}: has no dimension '{dim}'; leave --dim out")
        if self.phase is not None:
            raise WorkloadError(
                f"{name}: has no phases but '{self.phase}' is asked for; leave --phase out"
            )
        self.check_one_phase(f"{name}:")


#: Nothing but the file.
AS_IT_IS = Asked()
