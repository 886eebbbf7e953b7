"""What a network's YAML says of weights, read and written."""

from __future__ import annotations

from foundation.dtype import DTYPES
from foundation.errors import WorkloadError
from workloads.loaders.expand import Place
from workloads.loaders.layer_models import (
    ConvLayer,
    LinearLayer,
    SparsityEntry,
    TransposedConvLayer,
    WeightsEntry,
)
from workloads.loaders.models import LayerItem
from workloads.weights import Sparsity, Weights


def with_default(item: LayerItem, weights: WeightsEntry | None) -> LayerItem:
    """Return an entry with the network's own ``weights`` where it has weights and says nothing."""
    if not isinstance(item, ConvLayer | TransposedConvLayer | LinearLayer):
        return item
    if isinstance(item, LinearLayer):
        is_given = item.tied_to is not None
    else:
        is_given = item.inputs is not None and len(item.inputs) > 1
    if weights is None or is_given or item.weights is not None:
        return item
    return item.model_copy(update={"weights": weights})


def weights_of(entry: WeightsEntry | None, place: Place) -> Weights | None:
    """Return what an entry says of its weights.

    Raises
    ------
    WorkloadError
        A number is out of its range, or keys don't go together.
    """
    if entry is None:
        return None
    scales = entry.scales
    if scales not in (None, "tensor", "channel"):
        scales = place.integer(scales, "weights", "scales", minimum=1)
    sparsity = _sparsity(entry.sparsity, place) if entry.sparsity else None
    try:
        return Weights(
            dtype=DTYPES[entry.dtype] if entry.dtype else None,
            scales=scales,
            scale_dtype=DTYPES[entry.scale_dtype],
            sparsity=sparsity,
            format=entry.format,
        )
    except WorkloadError as error:
        raise place.failure(str(error), "weights") from None


def _sparsity(entry: SparsityEntry, place: Place) -> Sparsity:
    def number(value: int | str, key: str) -> int:
        return place.integer(value, "weights", "sparsity", key, minimum=1)

    several = entry.n if isinstance(entry.n, list) else [entry.n]
    try:
        return Sparsity(
            kept=tuple(number(n, "n") for n in several if n is not None),
            period=None if entry.m is None else number(entry.m, "m"),
            density=entry.density,
            block=1 if entry.block is None else number(entry.block, "block"),
            seed=entry.seed,
        )
    except WorkloadError as error:
        raise place.failure(str(error), "weights", "sparsity") from None


def weights_text(weights: Weights) -> str:
    """Return weights as the value of an entry's ``weights``."""
    values: dict[str, object] = {}
    if weights.dtype is not None:
        values["dtype"] = weights.dtype
    if weights.scales is not None:
        values["scales"] = weights.scales
    if weights.group is not None:
        values["scale_dtype"] = weights.scale_dtype
    if weights.sparsity is not None:
        values["sparsity"] = _mapping(_sparsity_values(weights.sparsity))
    if weights.format is not None:
        values["format"] = weights.format
    return _mapping(values)


def _sparsity_values(sparsity: Sparsity) -> dict[str, object]:
    seed = {"seed": sparsity.seed} if sparsity.seed else {}
    if sparsity.density is None:
        return {"n": list(sparsity.kept), "m": sparsity.period, **seed}
    return {"density": sparsity.density, "block": sparsity.block, **seed}


def _mapping(values: dict[str, object]) -> str:
    return f"{{{', '.join(f'{key}: {value}' for key, value in values.items())}}}"
