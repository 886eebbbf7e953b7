"""Machines that multiply pairs of types at rates of their own, and skip zeros."""

from dataclasses import replace
from fractions import Fraction

import pytest

from accel.products import PLAIN, Product
from accel.several_arrays import matmul_work
from accel.spec import AcceleratorSpec
from accel.spec_file import load_preset, parse_spec, to_yaml
from foundation.dtype import DTYPES
from foundation.errors import SpecError
from foundation.stored import Stored

INT8, FP16, FP8, INT4 = (DTYPES[name] for name in ("int8", "fp16", "fp8_e4m3", "int4"))


def machine(array: str) -> AcceleratorSpec:
    return parse_spec(f"base: edge_32x32\nname: h\narray: {{{array}}}\n", "h.yaml")


def test_entries_are_types_or_products() -> None:
    spec = machine(
        "dtypes: [int8, {input: fp16, weight: int4}, {input: fp8_e4m3, macs_per_cycle: 2}],"
        " sparse: [1:4, 2:4]"
    )
    array = spec.array
    assert array.dtypes == ("int8",)
    assert array.products == (
        Product(input="int8", weight="int8"),
        Product(input="fp16", weight="int4"),
        Product(input="fp8_e4m3", weight="fp8_e4m3", macs_per_cycle=Fraction(2)),
    )
    assert array.sparse == ((1, 4), (2, 4))
    assert array.reduction(INT8, None) == PLAIN
    assert array.reduction(FP8, None).macs_per_cycle == 2
    assert parse_spec(to_yaml(spec), "again.yaml") == spec


@pytest.mark.parametrize("text", ["none", "[]"])
def test_a_dense_array_may_say_so(text: str) -> None:
    assert machine(f"sparse: {text}") == replace(load_preset("edge_32x32"), name="h")


def test_presets_are_written_as_ever() -> None:
    assert "sparse" not in to_yaml(load_preset("tpu_v1"))


def test_what_isnt_listed_isnt_multiplied() -> None:
    spec = machine("dtypes: [int8, {input: fp16, weight: int4}]")
    spec.check_product(INT8, INT8)
    spec.check_product(FP16, INT4)
    with pytest.raises(SpecError) as caught:
        spec.check_product(INT8, INT4)
    assert str(caught.value) == (
        "machine 'h': its array multiplies int8, fp16 x int4, not int8 x int4;"
        " did you mean 'fp16 x int4'?; add it to 'array.dtypes', or change the dtype of the weights"
    )
    with pytest.raises(SpecError, match=r"not fp16; .*choose one with --dtype$"):
        spec.check_product(FP16, FP16)


def test_banks_and_segments_dont_go_together() -> None:
    spec = load_preset("npu_4core")
    spec.check_weights(None)
    with pytest.raises(
        SpecError, match=r"aren't modelled for weights stored as int4/2:1/1:1:dense"
    ):
        spec.check_weights(Stored(value=INT4, length=2))


@pytest.mark.parametrize(("rate", "steps"), [("2", 32), ("0.5", 128), ("1.5", 43)])
def test_a_rate_is_that_of_neighbours_along_the_reduction(rate: str, steps: int) -> None:
    """On an OS array the reduction streams: with K steps a fold takes 2R + C + K - 2 cycles."""
    array = machine(f"dtypes: [{{input: int8, macs_per_cycle: {rate}}}]").array
    work = matmul_work(
        array, groups=1, m=32, n=32, k=64, accumulate=0, reduction=array.reduction(INT8, None)
    )
    assert work.timing.latency_cycles == 2 * 32 + 32 + steps - 2
    assert work.macs == 32 * 32 * 64
    assert work.input_reads == work.weight_reads == 32 * 64


def test_weights_cross_the_port_as_they_are_stored() -> None:
    stored = Stored(value=INT8, length=8, kept=2, period=4, format="nm")
    array = machine("sparse: 2:4").array
    work = matmul_work(
        array, groups=1, m=32, n=32, k=8, accumulate=0, reduction=array.reduction(INT8, stored)
    )
    read = work.bytes_read(INT8.vector(8), stored.segment)
    assert read["input"] == 32 * 64  # the array picks two of four
    assert read["weight"] == 32 * 64 * 5 // 8
    assert work.macs == 32 * 32 * 32
