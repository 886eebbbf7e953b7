"""What a search found, as far as answers for other settings follow from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from accel.spec import AcceleratorSpec
from mapper.check import held
from mapper.cost import estimate
from mapper.mapping import Mapping as Nest
from mapper.pipeline import is_plain
from mapper.plan import Plan
from mapper.splits import Split
from mapper.stages import Stage, largest_part
from reports.report import Report
from reports.stats import added
from workloads.loaders.asked import Asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """How a kernel's largest part was mapped.

    Parameters
    ----------
    extents
        Of the part.
    split
        How the kernel was split.
    mapping
        Of the part.
    cycles
        What it took by the closed form; 0 where the engine itself is asked.
    needed_bytes
        Scratchpad to the bytes that it needs there.
    """

    extents: tuple[int, ...]
    split: Split
    mapping: Nest
    cycles: float
    needed_bytes: Mapping[str, int]

    def fits(self, spec: AcceleratorSpec) -> bool:
        """Whether scratchpads are large enough for it."""
        return all(
            self.needed_bytes.get(pad.name, 0) <= pad.capacity_bytes for pad in spec.scratchpads
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Searched:
    """What a search found.

    Parameters
    ----------
    asked
        What was asked of the network.
    report
        Of the analytical engine.
    steps
        Layer to how its kernels were mapped, one after the other.
    """

    asked: Asked
    report: Report
    steps: Mapping[str, tuple[Step, ...]]

    @classmethod
    def of(cls, asked: Asked, plan: Plan, report: Report) -> Searched:
        """Return what is to be kept of a plan; equal layers share theirs."""
        works = [
            tuple(step for stage in work.stages for step in _steps(stage, plan.spec))
            for work in plan.works
        ]
        steps = {planned.name: works[planned.work] for planned in plan.layers}
        return cls(asked=asked, report=report, steps=steps)

    def is_alike(self, asked: Asked, spec: AcceleratorSpec) -> bool:
        """Whether the same programs would take as long as they did: only capacities differ."""
        return asked == self.asked and _without_capacities(spec) == _without_capacities(
            self.report.spec
        )


def is_exact(spec: AcceleratorSpec) -> bool:
    """Whether the analytical engine prices a mapping on a machine soon enough for an answer."""
    return spec.cores == 1 and is_plain(spec)


def _without_capacities(spec: AcceleratorSpec) -> AcceleratorSpec:
    pads = tuple(replace(pad, capacity_bytes=0) for pad in spec.scratchpads)
    return replace(spec, scratchpads=pads)


def _steps(stage: Stage, spec: AcceleratorSpec) -> list[Step]:
    found = []
    for kernel, split, mapping in zip(stage.kernels, stage.splits, stage.mappings, strict=True):
        part, seen = largest_part(kernel, split, spec)
        cycles = 0.0 if is_exact(spec) else estimate(part, seen, mapping).cycles
        found.append(
            Step(
                extents=part.extents,
                split=split,
                mapping=mapping,
                cycles=cycles,
                needed_bytes=added(
                    {one.pad.name: one.total_bytes} for one in held(part, seen, mapping)
                ),
            )
        )
    return found
