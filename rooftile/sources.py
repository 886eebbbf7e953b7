"""Names and files: where a network or a machine that the user asks for comes from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from accel.scalesim_file import SUFFIX as SCALESIM
from accel.scalesim_file import load_scalesim
from accel.spec import AcceleratorSpec
from accel.spec_file import load_preset, load_spec, preset_names
from accel.spec_file import to_yaml as hardware_yaml
from accel.units import format_count, format_hz
from foundation.document import read
from foundation.errors import RooftileError, SpecError, WorkloadError, nearest
from workloads.graph import Graph
from workloads.loaders.asked import AS_IT_IS, Asked
from workloads.loaders.files import FORMATS, load_file
from workloads.loaders.yaml import to_yaml as network_yaml
from workloads.loaders.yaml import zoo_names, zoo_path

if TYPE_CHECKING:
    from workloads.training.step import TrainingStep


def find_network(name: str, asked: Asked = AS_IT_IS) -> Graph:
    """Return the network of a zoo name or of a file.

    Raises
    ------
    WorkloadError
        For an unknown name, or a file that doesn't describe a network.
    """
    if _is_file(name):
        return load_file(Path(name), asked)
    if name in zoo_names():
        return load_file(zoo_path(name), asked)
    raise _unknown("network", name, zoo_names(), WorkloadError)


def find_training_step(name: str, asked: Asked) -> TrainingStep:
    """Return one step of the training that is asked for, and what its tensors are.

    Raises
    ------
    WorkloadError
        As `find_network`, or the network can't be trained.
    """
    from workloads.training.step import build_step

    assert asked.training is not None, "training is asked for"
    return build_step(find_network(name, replace(asked, training=None)), asked.training)


def find_hardware(name: str) -> AcceleratorSpec:
    """Return the machine of a preset's name, of a YAML file, or of one of SCALE-Sim.

    Raises
    ------
    SpecError
        For an unknown name, or a file that doesn't describe a machine.
    """
    if Path(name).suffix == SCALESIM:
        return load_scalesim(Path(name))
    if _is_file(name):
        return load_spec(Path(name))
    if name in preset_names():
        return load_preset(name)
    raise _unknown("hardware", name, preset_names(), SpecError)


def _is_file(name: str) -> bool:
    """Whether a name is meant as a path: it has a suffix or a slash, or stands there."""
    path = Path(name)
    return path.suffix in (*FORMATS, SCALESIM) or "/" in name or is_there(path)


def is_there(path: Path) -> bool:
    """Whether something is at a path; names that no path can have aren't."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def _unknown(what: str, name: str, known: list[str], error: type[RooftileError]) -> RooftileError:
    return error(
        f"{what} '{name}': neither a file nor one of {', '.join(known)}{nearest(name, known)}"
    )


def resolved_yaml(name: str, asked: Asked) -> str:
    """Return a network or a machine as YAML with every default written out.

    Raises
    ------
    WorkloadError, SpecError
        For an unknown name, or a file that describes neither.
    """
    if _is_hardware(name):
        return hardware_yaml(find_hardware(name))
    return network_yaml(find_network(name, asked))


def describe(file: Path) -> str:
    """Return one line that says that a file is valid, and what it describes.

    Raises
    ------
    WorkloadError, SpecError
        When it isn't valid.
    """
    if _is_hardware(str(file)):
        spec = find_hardware(str(file))
        clock = format_hz(spec.clock_hz)
        return f"{file}: valid hardware '{spec.name}', {spec.label} at {clock}"
    graph = load_file(file)
    return (
        f"{file}: valid network '{graph.name}', {len(graph.layers)} layers,"
        f" {format_count(graph.total_macs).strip()} MACs,"
        f" {format_count(graph.total_parameters).strip()} parameters"
    )


def _is_hardware(name: str) -> bool:
    """Whether a name or a file is a machine: a file that has ``array`` or ``base`` at its top."""
    if not _is_file(name):
        if name not in (*preset_names(), *zoo_names()):
            known = [*preset_names(), *zoo_names()]
            raise RooftileError(
                f"'{name}': neither a file, a network of the zoo nor a hardware preset"
                f"{nearest(name, known)}"
            )
        return name in preset_names()
    if Path(name).suffix not in (".yaml", ".yml"):
        return Path(name).suffix == SCALESIM
    data = read(Path(name), WorkloadError).data
    return isinstance(data, dict) and bool({"array", "base"} & set(data))
