"""Random layers whose weights are stored otherwise than activations, and machines for them."""

from dataclasses import replace
from fractions import Fraction

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from accel.products import Product
from accel.spec import AcceleratorSpec
from foundation.dtype import ACTIVATION_DTYPES, DTYPES, WEIGHT_DTYPES
from tests.laws.machines import MACHINES
from workloads.build import GraphBuilder
from workloads.graph import Graph
from workloads.layers import Convolution, Linear, Window
from workloads.weights import SCALED, Sparsity, Weights


def multiplying_all(spec: AcceleratorSpec, sparse: tuple[tuple[int, int], ...]) -> AcceleratorSpec:
    """Return a machine that multiplies any types, fp8 at twice and fp32 at half the rate."""
    rates = {"fp8_e4m3": Fraction(2), "fp32": Fraction(1, 2)}
    products = tuple(
        Product(input=data, weight=weight, macs_per_cycle=rates.get(weight, Fraction(1)))
        for data in ACTIVATION_DTYPES
        for weight in WEIGHT_DTYPES
    )
    array = replace(spec.array, dtypes=(), other_products=products, sparse=sparse)
    return replace(spec, array=array)


machines = st.builds(
    multiplying_all,
    st.sampled_from(MACHINES),
    st.sampled_from([(), ((2, 4),), ((1, 4), (2, 4))]),
)


@st.composite
def sparsities(draw: DrawFn) -> Sparsity:
    """Patterns of segments of 8 and more."""
    seed = draw(st.integers(0, 9))
    if draw(st.booleans()):
        n = draw(st.lists(st.integers(1, 4), min_size=1, max_size=3))
        return Sparsity(kept=tuple(n), period=4, seed=seed)
    density = draw(st.floats(0.05, 1))
    return Sparsity(density=density, block=draw(st.sampled_from([1, 2, 4])), seed=seed)


@st.composite
def weights(draw: DrawFn, dtype: str) -> Weights:
    """Weights that go with activations of a type."""
    is_integer = DTYPES[dtype].is_integer
    names = [name for name in WEIGHT_DTYPES if DTYPES[name].is_integer or not is_integer]
    name = draw(st.sampled_from(names))
    scales: list[str | int | None] = [None]
    if name in SCALED:
        scales += ["tensor", "channel"] if is_integer else ["tensor", "channel", 8]
    sparsity = draw(st.none() | sparsities())
    formats = [None, "dense"] if sparsity is None else [None, "dense", "bitmap", "csr"]
    return Weights(
        dtype=DTYPES[name],
        scales=draw(st.sampled_from(scales)),
        sparsity=sparsity,
        format=draw(st.sampled_from(formats)),
    )


@st.composite
def layers(draw: DrawFn) -> Graph:
    """A linear layer or a convolution of 8, 16 or 24 input channels."""
    dtype = draw(st.sampled_from(["int8", "fp16", "fp32", "fp8_e5m2"]))
    own = draw(weights(dtype))
    channels, outputs = 8 * draw(st.integers(1, 3)), draw(st.integers(3, 11))
    bias = draw(st.booleans())
    builder = GraphBuilder("net", 1)
    if draw(st.booleans()):
        data = builder.add_input("x", (draw(st.integers(1, 9)), channels), DTYPES[dtype])
        builder.add_layer("y", Linear(out_features=outputs, bias=bias, weights=own), [data])
        return builder.build()
    groups = draw(st.sampled_from([1, 2]))
    data = builder.add_input("x", (1, 5, 4, channels * groups), DTYPES[dtype])
    operator = Convolution(
        out_channels=outputs * groups,
        windows=(Window(3, 1, 1, 1, 1), Window(draw(st.integers(1, 2)))),
        groups=groups,
        bias=bias,
        weights=own,
    )
    builder.add_layer("y", operator, [data])
    return builder.build()
