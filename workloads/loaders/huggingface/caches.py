"""Caches of keys and values: in one piece, in the order of beams, or in pages.

References
----------
.. [1] W. Kwon et al., "Efficient Memory Management for Large Language Model Serving with
   PagedAttention", SOSP 2023.
"""

from __future__ import annotations

from math import prod

from workloads.graph import Tensor
from workloads.loaders.huggingface.network import NetworkBuilder
from workloads.loaders.huggingface.run import Run


def cache(
    net: NetworkBuilder, run: Run, name: str, *features: int, window: int | None = None
) -> Tensor:
    """Add the input that holds what earlier tokens left, shape (batch, rows, *features).

    A cache is read as if the new rows stood in it already; they are outputs of the network. One
    with a window has no more rows than it.

    Beams: a beginning may go on in several ways, and others end. Approximation: which ones go on
    isn't known; the copy of all caches, each from its own place, moves as many bytes.

    Pages: the cache is a pool of pages, and a table says which ones are a sequence's. Rows are
    those of whole pages. Beams need no copy: their tables name the same pages. Approximation: pages
    are gathered into one piece before they are read; a kernel that reads them in place saves that.
    """
    assert run.context is not None, "only steps of decoding have caches"
    if run.page is None:
        rows = min(run.context, window or run.context)
        whole = net.input(name, run.batch, rows, *features)
        if run.beams == 1:
            return whole
        return net.cut(f"{name}_in_order", whole, 0, 0, run.batch)
    pages = pages_of(run.context, run.page, window)
    pool = net.input(name, run.batch * pages, run.page * prod(features))
    table = net.indices(f"{name}_pages", run.batch, pages)
    gathered = net.gather(f"{name}_gathered", table, pool)
    return net.reshape(f"{name}_rows", gathered, run.batch, pages * run.page, *features)


def pages_of(context: int, page: int, window: int | None) -> int:
    """Return the pages of a sequence: as many as a window touches at most, if there is one.

    Parameters
    ----------
    context
        Tokens of the sequence.
    page
        Tokens of a page.
    window
        Tokens that are looked at.
    """
    pages = -(-context // page)
    # A window's first token may be the last of its page.
    return pages if window is None else min(pages, (window - 2) // page + 2)
