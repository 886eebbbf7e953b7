"""The energy of a run: what its traces count, times the machine's energies."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from accel.energy import EnergyCounts, Traffic, register_traffic
from accel.spec import AcceleratorSpec
from accel.trace import SCRATCHPAD_COLUMNS, Repeated
from accel.units import format_energy
from foundation.dtype import Dtype
from isa.instruction import DATAFLOW_NAMES
from reports.cores import core_of, plain_name

#: Components in words; a scratchpad or a memory goes by its name.
_WORDS = {"mac": "MACs", "vector": "vector unit", "shared_buffer": "shared buffer"}
#: A line of text joins components with a smaller share.
SMALLEST_SHARE = 0.01
#: Under which part of a machine the records of layers add up components.
PARTS = ("array", "vector", "scratchpads", "network", "memories", "leakage")


def energy_counts(
    spec: AcceleratorSpec, dtype: Dtype, pieces: Sequence[Repeated], time_s: float
) -> EnergyCounts[float]:
    """Return what a piece of work did, as far as it takes energy.

    Parameters
    ----------
    spec
        The machine.
    dtype
        Type of what its products multiply.
    pieces
        The traces of its programs.
    time_s
        How long it takes.
    """
    engines = list(_engines(pieces))
    loads = [engine for engine in engines if engine.queue == "load"]
    network = spec.network
    return EnergyCounts(
        macs={dtype.name: _total(pieces, "macs")},
        vector_operations=_total(pieces, "operations"),
        registers=_registers(dtype, pieces),
        scratchpads=_scratchpads(pieces),
        memories={
            memory.name: Traffic(
                read_bytes=sum(e.size_bytes for e in loads if e.memory == memory.name),
                written_bytes=sum(
                    e.size_bytes for e in engines if e.memory == memory.name and e.queue == "store"
                ),
            )
            for memory in spec.memories
        },
        shared_buffer=Traffic(
            read_bytes=sum(engine.moved_bytes for engine in loads),
            written_bytes=sum(engine.size_bytes for engine in loads),
        )
        if spec.shared_buffer is not None
        else Traffic(read_bytes=0.0, written_bytes=0.0),
        network_link_bytes=sum(e.moved_bytes * network.mean_links(e.core) for e in engines)
        if network is not None
        else 0.0,
        time_s=time_s,
    )


def _registers(dtype: Dtype, pieces: Sequence[Repeated]) -> Traffic[float]:
    """Return the traffic of the PEs' registers: of each matrix instruction in its dataflow."""
    read = written = 0.0
    for number, name in enumerate(DATAFLOW_NAMES):
        macs, mapped_pes = (
            sum(
                piece.count * float(piece.trace[column][piece.trace["dataflow"] == number].sum())
                for piece in pieces
            )
            for column in ("macs", "mapped_pes")
        )
        traffic = register_traffic(name, dtype, macs, mapped_pes)
        read, written = read + traffic.read_bytes, written + traffic.written_bytes
    return Traffic(read_bytes=read, written_bytes=written)


class _Engine(NamedTuple):
    """What one DMA engine moved: bytes of its main memory, and to or from its core."""

    core: int
    queue: str
    memory: str
    size_bytes: float
    moved_bytes: float


def _engines(pieces: Iterable[Repeated]) -> Iterator[_Engine]:
    for piece in pieces:
        trace, units = piece.trace, piece.trace.units
        size_bytes, moved_bytes = (
            piece.count * np.bincount(trace["unit"], weights=trace[column], minlength=len(units))
            for column in ("bytes", "moved_bytes")
        )
        for number, unit in enumerate(units):
            queue, _, memory = plain_name(unit).partition(":")
            if memory:
                sums = float(size_bytes[number]), float(moved_bytes[number])
                yield _Engine(core_of(unit), queue, memory, *sums)


def _scratchpads(pieces: Sequence[Repeated]) -> dict[str, Traffic[float]]:
    names = pieces[0].trace.scratchpads if pieces else ()
    return {
        name: Traffic(read_bytes=_total(pieces, read), written_bytes=_total(pieces, written))
        for name, (read, written) in zip(names, SCRATCHPAD_COLUMNS, strict=False)
    }


def _total(pieces: Iterable[Repeated], column: str) -> float:
    return sum(piece.count * float(piece.trace[column].sum()) for piece in pieces)


def by_part(energies_pj: Mapping[str, float]) -> dict[str, float]:
    """Return picojoules by ``PARTS`` from those by component."""
    parts = dict.fromkeys(PARTS, 0.0)
    for component, energy_pj in energies_pj.items():
        name = component.partition(".")[0]
        part = {"mac": "array", "registers": "array", "shared_buffer": "scratchpads"}
        parts[part.get(name, name)] += energy_pj
    return parts


def energy_shares(energies_pj: Mapping[str, float]) -> list[tuple[str, float, float]]:
    """Return components in words with their picojoules and shares, largest first."""
    total = sum(energies_pj.values())
    ordered = sorted(energies_pj.items(), key=lambda item: -item[1])
    return [(component_words(component), pj, pj / total) for component, pj in ordered if pj]


def component_words(component: str) -> str:
    """Return a component in words."""
    return _WORDS.get(component, component.partition(".")[2] or component)


def energy_line(energies_pj: Mapping[str, float], *, inferences: int, has_leakage: bool) -> str:
    """Return the energy of an inference and its largest components, in one line."""
    energy_pj = sum(energies_pj.values()) / inferences
    without = "" if has_leakage else ", leakage not counted"
    return f"{format_energy(energy_pj)} an inference{without}: {largest_shares(energies_pj)}"


def largest_shares(energies_pj: Mapping[str, float]) -> str:
    """Return the largest components with their shares: ``dram 77%, MACs 23%``."""
    shares = energy_shares(energies_pj)
    shown = [f"{name} {share:.0%}" for name, _, share in shares if share >= SMALLEST_SHARE]
    if len(shown) < len(shares):
        shown.append(f"others under {SMALLEST_SHARE:.0%} each")
    return ", ".join(shown) or "none"
