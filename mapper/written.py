"""Scripts of programs that are there: where a kernel's tiles alone don't say what runs."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from accel.dma import Runs, Transfer
from accel.durations import Durations
from accel.program_script import scripts_of
from accel.script import Script
from accel.spec import AcceleratorSpec
from accel.vector import vector_operations
from isa.instruction import Gather, Load, MatMul, Operand, Queue, Store, Vector
from isa.program import Program, Stream
from mapper.moves import Addresses, Amount


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """The script of one core of a program, and what its transfers move.

    Parameters
    ----------
    script
        The script.
    transfers
        Instructions of the queues that move something, in order.
    amount
        What instructions do in all.
    """

    script: Script
    transfers: dict[Queue, list[Load | Gather | Store]]
    amount: Amount

    @property
    def bytes_by_operand(self) -> dict[Operand, int]:
        """Bytes that loads and stores move."""
        found: dict[Operand, int] = {}
        for instructions in self.transfers.values():
            for one in instructions:
                found[one.operand] = found.get(one.operand, 0) + one.size_bytes
        return found

    def operand_of(self, queue: Queue, number: int) -> Operand:
        """Return what a queue's transfer moves."""
        return self.transfers[queue][number].operand

    def runs(self, queue: Queue, number: int, addresses: Addresses) -> Runs:
        """Return the bytes of a queue's transfer, which knows its addresses."""
        del addresses
        return Transfer(0, self.transfers[queue][number]).runs()


def written(program: Program, spec: AcceleratorSpec) -> dict[int, Written]:
    """Return the script of each core of a program, by its number."""
    durations = Durations(spec, program.spaces)
    cores = sorted({stream.core for stream in program.streams})
    found = {}
    for core, script in zip(cores, scripts_of(program, spec), strict=True):
        transfers = {
            queue: [
                one
                for one in program.streams.get(Stream(core=core, queue=queue), ())
                if isinstance(one, Load | Gather | Store)
            ]
            for queue in (Queue.LOAD, Queue.STORE)
        }
        found[core] = Written(
            script=script, transfers=transfers, amount=_amount(program, core, durations)
        )
    return found


def _amount(program: Program, core: int, durations: Durations) -> Amount:
    """Return what the matrix and vector instructions of a core do."""
    total = Amount()
    for queue in (Queue.MATRIX, Queue.VECTOR):
        for one in program.streams.get(Stream(core=core, queue=queue), ()):
            if isinstance(one, MatMul):
                work = durations.matmul_work(one)
                done = Amount(macs=work.macs, folds=work.folds, mapped_pes=work.mapped_pes)
            elif isinstance(one, Vector):
                done = Amount(
                    operations=vector_operations(
                        function=one.function,
                        activation=one.activation,
                        elements=prod(one.shape),
                        row=one.row,
                    ),
                    vector_cycles=durations.vector_cycles(one),
                )
            else:
                continue
            total = total.plus(done)
    return total
