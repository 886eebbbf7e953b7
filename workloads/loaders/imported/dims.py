"""Sizes that a foreign file leaves open, and what a user asks for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from foundation.errors import WorkloadError, nearest
from workloads.loaders.asked import Asked

#: What a first dimension is called that is the batch.
_BATCH_NAMES = ("n", "b", "bs", "none", "?")


def bound(inputs: Mapping[str, Sequence[int | str]], asked: Asked) -> tuple[dict[str, int], int]:
    """Return sizes of the dimensions that a file leaves open, and the batch.

    Parameters
    ----------
    inputs
        Name of an input to its sizes, or names of those that are open.
    asked
        What the user asks for.

    Raises
    ------
    WorkloadError
        One isn't asked for, or the file has none of a name that is.
    """
    first = [dims[0] for dims in inputs.values() if dims]
    names = {dim for dims in inputs.values() for dim in dims if isinstance(dim, str)}
    for name in asked.dims:
        if name not in names:
            raise WorkloadError(
                f"has no open dimension '{name}'"
                f"{nearest(name, names)}; open are {', '.join(sorted(names)) or 'none'}"
            )
    sizes = dict(asked.dims)
    if asked.batch is not None:
        open_batches = (dim for dim in first if isinstance(dim, str) and _is_batch(dim))
        sizes.update({dim: asked.batch for dim in open_batches if dim not in sizes})
    for name, dims in inputs.items():
        for dim in dims:
            if isinstance(dim, str) and dim not in sizes:
                batch = " or --batch SIZE" if dim == dims[0] and _is_batch(dim) else ""
                raise WorkloadError(
                    f"input '{name}': its dimension '{dim}' is open; give --dim {dim}=SIZE{batch}"
                )
    firsts = [sizes.get(dim, 1) if isinstance(dim, str) else dim for dim in first]
    batch_size = firsts[0] if firsts else 1
    if asked.batch is not None and asked.batch not in firsts:
        raise WorkloadError(
            f"batch {asked.batch} is asked for but the file's inputs have {batch_size}; leave"
            " --batch out, or export the model with an open batch dimension"
        )
    return sizes, asked.batch or batch_size


def _is_batch(dim: str) -> bool:
    """Whether an open first dimension is the batch, by its name."""
    name = dim.lower()
    is_unnamed = name.endswith(".0") or name.startswith("unk")
    return is_unnamed or "batch" in name or name in _BATCH_NAMES
