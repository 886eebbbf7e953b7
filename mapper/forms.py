"""Cycles as forms that are linear in what memories take for a byte, and in their latency."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, reduce
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from accel.spec import AcceleratorSpec
from accel.units import FS_PER_SECOND
from mapper.kernel import OperandMap
from mapper.taking import Counts, Reals
from mapper.unit_cycles import busiest_cycles, bytes_by_memory

#: Transfers that count once, a form that applies everywhere: nothing is multiplied.
ONCE = 1


def latency_cycles(spec: AcceleratorSpec) -> float:
    """Return the core cycles of the slowest main memory's latency."""
    return max(memory.latency_fs for memory in spec.memories) * spec.clock_hz / FS_PER_SECOND


class Transfers:
    """Bytes of operands that main memories move side by side.

    Parameters
    ----------
    spec
        The machine.
    moved
        Operands, and the bytes of each on its memory's bus.
    """

    def __init__(
        self, spec: AcceleratorSpec, moved: tuple[tuple[OperandMap, Counts | Reals], ...]
    ) -> None:
        self._spec = spec
        self.moved = moved

    @cached_property
    def bytes_by_memory(self) -> dict[str, Any]:
        """Bytes that each memory moves."""
        return bytes_by_memory(self._spec, self.moved)

    @cached_property
    def cycles(self) -> Reals:
        """Cycles in which the busiest memory moves them."""
        return busiest_cycles(self._spec, self.bytes_by_memory)


class Form(NamedTuple):
    """Cycles that are linear in what memories take for a byte, and in their latency.

    Parameters
    ----------
    cycles
        What doesn't depend on memories.
    transfers
        What is moved one after the other, each as many times as stands before it.
    latencies
        How many latencies pass.
    share
        What all of it counts: 0 where it doesn't apply.
    """

    cycles: Reals
    transfers: tuple[tuple[float | Reals, Transfers], ...]
    latencies: float | Reals | Counts
    share: Any = ONCE

    def value(self, latency_cycles: float) -> Reals:
        """Return the cycles on the machine of the transfers."""
        total = self.cycles + self.latencies * latency_cycles
        for times, transfers in self.transfers:
            total = total + (transfers.cycles if times is ONCE else times * transfers.cycles)
        return total if self.share is ONCE else total * self.share

    def coefficients(self, spec: AcceleratorSpec) -> Reals:
        """Return the form of one nest as numbers: the largest of the rows is its value.

        A row has the cycles, for each main memory the bytes, and the latencies. There is one for
        each choice of the memory that is busiest in each of the transfers.
        """
        names = [memory.name for memory in spec.memories]
        share = float(np.max(self.share))
        rows = []
        sizes = [transfers.bytes_by_memory for _, transfers in self.transfers]
        for busiest in product(*sizes):
            row = np.zeros(len(names) + 2)
            row[0] = float(np.max(self.cycles))
            row[-1] = float(np.max(self.latencies))
            for name, (times, _), moved in zip(busiest, self.transfers, sizes, strict=True):
                row[1 + names.index(name)] += float(np.max(times)) * float(np.max(moved[name]))
            rows.append(share * row)
        return np.array(rows)


class Largest:
    """The largest of some forms on a machine.

    Parameters
    ----------
    forms
        At least one.
    latency_cycles
        The machine's.
    """

    def __init__(self, forms: Sequence[Form], latency_cycles: float) -> None:
        self.forms = forms
        self._latency_cycles = latency_cycles

    @cached_property
    def value(self) -> Reals:
        """Their largest value."""
        return reduce(np.maximum, [form.value(self._latency_cycles) for form in self.forms])
