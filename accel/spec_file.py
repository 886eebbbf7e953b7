"""Machines from YAML files and presets. The format is described in ``accel/FORMAT.md``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from accel.spec import TENSOR_CLASSES, AcceleratorSpec
from accel.timing import Timing
from foundation.document import Document, Path_, parse, read
from foundation.errors import SpecError, nearest

_PRESETS = Path(__file__).resolve().parent / "presets"


def load_spec(path: Path) -> AcceleratorSpec:
    """Return the machine in a YAML file.

    Raises
    ------
    SpecError
        The file can't be read, or doesn't describe a machine: which line, and what to change.
    """
    return spec_of(read(path, SpecError))


def load_timing(path: Path) -> Timing:
    """Return the timing model in a YAML file: a mapping as under ``array.timing``.

    Raises
    ------
    SpecError
        The file can't be read, or doesn't describe one: which line, and what to change.
    """
    from accel.spec_models import TimingPart

    return read(path, SpecError).validate(TimingPart).timing()


def parse_spec(text: str, name: str) -> AcceleratorSpec:
    """Return the machine that YAML text describes; ``name`` stands for the file in messages."""
    return spec_of(parse(text, name, SpecError))


def preset_names() -> list[str]:
    """Return the names of the machines that come with Rooftile, sorted."""
    return sorted(path.stem for path in _PRESETS.glob("*.yaml"))


def load_preset(name: str) -> AcceleratorSpec:
    """Return a preset.

    Raises
    ------
    SpecError
        No preset has this name.
    """
    known = preset_names()
    if name not in known:
        raise SpecError(
            f"hardware '{name}': isn't a preset ({', '.join(known)}){nearest(name, known)}"
        )
    return load_spec(_PRESETS / f"{name}.yaml")


def schema() -> dict[str, Any]:
    """Return the JSON Schema of hardware files, for editors.

    A file with ``base`` may leave out any key: the preset has it.
    """
    from accel.spec_models import MachineFile

    whole = MachineFile.model_json_schema()
    variation = MachineFile.model_json_schema(ref_template="#/$defs/{model}Variation")
    parts, varied_parts = whole.pop("$defs"), variation.pop("$defs")
    for part in (variation, *varied_parts.values()):
        for schema_of_part in (part, *part.get("anyOf", ())):
            schema_of_part.pop("required", None)
    variation["properties"]["base"] = {"enum": preset_names()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "if": {"required": ["base"]},
        "then": variation,
        "else": whole,
        "$defs": {**parts, **{f"{name}Variation": part for name, part in varied_parts.items()}},
    }


def to_yaml(spec: AcceleratorSpec) -> str:
    """Return a machine as YAML with every default written out; it loads to an equal spec."""
    from accel.spec_models import machine_text

    return machine_text(spec)


def spec_of(document: Document) -> AcceleratorSpec:
    """Return the machine of a document, on top of the preset that it names as ``base``.

    Raises
    ------
    SpecError
        It doesn't describe a machine: which line, and what to change.
    """
    from accel.spec_models import MachineFile

    data = document.data
    if not isinstance(data, dict):
        raise document.failure((), "a machine is a mapping (key: value)")
    merged = document
    if "base" in data:
        base = data["base"]
        if not isinstance(base, str) or base not in preset_names():
            known = preset_names()
            raise document.failure(
                ("base",),
                f"must be one of {', '.join(known)} but is '{base}'{nearest(str(base), known)}",
            )
        own = {key: value for key, value in data.items() if key != "base"}
        merged = replace(document, data=_merged(_without_stated(_preset_data(base), own), own))
    machine = merged.validate(MachineFile)
    try:
        return machine.spec()
    except SpecError as error:
        line = document.line(_part_of(str(error)))
        raise SpecError(f"{document.name}:{line}: {error}") from None


def _part_of(message: str) -> Path_:
    """Return the place in a machine file that a broken rule is about."""
    key = message.partition(":")[0]
    place = tuple(key.split(".", 3 if key.startswith("energy.technology.") else 2))
    if place[0] in ("network", "shared_buffer", "energy", "area"):
        return place
    if message.endswith("in 'read_queue'"):
        return ("cores",)
    about_memories = any(f": '{name}' must be held" in message for name in TENSOR_CLASSES)
    return ("memories",) if about_memories else ("scratchpads",)


def _without_stated(base: Any, own: Any) -> Any:
    """Return a preset without the numbers that ``own`` replaces by those of a technology.

    Numbers that are given go before derived ones: a technology would otherwise change nothing.
    """
    named = [key for key in ("energy", "area") if "technology" in (own.get(key) or ())]
    return {key: value for key, value in base.items() if key not in named}


def _preset_data(name: str) -> Any:
    """Return what a preset's file says, with what it takes from another preset."""
    data = read(_PRESETS / f"{name}.yaml", SpecError).data
    if "base" not in data:
        return data
    base = _preset_data(data["base"])
    return _merged(base, {key: value for key, value in data.items() if key != "base"})


def _merged(base: Any, own: Any) -> Any:
    """Return ``base`` with what ``own`` says: mappings key by key, everything else replaced."""
    if not isinstance(base, dict) or not isinstance(own, dict):
        return own
    keys = [*base, *(key for key in own if key not in base)]
    return {key: _merged(base.get(key), own[key]) if key in own else base[key] for key in keys}
