"""The YAML format of a machine's areas, and its way back."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from accel.area_spec import SINGLE_PARTS, AreaSpec
from accel.model_types import Area, Name, Node, Part
from accel.spec import AcceleratorSpec
from accel.units import AREA, NODE, four_digits
from foundation.errors import SpecError


class AreaPart(Part):
    """The areas of a machine; ``null`` says that there is no number."""

    technology: Node | None = None
    pe: Area | None = None
    vector_lane: Area | None = None
    scratchpads: dict[Name, Area | None] = Field(default_factory=dict)
    shared_buffer: Area | None = None
    network: Area | None = None
    other: Area | None = None

    def spec(self, machine: AcceleratorSpec) -> AreaSpec:
        """Return the areas of a machine: those that are given, then those that are derived."""
        given = dict(self._given())
        numbers: dict[str, float] = {}
        if self.technology is not None:
            from accel.technology.areas import derived_areas

            try:
                found = derived_areas(machine, self.technology)
            except SpecError as error:
                raise SpecError(f"area.{error}") from None
            numbers = {key: one.value for key, one in found.items() if key not in given}
        areas = {**numbers, **{key: one for key, one in given.items() if one is not None}}
        start = "scratchpads."
        return AreaSpec(
            parts_um2={key: areas[key] for key in SINGLE_PARTS if key in areas},
            scratchpads_um2={
                key.removeprefix(start): one for key, one in areas.items() if key.startswith(start)
            },
            technology_nm=self.technology,
            derived=tuple(numbers),
            unknown=tuple(key for key, value in given.items() if value is None),
        )

    def _given(self) -> Iterator[tuple[str, float | None]]:
        """Yield what is given by key, None for ``null``."""
        for key in SINGLE_PARTS:
            if key in self.model_fields_set:
                yield key, getattr(self, key)
        yield from ((f"scratchpads.{name}", value) for name, value in self.scratchpads.items())


def area_lines(area: AreaSpec | None) -> list[str]:
    """Return areas as YAML; those that are derived as comments."""
    if area is None:
        return []
    given = {key: AREA.text(value) for key, value in area.numbers() if key not in area.derived}
    lines = list(_entries({**given, **dict.fromkeys(area.unknown, "null")}))
    if area.technology_nm is not None:
        derived = {
            key: AREA.text(four_digits(value))
            for key, value in area.numbers()
            if key in area.derived
        }
        head = f"technology: {NODE.text(area.technology_nm)}"
        lines = [head, *lines, *(f"# derived: {line}" for line in _entries(derived))]
    return ["area:", *(f"  {line}" for line in lines)] if lines else ["area: {}"]


def _entries(texts: dict[str, str]) -> Iterator[str]:
    """Yield lines of YAML for keys, those of scratchpads under their section."""
    yield from (f"{key}: {text}" for key, text in texts.items() if "." not in key)
    pads = {key.partition(".")[2]: text for key, text in texts.items() if "." in key}
    if pads:
        yield f"scratchpads: {{{', '.join(f'{name}: {text}' for name, text in pads.items())}}}"
