"""The report of the analytical engine: what there is without a trace."""

from __future__ import annotations

from collections.abc import Sequence

from mapper.analytical import Estimate
from mapper.plan import Plan
from reports.least import least_of
from reports.report import (
    BYTE_CLASSES,
    EMPTY,
    Report,
    WorkReport,
    assembled,
    bound_by,
    bound_cycles,
    macs_per_cycle,
    transfer_cycles,
)
from reports.stats import added

#: Why a report of this engine has no energies.
NO_ENERGY = "the analytical engine doesn't count what crosses scratchpads; use the cycle engine"


def make_estimated_report(plan: Plan, estimates: Sequence[Sequence[Estimate]]) -> Report:
    """Return the report of a plan from the estimates of its works' pieces; none for a reshape.

    What only a trace says is empty: what is waited for, why, and where each unit's cycles went.
    """
    works = [
        _work_report(plan, number, pieces) if pieces else EMPTY
        for number, pieces in enumerate(estimates)
    ]
    return assembled(plan, works, engine="analytical", no_energy=NO_ENERGY)


def _work_report(plan: Plan, number: int, pieces: Sequence[Estimate]) -> WorkReport:
    spec, work = plan.spec, plan.works[number]
    total = sum(piece.count * piece.cycles for piece in pieces)
    array = sum(piece.count * piece.array_cycles for piece in pieces)
    vector = sum(piece.count * piece.vector_cycles for piece in pieces)
    macs, folds, mapped, operations = (
        sum(piece.count * value for piece, value in zip(pieces, values, strict=True))
        for values in (
            [piece.amount.macs for piece in pieces],
            [piece.amount.folds for piece in pieces],
            [piece.amount.mapped_pes for piece in pieces],
            [piece.amount.operations for piece in pieces],
        )
    )
    rate = macs_per_cycle(work, spec)
    memory_bytes = added(
        {name: piece.count * size for name, size in piece.memory_bytes.items()} for piece in pieces
    )
    dram_bytes = added(
        {BYTE_CLASSES[operand]: piece.count * size}
        for piece in pieces
        for operand, size in piece.operand_bytes.items()
    )
    resources = {
        "array": float(array),
        "vector": float(vector),
        **transfer_cycles(spec, memory_bytes),
    }
    compute = sum(piece.count * piece.compute_cycles for piece in pieces)
    least = least_of(work, spec)
    return WorkReport(
        compute_cycles=compute,
        stall_cycles=total - compute,
        total_cycles=total,
        stalls={},
        causes={},
        units={},
        resources=resources,
        macs=macs,
        spatial_utilization=mapped / (folds * spec.array.rows * spec.array.columns)
        if folds
        else 0.0,
        macs_per_cycle=rate,
        mac_utilization=macs / (spec.pes * rate * total) if total else 0.0,
        dram_bytes=dram_bytes,
        memory_bytes=memory_bytes,
        compulsory_bytes=least.compulsory_bytes,
        scratchpad_accesses={},
        folds=folds,
        tiles=work.tile_count,
        events=0,
        bound_by=bound_by(resources, total),
        energies_pj={},
        lower_bound_cycles=least.cycles,
        lower_bound_bytes=least.traffic_bytes,
        bound_cycles=bound_cycles(spec, macs / rate, operations, memory_bytes),
    )
