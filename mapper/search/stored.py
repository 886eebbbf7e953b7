"""What a search found as plain data, and back: entries of the cache."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from accel.spec import AcceleratorSpec
from mapper.cost import CostEstimate
from mapper.kernel import Kernel
from mapper.layout import Layout
from mapper.mapping import Loop, Mapping
from mapper.search.encoding import plain, version
from mapper.search.problem import Coverage
from mapper.search.shortlist import Candidate


def key_of(kernel: Kernel, spec: AcceleratorSpec, asked: dict[str, object]) -> Any:
    """Return what decides what is found: plain data.

    Parameters
    ----------
    kernel, spec
        What is mapped, onto what; the machine's name and notes don't matter.
    asked
        What is asked of the search.
    """
    machine = replace(spec, name="", notes="")
    return {
        "asked": plain(asked),
        "kernel": plain(kernel),
        "spec": plain(machine),
        "version": version(),
    }


def stored(chosen: tuple[Candidate, ...], coverage: Coverage) -> Any:
    """Return what was found as plain data."""
    return {
        "chosen": [_stored_candidate(one) for one in chosen],
        "coverage": {one.name: getattr(coverage, one.name) for one in fields(coverage)},
    }


def restored(data: Any) -> tuple[tuple[Candidate, ...], Coverage]:
    """Return what was found."""
    return tuple(map(_candidate, data["chosen"])), Coverage(**data["coverage"])


def _stored_candidate(one: Candidate) -> Any:
    mapping = one.mapping
    return {
        "loops": [list(loop) for loop in mapping.loops],
        "held": list(mapping.held),
        "num_buffers": list(mapping.num_buffers),
        "layouts": [[x.last, x.padded, x.pad_bytes] for x in mapping.layouts],
        "conflict_cycles": list(mapping.conflict_cycles),
        "dataflow": mapping.dataflow,
        "cost": {part.name: getattr(one.cost, part.name) for part in fields(one.cost)},
        "value": one.value,
    }


def _candidate(data: Any) -> Candidate:
    mapping = Mapping(
        loops=tuple(Loop(*loop) for loop in data["loops"]),
        held=tuple(data["held"]),
        num_buffers=tuple(data["num_buffers"]),
        layouts=tuple(
            Layout(last=last, padded=padded, pad_bytes=pad_bytes)
            for last, padded, pad_bytes in data["layouts"]
        ),
        conflict_cycles=tuple(data["conflict_cycles"]),
        dataflow=data["dataflow"],
    )
    return Candidate(mapping=mapping, cost=CostEstimate(**data["cost"]), value=data["value"])
