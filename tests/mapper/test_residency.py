"""Places of what stays on the chip."""

from hypothesis import example, given
from hypothesis import strategies as st

from mapper.buffers import Buffer
from mapper.residency import Candidate, MemoryPlan

CAPACITY = 64


def candidate(name: int, size: int, first: int, length: int) -> Candidate:
    buffer = Buffer(
        scratchpad="pad",
        axes=(size,),
        before=(0,),
        after=(0,),
        extents=(size,),
        element_bytes=1,
        fill=0,
    )
    return Candidate(
        tensor=str(name), buffer=buffer, first=first, last=first + length, saved_bytes=1
    )


@given(
    st.lists(
        st.tuples(st.integers(1, 30), st.integers(0, 9), st.integers(1, 9)),
        min_size=2,
        max_size=12,
    )
)
@example([(10, 8, 2), (10, 9, 1), (10, 8, 1), (40, 0, 1), (10, 0, 8)])
def test_what_lives_at_one_time_has_places_apart(wanted: list[tuple[int, int, int]]) -> None:
    plan = MemoryPlan({"pad": CAPACITY})
    for name, (size, first, length) in enumerate(wanted):
        one = candidate(name, size, first, length)
        address = plan.room_for(one)
        if address is not None:
            plan = plan.having(one, address)
    for time in range(20):
        owners: dict[int, str] = {}
        for one, address in plan.places.values():
            if one.first <= time <= one.last:
                for byte in range(address, address + one.buffer.size_bytes):
                    assert 0 <= byte < CAPACITY
                    assert owners.setdefault(byte, one.tensor) == one.tensor
