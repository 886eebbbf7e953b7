"""The script of a program, instruction by instruction."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import assert_never

from accel.durations import Durations, product_traffic, vector_traffic
from accel.script import CODES, PRODUCT, SIGNAL, TRANSFER, VECTOR, WAIT, QueueScript, Script
from accel.spec import AcceleratorSpec
from isa.instruction import Gather, Instruction, Load, MatMul, Queue, Signal, Store, Vector, Wait
from isa.program import Program, Stream


def scripts_of(program: Program, spec: AcceleratorSpec) -> tuple[Script, ...]:
    """Return what each core of a program does, in the order of their numbers."""
    durations = Durations(spec, program.spaces)
    cores = sorted({stream.core for stream in program.streams})
    return tuple(_script(program, durations, core) for core in cores)


def _script(program: Program, durations: Durations, core: int) -> Script:
    rows: dict[tuple[int, ...], int] = {}
    streams = [program.streams.get(Stream(core=core, queue=queue), ()) for queue in Queue]
    return Script(
        queues=tuple(_queue(stream, durations, rows) for stream in streams),
        tokens=array("q", (semaphore.initial for semaphore in program.semaphores)),
        products=array("q", (value for row in rows for value in row)),
    )


def _queue(
    stream: Sequence[Instruction], durations: Durations, rows: dict[tuple[int, ...], int]
) -> QueueScript:
    operations, sizes, memories = array("q"), array("q"), array("q")
    for instruction in stream:
        match instruction:
            case Wait():
                operation = instruction.semaphore * CODES + WAIT
            case Signal():
                operation = instruction.semaphore * CODES + SIGNAL
            case MatMul():
                row = product_row(instruction, durations)
                operation = rows.setdefault(row, len(rows)) * CODES + PRODUCT
            case Vector():
                operation = served_cycles(instruction, durations) * CODES + VECTOR
            case Load() | Gather() | Store():
                operation = TRANSFER
                sizes.append(instruction.size_bytes)
                memories.append(_space(instruction))
            case _:
                assert_never(instruction)
        operations.append(operation)
    return QueueScript(operations=operations, sizes=sizes, memories=memories)


def product_row(instruction: MatMul, durations: Durations) -> tuple[int, ...]:
    """Return a row of `accel.script.Script.products`."""
    work = durations.matmul_work(instruction)
    timing = work.timing
    port = durations.port_cycles(*product_traffic(instruction, work))
    return (
        timing.latency_cycles,
        timing.occupancy_cycles,
        timing.lead_cycles,
        timing.occupancy_cycles + timing.lead_cycles - timing.lead_limit_cycles,
        max(0, port - timing.occupancy_cycles),
        durations.bank_conflicts(instruction),
    )


def served_cycles(instruction: Vector, durations: Durations) -> int:
    """Return what a vector instruction takes with its stalls."""
    port = durations.port_cycles(*vector_traffic(instruction))
    return max(durations.vector_cycles(instruction), port) + durations.bank_conflicts(instruction)


def _space(instruction: Load | Gather | Store) -> int:
    """Return the main memory of a transfer: they are the first address spaces."""
    match instruction:
        case Load():
            return instruction.source.space
        case Gather():
            return instruction.table.space
        case Store():
            return instruction.destination.space
