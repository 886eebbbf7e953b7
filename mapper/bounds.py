"""Lower bounds: what no schedule of a kernel on a machine can take less of.

References
----------
.. [1] T. M. Smith, B. Lowery, J. Langou, R. A. van de Geijn, "A Tight I/O Lower Bound for Matrix
   Multiplication", arXiv:1702.02017.
.. [2] X. Chen, Y. Han, Y. Wang, "Communication Lower Bound in Convolution Accelerators", HPCA 2020,
   arXiv:1911.05662.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from math import ceil, gcd, prod, sqrt

import numpy as np

from accel.spec import AcceleratorSpec
from accel.systolic import DATAFLOWS
from accel.vector import pass_cycles
from foundation.dtype import DTYPES
from mapper.kernel import (
    Axis,
    Contraction,
    Kernel,
    OperandMap,
    Role,
    VectorBody,
    compulsory_bytes,
)
from mapper.mapping import Mapping
from mapper.unit_cycles import product_work

#: Traffic of a phase that is tried, as parts of the capacity.
_PHASES = [2.0**i for i in range(-6, 5)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What a kernel takes at least, on all cores of a machine.

    Parameters
    ----------
    array_cycles, vector_cycles
        Core cycles of the array, all folds counted, and of the vector unit.
    compulsory_bytes
        Main-memory bytes if everything that is touched is moved once.
    traffic_bytes
        Main-memory bytes that the scratchpads' capacity allows: at least the compulsory ones.
    memory_cycles
        Core cycles in which all main memories move those.
    """

    array_cycles: float
    vector_cycles: float
    compulsory_bytes: int
    traffic_bytes: float
    memory_cycles: float

    @property
    def by_resource(self) -> dict[str, float]:
        """Resource to the cycles that it needs."""
        found = {
            "main memory": self.memory_cycles,
            "array": self.array_cycles,
            "vector unit": self.vector_cycles,
        }
        return {name: cycles for name, cycles in found.items() if cycles}

    @property
    def cycles(self) -> float:
        """Core cycles: those of the resource that needs the most."""
        return max(self.by_resource.values(), default=0.0)

    @property
    def resource(self) -> str:
        """That resource."""
        found = self.by_resource
        return max(found, key=lambda name: found[name], default="main memory")


def bounds(kernel: Kernel, spec: AcceleratorSpec) -> Bounds:
    """Return what a kernel takes at least."""
    compulsory = compulsory_bytes(kernel)
    traffic = max(float(compulsory), capacity_bound_bytes(kernel, spec))
    return Bounds(
        array_cycles=array_cycles(kernel, spec),
        vector_cycles=vector_cycles(kernel, spec),
        compulsory_bytes=compulsory,
        traffic_bytes=traffic,
        memory_cycles=traffic / spec.bandwidth_bytes_per_s * spec.clock_hz,
    )


def array_cycles(kernel: Kernel, spec: AcceleratorSpec) -> float:
    """Return the least cycles of a product on the arrays of all cores.

    Notes
    -----
    A fold holds at most R x C elements of what lies along rows and columns, and takes as many
    cycles as the third dimension has elements. Parts of a product have no fewer folds, or no
    shorter ones, than the whole. One array alone takes what it does for the whole as one
    instruction: loads of a stationary operand that nothing hides are in it. Of several dataflows
    it is the one with the fewest cycles.
    """
    if not isinstance(kernel.body, Contraction):
        return 0.0
    return min(
        _cycles_of_dataflow(kernel, spec.with_dataflow(name)) for name in spec.array.dataflows
    )


def _cycles_of_dataflow(kernel: Kernel, spec: AcceleratorSpec) -> float:
    """Return the least cycles of a product on arrays of one dataflow."""
    array, flow = spec.array, DATAFLOWS[spec.array.dataflow]
    sizes = {
        role.value: prod(kernel.extents[d] for d in kernel.numbers(role))
        for role in (Role.GROUP, Role.M, Role.N, Role.K)
    }
    if spec.cores * array.count == 1:
        work = product_work(kernel, spec, kernel.extents)
        return float(work.timing.occupancy_cycles)
    sizes["K"] = kernel.reduction(array).steps(sizes["K"])
    folds = -(-sizes[flow.rows] // array.rows) * -(-sizes[flow.columns] // array.columns)
    return sizes[Role.GROUP.value] * folds * sizes[flow.time] / (spec.cores * array.count)


def stream_cycles(kernel: Kernel, spec: AcceleratorSpec, mapping: Mapping) -> int:
    """Return the cycles in which one core's array takes the operands of a product's tiles.

    All folds are counted, as full as the tiles make them; loads of a stationary operand, the way
    through the array, and drains aren't.
    """
    flow = DATAFLOWS[mapping.dataflow or spec.array.dataflow]
    total = 0
    for sizes, count in _tile_sizes(kernel, mapping):
        extent = {
            role.value: prod(sizes[d] for d in kernel.numbers(role))
            for role in (Role.GROUP, Role.M, Role.N, Role.K)
        }
        folds = -(-extent[flow.rows] // spec.array.rows) * -(
            -extent[flow.columns] // spec.array.columns
        )
        total += count * extent[Role.GROUP.value] * folds * extent[flow.time]
    return total


def _tile_sizes(kernel: Kernel, mapping: Mapping) -> Iterator[tuple[tuple[int, ...], int]]:
    """Yield each size of tiles, and how many there are."""
    by_dimension = [
        _sizes(extent, [step for number, step in mapping.loops if number == d]).items()
        for d, extent in enumerate(kernel.extents)
    ]
    for choice in product(*by_dimension):
        sizes, counts = zip(*choice, strict=True)
        yield sizes, prod(counts)


def _sizes(extent: int, steps: Sequence[int]) -> Counter[int]:
    """Return the sizes of the parts that nested loops cut a dimension into, outermost step first.

    Each is counted as often as it occurs.
    """
    if not steps:
        return Counter({extent: 1})
    whole, rest = divmod(extent, steps[0])
    found: Counter[int] = Counter()
    for part, count in ((steps[0], whole), (rest, 1)):
        if part and count:
            for size, times in _sizes(part, steps[1:]).items():
                found[size] += times * count
    return found


def vector_cycles(kernel: Kernel, spec: AcceleratorSpec) -> float:
    """Return the least cycles of a vector function in the lanes of all cores; 0 for others."""
    if not isinstance(kernel.body, VectorBody):
        return 0.0
    body = kernel.body
    pace = pass_cycles(spec.vector, body.function, body.activation, kernel.row)
    return prod(kernel.extents) * pace / (spec.cores * spec.vector.lanes)


def capacity_bytes(spec: AcceleratorSpec) -> int:
    """Return the bytes on the chip that can hold any operand.

    Those of all scratchpads of all cores, and of a shared buffer. What array and queues hold on its
    way is in a scratchpad as well.
    """
    shared = spec.shared_buffer.capacity_bytes if spec.shared_buffer is not None else 0
    return spec.cores * sum(pad.capacity_bytes for pad in spec.scratchpads) + shared


def capacity_bound_bytes(kernel: Kernel, spec: AcceleratorSpec) -> float:
    """Return the main-memory bytes that any schedule of a product moves, given the capacity.

    Notes
    -----
    After [1], in bytes. Take a schedule that also reads every psum once before its first use: it
    moves p bytes more for each of the |C| outputs, p being a psum's bytes. Cut it into phases in
    each of which T bytes are read. A phase has at hand what the capacity S holds at its start and
    the T bytes, so with e bytes an element, e·(a + b) + p·c <= S + T for the elements of input,
    weight and psums that its MACs use. With these it does no more MACs than sqrt(r·a·b·c)
    (Loomis-Whitney), where a convolution's windows use an input element up to r times for each
    output channel and filter [2]; that is at most sqrt(r) · ((S + T)/3)^(3/2) / (e·sqrt(p)). All
    phases but the last read T bytes, and each output is written once, in o bytes. So the original
    schedule moves at least::

        T · (ceil(MACs / MACs of a phase) - 1) + (o - p) · |C|

    for every T; T = 2·S with e = p = o = 1 is the bound of [1], 2·M·N·K/sqrt(S) - 2·S. MACs with
    padding don't count: their operands are never read. Nothing is known of kernels whose operands
    are kept on the chip.
    """
    if not isinstance(kernel.body, Contraction) or any(one.is_kept for one in kernel.operands):
        return 0.0
    data, weight = kernel.inputs[:2]
    element = min(data.dtype.size_bytes, weight.dtype.size_bytes)
    psum = DTYPES[data.dtype.accumulator].size_bytes
    outputs = prod(kernel.extents[d] for d in kernel.numbers(Role.GROUP, Role.M, Role.N))
    macs = _true_macs(kernel, data)
    reuse = prod(_window_reuse(axis, kernel) for axis in data.axes)
    capacity = capacity_bytes(spec)
    best = 0.0
    for part in _PHASES:
        read = part * capacity
        most = sqrt(reuse / psum) / element * ((capacity + read) / 3) ** 1.5
        best = max(best, read * (ceil(macs / most) - 1))
    return max(0.0, best + (kernel.output.dtype.size_bytes - psum) * outputs)


def _window_reuse(axis: Axis, kernel: Kernel) -> int:
    """Return how many pairs of position and tap can meet the same element along an axis."""
    if len(axis.terms) < 2:
        return 1
    (first, a), (second, b) = axis.terms
    common = gcd(a, b)
    return min(-(-kernel.extents[second] * common // a), -(-kernel.extents[first] * common // b))


def _true_macs(kernel: Kernel, data: OperandMap) -> int:
    """Return the MACs whose input isn't padding."""
    inside: int = prod(kernel.extents)
    for axis in data.axes:
        if len(axis.terms) < 2:
            continue
        index = np.array([axis.offset])
        for d, coefficient in axis.terms:
            index = np.add.outer(index, np.arange(kernel.extents[d]) * coefficient)
        inside = inside * int(((index >= 0) & (index < axis.size)).sum()) // index.size
    return inside
