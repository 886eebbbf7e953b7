"""Random graphs in which there is a lot to rewrite, and a lot that only looks like it."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from foundation.dtype import DTYPES
from tests.laws.draft import ACTIVATIONS, Draft
from tests.laws.layer_draws import (
    add_binary,
    add_concat,
    add_linear,
    add_normalize,
    add_reduce,
    add_slice,
    add_transpose,
    add_unary,
)
from workloads.graph import Graph, Tensor
from workloads.layers import (
    Concat,
    Convolution,
    Elementwise,
    Linear,
    MatMul,
    Normalize,
    Pool,
    Reshape,
    Slice,
    Transpose,
    Window,
)

Shape = tuple[int, ...]
#: Larger tensors aren't made any larger.
MANY_ELEMENTS = 1500


def unary(draw: DrawFn, draft: Draft, tensor: Tensor) -> Tensor:
    functions = ["identity", "relu", "relu", "relu6", "sigmoid", "negative", "absolute"]
    function = draw(st.sampled_from(functions))
    return draft.add(Elementwise(function=function), [tensor])


def with_constant(draw: DrawFn, draft: Draft, tensor: Tensor) -> Tensor:
    shapes = [(1,), tensor.shape, tensor.shape[-1:], (2, *tensor.shape[1:])]
    if tensor.shape[0] not in (1, 2):
        shapes.pop()
    number = draw(st.sampled_from([0.0, 1.0, -1.0, 0.5]))
    constant = draft.add_learned(draw(st.sampled_from(shapes)), number)
    function = draw(st.sampled_from(["add", "subtract", "multiply", "divide", "maximum"]))
    operator = Elementwise(function=function, activation=draw(ACTIVATIONS))
    operands = [tensor, constant]
    return draft.add(operator, draw(st.permutations(operands)))


def negated(draw: DrawFn, draft: Draft, tensor: Tensor) -> Tensor:
    if draw(st.booleans()):
        operands = [draft.add_learned((1,), 0.0), tensor]
        return draft.add(Elementwise(function="subtract"), operands)
    return draft.add(Elementwise(function="multiply"), [tensor, draft.add_learned((1,), -1.0)])


def there_and_back(draw: DrawFn, draft: Draft, tensor: Tensor) -> Tensor:
    """Add two functions of which the second may take back the first; none overflows."""
    tensor = draft.add(Elementwise(function="tanh"), [tensor])
    for _ in range(draw(st.integers(1, 3))):
        function = draw(st.sampled_from(["exp", "log"]))
        tensor = draft.add(Elementwise(function=function), [tensor])
    return tensor


def with_itself(draw: DrawFn, draft: Draft, tensor: Tensor) -> Tensor:
    function = draw(st.sampled_from(["maximum", "minimum", "subtract", "add", "multiply"]))
    return draft.add(Elementwise(function=function, activation=draw(ACTIVATIONS)), [tensor] * 2)


def twice(draw: DrawFn, draft: Draft, tensor: Tensor) -> Tensor:
    """Add two layers that may be equal, and what reads both."""
    function = st.sampled_from(["gelu", "tanh"])
    first, second = (draft.add(Elementwise(function=draw(function)), [tensor]) for _ in range(2))
    left = draft.add(Elementwise(function="add"), [first, tensor])
    right = draft.add(Elementwise(function="add"), [tensor, second])
    return draft.add(Concat(axis=0), [left, right])


def of_parameters(draw: DrawFn, draft: Draft, tensor: Tensor) -> Tensor:
    """Add layers that read parameters only, and one that reads what they compute."""
    constant = draw(st.sampled_from([None, None, 0.0, 1.0]))
    value = draft.add_learned(tensor.shape[-1:], constant)
    for _ in range(draw(st.integers(1, 2))):
        choices = [add_unary, reshape, add_normalize, linear, add_binary, add_transpose]
        value = draw(st.sampled_from(choices))(draw, draft, value)
    if value.shape != tensor.shape[-1:]:
        return unary(draw, draft, tensor)
    return draft.add(Elementwise(function="multiply"), [tensor, value])


def reshape(draw: DrawFn, draft: Draft, tensor: Tensor) -> Tensor:
    shapes: list[Shape] = [tensor.shape, (-1,), (1, tensor.size_elements), (*tensor.shape, 1)]
    shapes.append((tensor.shape[0], 1, prod(tensor.shape[1:])))
    return draft.add(Reshape(shape=draw(st.sampled_from(shapes))), [tensor])


def whole_slice(draw: DrawFn, draft: Draft, tensor: Tensor) -> Tensor:
    axis = draw(st.integers(-1, len(tensor.shape) - 1))
    return draft.add(Slice(axis=axis, start=0, stop=tensor.shape[axis]), [tensor])


def cut_and_joined(draw: DrawFn, draft: Draft, tensor: Tensor) -> Tensor:
    axis = draw(st.integers(0, len(tensor.shape) - 1))
    size = tensor.shape[axis]
    if size == 1:
        return whole_slice(draw, draft, tensor)
    at = draw(st.integers(1, size - 1))
    parts = [
        draft.add(Slice(axis=axis, start=start, stop=stop), [tensor])
        for start, stop in ((0, at), (draw(st.sampled_from([at, at, 0])), size))
    ]
    return draft.add(Concat(axis=axis), draw(st.sampled_from([parts, parts[::-1]])))


def joined_and_cut(draw: DrawFn, draft: Draft, tensor: Tensor) -> Tensor:
    return add_slice(draw, draft, add_concat(draw, draft, tensor))


def transposed_product(draw: DrawFn, draft: Draft, tensor: Tensor) -> Tensor:
    """Add a product of which an operand, the result or both are transposed."""
    left = draft.add(Reshape(shape=(tensor.shape[0], -1)), [tensor])
    rows, reduced = left.shape
    columns = draw(st.integers(1, 4))
    right = draft.add_input((reduced, columns))
    equation = ["ik,kj->ij", "ki,kj->ji", "ik,jk->ij"][draw(st.integers(0, 2))]
    operands = [left, right]
    for number, letters in enumerate(equation[:5].split(",")):
        if letters.index("k") != (1, 0)[number]:
            operands[number] = draft.add(Transpose(permutation=(1, 0)), [operands[number]])
            if draw(st.booleans()):
                draft.add(Elementwise(function="relu"), [operands[number]])
    del rows
    product = draft.add(MatMul(equation=equation, activation=draw(ACTIVATIONS)), operands)
    return add_transpose(draw, draft, product) if draw(st.booleans()) else product


def reduced(draw: DrawFn, draft: Draft, tensor: Tensor) -> Tensor:
    if draw(st.booleans()):
        tensor = add_transpose(draw, draft, tensor)
    return add_reduce(draw, draft, tensor)


def linear(draw: DrawFn, draft: Draft, tensor: Tensor) -> Tensor:
    operator = Linear(out_features=draw(st.integers(1, 3)), bias=draw(st.booleans()))
    return draft.add(operator, [tensor])


def several_linear(draw: DrawFn, draft: Draft, tensor: Tensor) -> Tensor:
    bias = draw(st.booleans())
    activation = draw(ACTIVATIONS)
    results = [
        draft.add(
            Linear(out_features=draw(st.integers(1, 3)), bias=bias, activation=activation), [tensor]
        )
        for _ in range(draw(st.integers(2, 3)))
    ]
    return draft.add(Concat(axis=-1), results)


def normalized_product(draw: DrawFn, draft: Draft, tensor: Tensor) -> Tensor:
    channels = tensor.shape[-1]
    if len(tensor.shape) == 4:
        groups = draw(st.sampled_from([g for g in range(1, channels + 1) if channels % g == 0]))
        operator: Convolution | Linear = Convolution(
            out_channels=groups * draw(st.integers(1, 2)),
            windows=(Window(1, 1, 1, 1, 0), Window(1)),
            groups=groups,
            bias=draw(st.booleans()),
            activation=draw(ACTIVATIONS),
        )
    else:
        operator = Linear(out_features=2, bias=draw(st.booleans()), activation=draw(ACTIVATIONS))
    product = draft.add(operator, [tensor])
    if draw(st.integers(0, 3)) == 0:
        draft.add(Elementwise(function="tanh"), [product])
    return draft.add(Normalize(function="batch_norm"), [product])


def pooled(draw: DrawFn, draft: Draft, tensor: Tensor) -> Tensor:
    if len(tensor.shape) != 4:
        return unary(draw, draft, tensor)
    window = Window(1, draw(st.integers(1, 2)))
    function = draw(st.sampled_from(["max", "mean"]))
    return draft.add(Pool(function=function, windows=(window, window)), [tensor])


def normalized_rows(draw: DrawFn, draft: Draft, tensor: Tensor) -> Tensor:
    """Add a normalization of rows where that doesn't blow up what is lost in rounding."""
    if draft.dtype.is_integer:
        return add_normalize(draw, draft, tensor)
    return draft.add(Normalize(function="softmax"), [tensor])


def clipped_twice(draw: DrawFn, draft: Draft, tensor: Tensor) -> Tensor:
    for _ in range(2):
        function = draw(st.sampled_from(["relu", "relu6"]))
        tensor = draft.add(Elementwise(function=function), [tensor])
    return tensor


def turned_twice(draw: DrawFn, draft: Draft, tensor: Tensor) -> Tensor:
    return add_transpose(draw, draft, add_transpose(draw, draft, tensor))


def sliced_twice(draw: DrawFn, draft: Draft, tensor: Tensor) -> Tensor:
    return add_slice(draw, draft, add_slice(draw, draft, tensor))


def reshaped_twice(draw: DrawFn, draft: Draft, tensor: Tensor) -> Tensor:
    return reshape(draw, draft, reshape(draw, draft, tensor))


def narrow_linear(draw: DrawFn, draft: Draft, tensor: Tensor) -> Tensor:
    """Add layers of one output on all features: to merge them pays."""
    row = draft.add(Reshape(shape=(tensor.shape[0], -1)), [tensor])
    results = [draft.add(Linear(out_features=1), [row]) for _ in range(2)]
    return draft.add(Elementwise(function=draw(st.sampled_from(["add", "maximum"]))), results)


Pattern = Callable[[DrawFn, Draft, Tensor], Tensor]
PATTERNS: tuple[Pattern, ...] = (
    *(unary, with_constant, negated, with_itself, twice, of_parameters, reshape, whole_slice),
    *(cut_and_joined, joined_and_cut, transposed_product, reduced, several_linear, pooled),
    *(clipped_twice, turned_twice, sliced_twice, reshaped_twice, narrow_linear),
    *(normalized_product, normalized_rows, add_transpose, add_slice, add_linear, add_unary),
)
SMALLER: tuple[Pattern, ...] = (add_reduce, add_slice)
#: What a pass is made for, by its name.
FAVOURITES: dict[str, tuple[Pattern, ...]] = {
    "simplify": (
        *(with_constant, with_constant, negated, with_itself, clipped_twice, sliced_twice, reduced),
        *(joined_and_cut, cut_and_joined, reshaped_twice, pooled),
    ),
    "cancel_inverses": (there_and_back,),
    "fold_constants": (of_parameters,),
    "remove_transposes": (turned_twice, transposed_product, reduced),
    "fold_batch_norm": (normalized_product,),
    "share_equal_layers": (twice,),
    "merge_products": (narrow_linear,),
    "merge_all_products": (several_linear,),
}


@st.composite
def patterned(draw: DrawFn, dtype: str, favourites: str = "") -> Graph:
    """Draw a graph of a few patterns, each behind one of the last tensors there are by then.

    Half of them are what the pass named ``favourites`` is made for.
    """
    draft = Draft(DTYPES[dtype])
    size = st.sampled_from([1, 2, 3, 4])
    tensors = [draft.add_input((draw(st.integers(1, 2)), draw(size), draw(size), draw(size)))]
    some = st.sampled_from(PATTERNS)
    if favourites in FAVOURITES:
        some = st.one_of(some, st.sampled_from(FAVOURITES[favourites]))
    for _ in range(draw(st.integers(1, 7))):
        tensor = draw(st.sampled_from(tensors[-3:]))
        is_small = tensor.size_elements < MANY_ELEMENTS and len(tensor.shape) < 7
        pattern = draw(some if is_small else st.sampled_from(SMALLER))
        tensors.append(pattern(draw, draft, tensor))
    return draft.graph()
