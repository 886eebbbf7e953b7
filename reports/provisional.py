"""The report of a network whose mappings weren't searched: from prices of mappings near others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import ceil, prod

from accel.spec import AcceleratorSpec
from mapper.kernel import Contraction, Kernel
from mapper.nearby import Price
from reports.report import (
    BYTE_CLASSES,
    EMPTY,
    WorkReport,
    bound_by,
    transfer_cycles,
)
from reports.stats import added


def roof_cycles(
    kernels: Sequence[Kernel], least_bytes: Mapping[str, int], spec: AcceleratorSpec
) -> float:
    """Return the cycles that kernels take at least: of the array, and of each main memory.

    ``least_bytes`` are what each main memory moves at least.
    """
    macs, rate = _products(kernels, spec)
    return max(macs / (spec.pes * rate), *transfer_cycles(spec, least_bytes).values())


def provisional_work(
    kernels: Sequence[Kernel],
    priced: Sequence[tuple[Price, int]],
    spec: AcceleratorSpec,
    *,
    cycles: float,
    least_cycles: float,
) -> WorkReport:
    """Return the report of a piece of work from prices of its parts, and how many run alike.

    # Approximation: all parts that run side by side move what the largest does; what isn't known
    from closed forms is 0.

    Parameters
    ----------
    kernels
        What is computed.
    priced
        Prices, each with the number of parts.
    spec
        The machine.
    cycles, least_cycles
        What it takes, and what it takes at least.
    """
    macs, rate = _products(kernels, spec)
    return _work(
        spec,
        cycles=cycles,
        least_cycles=least_cycles,
        busy={
            "array": sum(price.array_cycles for price, _ in priced),
            "vector": sum(price.vector_cycles for price, _ in priced),
        },
        macs=macs,
        rate=rate,
        dram_bytes=added(
            {BYTE_CLASSES[operand]: parts * size}
            for price, parts in priced
            for operand, size in price.operand_bytes.items()
        ),
        memory_bytes=added(
            {name: parts * size for name, size in price.memory_bytes.items()}
            for price, parts in priced
        ),
        tiles=sum(price.tiles for price, _ in priced),
    )


def remembered_work(
    kernels: Sequence[Kernel],
    work: WorkReport,
    spec: AcceleratorSpec,
    *,
    batch_ratio: float,
    cycles_ratio: float,
    least_cycles: float,
) -> WorkReport:
    """Return the report of work that nobody priced on this machine.

    # Approximation: it moves what it moved where it was searched, times the ratio of the batches,
    and takes what it took times ``cycles_ratio``, but no less than this machine's roofs allow.
    """
    macs, rate = _products(kernels, spec)
    memory_bytes = {name: ceil(size * batch_ratio) for name, size in work.memory_bytes.items()}
    busy = {name: work.resources.get(name, 0.0) * batch_ratio for name in ("array", "vector")}
    least = max(least_cycles, *transfer_cycles(spec, memory_bytes).values())
    return _work(
        spec,
        cycles=max(work.total_cycles * cycles_ratio, least),
        least_cycles=least_cycles,
        busy=busy,
        macs=macs,
        rate=rate,
        dram_bytes={name: ceil(size * batch_ratio) for name, size in work.dram_bytes.items()},
        memory_bytes=memory_bytes,
        tiles=work.tiles,
    )


def _products(kernels: Sequence[Kernel], spec: AcceleratorSpec) -> tuple[int, float]:
    """Return the multiply-accumulates of kernels, and those that a PE does in a cycle."""
    products = [kernel for kernel in kernels if isinstance(kernel.body, Contraction)]
    reductions = [kernel.reduction(spec.array) for kernel in products]
    macs = sum(
        prod(kernel.extents) * reduction.macs
        for kernel, reduction in zip(products, reductions, strict=True)
    )
    return macs, float(max((one.macs_per_cycle for one in reductions), default=1))


def _work(
    spec: AcceleratorSpec,
    *,
    cycles: float,
    least_cycles: float,
    busy: Mapping[str, float],
    macs: int,
    rate: float,
    dram_bytes: Mapping[str, int],
    memory_bytes: Mapping[str, int],
    tiles: int,
) -> WorkReport:
    """Return the report of work of which so much is known."""
    total = ceil(cycles)
    resources = {**busy, **transfer_cycles(spec, memory_bytes)}
    compute = min(total, round(busy["array"] if macs else busy["vector"]))
    return replace(
        EMPTY,
        compute_cycles=compute,
        stall_cycles=total - compute,
        total_cycles=total,
        resources=resources,
        macs=macs,
        macs_per_cycle=rate,
        mac_utilization=macs / (spec.pes * rate * total) if total else 0.0,
        dram_bytes=dram_bytes,
        memory_bytes=memory_bytes,
        tiles=tiles,
        bound_by=bound_by(resources, total),
        lower_bound_cycles=least_cycles,
    )
