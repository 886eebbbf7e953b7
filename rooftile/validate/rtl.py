"""The array's cycles against its Verilog: programs' matrix instructions, event by event."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import numpy as np

from accel.array_events import Clocked, Events, clocked, final_outputs, modelled
from accel.folds import Operand, Product
from accel.ports import first_difference
from accel.rtl.bench import Case, pe_cycles, run_cases
from accel.rtl.simulators import choose_simulator
from accel.spec_file import parse_spec
from foundation.errors import RooftileError
from isa.instruction import MatMul
from isa.semantics import run_program
from mapper.planner import make_plan
from rooftile.validate.program import filled_memories
from rooftile.validate.validation import Validation
from workloads.loaders.yaml import parse_network
from workloads.random_values import random_tensors

#: PEs times cycles that one command may simulate: a mistyped size must not run for days.
MAX_PE_CYCLES = 10**9
#: Instructions of a single run whose events are shown.
SHOWN = 16
#: Arrays of random runs: one PE, ragged ones, and squares up to 32x32.
ARRAYS = (
    *((1, 1), (1, 8), (8, 1), (2, 2), (3, 7), (7, 3), (4, 4), (5, 5), (4, 16), (8, 8)),
    *((12, 14), (14, 12), (16, 16), (24, 10), (32, 32)),
)
DATAFLOWS = ("WS", "OS", "IS")
REGISTERS = (2, 1)
LARGEST = 200
#: MACs per PE that a random run may have, so that one run takes seconds.
MAX_MACS_PER_PE = 4000


@dataclass(frozen=True, slots=True, kw_only=True)
class Gemm:
    """A product of one or several pairs of matrices on an array.

    Parameters
    ----------
    rows, columns
        R and C, in PEs.
    dataflow
        WS, OS or IS.
    registers
        Of the stationary operand in a PE: 2 if the next fold's moves in behind the current one.
    groups, m, n, k
        G products of M x K by K x N.
    scratchpad_bytes
        Capacity of each scratchpad: the smaller, the more instructions.
    """

    rows: int
    columns: int
    dataflow: str
    registers: int
    groups: int
    m: int
    n: int
    k: int
    scratchpad_bytes: int

    @property
    def title(self) -> str:
        """What it is, for people."""
        registers = "double" if self.registers == 2 else "single"
        groups = f"{self.groups} x " if self.groups > 1 else ""
        return (
            f"{self.dataflow} {self.rows}x{self.columns} {registers}"
            f"  {groups}M{self.m} N{self.n} K{self.k}"
        )


def random_gemms(
    number: int,
    *,
    seed: int,
    array: tuple[int, int] | None = None,
    dataflow: str | None = None,
    registers: int | None = None,
) -> list[Gemm]:
    """Return random products on random arrays, or on the one that is given.

    Dimensions are 1 to ``LARGEST``, each order of magnitude as likely as another, but no more of
    them large together than ``MAX_MACS_PER_PE`` allows; dataflows and registers take turns.
    """
    rng = np.random.default_rng(seed)
    gemms = []
    for index in range(number):
        rows, columns = array or ARRAYS[index % len(ARRAYS)]
        groups = int(rng.choice([1, 1, 1, 2, 3]))
        m, n, k = _random_extents(rng, rows * columns * MAX_MACS_PER_PE // groups)
        gemms.append(
            Gemm(
                rows=rows,
                columns=columns,
                dataflow=dataflow.upper()
                if dataflow
                else DATAFLOWS[index // len(ARRAYS) % len(DATAFLOWS)],
                registers=registers or REGISTERS[index // len(ARRAYS) // len(DATAFLOWS) % 2],
                groups=groups,
                m=m,
                n=n,
                k=k,
                scratchpad_bytes=(rows + columns) * 2 ** int(rng.integers(6, 13)),
            )
        )
    return gemms


def _random_extents(rng: np.random.Generator, max_macs: int) -> tuple[int, int, int]:
    while True:
        m, n, k = np.exp(rng.uniform(0, np.log(LARGEST + 1), 3)).astype(int).tolist()
        if m * n * k <= max_macs:
            return m, n, k


def chosen_gemms(
    gemm: tuple[int, int, int],
    *,
    array: tuple[int, int],
    dataflow: str | None,
    registers: int | None,
) -> list[Gemm]:
    """Return a product on an array: with each dataflow and number of registers, or the given."""
    m, n, k = gemm
    return [
        Gemm(
            rows=array[0],
            columns=array[1],
            dataflow=flow.upper(),
            registers=each,
            groups=1,
            m=m,
            n=n,
            k=k,
            scratchpad_bytes=(array[0] + array[1]) * 1024,
        )
        for flow in ([dataflow] if dataflow else DATAFLOWS)
        for each in ([registers] if registers else REGISTERS)
    ]


def validate_rtl(
    gemms: Sequence[Gemm],
    *,
    seed: int,
    shows_events: bool = False,
    simulator: str | None = None,
    progress: Callable[[str], None] | None = None,
) -> Validation:
    """Run each product's matrix instructions on the Verilog and compare events and values.

    Parameters
    ----------
    gemms
        What to run.
    seed
        Of the operands.
    shows_events
        Whether the text has every event's cycle, or a line for each run.
    simulator
        Verilog simulator to use; the first that is installed by default.
    progress
        Called with a line for the terminal.

    Raises
    ------
    RooftileError
        No Verilog simulator is installed, or the runs would take too long.
    """
    chosen = choose_simulator(simulator)
    report = progress or (lambda _line: None)
    cases = []
    for number, gemm in enumerate(gemms, start=1):
        cases.append(matrix_case(gemm, seed=seed))
        report(f"mapping {number} of {len(gemms)}")
    _check_size(cases)
    report(f"building and running {len(cases)} in {chosen}")
    outcomes = run_cases(
        cases, chosen, progress=lambda done: report(f"{chosen}: {done} of {len(cases)} done")
    )
    lines, exact = [], 0
    for number, (gemm, case, outcome) in enumerate(zip(gemms, cases, outcomes, strict=True), 1):
        expected = modelled(case.products, case.array)
        problem = _problem(case, outcome, chosen)
        exact += not problem
        cycles = expected[-1].last_output + 1
        lines.append(
            f"{number:>4}  {gemm.title:<40} {_counted(len(case.products), 'instruction'):>16}"
            f" {cycles:>9,} cycles  {problem or 'exact'}"
        )
        if shows_events:
            lines += _events_table(expected, outcome.events)
    lines.append(f"{_counted(len(gemms), 'run')}, {exact} exact")
    return Validation(text="\n".join(lines), passed=exact == len(gemms))


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def matrix_case(gemm: Gemm, *, seed: int) -> Case:
    """Return the matrix instructions of the product's program, with the operands that they get."""
    graph = parse_network(_network_yaml(gemm), "network")
    plan = make_plan(graph, parse_spec(_hardware_yaml(gemm), "hardware"))
    memories = filled_memories(plan, random_tensors(graph, seed=seed))
    collected = _Collector()
    for program in plan.programs(plan.layers[0]):
        run_program(program, memories, watch=collected.add)
    return Case(array=plan.spec.array, products=tuple(collected.products))


class _Collector:
    """Turns the matrix instructions that an interpreter executes into products."""

    def __init__(self) -> None:
        self.products: list[Product] = []
        self._slots: dict[tuple[int, int], int] = {}

    def add(self, instruction: MatMul, left: Operand, right: Operand) -> None:
        """Add an instruction: one that overwrites a psum starts an output of its own."""
        place = (instruction.psum.space, instruction.psum.base)
        if not instruction.accumulate:
            self._slots[place] = len(self.products)
        self.products.append(
            Product(
                input=left.copy(),
                weight=right.copy(),
                accumulate=instruction.accumulate,
                slot=self._slots[place],
            )
        )


def _check_size(cases: Sequence[Case]) -> None:
    needed = pe_cycles(cases)
    if needed > MAX_PE_CYCLES:
        raise RooftileError(
            f"the runs take {needed:,} PE cycles but at most {MAX_PE_CYCLES:,} can be simulated"
            " in Verilog; choose a smaller product or fewer runs"
        )


def _problem(case: Case, outcome: Clocked, simulator: str) -> str:
    """Return where model, PE-level array and Verilog part, or nothing."""
    expected, pes = modelled(case.products, case.array), clocked(case.products, case.array)
    if outcome.events == expected == pes.events and not outcome.failure:
        right = final_outputs(case.products)
        if all(map(np.array_equal, outcome.outputs, right)):
            if all(map(np.array_equal, pes.outputs, right)):
                return ""
            return "differs: the PE-level array's output isn't NumPy's"
    (logged,) = run_cases([case], simulator, logs_results=True)
    place = first_difference(pes.ports, logged.ports)
    if place:
        return f"differs: {place}"
    return f"differs: {_first_event(expected, pes.events) or outcome.failure}"


def _first_event(expected: Sequence[Events], measured: Sequence[Events]) -> str:
    """Return the first event that the closed form has at another cycle."""
    for number, (model, rtl) in enumerate(zip(expected, measured, strict=True), start=1):
        for field in fields(Events):
            wanted, got = getattr(model, field.name), getattr(rtl, field.name)
            if wanted != got:
                name = field.name.replace("_", " ")
                return f"instruction {number}, {name}: cycle {got:,}, the model says {wanted:,}"
    return ""


def _events_table(expected: Sequence[Events], measured: Sequence[Events]) -> list[str]:
    """Return lines that put model and Verilog side by side, in cycles."""
    names = [field.name for field in fields(Events)]
    header = "".join(f"{name.replace('_', ' '):>14}" for name in names)
    lines = [f"      instruction {header}  (cycles)"]
    for number, pair in enumerate(zip(expected, measured, strict=True), start=1):
        if number > SHOWN:
            lines.append(f"      ... {_counted(len(expected) - SHOWN, 'more instruction')}")
            break
        for who, events in zip(("model", "RTL"), pair, strict=True):
            values = "".join(f"{getattr(events, name):>14,}" for name in names)
            lines.append(f"      {number if who == 'model' else '':>5} {who:<6}{values}")
    return lines


def _network_yaml(gemm: Gemm) -> str:
    """Return the product as a network of one layer."""
    if gemm.groups > 1:
        shapes = (
            f"{{a: [{gemm.groups}, {gemm.m}, {gemm.k}], b: [{gemm.groups}, {gemm.k}, {gemm.n}]}}"
        )
        layer = '{name: product, op: matmul, inputs: [a, b], equation: "gmk,gkn->gmn"}'
    else:
        shapes = f"{{a: [{gemm.m}, {gemm.k}]}}"
        layer = f"{{name: product, op: linear, out: {gemm.n}, bias: false}}"
    return f"name: product\ninputs: {shapes}\nlayers:\n  - {layer}\n"


def _hardware_yaml(gemm: Gemm) -> str:
    """Return a machine with the product's array."""
    timing = "rtl" if gemm.registers == 2 else "rtl_single"
    operands = ("input", "weight", "psum", "output")
    scratchpads = "\n".join(
        f"  {name}: {{capacity: {gemm.scratchpad_bytes}B, holds: [{name}], bandwidth: unlimited}}"
        for name in operands
    )
    return f"""\
name: product
clock: 1GHz
array: {{rows: {gemm.rows}, columns: {gemm.columns}, dataflow: {gemm.dataflow}, timing: {timing},
  dtypes: [int8]}}
scratchpads:
{scratchpads}
vector: {{lanes: 64}}
dma: {{outstanding: 16}}
memories:
  dram: {{capacity: 1GiB, bandwidth: 100GB/s, latency: 100ns, holds: [parameters, activations]}}
"""
