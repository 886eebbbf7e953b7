"""The areas of a machine: how large each of its parts is."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from math import inf

from foundation.errors import SpecError, nearest

#: Parts that aren't known by name, by their keys.
SINGLE_PARTS = ("pe", "vector_lane", "shared_buffer", "network", "other")


@dataclass(frozen=True, slots=True, kw_only=True)
class AreaSpec:
    """The areas of a machine, in square micrometres. What isn't given isn't in a mapping: never 0.

    Parameters
    ----------
    parts_um2
        By key of ``SINGLE_PARTS``: one PE, one lane of a vector unit, the buffer that cores share,
        the whole network on the chip, and what else is on the die.
    scratchpads_um2
        By name, of one core.
    technology_nm
        The node that areas are derived from, if any are.
    derived, unknown
        Keys whose areas are derived, and keys that are said to have none; those of scratchpads
        start with ``scratchpads.``.
    """

    parts_um2: Mapping[str, float]
    scratchpads_um2: Mapping[str, float]
    technology_nm: float | None = None
    derived: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check that nothing is negative."""
        for key, value in self.numbers():
            if not 0 <= value < inf:
                raise SpecError(f"area.{key}: must be at least 0 and finite but is {value:g}")

    def check_names(self, scratchpads: Collection[str]) -> None:
        """Raise SpecError unless each name is that of a scratchpad."""
        start = "scratchpads."
        nulls = [key.removeprefix(start) for key in self.unknown if key.startswith(start)]
        for name in (*self.scratchpads_um2, *nulls):
            if name not in scratchpads:
                raise SpecError(
                    f"area.scratchpads.{name}: must be one of {', '.join(scratchpads)} but is"
                    f" '{name}'{nearest(name, scratchpads)}"
                )

    def numbers(self) -> Iterator[tuple[str, float]]:
        """Yield every area with its key."""
        yield from self.parts_um2.items()
        yield from ((f"scratchpads.{name}", one) for name, one in self.scratchpads_um2.items())
