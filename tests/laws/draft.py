"""Graphs in the making, for Hypothesis: tensors, and sizes of images and windows."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from foundation.dtype import Dtype
from foundation.functions import FunctionKind, names
from workloads.build import GraphBuilder
from workloads.graph import Graph, Operator, Tensor
from workloads.layers import Window

Shape = tuple[int, ...]
ACTIVATIONS = st.sampled_from(["identity", "identity", "relu", "gelu", "hard_swish"])
#: A row that is normalised has to fit the smallest scratchpad of `tests.laws.machines`.
WIDEST_ROW_BYTES = 1024
#: What is reduced as a whole has to fit the inputs' scratchpad there.
LARGEST_REDUCED_BYTES = 5376
#: Functions that make of a small difference a large one: of rounded values only, in no chain.
STEEP = (
    *("greater", "divide", "exp", "floor", "log", "reciprocal", "sqrt"),
    *("relu_gradient", "relu6_gradient", "hard_sigmoid_gradient", "absolute_gradient"),
)


class Draft:
    """A graph in the making, whose tensors and layers are named by number."""

    def __init__(self, dtype: Dtype) -> None:
        self.dtype = dtype
        self._builder = GraphBuilder("random", 1)
        self._layers = 0

    def functions(self, kind: FunctionKind) -> list[str]:
        """Return the functions that may come next: after rounded layers no steep ones."""
        return [name for name in names(kind) if self.is_exact or name not in STEEP]

    def add_input(self, shape: Shape, dtype: Dtype | None = None) -> Tensor:
        name = f"x{len(self._builder.tensors)}"
        return self._builder.add_input(name, shape, dtype or self.dtype)

    def add_learned(self, shape: Shape, constant: float | None = None) -> Tensor:
        name = f"learned{len(self._builder.tensors)}"
        return self._builder.add_learned(name, shape, self.dtype, constant)

    def add(self, operator: Operator, inputs: Sequence[Tensor]) -> Tensor:
        self._layers += 1
        return self._builder.add_layer(f"layer{self._layers - 1}", operator, inputs)

    def compose(self, add: Callable[..., Tensor], *arguments: object) -> Tensor:
        """Add a composition of layers: a function of a builder, a name, and the arguments."""
        self._layers += 1
        return add(self._builder, f"layer{self._layers - 1}", *arguments)

    @property
    def is_exact(self) -> bool:
        """Whether values are those of NumPy in every bit: a choice among them is the same one."""
        return self.dtype.is_integer or not self._layers

    def graph(self) -> Graph:
        return self._builder.build()


def window(draw: DrawFn, size: int, *, extra_pad: int = 0) -> Window:
    """Draw a window that fits ``size`` elements; with extra padding some see nothing else."""
    kernel = draw(st.integers(1, min(3, size)))
    dilation = draw(st.integers(1, 2)) if (kernel - 1) * 2 < size else 1
    pad = st.integers(0, (kernel - 1) * dilation + extra_pad)
    return Window(
        kernel=kernel,
        stride=draw(st.integers(1, 3)),
        dilation=dilation,
        pad_before=draw(pad),
        pad_after=draw(pad),
    )


def image(draw: DrawFn) -> Shape:
    return (
        draw(st.integers(1, 2)),
        draw(st.integers(3, 8)),
        draw(st.integers(3, 8)),
        draw(st.integers(1, 10)),
    )


def signal(draw: DrawFn) -> Shape:
    return (draw(st.integers(1, 2)), draw(st.integers(3, 20)), draw(st.integers(1, 10)))


def volume(draw: DrawFn) -> Shape:
    return (
        draw(st.integers(1, 2)),
        draw(st.integers(2, 4)),
        draw(st.integers(3, 5)),
        draw(st.integers(3, 5)),
        draw(st.integers(1, 6)),
    )
