"""What the numbers of a run mean: for each the name of its column, its unit, and its definition."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """A column of a table, or a number of a summary.

    Parameters
    ----------
    key
        Its name in the file.
    label
        Its name on a page.
    unit
        ``text``, ``parts`` (names to cycles), or what it counts; ``share`` is of 1, ``ratio`` a
        multiple.
    meaning
        The definition.
    is_shown
        Whether a table shows it unless it is asked for all columns.
    is_derived
        Whether it follows from what is in the file, and isn't in it.
    role
        ``label``, ``parameter`` (what was chosen) or ``result``.
    """

    key: str
    label: str
    unit: str
    meaning: str
    is_shown: bool = False
    is_derived: bool = False
    role: str = "result"

    def as_record(self) -> dict[str, Any]:
        """Return it as a page takes it."""
        return asdict(self)


_PRIMARY = "the array, or in layers without MACs the vector unit"

#: Columns of ``layers.csv``, and what follows from them, in the order of a page's table.
LAYER = (
    Quantity(
        key="layer",
        label="Layer",
        unit="text",
        meaning="The layer's name in the network; those of layers that run together are joined.",
        is_shown=True,
        role="label",
    ),
    Quantity(
        key="operator",
        label="Operator",
        unit="text",
        meaning="What the layer computes.",
        is_shown=True,
        role="label",
    ),
    Quantity(
        key="shape",
        label="Shape",
        unit="text",
        meaning="Sizes of input and output, k the kernel and s the stride; of a product M, N and K."
        " A batch of 1 is left out.",
        is_shown=True,
        role="label",
    ),
    Quantity(
        key="total_cycles",
        label="Cycles",
        unit="cycles",
        meaning="Compute and stall cycles of the layer, of the core that finishes last.",
        is_shown=True,
    ),
    Quantity(
        key="time_share",
        is_derived=True,
        label="Time",
        unit="share",
        meaning="The layer's cycles over those of the network.",
        is_shown=True,
    ),
    Quantity(
        key="compute_cycles",
        label="Compute",
        unit="cycles",
        meaning=f"Cycles in which the primary unit works: {_PRIMARY}.",
    ),
    Quantity(
        key="stall_cycles",
        label="Stall",
        unit="cycles",
        meaning=f"Cycles in which the primary unit ({_PRIMARY}) doesn't work.",
        is_shown=True,
    ),
    Quantity(
        key="waits_for",
        label="Waits for",
        unit="parts",
        meaning="What is waited for in the stall cycles. The parts add up to them.",
    ),
    Quantity(
        key="stall_causes",
        label="Stalls because of",
        unit="parts",
        meaning="Why it stalls, every stall cycle under one cause. Waits for transfers are split by"
        " what the transfers under way were spent on: an approximation, the split is that of all"
        " stalled time of the layer. The causes add up to the stall cycles.",
    ),
    Quantity(
        key="bound_by",
        label="Bound by",
        unit="text",
        meaning="The resource that was busy longest: the array, the vector unit, or a main memory"
        " (its bytes at full bandwidth). 'latency' if none was busy for half of the time.",
        is_shown=True,
        role="label",
    ),
    Quantity(
        key="spatial_utilization",
        label="PEs mapped",
        unit="share",
        meaning="PEs that hold an operand over all PEs, averaged over folds; none without MACs.",
        is_shown=True,
    ),
    Quantity(
        key="mac_utilization",
        label="MAC util",
        unit="share",
        meaning="MACs over those that all PEs can do in the layer's cycles; none without MACs.",
        is_shown=True,
    ),
    Quantity(
        key="ops_per_s",
        is_derived=True,
        label="Performance",
        unit="OP/s",
        meaning="Operations over the layer's time.",
    ),
    Quantity(
        key="arithmetic_intensity_ops_per_byte",
        label="Intensity",
        unit="OP/B",
        meaning="Arithmetic intensity: operations per byte that crosses main memory. None for a"
        " layer that computes nothing, or moves nothing.",
        is_shown=True,
    ),
    Quantity(
        key="dram_bytes",
        is_derived=True,
        label="Main memory",
        unit="bytes",
        meaning="Bytes that cross main memory in either direction.",
        is_shown=True,
    ),
    Quantity(
        key="dram_input_bytes",
        label="Input bytes",
        unit="bytes",
        meaning="Main-memory bytes of inputs and indices.",
    ),
    Quantity(
        key="dram_weight_bytes",
        label="Weight bytes",
        unit="bytes",
        meaning="Main-memory bytes of weights and biases.",
    ),
    Quantity(
        key="dram_output_bytes",
        label="Output bytes",
        unit="bytes",
        meaning="Main-memory bytes of outputs.",
    ),
    Quantity(
        key="compulsory_bytes",
        label="Compulsory bytes",
        unit="bytes",
        meaning="Bytes of every touched element, each once.",
    ),
    Quantity(
        key="macs",
        label="MACs",
        unit="MACs",
        meaning="Multiply-accumulates that the array does. It skips those of sparse weights that"
        " it can.",
    ),
    Quantity(
        key="operations",
        label="Operations",
        unit="operations",
        meaning="2 for each MAC, and those of the vector unit.",
    ),
    Quantity(
        key="bound_cycles",
        label="Roofs' bound",
        unit="cycles",
        meaning="The least cycles that the roofs allow for its MACs, its vector operations and the"
        " bytes that this mapping moves.",
    ),
    Quantity(
        key="lower_bound_cycles",
        label="Lower bound",
        unit="cycles",
        meaning="No mapping onto this machine takes fewer cycles.",
    ),
    Quantity(
        key="cycles_of_lower_bound",
        label="Cycles over bound",
        unit="ratio",
        meaning="Cycles over the lower bound of any mapping; 1 for what takes none.",
    ),
    Quantity(
        key="lower_bound_bytes",
        label="Least bytes",
        unit="bytes",
        meaning="No mapping onto this machine moves fewer main-memory bytes.",
    ),
    Quantity(
        key="traffic_of_lower_bound",
        label="Traffic over bound",
        unit="ratio",
        meaning="Main-memory bytes over the fewest of any mapping; 1 for what moves none.",
    ),
    Quantity(
        key="tiles",
        label="Tiles",
        unit="tiles",
        meaning="Pieces of the layer, each of one instruction of the array or the vector unit.",
    ),
    Quantity(
        key="folds",
        label="Folds",
        unit="folds",
        meaning="How often the array is filled.",
    ),
    Quantity(
        key="energy_pj",
        label="Energy",
        unit="pJ",
        meaning="Energy of all components; what a component takes stands in the machine's file.",
        is_shown=True,
    ),
    Quantity(
        key="energy_array_pj",
        label="Array energy",
        unit="pJ",
        meaning="Energy of the MACs and the PEs' registers.",
    ),
    Quantity(
        key="energy_vector_pj",
        label="Vector energy",
        unit="pJ",
        meaning="Energy of the vector unit.",
    ),
    Quantity(
        key="energy_scratchpads_pj",
        label="Scratchpad energy",
        unit="pJ",
        meaning="Energy of reads and writes of scratchpads and of a shared buffer.",
    ),
    Quantity(
        key="energy_network_pj",
        label="Network energy",
        unit="pJ",
        meaning="Energy of the network on the chip.",
    ),
    Quantity(
        key="energy_memories_pj",
        label="Memory energy",
        unit="pJ",
        meaning="Energy of the main memories.",
    ),
    Quantity(
        key="energy_leakage_pj",
        label="Leakage",
        unit="pJ",
        meaning="Energy that leaks in the layer's time.",
    ),
)

#: Numbers of ``summary.json``, and what follows from them, in the order of a page.
SUMMARY = (
    Quantity(
        key="time_s",
        is_derived=True,
        label="Time",
        unit="s",
        meaning="Duration of all layers, one after the other: cycles over the clock.",
    ),
    Quantity(
        key="inferences_per_s",
        label="Throughput",
        unit="inferences/s",
        meaning="The batch over the duration.",
    ),
    Quantity(
        key="total_cycles",
        label="Cycles",
        unit="cycles",
        meaning="Core cycles of all layers, one after the other.",
    ),
    Quantity(
        key="compute_share",
        is_derived=True,
        label="Computing",
        unit="share",
        meaning=f"Share of the cycles in which the primary unit works: {_PRIMARY}. In the others it"
        " stalls.",
    ),
    Quantity(
        key="ops_per_s",
        label="Performance",
        unit="OP/s",
        meaning="2 for each MAC of the network, over the duration.",
    ),
    Quantity(
        key="peak_share",
        is_derived=True,
        label="Of the peak",
        unit="share",
        meaning="Performance over that of all arrays at full use, at the rate of the fastest"
        " product.",
    ),
    Quantity(
        key="total_macs",
        label="MACs",
        unit="MACs",
        meaning="Multiply-accumulates that the array does in all layers.",
    ),
    Quantity(
        key="dram_bytes",
        label="Main memory",
        unit="bytes",
        meaning="Bytes that cross main memory in either direction, of all layers.",
    ),
    Quantity(
        key="traffic_ratio",
        is_derived=True,
        label="Of compulsory",
        unit="ratio",
        meaning="Main-memory bytes over those of every touched element of each layer, each once."
        " Below 1 where what one layer makes stays on the chip for the next.",
    ),
    Quantity(
        key="energy_pj",
        label="Energy",
        unit="pJ",
        meaning="Energy of all layers and components, of the whole batch; what a component takes"
        " stands in the machine's file.",
    ),
)
