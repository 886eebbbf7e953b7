"""Scaled dot-product attention of foreign tensors."""

from __future__ import annotations

from workloads.loaders.imported import products, vector
from workloads.loaders.imported.importer import Importer
from workloads.loaders.imported.values import Value


def attention(
    to: Importer,
    name: str,
    query: Value,
    key: Value,
    value: Value,
    *,
    scale: float,
    mask: Value | None,
) -> Value:
    """Return ``softmax(query · keyᵀ · scale + mask) · value``.

    Parameters
    ----------
    to, name
        Where the layers are put, and what they are called.
    query
        Shape ``[..., heads, L, E]``.
    key, value
        Shape ``[..., heads, S, E]``; with fewer heads, neighbouring heads of the query share one.
    scale
        Of the scores.
    mask
        What is added to them, which broadcasts to ``[..., heads, L, S]``.
    """
    query = vector.with_number(to, f"{name}.scale", "multiply", query, scale)
    shape = (*query.shape[:-1], value.shape[-1])
    is_grouped = query.rank > 2 and query.shape[-3] != key.shape[-3] > 1
    if is_grouped:
        heads = (key.shape[-3], query.shape[-3] // key.shape[-3])
        query = to.reshaped(query, (*query.shape[:-3], *heads, *query.shape[-2:]))
        key, value = (to.reshaped(v, (*v.shape[:-2], 1, *v.shape[-2:])) for v in (key, value))
    turned = key.transposed((*range(key.rank - 2), key.rank - 1, key.rank - 2))
    scores = products.matmul(to, f"{name}.scores", query, turned)
    if mask is not None and is_grouped and mask.rank > 2:
        heads = heads if mask.shape[-3] > 1 else (1, 1)
        mask = to.reshaped(mask, (*mask.shape[:-3], *heads, *mask.shape[-2:]))
    if mask is not None:
        scores = vector.binary(to, f"{name}.masked", "add", scores, mask)
    shares = vector.softmax(to, f"{name}.softmax", scores, scores.rank - 1)
    return to.reshaped(products.matmul(to, name, shares, value), shape)
