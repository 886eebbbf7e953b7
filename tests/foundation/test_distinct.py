"""Distinct values, against NumPy's own."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray

from foundation.distinct import distinct


@given(arrays(np.int64, array_shapes(min_dims=0, min_side=0), elements=st.integers(-9, 9)))
def test_they_are_numpys(values: NDArray[np.int64]) -> None:
    np.testing.assert_array_equal(distinct(values), np.unique(values))
