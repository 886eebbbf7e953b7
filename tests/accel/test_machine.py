"""The machine on small programs whose timing can be worked out by hand."""

import re
from dataclasses import replace
from math import inf

import pytest

from accel.machine import Machine
from accel.spec import (
    AcceleratorSpec,
    ArraySpec,
    DmaSpec,
    MemorySpec,
    ScratchpadSpec,
    VectorSpec,
)
from accel.timing import TIMINGS
from accel.trace import OPCODES, Trace
from foundation.dtype import DTYPES
from foundation.errors import SimulationError
from isa.instruction import (
    Access,
    Instruction,
    Load,
    MatMul,
    Operand,
    Queue,
    Signal,
    Store,
    Vector,
    Wait,
)
from isa.program import Program, Semaphore, Space, Stream

CYCLE_FS = 10**6  # 1 GHz

SPEC = AcceleratorSpec(
    name="small",
    notes="",
    clock_hz=10**9,
    array=ArraySpec(rows=4, columns=4, dataflow="WS", timing=TIMINGS["rtl"], dtypes=("int8",)),
    vector=VectorSpec(lanes=4, startup_cycles=3, cycles_per_element={}),
    dma=DmaSpec(outstanding=2),
    scratchpads=(
        ScratchpadSpec(
            name="buffer",
            capacity_bytes=4096,
            holds=("input", "weight", "psum", "output"),
            banks=1,
            bandwidth_bytes_per_cycle=inf,
        ),
    ),
    memories=(
        MemorySpec(
            name="dram",
            capacity_bytes=1 << 20,
            bandwidth_bytes_per_s=16e9,
            latency_fs=10 * CYCLE_FS,
            holds=("parameters", "activations"),
        ),
    ),
)
DRAM, BUFFER = 0, 1
SPACES = (
    Space(name="dram", size_bytes=1 << 20, is_main_memory=True),
    Space(name="buffer", size_bytes=4096, is_main_memory=False),
)


def load(size: int, tag: int = 0) -> Load:
    return Load(
        source=Access(space=DRAM, base=0, strides=(1,)),
        destination=Access(space=BUFFER, base=0, strides=(1,)),
        shape=(size,),
        before=(0,),
        after=(0,),
        element_bytes=1,
        fill=0,
        operand=Operand.INPUT,
        tag=tag,
    )


def store(size: int) -> Store:
    return Store(
        source=Access(space=BUFFER, base=0, strides=(1,)),
        destination=Access(space=DRAM, base=0, strides=(1,)),
        shape=(size,),
        element_bytes=1,
        operand=Operand.OUTPUT,
        tag=0,
    )


def matmul(m: int) -> MatMul:
    access = Access(space=BUFFER, base=0, strides=(0, 0, 0))
    return MatMul(
        groups=(),
        m=(m,),
        n=4,
        k=(4,),
        input=access,
        weight=access,
        psum=access,
        accumulate=False,
        dtype=DTYPES["int8"],
        tag=0,
    )


def vector(elements: int) -> Vector:
    access = Access(space=BUFFER, base=0, strides=(1,))
    return Vector(
        function="relu",
        shape=(elements,),
        reduced=0,
        inputs=(access,),
        output=access,
        input_dtype=DTYPES["int8"],
        output_dtype=DTYPES["int8"],
        shift=0,
        activation="identity",
        tag=0,
    )


def run(
    streams: dict[Queue, list[Instruction]], initial: int = 0, spec: AcceleratorSpec = SPEC
) -> Trace:
    program = Program(
        spaces=SPACES,
        semaphores=(Semaphore(name="ready", initial=initial),),
        streams={Stream(core=0, queue=queue): tuple(code) for queue, code in streams.items()},
    )
    return Machine(spec).run(program)


def spans(trace: Trace, opcode: str) -> list[tuple[int, int]]:
    """Return start and end of an opcode's rows, in cycles."""
    rows = trace.rows(opcode=opcode)
    return [
        (int(start) // CYCLE_FS, int(end) // CYCLE_FS)
        for start, end in zip(rows["start_fs"], rows["end_fs"], strict=True)
    ]


def test_a_load_takes_its_bytes_and_then_the_latency() -> None:
    trace = run({Queue.LOAD: [load(64)]})
    assert spans(trace, "load") == [(0, 4 + 10)]
    assert trace.end_fs == 14 * CYCLE_FS


def test_loads_share_the_bandwidth_but_overlap_their_latencies() -> None:
    trace = run({Queue.LOAD: [load(64), load(64)]})
    assert spans(trace, "load") == [(0, 4), (4, 18)]


def test_the_third_load_waits_for_a_dma_slot() -> None:
    trace = run({Queue.LOAD: [load(16), load(16), load(16)]})
    assert spans(trace, "load") == [(0, 1), (1, 11), (11, 22)]
    waits = trace.rows(opcode="wait")
    assert [trace.causes[cause] for cause in waits["cause"]] == ["memory_busy", "dma_slot"]


def test_a_store_waits_while_the_memory_serves_a_load() -> None:
    trace = run({Queue.LOAD: [load(64)], Queue.STORE: [store(16)]})
    assert spans(trace, "store") == [(4, 4 + 1 + 10)]


def test_a_signal_reaches_its_waiter_when_the_load_has_landed() -> None:
    trace = run({Queue.LOAD: [load(64), Signal(semaphore=0)],
                 Queue.MATRIX: [Wait(semaphore=0), matmul(8)]})  # fmt: skip
    assert spans(trace, "wait") == [(0, 14)]
    assert spans(trace, "matmul") == [(14, 14 + 4 + 8 + 4 + 4 - 1)]


def test_a_signal_before_its_waiter_comes_costs_no_wait() -> None:
    trace = run({Queue.LOAD: [Signal(semaphore=0)], Queue.MATRIX: [Wait(semaphore=0), matmul(8)]})
    assert spans(trace, "wait") == []


def test_back_to_back_matmuls_overlap_fill_and_drain() -> None:
    trace = run({Queue.MATRIX: [matmul(8), matmul(8)]})
    assert spans(trace, "matmul") == [(0, 8), (8, 8 + 19)]


def test_scalesim_matmuls_do_not_overlap() -> None:
    spec = replace(SPEC, array=replace(SPEC.array, timing=TIMINGS["scalesim"]))
    trace = run({Queue.MATRIX: [matmul(8), matmul(8)]}, spec=spec)
    assert spans(trace, "matmul") == [(0, 18), (18, 36)]


def test_a_vector_instruction_takes_startup_and_elements_over_lanes() -> None:
    trace = run({Queue.VECTOR: [vector(9)]})
    assert spans(trace, "vector") == [(0, 3 + 3)]


def test_a_narrow_scratchpad_port_stalls_the_array() -> None:
    pad = replace(SPEC.scratchpads[0], bandwidth_bytes_per_cycle=8.0)
    trace = run({Queue.MATRIX: [matmul(8)]}, spec=replace(SPEC, scratchpads=(pad,)))
    # 32 B input, 16 B weight and 32 int32 psums: 176 B at 8 B a cycle.
    assert spans(trace, "wait") == [(8, 22)]
    assert trace.end_fs == (19 + 14) * CYCLE_FS


def test_macs_and_accesses_are_recorded() -> None:
    row = run({Queue.MATRIX: [matmul(8)]}).rows(opcode="matmul")
    assert {name: int(row[name][0]) for name in ("macs", "folds", "mapped_pes")} == {
        "macs": 128,
        "folds": 1,
        "mapped_pes": 16,
    }


def test_a_deadlock_names_queues_and_semaphores() -> None:
    message = "machine, at 0 cycles: deadlock: core 0 matrix waits for 'ready'"
    with pytest.raises(SimulationError, match=f"^{re.escape(message)}$"):
        run({Queue.MATRIX: [Wait(semaphore=0)]})


def test_initial_tokens_can_be_taken_once() -> None:
    trace = run({Queue.MATRIX: [Wait(semaphore=0), matmul(8)]}, initial=1)
    assert spans(trace, "matmul") == [(0, 19)]


def test_cores_run_side_by_side_and_share_the_memory() -> None:
    program = Program(
        spaces=SPACES,
        semaphores=(),
        streams={Stream(core=core, queue=Queue.LOAD): (load(64),) for core in (0, 1)},
    )
    trace = Machine(SPEC).run(program)
    assert "core1.load:dram" in trace.units
    assert trace.end_fs == (4 + 4 + 10) * CYCLE_FS


def test_the_same_program_gives_the_same_trace() -> None:
    streams: dict[Queue, list[Instruction]] = {
        Queue.LOAD: [load(64), Signal(semaphore=0)],
        Queue.MATRIX: [Wait(semaphore=0), matmul(8)],
    }
    first, second = run(streams), run(streams)
    assert all((first[name] == second[name]).all() for name in first.columns)
    assert set(first["opcode"]) <= set(range(len(OPCODES)))


def test_a_program_of_hours_is_refused() -> None:
    slow = replace(SPEC.memories[0], bandwidth_bytes_per_s=1.0)
    message = (
        "machine, at 0 cycles: the program takes more than 9223 s, the most that a trace can hold;"
        " use a faster clock or memory, or a smaller layer"
    )
    with pytest.raises(SimulationError, match=f"^{re.escape(message)}$"):
        run({Queue.LOAD: [load(10_000)]}, spec=replace(SPEC, memories=(slow,)))
