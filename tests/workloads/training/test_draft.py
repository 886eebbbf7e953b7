"""Sums of many elements in stages."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundation.dtype import DTYPES
from workloads.build import GraphBuilder
from workloads.evaluate import evaluate
from workloads.training import draft
from workloads.training.draft import Draft


@given(
    shape=st.lists(st.integers(1, 13), min_size=1, max_size=4),
    data=st.data(),
    seed=st.integers(0, 99),
)
def test_sums_in_stages_are_sums(shape: list[int], data: st.DataObject, seed: int) -> None:
    axes = data.draw(st.sets(st.integers(0, len(shape) - 1)))
    builder = GraphBuilder("sums", 1)
    tensor = builder.add_input("x", tuple(shape), DTYPES["fp32"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(draft, "LONGEST_SUM", 5)
        total = Draft(builder).under("sum").total("total", tensor, axes)
    values = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    found = {"x": values, **evaluate(builder.build(), {"x": values})}[total.name]
    expected = values.sum(axis=tuple(axes))
    assert found.shape == (expected.shape or (1,))
    assert found == pytest.approx(expected.reshape(found.shape), abs=1e-4)
    if len(axes) == len(shape):
        longest = max((max(t.shape) for t in builder.tensors.values() if t.name != "x"), default=1)
        assert longest <= max(5, *shape) or len(shape) > 1
