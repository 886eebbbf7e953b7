"""When the array does what with a sequence of matrix instructions, by three accounts.

The closed form and the PE-level array are here; the Verilog's account is in ``accel.rtl``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from accel.folds import Fold, Product, Words, folds, output, words
from accel.pe_array import FoldEvents, run
from accel.ports import Ports
from accel.several_arrays import matmul_work
from accel.spec import ArraySpec
from accel.systolic import DATAFLOWS
from accel.timing import ArrayQueue


@dataclass(frozen=True, slots=True, kw_only=True)
class Events:
    """One matrix instruction's events, in cycles from 0 for the whole sequence.

    Parameters
    ----------
    accepted
        Its first operand, stationary or not, is on the array's port.
    first_input, last_input
        The first and the last streamed input is on the port.
    first_output, last_output
        The first and the last result is on the port.
    array_free
        The next instruction is accepted; behind the last one, its like would be.
    """

    accepted: int
    first_input: int
    last_input: int
    first_output: int
    last_output: int
    array_free: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Products as folds, and where in the accumulators their outputs lie."""

    products: Sequence[Product]
    folds: list[list[Fold]]
    addresses: list[int]
    words: int

    def outputs(self, memory: Words, array: ArraySpec) -> list[Words]:
        """Return what the accumulators hold for each product: int32 arrays, shape (G, M, N)."""
        flow = DATAFLOWS[array.dataflow]
        return [
            output(memory, product, flow, array.rows, array.columns, address)
            for product, address in zip(self.products, self.addresses, strict=True)
        ]


def final_outputs(products: Sequence[Product]) -> list[Words]:
    """Return what NumPy says each product's accumulators hold when all are done."""
    slots: dict[int, Words] = {}
    for product in products:
        value = product.value()
        slots[product.slot] = slots[product.slot] + value if product.accumulate else value
    return [slots[product.slot] for product in products]


def layout(products: Sequence[Product], array: ArraySpec) -> Layout:
    """Return the folds of products; those of one slot share their accumulators."""
    flow = DATAFLOWS[array.dataflow]
    slots: dict[int, int] = {}
    total = 0
    addresses = []
    for product in products:
        if product.slot not in slots:
            slots[product.slot] = total
            total += words(product, flow, array.rows, array.columns)
        addresses.append(slots[product.slot])
    return Layout(
        products=products,
        folds=[
            list(folds(product, flow, array.rows, array.columns, address))
            for product, address in zip(products, addresses, strict=True)
        ],
        addresses=addresses,
        words=total,
    )


def modelled(products: Sequence[Product], array: ArraySpec) -> list[Events]:
    """Return the events by the closed form, each instruction offered at once."""
    queue = ArrayQueue()
    timings = []
    for product in products:
        groups, m, n, k = product.extents
        timings.append(matmul_work(array, groups=groups, m=m, n=n, k=k, accumulate=0).timing)
    starts = [queue.accept(0, timing) for timing in timings]
    free = [*starts[1:], starts[-1] + timings[-1].occupancy_cycles]
    return [
        Events(
            accepted=start,
            first_input=start + timing.first_input,
            last_input=start + timing.last_input,
            first_output=start + timing.first_output,
            last_output=start + timing.last_output,
            array_free=end,
        )
        for start, timing, end in zip(starts, timings, free, strict=True)
    ]


def by_instruction(placed: Layout, fold_events: Sequence[FoldEvents], free: int) -> list[Events]:
    """Return instructions' events from their folds'; ``free`` is behind the last one."""
    result, first = [], 0
    for part in placed.folds:
        own = fold_events[first : first + len(part)]
        first += len(part)
        result.append(
            Events(
                accepted=own[0].accepted,
                first_input=own[0].first_input,
                last_input=own[-1].last_input,
                first_output=own[0].first_output,
                last_output=own[-1].last_output,
                array_free=fold_events[first].accepted if first < len(fold_events) else free,
            )
        )
    return result


@dataclass(frozen=True, slots=True, kw_only=True)
class Clocked:
    """What an array did with a sequence of instructions, one cycle after another.

    Parameters
    ----------
    events
        Of each instruction.
    outputs
        What the accumulators hold for each: int32 arrays, shape (G, M, N).
    ports
        Cycle by cycle.
    failure
        Why there are no events or outputs, or nothing.
    """

    events: list[Events]
    outputs: list[Words]
    ports: Ports
    failure: str = ""


def clocked(products: Sequence[Product], array: ArraySpec) -> Clocked:
    """Return what the array does PE by PE."""
    placed = layout(products, array)
    result = run(
        [fold for part in placed.folds for fold in part],
        output_stationary=DATAFLOWS[array.dataflow].output_stationary,
        registers=array.timing.stationary_registers,
        memory_words=placed.words,
    )
    return Clocked(
        events=by_instruction(placed, result.events, result.free),
        outputs=placed.outputs(result.memory, array),
        ports=result.ports,
    )
