"""Random arrays and sequences of matrix instructions."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from accel.folds import Product
from accel.spec import ArraySpec
from accel.timing import TIMINGS


def array_spec(rows: int, columns: int, dataflow: str, registers: int) -> ArraySpec:
    """Return an array with the timing of ``accel/rtl/``."""
    return ArraySpec(
        rows=rows,
        columns=columns,
        dataflow=dataflow,
        timing=TIMINGS["rtl" if registers == 2 else "rtl_single"],
        dtypes=("int8",),
    )


def product(
    rng: np.random.Generator,
    extents: tuple[int, int, int, int],
    *,
    accumulate: bool = False,
    slot: int = 0,
) -> Product:
    """Return a product of G x M x N x K with random operands."""
    groups, m, n, k = extents
    return Product(
        input=rng.integers(-128, 128, (groups, m, k)).astype(np.int8),
        weight=rng.integers(-128, 128, (groups, k, n)).astype(np.int8),
        accumulate=accumulate,
        slot=slot,
    )


@st.composite
def sequences(draw: st.DrawFn, largest: int = 9) -> list[Product]:
    """Up to three products; some add to the output of the one before."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    size = st.integers(1, largest)
    result: list[Product] = []
    for slot in range(draw(st.integers(1, 3))):
        extents = (draw(st.integers(1, 2)), draw(size), draw(size), draw(size))
        result.append(product(rng, extents, slot=slot))
        for _ in range(draw(st.integers(0, 1))):
            longer = (*extents[:3], draw(size))
            result.append(product(rng, longer, accumulate=True, slot=slot))
    return result


arrays = st.builds(
    array_spec,
    st.integers(1, 8),
    st.integers(1, 8),
    st.sampled_from(["WS", "OS", "IS"]),
    st.integers(1, 2),
)
