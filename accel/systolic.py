"""The systolic array: its dataflows, and the work of matrix instructions in closed form.

Every formula takes Python integers (the machine) or NumPy arrays (the mapper's cost model).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic

from accel.products import PLAIN, Reduction
from accel.timing import ArrayTiming, Count, Timing, array_timing
from foundation.dtype import DTYPES, Dtype
from isa.instruction import DATAFLOW_NAMES

#: Which GEMM dimensions each operand has.
OPERAND_DIMENSIONS = {"input": "MK", "weight": "KN", "psum": "MN"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataflow:
    """Which of the GEMM's dimensions M, N and K lies along what.

    Parameters
    ----------
    name
        After the operand that stays in the PEs.
    rows, columns
        Dimensions unrolled over the array.
    time
        Dimension that streams through.
    """

    name: str
    rows: str
    columns: str
    time: str

    @property
    def output_stationary(self) -> bool:
        """Whether finished sums, not an operand, stay in the PEs."""
        return self.time == "K"


DATAFLOWS = {
    flow.name: flow
    for flow in (
        Dataflow(name="OS", rows="M", columns="N", time="K"),
        Dataflow(name="WS", rows="K", columns="N", time="M"),
        Dataflow(name="IS", rows="K", columns="M", time="N"),
    )
}


assert tuple(DATAFLOWS) == DATAFLOW_NAMES, "instructions name what arrays have"


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrayWork(Generic[Count]):
    """What one matrix instruction costs.

    Parameters
    ----------
    timing
        When it does what.
    macs
        Multiply-accumulates that PEs do: those with weights that are skipped don't count.
    folds
        Number of times the array is filled.
    mapped_pes
        PEs that hold a useful operand, summed over folds.
    input_reads, weight_reads, psum_reads, psum_writes
        Scratchpad accesses in elements; of input and weight in segments, where these are stored so.
    """

    timing: ArrayTiming[Count]
    macs: Count
    folds: Count
    mapped_pes: Count
    input_reads: Count
    weight_reads: Count
    psum_reads: Count
    psum_writes: Count

    def scratchpad_bytes(self, dtype: Dtype, weight: Dtype | None = None) -> dict[str, Count]:
        """Return the bytes that cross the scratchpads' ports, by operand; types as below."""
        read = self.bytes_read(dtype, weight)
        return {**read, "psum": read["psum"] + self.psum_bytes_written(dtype)}

    def bytes_read(self, dtype: Dtype, weight: Dtype | None = None) -> dict[str, Count]:
        """Return the bytes that are read from scratchpads, by operand.

        ``dtype`` is what the input has at each index, ``weight`` what the weight has: the same, if
        it is None.
        """
        return {
            "input": self.input_reads * dtype.size_bytes,
            "weight": self.weight_reads * (weight or dtype).size_bytes,
            "psum": self.psum_reads * DTYPES[dtype.accumulator].size_bytes,
        }

    def psum_bytes_written(self, dtype: Dtype) -> Count:
        """Return the bytes of psums that are written, the only ones that the array writes."""
        return self.psum_writes * DTYPES[dtype.accumulator].size_bytes


def array_work(
    *,
    rows: int,
    columns: int,
    dataflow: Dataflow,
    timing: Timing,
    groups: Count,
    m: Count,
    n: Count,
    k: Count,
    accumulate: Count,
    reduction: Reduction = PLAIN,
) -> ArrayWork[Count]:
    """Return the work of ``groups`` products of M x K by K x N on a ``rows`` x ``columns`` array.

    Parameters
    ----------
    rows, columns
        R and C, in PEs.
    dataflow, timing
        How the product lies on the array, and what its cycles include.
    groups, m, n, k
        Number of independent products, and the size of each.
    accumulate
        1 if the first fold along K adds to psums in the scratchpad, 0 if it overwrites them.
    reduction
        What PEs do for each index of K.

    Notes
    -----
    An operand is read (a psum: written) once for every fold along an axis on which it doesn't
    depend; in the first fold along K a psum is only read if it accumulates.

    References
    ----------
    .. [1] A. Samajdar et al., "A Systematic Methodology for Characterizing Scalability of DNN
       Accelerators using SCALE-Sim", ISPASS 2020.
    """
    sizes = {"M": m, "N": n, "K": reduction.steps(k)}
    row_folds = -(-sizes[dataflow.rows] // rows)
    column_folds = -(-sizes[dataflow.columns] // columns)
    folds = groups * row_folds * column_folds
    held = {**sizes, "K": k}
    accesses = {
        operand: groups * _accesses(dimensions, held, dataflow, row_folds, column_folds)
        for operand, dimensions in OPERAND_DIMENSIONS.items()
    }
    return ArrayWork(
        timing=array_timing(
            timing,
            rows=rows,
            columns=columns,
            output_stationary=dataflow.output_stationary,
            stream=sizes[dataflow.time],
            folds=folds,
        ),
        macs=groups * m * n * k * reduction.macs,
        folds=folds,
        mapped_pes=groups * sizes[dataflow.rows] * sizes[dataflow.columns],
        input_reads=accesses["input"],
        weight_reads=accesses["weight"],
        psum_reads=accesses["psum"] - groups * m * n * (1 - accumulate),
        psum_writes=accesses["psum"],
    )


def _accesses(
    dimensions: str, sizes: dict[str, Count], dataflow: Dataflow, row_folds: Count, columns: Count
) -> Count:
    """Return the accesses to an operand: its size, times the folds that don't change it."""
    count = sizes[dimensions[0]] * sizes[dimensions[1]]
    if dataflow.rows not in dimensions:
        count = count * row_folds
    if dataflow.columns not in dimensions:
        count = count * columns
    return count
