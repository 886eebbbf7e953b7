"""Order: which of a network's independent branches run first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

from mapper.layer_mapper import LayerMapper
from workloads.graph import Layer

#: What an order of layers costs: smaller is better.
Cost = Callable[[LayerMapper], tuple[float, float]]


def best_order(mapper: LayerMapper, cost: Cost) -> LayerMapper:
    """Return a mapper of the same layers, whose independent branches run in a better order.

    Neighbouring branches change places, equal ones everywhere at once, as long as that lowers the
    cost.

    # Approximation: a local search. A branch is a chain of layers without forks and joins: one that
    has forks of its own doesn't move as a whole.
    """
    best, least = mapper, cost(mapper)
    tried: set[tuple[str, ...]] = set()
    improving = True
    while improving:
        improving = False
        for order in _orders(best):
            swapped = best.in_order(order)
            names = tuple(layer.name for layer in swapped.graph.layers)
            if names in tried:
                continue
            tried.add(names)
            found = cost(swapped)
            if found < least:
                best, least, improving = swapped, found, True
                break
    return best


def _orders(mapper: LayerMapper) -> Iterator[list[int]]:
    """Yield orders in which two neighbouring branches have changed places, wherever they occur."""
    layers = mapper.graph.layers
    branches = _branches(layers)
    places: dict[object, list[int]] = {}
    for number, (first, second) in enumerate(pairwise(branches)):
        kinds = [tuple(mapper.signature(n) for n in branch) for branch in (first, second)]
        if kinds[0] != kinds[1] and _is_independent(layers, first, second):
            places.setdefault(tuple(kinds), []).append(number)
    for numbers in places.values():
        order = list(branches)
        for number in _apart(numbers):
            order[number], order[number + 1] = order[number + 1], order[number]
        yield [n for branch in order for n in branch]


def _branches(layers: Sequence[Layer]) -> list[range]:
    """Return the layers as chains: each layer of one reads the one before, alone, and no other."""
    readers: dict[str, int] = {}
    for layer in layers:
        for name in layer.inputs:
            readers[name] = readers.get(name, 0) + 1
    starts = [0]
    for number, (before, layer) in enumerate(pairwise(layers), start=1):
        if layer.inputs != (before.name,) or readers[before.name] > 1:
            starts.append(number)
    return [range(*ends) for ends in pairwise([*starts, len(layers)])]


def _is_independent(layers: Sequence[Layer], first: range, second: range) -> bool:
    """Whether a branch needs nothing that the one before it computes."""
    made = {layers[n].name for n in first}
    return not any(made & set(layers[n].inputs) for n in second)


def _apart(numbers: Sequence[int]) -> Iterator[int]:
    """Yield numbers of which no two are neighbours, the first of each row."""
    last = None
    for number in numbers:
        if last is None or number > last + 1:
            last = number
            yield number
