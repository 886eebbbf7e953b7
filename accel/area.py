"""The area of a machine: its parts, and which of them have no number."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from accel.spec import AcceleratorSpec
from foundation.errors import SpecError

_OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class AreaOfPart:
    """What a part of a machine takes.

    Parameters
    ----------
    key
        As in the machine's ``area``.
    count
        How many of them there are.
    each_um2
        Area of one; None where it is said to have no number.
    """

    key: str
    count: int
    each_um2: float | None

    @property
    def area_um2(self) -> float | None:
        """Area of all of them."""
        return None if self.each_um2 is None else self.count * self.each_um2


def area_of_parts(machine: AcceleratorSpec) -> tuple[AreaOfPart, ...]:
    """Return the areas of all parts of a machine.

    Raises
    ------
    SpecError
        The machine has no areas, or lacks those of some parts and doesn't say that they have none.
    """
    spec = machine.area
    if spec is None:
        raise SpecError(
            f"machine '{machine.name}': key 'area' is missing but its area is asked for; add it"
        )
    numbers = dict(spec.numbers())
    counts = dict(_counts(machine))
    missing = [key for key in counts if key not in numbers and key not in spec.unknown]
    if missing:
        names = ", ".join(f"'area.{key}'" for key in missing)
        hint = "; 'other' is what else is on the die, such as control and pads"
        raise SpecError(
            f"machine '{machine.name}': {names} {'is' if len(missing) == 1 else 'are'} missing but"
            f" the machine has {'it' if len(missing) == 1 else 'them'}; add an area, or null where"
            f" none is known{hint if _OTHER in missing else ''}"
        )
    return tuple(
        AreaOfPart(key=key, count=count, each_um2=numbers.get(key)) for key, count in counts.items()
    )


def known_area_um2(parts: tuple[AreaOfPart, ...]) -> float:
    """Return the area of the parts that have a number."""
    return sum(part.area_um2 or 0.0 for part in parts)


def _counts(machine: AcceleratorSpec) -> Iterator[tuple[str, int]]:
    """Yield the key of each part, and how many there are."""
    yield "pe", machine.pes
    yield "vector_lane", machine.cores * machine.vector.lanes
    yield from ((f"scratchpads.{pad.name}", machine.cores) for pad in machine.scratchpads)
    if machine.shared_buffer is not None:
        yield "shared_buffer", 1
    if machine.network is not None:
        yield "network", 1
    yield _OTHER, 1
