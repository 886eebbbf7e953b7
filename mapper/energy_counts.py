"""What mappings do as far as it takes energy, in closed form: the counts of a run's report.

Every function counts many loop nests at once: values are arrays that broadcast to their shape. They
are those of the run wherever main-memory bytes and the number of results are: ragged tiles count at
their true size. Of parts that are padding alone, which take no bytes of main memory, the moves must
be those of the run, too (`mapper.nest.Nests.repeats`, `Nests.sweep_bytes`): else they count more.

# Approximation: a byte passes as many links of the network as those of all cores do on average, and
a shared buffer fetches what a core reads: how often cores share a fetch is in the energies that
`mapper.stages` gives each. A kept output is written where outputs are, without its border.
"""

from __future__ import annotations

from collections.abc import Mapping as Dictionary
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np

from accel.energy import EnergyCounts, Traffic, energy_pj, leakage_pj, register_traffic
from accel.spec import OPERANDS, AcceleratorSpec
from accel.systolic import DATAFLOWS, OPERAND_DIMENSIONS
from accel.vector import vector_operations
from mapper.held import accumulator_bytes, memory_of
from mapper.kernel import Contraction, Kernel, Lookup, Role, VectorBody
from mapper.nest import Nests, on_distinct
from mapper.taking import Counts, Reals
from mapper.unit_cycles import tile_sizes, tile_work

_ROLES = {"M": Role.M, "N": Role.N, "K": Role.K}
_ZERO: Reals = np.zeros(())
_NO_TRAFFIC = Traffic(read_bytes=_ZERO, written_bytes=_ZERO)
#: The counts of what does nothing.
_NOTHING: EnergyCounts[Reals] = EnergyCounts(
    macs={},
    vector_operations=_ZERO,
    registers=_NO_TRAFFIC,
    scratchpads={},
    memories={},
    shared_buffer=_NO_TRAFFIC,
    network_link_bytes=_ZERO,
    time_s=_ZERO,
)


class _Traffics:
    """Bytes that are read and written, by the name of a memory.

    Parameters
    ----------
    names
        What is said to the memory's name: which scratchpad, or main memory, that is.
    """

    def __init__(self, names: Dictionary[str, str]) -> None:
        self._names = names
        self.by_name = dict.fromkeys(names.values(), _NO_TRAFFIC)

    def read(self, what: str, size_bytes: Any) -> None:
        """Add bytes that are read."""
        one = self.by_name[self._names[what]]
        total = one.read_bytes + size_bytes
        self.by_name[self._names[what]] = replace(one, read_bytes=total)

    def write(self, what: str, size_bytes: Any) -> None:
        """Add bytes that are written."""
        one = self.by_name[self._names[what]]
        total = one.written_bytes + size_bytes
        self.by_name[self._names[what]] = replace(one, written_bytes=total)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrayCounts:
    """What the arrays of a core do in all tiles, in elements, as in `accel.systolic.ArrayWork`."""

    mapped_pes: Reals
    input_reads: Reals
    weight_reads: Reals
    psum_reads: Reals
    psum_writes: Reals


def moving_counts(
    kernel: Kernel,
    spec: AcceleratorSpec,
    moved: Sequence[Any],
    filled: Sequence[Any],
    gathered: Any = _ZERO,
) -> EnergyCounts[Reals]:
    """Return what it takes to move operands between main memories and scratchpads.

    Parameters
    ----------
    kernel, spec
        What is mapped, onto what.
    moved
        For each operand (inputs, then output) its main-memory bytes.
    filled
        For each input the bytes that are written into its scratchpad: ``moved`` and padding.
    gathered
        Bytes of a table's rows, for a look-up.
    """
    memories = _Traffics({memory.name: memory.name for memory in spec.memories})
    pads = _Traffics(_pads(spec))
    for operand, size, written in zip(kernel.inputs, moved[:-1], filled, strict=True):
        memories.read(memory_of(operand, spec).name, size)
        pads.write(operand.scratchpad, written)
    if isinstance(kernel.body, Lookup):
        memories.read(memory_of(kernel.body.table, spec).name, gathered)
        pads.read(kernel.inputs[0].scratchpad, moved[0])
        pads.write(kernel.output.scratchpad, gathered)
    memories.write(memory_of(kernel.output, spec).name, moved[-1])
    pads.read(kernel.output.scratchpad, moved[-1])
    loaded = sum(moved[:-1], start=gathered + _ZERO)
    links = 0.0
    if spec.network is not None:
        links = sum(map(spec.network.mean_links, range(spec.cores))) / spec.cores
    return replace(
        _NOTHING,
        scratchpads=pads.by_name,
        memories=memories.by_name,
        shared_buffer=Traffic(read_bytes=loaded, written_bytes=loaded)
        if spec.shared_buffer is not None
        else _NO_TRAFFIC,
        network_link_bytes=(loaded + moved[-1]) * links,
    )


def computing_counts(nests: Nests, spec: AcceleratorSpec) -> EnergyCounts[Reals]:
    """Return what it takes to compute: array, vector unit, and the scratchpads as they see them."""
    match nests.kernel.body:
        case Contraction():
            runs = nests.repeats(nests.kernel.output, nests.depth)
            return _product_counts(nests.kernel, spec, array_counts(nests, spec), runs)
        case VectorBody():
            return _vector_counts(nests.kernel, spec)
        case _:
            return _NOTHING


def least_computing_counts(kernel: Kernel, spec: AcceleratorSpec) -> EnergyCounts[Reals]:
    """Return what computing a kernel takes at least, whatever its mapping.

    Cut into tiles, a product has no fewer folds and no fewer accesses for each, wherever they run;
    psums that wait instead of being read by the array are read by the vector unit.
    """
    loops = range(len(kernel.dimensions))
    whole = Nests(kernel, loops, [np.array(extent) for extent in kernel.extents])
    if not isinstance(kernel.body, Contraction):
        return computing_counts(whole, spec)
    one_array = replace(spec, array=replace(spec.array, count=1))
    least = replace(array_counts(whole, one_array), psum_reads=_ZERO)
    return _product_counts(kernel, spec, least, np.ones((), dtype=np.int64))


def least_energy_pj(
    kernel: Kernel, spec: AcceleratorSpec, moved: Sequence[Any], cycles: Any
) -> Any:
    """Return picojoules that no mapping goes below which moves so much and takes so long.

    A little less, so that rounding never makes it too much.

    Parameters
    ----------
    kernel, spec
        What is mapped, onto what.
    moved
        For each operand (inputs, then output) its main-memory bytes.
    cycles
        Core cycles.
    """
    computing = energy_pj(spec, least_computing_counts(kernel, spec))
    moving = energy_pj(spec, moving_counts(kernel, spec, moved, moved[:-1]))
    return (computing + moving + leakage_pj(spec, cycles / spec.clock_hz)) * (1 - 1e-12)


def array_counts(nests: Nests, spec: AcceleratorSpec) -> ArrayCounts:
    """Return what a core's arrays do in all tiles of a product.

    Notes
    -----
    As in `accel.systolic.array_work` an operand is accessed once for every fold along the one
    dimension of M, N and K that it doesn't have. Summed over tiles that is its size, times the
    folds along that dimension, or the tiles if it is the one that streams. Arrays that share an
    instruction along the streaming dimension each read the operand that stays.

    # Approximation: several arrays share ragged tiles as they do full ones, and where a PE does
    # several products in a cycle the PEs in use are those of K as a whole, not tile by tile.
    """
    kernel, flow = nests.kernel, DATAFLOWS[spec.array.dataflow]
    reduction = kernel.reduction(spec.array)
    numbers = {name: kernel.numbers(role) for name, role in _ROLES.items()}
    extents = {name: prod(kernel.extents[d] for d in own) for name, own in numbers.items()}
    groups = prod(kernel.extents[d] for d in kernel.numbers(Role.GROUP))
    in_steps = {**extents, "K": reduction.steps(extents["K"])}
    passes: dict[str, Any] = {
        name: nests.folds(numbers[name], size, reduction.steps if name == "K" else None)
        for name, size in ((flow.rows, spec.array.rows), (flow.columns, spec.array.columns))
    }
    passes |= {
        flow.time: prod(nests.parts(nests.depth, d) for d in numbers[flow.time])
        * _sharing_arrays(nests, spec),
    }
    accesses: dict[str, Reals] = {}
    for operand, own in OPERAND_DIMENSIONS.items():
        (other,) = set(_ROLES) - set(own)
        accesses[operand] = 1.0 * groups * prod(extents[name] for name in own) * passes[other]
    overwritten = groups * extents["M"] * extents["N"] * nests.repeats(kernel.output, nests.depth)
    return ArrayCounts(
        mapped_pes=1.0 * groups * in_steps[flow.rows] * in_steps[flow.columns] * passes[flow.time],
        input_reads=accesses["input"],
        weight_reads=accesses["weight"],
        psum_reads=accesses["psum"] - overwritten,
        psum_writes=accesses["psum"],
    )


def _sharing_arrays(nests: Nests, spec: AcceleratorSpec) -> Counts:
    """Return among how many arrays a full tile is dealt out along the dimension that streams."""
    if spec.array.count == 1:
        return np.ones((), dtype=np.int64)
    kernel, flow = nests.kernel, DATAFLOWS[spec.array.dataflow]
    reduction = kernel.reduction(spec.array)

    def arrays(groups: Counts, m: Counts, n: Counts, k: Counts) -> tuple[Counts]:
        work = tile_work(kernel, spec, groups, m, n, k)
        sizes = {"M": m, "N": n, "K": reduction.steps(k)}
        return (work.mapped_pes // (groups * sizes[flow.rows] * sizes[flow.columns]),)

    (found,) = on_distinct(arrays, *tile_sizes(nests))
    return found


def _product_counts(
    kernel: Kernel, spec: AcceleratorSpec, array: ArrayCounts, runs: Counts
) -> EnergyCounts[Reals]:
    """Return the counts of a product.

    ``runs`` says how often the psums of an output leave the accumulators: all but the first time
    they meet those that wait, and all but the last time they wait afterwards.
    """
    body, dtype = kernel.body, kernel.multiplied
    assert isinstance(body, Contraction), "a product"
    data, weight = kernel.factors
    macs = np.asarray(float(prod(kernel.extents) * kernel.reduction(spec.array).macs))
    outputs = float(prod(kernel.extents[d] for d in kernel.numbers(Role.GROUP, Role.M, Role.N)))
    additions = (runs - 1) * np.float64(outputs)
    sum_bytes = accumulator_bytes(kernel)
    pads = _Traffics(_pads(spec))
    pads.read("input", array.input_reads * data.size_bytes)
    pads.read("weight", array.weight_reads * weight.size_bytes)
    pads.read("psum", (array.psum_reads + outputs * runs) * sum_bytes)
    pads.write("psum", array.psum_writes * sum_bytes)
    pads.read("output", additions * sum_bytes)
    pads.write("output", additions * sum_bytes)
    for bias in kernel.inputs[2:]:
        pads.read(bias.scratchpad, outputs * sum_bytes)
    pads.write(kernel.output.scratchpad, outputs * kernel.output.dtype.size_bytes)
    return replace(
        _NOTHING,
        macs={dtype.name: macs},
        vector_operations=outputs * _operations(body.result_function, body.activation)
        + additions * _operations("add"),
        registers=register_traffic(spec.array.dataflow, dtype, macs, array.mapped_pes),
        scratchpads=pads.by_name,
    )


def _vector_counts(kernel: Kernel, spec: AcceleratorSpec) -> EnergyCounts[Reals]:
    """Return the counts of a vector function: all of its elements, whatever its tiles."""
    body = kernel.body
    assert isinstance(body, VectorBody), "a vector function"
    elements = np.asarray(float(prod(kernel.extents)))
    reduced = kernel.numbers(Role.WHOLE) if body.folds else []
    results = elements / prod(kernel.extents[d] for d in reduced)
    pads = _Traffics(_pads(spec))
    for operand in kernel.inputs:
        pads.read(operand.scratchpad, elements * kernel.inputs[0].dtype.size_bytes)
    pads.write(kernel.output.scratchpad, results * kernel.output.dtype.size_bytes)
    return replace(
        _NOTHING,
        vector_operations=elements * _operations(body.function, body.activation, kernel.row),
        scratchpads=pads.by_name,
    )


def _operations(function: str, activation: str = "identity", row: int = 1) -> int:
    """Return the operations of the vector unit for an element."""
    return vector_operations(function=function, activation=activation, elements=1, row=row)


def _pads(spec: AcceleratorSpec) -> dict[str, str]:
    """Return the scratchpad that holds each of `accel.spec.OPERANDS`, by name."""
    return {operand: spec.scratchpad_of(operand).name for operand in OPERANDS}
