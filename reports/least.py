"""Lower bounds of works: what their programs take at least."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from accel.spec import AcceleratorSpec
from mapper.bounds import Bounds, bounds
from mapper.works import Work

_NOTHING = Bounds(
    array_cycles=0.0, vector_cycles=0.0, compulsory_bytes=0, traffic_bytes=0.0, memory_cycles=0.0
)


class Least(NamedTuple):
    """What a work takes at least: core cycles, and main-memory bytes.

    ``compulsory_bytes`` are moved if everything moves once, ``traffic_bytes`` if no more stays on
    the chip than its scratchpads hold.
    """

    cycles: float
    compulsory_bytes: int
    traffic_bytes: float


def least_of(work: Work, spec: AcceleratorSpec) -> Least:
    """Return the lower bounds of a work.

    Kernels run one after the other; layers that run together overlap. Weights that the program
    before loads count there. What several layers read at the same time may come once. Nothing is
    known of a layer in a group of whose results the others need a part only.
    """
    kernels = [bounds(kernel, spec) for kernel in work.kernels]
    if work.fused is not None:
        skips = work.fused.steps.skips
        kernels = [_NOTHING if skip else one for skip, one in zip(skips, kernels, strict=True)]
    if kernels:
        kernels[0] = _with_more_bytes(kernels[0], _fetched_bytes(work), spec)
    compulsory = sum(one.compulsory_bytes for one in kernels)
    traffic = sum(one.traffic_bytes for one in kernels)
    if work.beside is not None and work.beside.shared_bytes:
        compulsory -= work.beside.shared_bytes
        traffic = max(compulsory, *(one.traffic_bytes for one in kernels))
    cycles = sum(one.cycles for one in kernels)
    if work.fused is not None or work.beside is not None:
        cycles = max(
            traffic / spec.bandwidth_bytes_per_s * spec.clock_hz,
            sum(one.array_cycles for one in kernels),
            sum(one.vector_cycles for one in kernels),
        )
    return Least(cycles=cycles, compulsory_bytes=compulsory, traffic_bytes=traffic)


def _fetched_bytes(work: Work) -> int:
    """Return the bytes that a work loads for the next one, less those that it finds loaded."""
    more = work.fetches.moved_bytes if work.fetches is not None else 0
    return more - (work.prefetch.moved_bytes if work.prefetch is not None else 0)


def _with_more_bytes(one: Bounds, size_bytes: int, spec: AcceleratorSpec) -> Bounds:
    return replace(
        one,
        compulsory_bytes=one.compulsory_bytes + size_bytes,
        traffic_bytes=one.traffic_bytes + size_bytes,
        memory_cycles=one.memory_cycles + size_bytes / spec.bandwidth_bytes_per_s * spec.clock_hz,
    )
