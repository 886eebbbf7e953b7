"""The machine's description: the only source of sizes, clocks, bandwidths and timings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

from accel.area_spec import AreaSpec
from accel.dram.memory_spec import DramMemorySpec
from accel.energy_spec import EnergySpec
from accel.network import NetworkSpec
from accel.products import Product, Reduction
from accel.shared_buffer_spec import SharedBufferSpec
from accel.timing import Timing
from accel.units import format_hz
from foundation.dtype import Dtype
from foundation.errors import SpecError, nearest
from foundation.functions import FUNCTIONS
from foundation.html import html_code, html_title
from foundation.stored import Stored

#: The operands a scratchpad can hold. ``psum`` is an unfinished output in accumulator width.
OPERANDS = ("input", "weight", "psum", "output")
#: The tensors a main memory can hold.
TENSOR_CLASSES = ("parameters", "activations")


@dataclass(frozen=True, slots=True, kw_only=True)
class ArraySpec:
    """A systolic array, or several alike that work on one instruction together.

    Parameters
    ----------
    rows, columns
        Size of one array in PEs, one MAC per PE and cycle.
    dataflow
        Which operand stays in the PEs: ``WS``, ``OS`` or ``IS`` (`accel.systolic.DATAFLOWS`).
    other_dataflows
        Those that an instruction may ask for instead.
    timing
        When it does what.
    dtypes
        Names of the types that it multiplies, one product a PE and cycle.
    count
        Number of arrays.
    other_products
        What else it multiplies: mixed types, and other rates.
    sparse
        Pairs N and M: of M neighbouring weights of which at most N aren't zero it does only N
        products. None for an array that does them all.
    """

    rows: int
    columns: int
    dataflow: str
    timing: Timing
    dtypes: tuple[str, ...]
    count: int = 1
    other_dataflows: tuple[str, ...] = ()
    other_products: tuple[Product, ...] = ()
    sparse: tuple[tuple[int, int], ...] = ()

    @property
    def products(self) -> tuple[Product, ...]:
        """All that it multiplies."""
        return (*(Product(input=name, weight=name) for name in self.dtypes), *self.other_products)

    def product(self, data: Dtype, weight: Dtype) -> Product | None:
        """Return the product of an input and a weight of these types, None if it has none."""
        names = (data.name, weight.name)
        return next((p for p in self.products if (p.input, p.weight) == names), None)

    def reduction(self, data: Dtype, stored: Stored | None) -> Reduction:
        """Return how it goes along a reduction.

        Parameters
        ----------
        data
            Type of the input.
        stored
            How weights are stored; None for those that are as the input is.

        Notes
        -----
        Only weights that are stored without their zeros tell the array where they are: others, and
        patterns that it doesn't know, are multiplied as if they were dense.
        """
        product = self.product(data, data if stored is None else stored.value)
        rate = Fraction(1) if product is None else product.macs_per_cycle
        if stored is None:
            return Reduction(macs_per_cycle=rate)
        skipped = [Fraction(n, m) for n, m in self.sparse if stored.at_most(n, m)]
        part = min(skipped, default=Fraction(1)) if not stored.is_dense else Fraction(1)
        return Reduction(macs=int(stored.length * part), macs_per_cycle=rate)

    @property
    def dataflows(self) -> tuple[str, ...]:
        """All dataflows, the first one being that of instructions that ask for none."""
        return (self.dataflow, *self.other_dataflows)

    def with_dataflow(self, dataflow: str | None) -> ArraySpec:
        """Return the array as if it had one dataflow only: the first for None.

        Raises
        ------
        SpecError
            When it doesn't have it.
        """
        wanted = dataflow or self.dataflow
        if self.dataflows == (wanted,):
            return self
        if wanted not in self.dataflows:
            raise SpecError(
                f"array '{self.label}': has dataflow {' and '.join(self.dataflows)} but {wanted} is"
                " asked for; add it to 'array.dataflow'"
            )
        return replace(self, dataflow=wanted, other_dataflows=())

    @property
    def pes(self) -> int:
        """Number of PEs of all arrays."""
        return self.count * self.rows * self.columns

    @property
    def label(self) -> str:
        """Number, size and dataflows: ``4 of 128x128 WS``, ``16x16 WS or OS``."""
        several = f"{self.count} of " if self.count > 1 else ""
        return f"{several}{self.rows}x{self.columns} {' or '.join(self.dataflows)}"


#: How a tile lies in a scratchpad (`mapper.layouts`).
LAYOUTS = ("auto", "row_major", "channel_last", "blocked")


@dataclass(frozen=True, slots=True, kw_only=True)
class BankSpec:
    """The banks of a scratchpad, for `accel.bank_conflicts`.

    Parameters
    ----------
    banks, ports
        Number of banks, and of different words that one gives or takes in a cycle.
    width_bytes
        Bytes of a word; neighbouring words lie in neighbouring banks.
    bandwidth_bytes_per_cycle
        What matrix and vector unit can move at best.
    """

    banks: int
    ports: int
    width_bytes: int
    bandwidth_bytes_per_cycle: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ScratchpadSpec:
    """A software-managed buffer on the chip.

    Parameters
    ----------
    name
        Unique among scratchpads and main memories.
    capacity_bytes
        Usable bytes.
    holds
        Which of ``OPERANDS`` live here.
    banks
        Independently addressed banks.
    bandwidth_bytes_per_cycle
        Bytes that the matrix and vector units can move per core cycle, ``inf`` for no limit.
    ports
        Words that a bank gives or takes in a cycle.
    width_bytes
        Bytes of a bank's word. Without it the scratchpad is one port, and banks never conflict.
    layout
        How tiles lie in it: one of ``LAYOUTS``.
    """

    name: str
    capacity_bytes: int
    holds: tuple[str, ...]
    banks: int
    bandwidth_bytes_per_cycle: float
    ports: int = 1
    width_bytes: int | None = None
    layout: str = "auto"

    def __post_init__(self) -> None:
        """Check that the banks give what the bandwidth promises."""
        if self.width_bytes is None:
            return
        most = self.banks * self.ports * self.width_bytes
        if self.bandwidth_bytes_per_cycle > most:
            raise SpecError(
                f"scratchpad '{self.name}': its bandwidth is {self.bandwidth_bytes_per_cycle:g}"
                f" B/cycle but {self.banks} banks x {self.ports} ports x {self.width_bytes} B give"
                f" {most}; lower the bandwidth or add banks"
            )

    @property
    def bank_model(self) -> BankSpec | None:
        """Its banks where their conflicts are modelled."""
        if self.width_bytes is None:
            return None
        return BankSpec(
            banks=self.banks,
            ports=self.ports,
            width_bytes=self.width_bytes,
            bandwidth_bytes_per_cycle=self.bandwidth_bytes_per_cycle,
        )

    @property
    def alignment_bytes(self) -> int:
        """What the slots of tiles are aligned to."""
        return self.width_bytes or 1


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorSpec:
    """The vector unit.

    Parameters
    ----------
    lanes
        Elements processed side by side.
    startup_cycles
        Cycles before the first result of an instruction.
    cycles_per_element
        Cycles a lane spends per element, by function, where it isn't the function's number of
        operations.
    """

    lanes: int
    startup_cycles: int
    cycles_per_element: Mapping[str, float]

    def element_cycles(self, function: str) -> float:
        """Return the lane cycles per element of ``function``."""
        return self.cycles_per_element.get(function, FUNCTIONS[function].operations)


@dataclass(frozen=True, slots=True, kw_only=True)
class DmaSpec:
    """The DMA engines: one for loads and one for stores at each main memory.

    Parameters
    ----------
    outstanding
        Transfers that each queue may have under way.
    """

    outstanding: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MemorySpec:
    """A main memory.

    Parameters
    ----------
    name
        Unique among scratchpads and main memories.
    capacity_bytes
        Usable bytes.
    bandwidth_bytes_per_s
        Shared by loads and stores, ``inf`` for no limit.
    latency_fs
        From the last byte at the memory to its arrival, in femtoseconds.
    holds
        Which of ``TENSOR_CLASSES`` live here.
    dram
        Its channels where it is modelled bank by bank: bandwidth and latency are then its peak and
        that of a read of an idle channel, for closed forms and rooflines.
    """

    name: str
    capacity_bytes: int
    bandwidth_bytes_per_s: float
    latency_fs: int
    holds: tuple[str, ...]
    dram: DramMemorySpec | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceleratorSpec:
    """One chip.

    Parameters
    ----------
    name
        As shown in reports.
    notes
        What the model leaves out, shown by ``rooftile show``.
    clock_hz
        Frequency of arrays, vector units, scratchpads and DMA engines.
    array, vector, dma
        The units of a core.
    scratchpads, memories
        The levels of memory on and off the chip: each core has scratchpads of its own, all share
        the main memories.
    cores
        Number of cores, all alike.
    network
        Between the cores and the main memories; without one they meet at the memories only.
    shared_buffer
        In front of the main memory: what one core has read, the others find there.
    energy
        What its parts take for what they do (`accel.energy`); None where nothing is known.
    area
        How large its parts are (`accel.area`); None where nothing is known.
    """

    name: str
    notes: str
    clock_hz: int
    array: ArraySpec
    vector: VectorSpec
    dma: DmaSpec
    scratchpads: tuple[ScratchpadSpec, ...]
    memories: tuple[MemorySpec, ...]
    cores: int = 1
    network: NetworkSpec | None = None
    shared_buffer: SharedBufferSpec | None = None
    energy: EnergySpec | None = None
    area: AreaSpec | None = None

    def __post_init__(self) -> None:
        """Check the rules that span several parts."""
        names = [s.name for s in self.scratchpads] + [m.name for m in self.memories]
        modelled = [pad.name for pad in self.scratchpads if pad.width_bytes is not None]
        if modelled and self.array.count > 1:
            raise SpecError(
                f"scratchpad '{modelled[0]}': bank conflicts are modelled for 1 array but the core"
                f" has {self.array.count}; remove 'width'"
            )
        for name in names:
            if names.count(name) > 1:
                raise SpecError(f"memory '{name}': the name is used twice; rename one")
        for operand in OPERANDS:
            self._sole_holder(operand, [s.name for s in self.scratchpads if operand in s.holds])
        banked = [memory.name for memory in self.memories if memory.dram is not None]
        if len(banked) > 1:
            raise SpecError(
                f"machine '{self.name}': at most 1 memory can be modelled bank by bank but"
                f" {len(banked)} are ({', '.join(banked)}); give the others bandwidth and latency"
            )
        if self.network is not None:
            self.network.check_cores(self.cores)
        if self.shared_buffer is not None and len(self.memories) > 1:
            raise SpecError(
                f"shared_buffer: is in front of 1 main memory but machine '{self.name}' has"
                f" {len(self.memories)}; leave it out"
            )
        self._check_queues()
        if self.energy is not None:
            self.energy.check_names(
                scratchpads=[pad.name for pad in self.scratchpads],
                memories=[memory.name for memory in self.memories],
            )
        if self.area is not None:
            self.area.check_names([pad.name for pad in self.scratchpads])
        for tensor_class in TENSOR_CLASSES:
            self._sole_holder(
                tensor_class, [m.name for m in self.memories if tensor_class in m.holds]
            )

    def _check_queues(self) -> None:
        """Check that every core can have a request in the queues of a DRAM."""
        for memory in self.memories:
            dram = memory.dram
            if dram is None:
                continue
            places = dram.channels * dram.channel.read_queue
            if self.cores > places:
                raise SpecError(
                    f"memory '{memory.name}': its {dram.channels} channels queue"
                    f" {dram.channel.read_queue} reads each, {places} in all, too few for"
                    f" {self.cores} cores; add channels or places in 'read_queue'"
                )

    def _sole_holder(self, what: str, holders: list[str]) -> None:
        if len(holders) != 1:
            found = " and ".join(f"'{name}'" for name in holders) or "none"
            raise SpecError(
                f"machine '{self.name}': '{what}' must be held by exactly 1 memory but"
                f" {len(holders)} list it ({found}); correct 'holds'"
            )

    def scratchpad_of(self, operand: str) -> ScratchpadSpec:
        """Return the scratchpad that holds one of ``OPERANDS``."""
        return next(s for s in self.scratchpads if operand in s.holds)

    def memory_of(self, tensor_class: str) -> MemorySpec:
        """Return the main memory that holds one of ``TENSOR_CLASSES``."""
        return next(m for m in self.memories if tensor_class in m.holds)

    def check_product(self, data: Dtype, weight: Dtype) -> None:
        """Raise SpecError unless the array multiplies inputs and weights of these types."""
        if self.array.product(data, weight) is not None:
            return
        supported = [product.label for product in self.array.products]
        wanted = Product(input=data.name, weight=weight.name).label
        advice = (
            "choose one with --dtype"
            if data == weight
            else "add it to 'array.dtypes', or change the dtype of the weights"
        )
        raise SpecError(
            f"machine '{self.name}': its array multiplies {', '.join(supported)}, not {wanted}"
            f"{nearest(wanted, supported)}; {advice}"
        )

    def check_weights(self, stored: Stored | None) -> None:
        """Raise SpecError where weights in segments meet what isn't modelled for them."""
        banked = [pad.name for pad in self.scratchpads if pad.width_bytes is not None]
        if stored is not None and banked:
            raise SpecError(
                f"machine '{self.name}': bank conflicts of scratchpad '{banked[0]}' aren't modelled"
                f" for weights stored as {stored}; remove 'width', or 'weights' of the network"
            )

    def _repr_html_(self) -> str:
        from accel.spec_file import to_yaml

        title = f"{self.name}: {self.label}, {format_hz(self.clock_hz)}"
        return html_title(title) + html_code(to_yaml(self))

    def with_dataflow(self, dataflow: str | None) -> AcceleratorSpec:
        """Return the machine with its array as in `ArraySpec.with_dataflow`."""
        array = self.array.with_dataflow(dataflow)
        return self if array is self.array else replace(self, array=array)

    @property
    def label(self) -> str:
        """Cores and arrays: ``4 cores, 32x32 OS``."""
        return f"{self.cores} cores, {self.array.label}" if self.cores > 1 else self.array.label

    @property
    def pes(self) -> int:
        """Number of PEs of all cores."""
        return self.cores * self.array.pes

    @property
    def peak_ops_per_s(self) -> float:
        """Operations per second of all arrays at full use: 2 per PE and cycle."""
        return 2.0 * self.pes * self.clock_hz

    @property
    def bandwidth_bytes_per_s(self) -> float:
        """Bytes per second of all main memories together."""
        return sum((m.bandwidth_bytes_per_s for m in self.memories), start=0.0)
