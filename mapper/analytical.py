"""The analytical engine: what a plan's works take, without programs and without SimPy."""

from __future__ import annotations

from collections.abc import Mapping as Dictionary
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

from accel.spec import AcceleratorSpec
from isa.instruction import Operand, Queue
from mapper.held import memory_of
from mapper.kernel import Kernel
from mapper.lower import lower
from mapper.mapping import Mapping
from mapper.moves import Amount, Woven
from mapper.operands import Placement
from mapper.pipeline import Pipeline, is_plain, replay
from mapper.plan import Plan
from mapper.rounds import Rounds
from mapper.side_by_side import Core, SideBySide
from mapper.written import Written, written


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """Pieces that run side by side, and how often.

    Parameters
    ----------
    count
        How often they run.
    cycles
        Until all has landed.
    array_cycles, vector_cycles
        In which these units work, on the core whose array, or vector unit, works longest.
    compute_cycles
        In which the array works on the core that finishes last, or its vector unit if it multiplies
        nothing.
    amount
        What all cores do.
    operand_bytes, memory_bytes
        Bytes that the cores move, by operand and by main memory.
    """

    count: int
    cycles: int
    array_cycles: int
    vector_cycles: int
    compute_cycles: int
    amount: Amount
    operand_bytes: Dictionary[Operand, int]
    memory_bytes: Dictionary[str, int]


class AnalyticalEngine:
    """Times of a plan's works.

    Parameters
    ----------
    plan
        The plan.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._rounds = Rounds(plan.spec)

    def estimates(self, work: int) -> tuple[Estimate, ...]:
        """Return what a work's distinct rounds take; none for a reshape.

        What tiles alone don't say is priced by its programs: groups of layers, tensors that stay on
        the chip, weights that come early, and psums that wait.
        """
        own = self._plan.works[work]
        if own.fused is not None or own.prefetch is not None or own.fetches is not None:
            ((program, _),) = self._plan.distinct_programs(work)
            scripts = written(program, self._plan.spec)
            cores = [Core(number=n, woven=one, addresses={}) for n, one in scripts.items()]
            return (self._estimate(cores, 1),)
        places = self._plan.operand_places(self._plan.representative(work))
        return tuple(
            self._estimate(self._rounds.cores(pieces, places, own.free_bytes), count)
            for pieces, count in own.distinct_rounds
        )

    def _estimate(self, cores: Sequence[Core], count: int) -> Estimate:
        cycles, queues, moved = self._rounds.run(cores)
        amounts = [core.woven.amount for core in cores]
        first_queues = range(0, len(Queue) * len(cores), len(Queue))
        array = [queues.busy[first + Queue.MATRIX] for first in first_queues]
        ends = [max(queues.finished(first + own) for own in Queue) for first in first_queues]
        last = ends.index(max(ends))
        return Estimate(
            count=count,
            cycles=cycles,
            array_cycles=max(array),
            vector_cycles=max(amount.vector_cycles for amount in amounts),
            compute_cycles=array[last] if amounts[last].macs else amounts[last].vector_cycles,
            amount=reduce(Amount.plus, amounts),
            operand_bytes=moved.by_operand,
            memory_bytes={
                memory.name: moved.by_memory[number]
                for number, memory in enumerate(self._plan.spec.memories)
            },
        )


def analytical_cycles(
    kernel: Kernel, spec: AcceleratorSpec, mapping: Mapping, addresses: Dictionary[str, int]
) -> int:
    """Return the cycles of a mapped kernel on one core of a machine, whatever its memories.

    ``addresses`` are those of the operands' tensors, by role.
    """
    woven: Woven | Written = (
        _written(kernel, spec, mapping, addresses)
        if mapping.psums_wait
        else Pipeline(spec).woven([kernel], [mapping])
    )
    if is_plain(spec):
        return replay(spec, [woven.script]).run()
    return SideBySide(spec, [Core(number=0, woven=woven, addresses=addresses)]).run()


def _written(
    kernel: Kernel, spec: AcceleratorSpec, mapping: Mapping, addresses: Dictionary[str, int]
) -> Written:
    places = {
        operand.role: Placement(
            memory=memory_of(operand, spec).name, address=addresses[operand.role]
        )
        for operand in kernel.operands
    }
    nothing = {memory.name: 0 for memory in spec.memories}
    return written(lower([kernel], [mapping], spec, places, nothing, {}), spec)[0]
