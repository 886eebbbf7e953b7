"""The YAML format of machines, as pydantic models: what may stand where, and its way back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields, replace
from fractions import Fraction
from math import inf
from typing import Annotated, Any

import yaml
from pydantic import (
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    PlainValidator,
    Tag,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from accel.area_models import AreaPart, area_lines
from accel.dram.memory_models import DramPart, dram_text
from accel.energy_models import EnergyPart, energy_lines
from accel.model_types import (
    Bandwidth,
    Capacity,
    Cycles,
    Frequency,
    Latency,
    Name,
    Part,
    PortBandwidth,
    PositiveCycles,
    SignedCycles,
    one_of,
)
from accel.products import Product
from accel.sharing_models import (
    NetworkPart,
    SharedBufferPart,
    network_lines,
    shared_buffer_lines,
)
from accel.spec import (
    LAYOUTS,
    OPERANDS,
    TENSOR_CLASSES,
    AcceleratorSpec,
    ArraySpec,
    DmaSpec,
    MemorySpec,
    ScratchpadSpec,
    VectorSpec,
)
from accel.systolic import DATAFLOWS
from accel.timing import DEFAULT_TIMING, PATHS, TIMINGS, TRANSFERS, WAITS, Timing
from accel.units import (
    BANDWIDTH,
    CAPACITY,
    CYCLE_COUNT,
    DURATION,
    FREQUENCY,
    PORT_BANDWIDTH,
    SIGNED_CYCLE_COUNT,
)
from foundation.dtype import ACTIVATION_DTYPES, WEIGHT_DTYPES
from foundation.errors import nearest
from foundation.functions import FUNCTIONS
from foundation.validation import describe

_CYCLES = "_cycles"
_PATTERN_SCHEMA = {"type": "string", "pattern": "^[0-9]{1,4}:[0-9]{1,4}$|^none$"}


def _name_or_changes(schema: dict[str, Any]) -> None:
    """Let the schema of changes to a timing model accept a name as well."""
    changes = dict(schema)
    schema.clear()
    schema["anyOf"] = [{"enum": list(TIMINGS)}, changes]


class TimingPart(Part):
    """A timing model by name, or as changes to the one named ``base``.

    The keys are the fields of `accel.timing.Timing`, without the unit that their values have here.
    """

    model_config = ConfigDict(json_schema_extra=_name_or_changes)

    base: str = DEFAULT_TIMING
    stationary_registers: int | None = Field(default=None, ge=1, le=2)
    load_path: str | None = None
    drain_path: str | None = None
    load_interval: PositiveCycles | None = None
    load_waits_for: str | None = None
    input_waits_for: str | None = None
    load_to_input: SignedCycles | None = None
    input_interval: PositiveCycles | None = None
    multiplier: Cycles | None = None
    adder: Cycles | None = None
    rows_per_hop: int | None = Field(default=None, ge=1, le=65536)
    columns_per_hop: int | None = Field(default=None, ge=1, le=65536)
    row_hop: Cycles | None = None
    column_hop: Cycles | None = None
    output: Cycles | None = None
    serial_transfers: list[str] | None = None
    transfer_interval: PositiveCycles | None = None
    inputs_per_fold: int | None = Field(default=None, ge=0, le=10**9)
    fold_control: Cycles | None = None
    instruction_control: Cycles | None = None

    @model_validator(mode="before")
    @classmethod
    def _by_name(cls, value: object) -> object:
        return {"base": one_of(list(TIMINGS), value)} if isinstance(value, str) else value

    @field_validator("base")
    @classmethod
    def _known_base(cls, value: str) -> str:
        return one_of(list(TIMINGS), value)

    @field_validator("load_path", "drain_path")
    @classmethod
    def _known_path(cls, value: str) -> str:
        return one_of(list(PATHS), value)

    @field_validator("load_waits_for", "input_waits_for")
    @classmethod
    def _known_wait(cls, value: str) -> str:
        return one_of(list(WAITS), value)

    @field_validator("serial_transfers")
    @classmethod
    def _known_transfers(cls, values: list[str]) -> list[str]:
        return [one_of(list(TRANSFERS), value) for value in values]

    def timing(self) -> Timing:
        """Return the timing model."""
        names = {field.name.removesuffix(_CYCLES): field.name for field in fields(Timing)}
        changes: dict[str, Any] = {
            names[key]: tuple(value) if isinstance(value, list) else value
            for key, value in self
            if key != "base" and value is not None
        }
        return replace(TIMINGS[self.base], **changes)


def _as_list(value: object) -> list[object]:
    """Return a list as it is, and anything else as a list of it; ``none`` is none."""
    if value == "none":
        return []
    return value if isinstance(value, list) else [value]


def _listed(value: object) -> object:
    """Return one name as a list of it."""
    return [value] if isinstance(value, str) else value


def _pattern(value: object) -> tuple[int, int]:
    """Return N and M of ``2:4``."""
    numbers = re.fullmatch(r"(\d{1,4}):(\d{1,4})", value) if isinstance(value, str) else None
    if numbers is None:
        raise ValueError(f"must be a pattern such as 2:4 but is {describe(value)}")
    n, m = map(int, numbers.groups())
    if not 1 <= n < m:
        raise ValueError(
            f"keeps {n} of {m} weights but must keep at least 1 and fewer than {m};"
            f" remove '{value}'"
        )
    return n, m


#: Patterns of sparse weights, N:M: one or several.
SparsePatterns = Annotated[
    tuple[tuple[int, int], ...],
    PlainValidator(lambda value: tuple(_pattern(one) for one in _as_list(value))),
    WithJsonSchema({"anyOf": [_PATTERN_SCHEMA, {"type": "array", "items": _PATTERN_SCHEMA}]}),
]
#: One dataflow or several.
Dataflows = Annotated[
    list[str],
    BeforeValidator(
        _listed, json_schema_input_type=str | Annotated[list[str], Field(min_length=1)]
    ),
]


class ProductPart(Part):
    """`accel.products.Product`: types that an array multiplies, and how fast."""

    input: str
    weight: str | None = None
    macs_per_cycle: float = Field(default=1.0, gt=0, le=64, allow_inf_nan=False)

    @field_validator("input")
    @classmethod
    def _known_input(cls, value: str) -> str:
        return one_of(list(ACTIVATION_DTYPES), value)

    @field_validator("weight")
    @classmethod
    def _known_weight(cls, value: str) -> str:
        return one_of(list(WEIGHT_DTYPES), value)

    def product(self) -> Product:
        """Return the product."""
        return Product(
            input=self.input,
            weight=self.weight or self.input,
            macs_per_cycle=Fraction(self.macs_per_cycle).limit_denominator(1000),
        )


#: One type for input and weight, or a product.
ArrayDtype = Annotated[
    Annotated[str, Tag("dtype name")] | Annotated[ProductPart, Tag("product entry")],
    Discriminator(
        lambda value: "product entry" if isinstance(value, dict | ProductPart) else "dtype name"
    ),
]


class ArrayPart(Part):
    """The systolic array."""

    count: int = Field(default=1, ge=1, le=1024)
    rows: int = Field(ge=1, le=65536)
    columns: int = Field(ge=1, le=65536)
    dataflow: Dataflows = Field(min_length=1)
    timing: TimingPart = TimingPart()
    dtypes: list[ArrayDtype] = Field(min_length=1)
    sparse: SparsePatterns = ()

    @field_validator("dataflow")
    @classmethod
    def _known_dataflows(cls, values: list[str]) -> list[str]:
        found = [one_of(list(DATAFLOWS), value.upper()) for value in values]
        for name in found:
            if found.count(name) > 1:
                raise ValueError(f"'{name}' is listed {found.count(name)} times; list it once")
        return found

    @field_validator("dtypes")
    @classmethod
    def _known_dtypes(cls, values: list[str | ProductPart]) -> list[str | ProductPart]:
        known = list(ACTIVATION_DTYPES)
        found = [one_of(known, value) if isinstance(value, str) else value for value in values]
        labels = [one if isinstance(one, str) else one.product().label for one in found]
        for label in labels:
            if labels.count(label) > 1:
                raise ValueError(f"'{label}' is listed {labels.count(label)} times; list it once")
        return found


class ScratchpadPart(Part):
    """A buffer on the chip."""

    capacity: Capacity
    holds: list[str] = Field(min_length=1)
    banks: int = Field(default=1, ge=1, le=65536)
    ports: int = Field(default=1, ge=1, le=64)
    width: Capacity | None = None
    layout: str = "auto"
    bandwidth: PortBandwidth

    @field_validator("layout")
    @classmethod
    def _known_layout(cls, value: str) -> str:
        return one_of(list(LAYOUTS), value)

    @model_validator(mode="after")
    def _layout_needs_banks(self) -> ScratchpadPart:
        if self.width is None and (self.layout != "auto" or self.ports > 1):
            key = "layout" if self.layout != "auto" else "ports"
            raise ValueError(f"'{key}' matters only where 'width' says how wide a bank is; add it")
        if self.width is not None and self.width > 4096:
            raise ValueError(f"'width' must be at most 4096 B but is {self.width}")
        return self

    @field_validator("holds")
    @classmethod
    def _known_operands(cls, values: list[str]) -> list[str]:
        return [one_of(list(OPERANDS), value) for value in values]

    def spec(self, name: str) -> ScratchpadSpec:
        """Return the scratchpad of this name."""
        return ScratchpadSpec(
            name=name,
            capacity_bytes=self.capacity,
            holds=tuple(self.holds),
            banks=self.banks,
            bandwidth_bytes_per_cycle=float(self.bandwidth),
            ports=self.ports,
            width_bytes=self.width,
            layout=self.layout,
        )


class VectorPart(Part):
    """The vector unit."""

    lanes: int = Field(ge=1, le=1 << 20)
    startup: Cycles = 0
    cycles_per_element: dict[str, float | int] = Field(default_factory=dict)

    @field_validator("cycles_per_element")
    @classmethod
    def _known_functions(cls, values: dict[str, float]) -> dict[str, float]:
        for name, cycles in values.items():
            if name not in FUNCTIONS:
                raise ValueError(f"unknown function '{name}'{nearest(name, FUNCTIONS)}")
            if not 0 < cycles <= 10**6:
                raise ValueError(
                    f"'{name}': cycles per element must be greater than 0 and at most 1000000"
                    f" but is {cycles}"
                )
        return values


class DmaPart(Part):
    """The DMA engines."""

    outstanding: int = Field(ge=1, le=65536)


class MemoryPart(Part):
    """A main memory."""

    capacity: Capacity
    bandwidth: Bandwidth | None = None
    latency: Latency | None = None
    dram: DramPart | None = None
    holds: list[str] = Field(min_length=1)

    @model_validator(mode="after")
    def _one_model(self) -> MemoryPart:
        has_numbers = self.bandwidth is not None and self.latency is not None
        if self.dram is None and not has_numbers:
            raise ValueError("needs 'bandwidth' and 'latency', or 'dram'")
        if self.dram is not None and (self.bandwidth is not None or self.latency is not None):
            raise ValueError("has 'dram', which says bandwidth and latency; remove these two")
        if self.dram is not None:
            self.dram.check_capacity(self.capacity)
        return self

    @field_validator("holds")
    @classmethod
    def _known_classes(cls, values: list[str]) -> list[str]:
        return [one_of(list(TENSOR_CLASSES), value) for value in values]

    def spec(self, name: str) -> MemorySpec:
        """Return the memory of this name."""
        dram = self.dram.spec() if self.dram is not None else None
        if dram is None:
            assert self.bandwidth is not None
            assert self.latency is not None
            bandwidth, latency_fs = float(self.bandwidth), self.latency
        else:
            bandwidth, latency_fs = dram.peak_bytes_per_s, dram.idle_read_fs
        return MemorySpec(
            name=name,
            capacity_bytes=self.capacity,
            bandwidth_bytes_per_s=bandwidth,
            latency_fs=latency_fs,
            holds=tuple(self.holds),
            dram=dram,
        )


class MachineFile(Part):
    """A hardware file."""

    name: Name
    notes: str = ""
    clock: Frequency
    cores: int = Field(default=1, ge=1, le=4096)
    network: NetworkPart | None = None
    shared_buffer: SharedBufferPart | None = None
    array: ArrayPart
    scratchpads: dict[Name, ScratchpadPart] = Field(min_length=1)
    vector: VectorPart
    dma: DmaPart
    memories: dict[Name, MemoryPart] = Field(min_length=1)
    energy: EnergyPart | None = None
    area: AreaPart | None = None

    def spec(self) -> AcceleratorSpec:
        """Return the machine.

        Raises
        ------
        SpecError
            When a rule that spans several parts is broken.
        """
        machine = AcceleratorSpec(
            name=self.name,
            notes=self.notes.strip(),
            clock_hz=self.clock,
            cores=self.cores,
            network=self.network.spec() if self.network is not None else None,
            shared_buffer=self.shared_buffer.spec() if self.shared_buffer is not None else None,
            array=ArraySpec(
                rows=self.array.rows,
                columns=self.array.columns,
                dataflow=self.array.dataflow[0],
                other_dataflows=tuple(self.array.dataflow[1:]),
                timing=self.array.timing.timing(),
                dtypes=tuple(name for name in self.array.dtypes if isinstance(name, str)),
                count=self.array.count,
                other_products=tuple(
                    one.product() for one in self.array.dtypes if isinstance(one, ProductPart)
                ),
                sparse=self.array.sparse,
            ),
            vector=VectorSpec(
                lanes=self.vector.lanes,
                startup_cycles=self.vector.startup,
                cycles_per_element={
                    name: float(cycles) for name, cycles in self.vector.cycles_per_element.items()
                },
            ),
            dma=DmaSpec(outstanding=self.dma.outstanding),
            scratchpads=tuple(part.spec(name) for name, part in self.scratchpads.items()),
            memories=tuple(part.spec(name) for name, part in self.memories.items()),
        )
        return replace(
            machine,
            energy=self.energy.spec(machine) if self.energy is not None else None,
            area=self.area.spec(machine) if self.area is not None else None,
        )


def _plain(name: str) -> str:
    """Return a name as YAML: quoted where the bare word means something else."""
    return f'"{name}"' if name.lower() in ("null", "true", "false") else name


def _timing_text(timing: Timing) -> str:
    """Return a timing model's name, or what it changes of the default one."""
    for name, known in TIMINGS.items():
        if timing == known:
            return name
    changed = {
        field.name: getattr(timing, field.name)
        for field in fields(timing)
        if getattr(timing, field.name) != getattr(TIMINGS[DEFAULT_TIMING], field.name)
    }
    return f"{{base: {DEFAULT_TIMING}, {', '.join(map(_timing_entry, changed, changed.values()))}}}"


def _timing_entry(name: str, value: object) -> str:
    if isinstance(value, tuple):
        return f"{name}: [{', '.join(value)}]"
    if isinstance(value, int) and name.endswith(_CYCLES):
        return f"{name.removesuffix(_CYCLES)}: {SIGNED_CYCLE_COUNT.text(value)}"
    return f"{name}: {value}"


def _notes_lines(notes: str) -> list[str]:
    """Return notes as a block of text, or as escapes where a block wouldn't read back."""
    lines = notes.split("\n")
    if all(line.isprintable() and line == line.rstrip() for line in lines):
        return ["notes: |-", *(f"  {line}".rstrip() for line in lines)]
    escaped = yaml.safe_dump(notes, default_style='"', width=inf)
    return [f"notes: {escaped}".rstrip()]


def _memory_model(memory: MemorySpec) -> str:
    """Return a memory's bandwidth and latency, or its DRAM."""
    if memory.dram is not None:
        return f"dram: {dram_text(memory.dram)}"
    return (
        f"bandwidth: {BANDWIDTH.text(memory.bandwidth_bytes_per_s)},"
        f" latency: {DURATION.text(memory.latency_fs)}"
    )


def _dataflow_text(array: ArraySpec) -> str:
    return f"[{', '.join(array.dataflows)}]" if array.other_dataflows else array.dataflow


def _dtype_texts(array: ArraySpec) -> Iterator[str]:
    """Yield what an array multiplies, entry by entry."""
    yield from array.dtypes
    for one in array.other_products:
        rate = float(one.macs_per_cycle)
        yield f"{{input: {one.input}, weight: {one.weight}, macs_per_cycle: {rate!r}}}"


def _sparse_text(array: ArraySpec) -> str:
    if not array.sparse:
        return ""
    patterns = ", ".join(f'"{n}:{m}"' for n, m in array.sparse)  # YAML 1.1 has 2:4 as 124
    return f", sparse: [{patterns}]"


def _bank_text(pad: ScratchpadSpec) -> str:
    if pad.width_bytes is None:
        return ""
    return f" ports: {pad.ports}, width: {CAPACITY.text(pad.width_bytes)}, layout: {pad.layout},"


def machine_text(spec: AcceleratorSpec) -> str:
    """Return a machine as YAML, every value with its unit."""
    lines = [f"name: {_plain(spec.name)}"]
    if spec.notes:
        lines += _notes_lines(spec.notes)
    array, vector = spec.array, spec.vector
    cycles = ", ".join(f"{name}: {value!r}" for name, value in vector.cycles_per_element.items())
    lines += [
        f"clock: {FREQUENCY.text(spec.clock_hz)}",
        f"cores: {spec.cores}",
        *network_lines(spec.network),
        *shared_buffer_lines(spec.shared_buffer),
        f"array: {{count: {array.count}, rows: {array.rows}, columns: {array.columns},"
        f" dataflow: {_dataflow_text(array)},"
        f" timing: {_timing_text(array.timing)}, dtypes: [{', '.join(_dtype_texts(array))}]"
        f"{_sparse_text(array)}}}",
        "scratchpads:",
        *(
            f"  {s.name}: {{capacity: {CAPACITY.text(s.capacity_bytes)},"
            f" holds: [{', '.join(s.holds)}], banks: {s.banks},{_bank_text(s)}"
            f" bandwidth: {PORT_BANDWIDTH.text(s.bandwidth_bytes_per_cycle)}}}"
            for s in spec.scratchpads
        ),
        f"vector: {{lanes: {vector.lanes}, startup: {CYCLE_COUNT.text(vector.startup_cycles)},"
        f" cycles_per_element: {{{cycles}}}}}",
        f"dma: {{outstanding: {spec.dma.outstanding}}}",
        "memories:",
        *(
            f"  {m.name}: {{capacity: {CAPACITY.text(m.capacity_bytes)}, {_memory_model(m)},"
            f" holds: [{', '.join(m.holds)}]}}"
            for m in spec.memories
        ),
        *energy_lines(spec.energy),
        *area_lines(spec.area),
    ]
    return "\n".join(lines) + "\n"
