"""What can be moved: sizes of a machine, and what is asked of its network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from accel.spec import AcceleratorSpec
from accel.units import format_bandwidth, format_bytes
from foundation.dtype import ACTIVATION_DTYPES
from foundation.errors import RooftileError, WorkloadError
from rooftile.sources import find_network
from workloads.graph import Graph, TensorKind
from workloads.loaders.asked import Asked

#: What the machine's own sizes are multiplied by; results that aren't whole are left out.
FACTORS = tuple(map(Fraction, ("1/8", "1/4", "1/2", "3/4", "1", "3/2", "2", "3", "4", "8")))
#: Largest number of rows, or of columns, that is offered.
MOST_PES = 2048
BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256)

#: The place of each knob's choice, in the order of the knobs.
Setting = tuple[int, ...]
Change = Callable[[AcceleratorSpec, Any], AcceleratorSpec]


@dataclass(frozen=True, slots=True, kw_only=True)
class Knob:
    """Something that can be moved.

    Parameters
    ----------
    key
        Its name for programs.
    label
        Its name for people.
    values
        What can be chosen.
    texts
        The same for people, with units.
    start
        Place of what the user gave.
    change
        What a value does to a machine; None for what is asked of the network.
    """

    key: str
    label: str
    values: tuple[Any, ...]
    texts: tuple[str, ...]
    start: int
    change: Change | None = None

    def record(self) -> dict[str, Any]:
        """Return what a page needs of it."""
        return {"key": self.key, "label": self.label, "texts": self.texts, "start": self.start}


class Space:
    """All settings of a network on a machine.

    Parameters
    ----------
    network
        A name of the zoo, or a file.
    asked
        What is asked of it, besides batch and type where these are moved.
    spec
        The machine as it was given.

    Raises
    ------
    WorkloadError
        When the network can't be built.
    """

    def __init__(self, network: str, asked: Asked, spec: AcceleratorSpec) -> None:
        self.network, self.asked, self.spec = network, asked, spec
        graph = find_network(network, asked)
        self.name = graph.name
        self.knobs = tuple(
            knob
            for knob in (*_machine_knobs(spec), self._dtypes(graph), self._batches(graph))
            if len(knob.values) > 1
        )

    @property
    def start(self) -> Setting:
        """What the user gave."""
        return tuple(knob.start for knob in self.knobs)

    def setting(self, places: object) -> Setting:
        """Return the setting that a page asks for: key to place.

        Raises
        ------
        RooftileError
            When it isn't one.
        """
        if not isinstance(places, dict) or set(places) != {knob.key for knob in self.knobs}:
            raise RooftileError(f"a setting must have {', '.join(knob.key for knob in self.knobs)}")
        for knob in self.knobs:
            place = places[knob.key]
            if type(place) is not int or not 0 <= place < len(knob.values):
                raise RooftileError(
                    f"'{knob.key}' must be a number from 0 to {len(knob.values) - 1}"
                )
        return tuple(places[knob.key] for knob in self.knobs)

    def machine(self, setting: Setting) -> AcceleratorSpec:
        """Return the machine of a setting.

        Raises
        ------
        SpecError
            When there is none.
        """
        spec = self.spec
        for knob, place in zip(self.knobs, setting, strict=True):
            if knob.change is not None and place != knob.start:
                spec = knob.change(spec, knob.values[place])
        return spec

    def asked_of(self, setting: Setting) -> Asked:
        """Return what a setting asks of the network."""
        chosen = {
            knob.key: knob.values[place]
            for knob, place in zip(self.knobs, setting, strict=True)
            if knob.change is None and place != knob.start
        }
        return replace(self.asked, **chosen)

    def _dtypes(self, graph: Graph) -> Knob:
        """Return what the network's type is, and the others that the machine multiplies."""
        kinds = (TensorKind.INPUT, TensorKind.ACTIVATION)
        data = [t.dtype.name for kind in kinds for t in graph.tensors.values() if t.kind is kind]
        # Indices are integers whatever the network computes with.
        own = next((name for name in data if name in ACTIVATION_DTYPES), data[0])
        names = [name for name in self.spec.array.dtypes if name in ACTIVATION_DTYPES]
        others = tuple(name for name in names if name != own)
        values, texts = (self.asked.dtype, *others), (f"{own}, as given", *others)
        return Knob(key="dtype", label="Precision", values=values, texts=texts, start=0)

    def _batches(self, graph: Graph) -> Knob:
        """Return the batches that the network can have; a file may fix its own."""
        values = tuple(sorted({*BATCHES, graph.batch}))
        try:
            other = next(value for value in values if value != graph.batch)
            find_network(self.network, replace(self.asked, batch=other))
        except WorkloadError:
            values = (graph.batch,)
        return Knob(
            key="batch",
            label="Batch",
            values=values,
            texts=tuple(f"{value}" for value in values),
            start=values.index(graph.batch),
        )


def _machine_knobs(spec: AcceleratorSpec) -> list[Knob]:
    """Return array, scratchpads and memories; a DRAM's bandwidth is that of its standard."""
    knobs = [
        _sizes(
            axis, f"Array {axis}", getattr(spec.array, axis), str, _array_changer(axis), MOST_PES
        )
        for axis in ("rows", "columns")
    ]
    knobs += [
        _sizes(
            f"scratchpads.{pad.name}",
            f"Scratchpad {pad.name}",
            pad.capacity_bytes,
            format_bytes,
            _capacity_changer(pad.name),
        )
        for pad in spec.scratchpads
    ]
    knobs += [
        _sizes(
            f"memories.{memory.name}",
            f"Bandwidth {memory.name}",
            memory.bandwidth_bytes_per_s,
            format_bandwidth,
            _bandwidth_changer(memory.name),
        )
        for memory in spec.memories
        if memory.dram is None
    ]
    return knobs


def _sizes(
    key: str,
    label: str,
    own: float,
    text: Callable[[Any], str],
    change: Change,
    most: float = float("inf"),
) -> Knob:
    """Return a knob around the machine's own size, of whole numbers where that is one."""
    sizes = [Fraction(own) * factor for factor in FACTORS]
    whole = isinstance(own, int)
    values: Sequence[Any] = [
        int(size) if whole else float(size)
        for size in sizes
        if (not whole or size.denominator == 1) and (size <= most or size == own)
    ]
    return Knob(
        key=key,
        label=label,
        values=tuple(values),
        texts=tuple(map(text, values)),
        start=list(values).index(own),
        change=change,
    )


def _array_changer(axis: str) -> Change:
    return lambda spec, size: replace(spec, array=replace(spec.array, **{axis: size}))


def _capacity_changer(name: str) -> Change:
    return lambda spec, size: replace(
        spec,
        scratchpads=tuple(
            replace(pad, capacity_bytes=size) if pad.name == name else pad
            for pad in spec.scratchpads
        ),
    )


def _bandwidth_changer(name: str) -> Change:
    return lambda spec, bandwidth: replace(
        spec,
        memories=tuple(
            replace(memory, bandwidth_bytes_per_s=bandwidth) if memory.name == name else memory
            for memory in spec.memories
        ),
    )
