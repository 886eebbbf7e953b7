"""Random programs: any values that the types allow, sensible or not."""

from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from foundation.dtype import DTYPES
from foundation.formats import FORMATS
from foundation.functions import FUNCTIONS
from foundation.stored import Stored
from isa.fields import FORMS, Kind
from isa.instruction import DATAFLOW_NAMES, Access, Instruction, Operand, Queue
from isa.program import Program, Semaphore, Space, Stream

names = st.from_regex(r"[a-z][a-z0-9_]{0,12}", fullmatch=True) | st.text(min_size=1, max_size=5)
counts = st.integers(0, 2**64 - 1)


def accesses(spaces: int) -> st.SearchStrategy[Access]:
    strides = st.lists(st.integers(-(2**63), 2**63 - 1), max_size=8).map(tuple)
    return st.builds(Access, space=st.integers(0, spaces - 1), base=counts, strides=strides)


def values(kind: Kind, spaces: int, semaphores: int) -> st.SearchStrategy[object]:
    found: dict[Kind, st.SearchStrategy[object]] = {
        Kind.COUNT: counts,
        Kind.COUNTS: st.lists(counts, max_size=6).map(tuple),
        Kind.BITS: counts,
        Kind.ACCESS: accesses(spaces),
        Kind.ACCESSES: st.lists(accesses(spaces), max_size=3).map(tuple),
        Kind.SEMAPHORE: st.integers(0, semaphores - 1),
        Kind.DTYPE: st.sampled_from(list(DTYPES.values())),
        Kind.FUNCTION: st.sampled_from(list(FUNCTIONS)),
        Kind.OPERAND: st.sampled_from(list(Operand)),
        Kind.FLAG: st.booleans(),
        Kind.DATAFLOW: st.none() | st.sampled_from(DATAFLOW_NAMES),
        Kind.STORED: st.none() | stored(),
    }
    return found[kind]


@st.composite
def stored(draw: DrawFn) -> Stored:
    """Any way in which weights may be stored."""
    block, blocks = draw(st.integers(1, 4)), draw(st.integers(1, 6))
    dtypes = st.sampled_from(list(DTYPES.values()))
    return Stored(
        value=draw(dtypes),
        length=draw(st.integers(1, 4)) * blocks * block,
        kept=draw(st.integers(1, blocks)) * block,
        period=blocks * block,
        block=block,
        format=draw(st.sampled_from(list(FORMATS))),
        scale=draw(st.none() | dtypes),
    )


@st.composite
def programs(draw: DrawFn) -> Program:
    space_names = draw(st.lists(names, min_size=1, max_size=4, unique=True))
    semaphore_names = draw(st.lists(names, min_size=1, max_size=4, unique=True))

    def instruction() -> Instruction:
        form = FORMS[draw(st.sampled_from(list(FORMS)))]
        drawn: dict[str, Any] = {
            item.name: draw(values(item.kind, len(space_names), len(semaphore_names)))
            for item in form.all_fields
        }
        return form.instruction(**drawn)

    streams = draw(
        st.lists(
            st.builds(Stream, core=st.integers(0, 3), queue=st.sampled_from(Queue)),
            max_size=3,
            unique=True,
        )
    )
    return Program(
        spaces=tuple(
            Space(name=name, size_bytes=draw(counts), is_main_memory=draw(st.booleans()))
            for name in space_names
        ),
        semaphores=tuple(
            Semaphore(name=name, initial=draw(st.integers(0, 9))) for name in semaphore_names
        ),
        streams={
            stream: tuple(instruction() for _ in range(draw(st.integers(0, 4))))
            for stream in streams
        },
    )
