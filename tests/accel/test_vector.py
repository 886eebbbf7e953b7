"""The vector unit in closed form."""

from __future__ import annotations

import pytest

from accel.spec_file import load_preset, preset_names
from accel.vector import pass_cycles, peak_operations_per_cycle, vector_operations
from foundation.functions import FUNCTIONS


@pytest.mark.parametrize("name", preset_names())
def test_the_ceiling_is_the_best_pair_of_function_and_activation(name: str) -> None:
    spec = load_preset(name)
    lanes = spec.vector.lanes
    best = max(
        vector_operations(function=function, activation=activation, elements=lanes)
        / pass_cycles(spec.vector, function, activation)
        for function in FUNCTIONS
        for activation in FUNCTIONS
    )
    assert peak_operations_per_cycle(spec) == spec.cores * best
