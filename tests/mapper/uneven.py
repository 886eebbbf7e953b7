"""Another mapper, in the plainest form: which main-memory bytes uneven mappings move.

The rules are those of ZigZag (L. Mei et al., IEEE Trans. Computers 70(8), 2021): prime factors of
all dimensions in one order, and for each operand a place in it inside of which its part stays on
the chip. It shares no code with Rooftile's map space.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, inf, prod
from random import Random

#: As in the machine `ref32`: bytes of the shared buffer, of a psum, and psums of a lane.
CAPACITY, PSUM_BYTES, LANE_PSUMS, EDGE = 256 * 1024, 4, 64, 32
_RELEVANT = {
    "W": frozenset({"G", "K", "C", "FY", "FX"}),
    "I": frozenset({"G", "C", "OY", "OX", "FY", "FX"}),
    "O": frozenset({"G", "K", "OY", "OX"}),
}
_SUMMED = frozenset({"C", "FY", "FX"})
_ONE = dict.fromkeys(("G", "K", "C", "OY", "OX", "FY", "FX"), 1)

Order = list[tuple[str, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """A convolution, or products (OX, FY and FX are 1, OY is M), by the sizes of its dimensions."""

    K: int
    C: int
    OY: int
    OX: int = 1
    F: int = 1
    stride: int = 1
    G: int = 1

    @property
    def sizes(self) -> dict[str, int]:
        """Dimension to iterations."""
        taps = {"FY": self.F, "FX": self.F}
        return {"G": self.G, "K": self.K, "C": self.C, "OY": self.OY, "OX": self.OX, **taps}

    def bytes_of(self, operand: str, size: dict[str, int]) -> int:
        """Return the bytes of an operand's part; padding isn't fetched."""
        if operand == "W":
            return size["G"] * size["K"] * size["C"] * size["FY"] * size["FX"]
        if operand == "O":
            return size["G"] * size["K"] * size["OY"] * size["OX"]
        rows, columns = (
            min((size[o] - 1) * self.stride + size[f], self.sizes[o] * self.stride)
            for o, f in (("OY", "FY"), ("OX", "FX"))
        )
        return size["G"] * size["C"] * rows * columns


def fewest_bytes(layer: Layer, steps: int, seed: int) -> float:
    """Return the fewest bytes that simulated annealing over orders finds."""
    draw = Random(seed)
    spatial = {d: max(n for n in range(1, EDGE + 1) if layer.sizes[d] % n == 0) for d in "KC"}
    order = [
        (d, factor)
        for d, extent in layer.sizes.items()
        for factor in _factors(extent // spatial.get(d, 1))
    ]
    draw.shuffle(order)
    value, best, heat = _bytes(layer, order, spatial), inf, 0.3
    for _ in range(steps):
        other = list(order)
        other.insert(draw.randrange(len(order)), other.pop(draw.randrange(len(order))))
        found = _bytes(layer, other, spatial)
        if found <= value or draw.random() < exp((1 - found / value) / heat):
            order, value = other, found
        best, heat = min(best, value), max(1e-3, heat * 0.997)
    return best


def _factors(number: int) -> list[int]:
    found, prime = [], 2
    while number > 1:
        while number % prime == 0:
            found.append(prime)
            number //= prime
        prime += 1
    return found


def _bytes(layer: Layer, order: Order, spatial: dict[str, int]) -> float:
    """Return the fewest bytes of an order, innermost loop first, over all places of operands."""
    sizes = [{**_ONE, **spatial}]
    for d, factor in order:
        sizes.append({**sizes[-1], d: sizes[-1][d] * factor})
    in_lanes = _in_lanes(order)
    choices = {operand: [] for operand in _RELEVANT}  # type: dict[str, list[tuple[int, int]]]
    for operand, relevant in _RELEVANT.items():
        for place, size in enumerate(sizes):
            part, outside = layer.bytes_of(operand, size), order[place:]
            while outside and outside[0][0] not in relevant:
                outside = outside[1:]
            moved, held = part * prod(factor for _, factor in outside), part
            if operand == "O":
                if any(d in _SUMMED for d, _ in order[min(place, in_lanes) :]):
                    held *= PSUM_BYTES
                if any(d in _SUMMED for d, _ in outside):
                    whole = layer.bytes_of("O", layer.sizes)
                    moved = whole + 2 * PSUM_BYTES * (moved - whole)
            choices[operand].append((held, moved))
    return min(
        (
            w_moved + i_moved + o_moved
            for w_held, w_moved in _frontier(choices["W"])
            for i_held, i_moved in _frontier(choices["I"])
            for o_held, o_moved in _frontier(choices["O"])
            if w_held + i_held + o_held <= CAPACITY
        ),
        default=inf,
    )


def _in_lanes(order: Order) -> int:
    """Return how many of the inner loops the lanes' own psums last for."""
    held = 1
    for place, (d, factor) in enumerate(order):
        held *= factor if d in _RELEVANT["O"] else 1
        if held > LANE_PSUMS:
            return place
    return len(order)


def _frontier(choices: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the choices that nothing smaller beats."""
    found: list[tuple[int, int]] = []
    for held, moved in sorted(choices):
        if held <= CAPACITY and (not found or moved < found[-1][1]):
            found.append((held, moved))
    return found
