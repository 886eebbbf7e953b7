"""The network on the chip against a flit-by-flit simulation, and its laws."""

from __future__ import annotations

import re
from dataclasses import replace
from graphlib import TopologicalSorter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accel.network import Network, NetworkSpec, xy_path
from accel.spec_file import load_preset
from foundation.errors import SpecError
from tests.reports.runs import SMALL, run

HZ = 10**9
FS = 10**6  # a cycle
WIDTH = 16


def mesh(
    rows: int, columns: int, ports: tuple[tuple[int, int], ...] = ((0, 0),), width: int = WIDTH
) -> NetworkSpec:
    return NetworkSpec(
        topology="mesh",
        rows=rows,
        columns=columns,
        ports=ports,
        link_bytes_per_cycle=width,
        router_delay_cycles=2,
    )


def crossbar(ports: int) -> NetworkSpec:
    return replace(mesh(1, 1, ((0, 0),) * ports), topology="crossbar")


def flit_by_flit(transfers: list[tuple[tuple[str, ...], int]], delay: int) -> list[int]:
    """Return the cycles in which transfers' last flits arrive; each is (links, flits).

    A plain loop over cycles with unlimited buffers: a link takes one flit in a cycle, that of the
    oldest transfer, which is at the next router's output after its delay.
    """
    waiting = {(n, 0): [0] * flits for n, (_, flits) in enumerate(transfers)}
    arrived: dict[int, int] = {}
    cycle = 0
    while any(waiting.values()):
        used: set[str] = set()
        for (number, at), ready in sorted(waiting.items()):
            links = transfers[number][0]
            if not ready or ready[0] > cycle or links[at] in used:
                continue
            used.add(links[at])
            ready.pop(0)
            if at + 1 < len(links):
                waiting.setdefault((number, at + 1), []).append(cycle + delay)
            else:
                arrived[number] = cycle + 1 + delay
        cycle += 1
    return [arrived[number] for number in range(len(transfers))]


@pytest.mark.parametrize("to_memory", [True, False])
@pytest.mark.parametrize("flits", [1, 2, 7])
@pytest.mark.parametrize("shape", [(1, 1), (1, 4), (3, 3), (2, 4)])
def test_one_transfer_on_an_idle_mesh_equals_flit_by_flit(
    shape: tuple[int, int], flits: int, to_memory: bool
) -> None:
    rows, columns = shape
    for port in [(0, 0), (rows - 1, columns - 1), (rows - 1, 0)]:
        for core in range(rows * columns):
            network = Network(mesh(rows, columns, (port,)), HZ)
            last = network.carry(core, flits * WIDTH, 0, 0, to_memory=to_memory)
            hops = abs(core // columns - port[0]) + abs(core % columns - port[1])
            links = tuple(f"{n}" for n in range(hops))
            expected = flit_by_flit([(links, flits)], 2)[0] if hops else 0
            assert last == expected * FS


@pytest.mark.parametrize("flits", [1, 5])
def test_one_transfer_through_a_crossbar_pays_one_router(flits: int) -> None:
    network = Network(crossbar(1), HZ)
    assert network.carry(3, flits * WIDTH, 0, 0, to_memory=False) == (flits + 2) * FS


def test_a_slow_source_hides_the_links() -> None:
    network = Network(mesh(1, 3), HZ)
    assert network.carry(2, 4 * WIDTH, 0, 100 * FS, to_memory=False) == (100 + 2 * 2) * FS


def test_a_network_of_one_router_changes_nothing() -> None:
    network = Network(mesh(1, 1), HZ)
    assert network.carry(0, 10**6, 5, 7, to_memory=True) == 7
    assert network.links() == []


@given(sizes=st.lists(st.integers(1, 40), min_size=1, max_size=8))
def test_transfers_over_one_link_take_turns(sizes: list[int]) -> None:
    network = Network(mesh(1, 2), HZ)
    lasts = [network.carry(1, size * WIDTH, 0, 0, to_memory=False) for size in sizes]
    expected = flit_by_flit([(("only",), size) for size in sizes], 2)
    assert lasts == [cycle * FS for cycle in expected]
    (link,) = network.links()
    assert (link.size_bytes, link.busy_fs) == (sum(sizes) * WIDTH, sum(sizes) * FS)


transfers = st.lists(
    st.tuples(st.integers(0, 11), st.integers(1, 500), st.integers(0, 50), st.booleans()),
    min_size=1,
    max_size=20,
)


def carried(spec: NetworkSpec, what: list[tuple[int, int, int, bool]]) -> tuple[list[int], Network]:
    network = Network(spec, HZ)
    ordered = sorted(what, key=lambda item: item[2])
    lasts = [
        network.carry(core, size, start * FS, start * FS, to_memory=to_memory)
        for core, size, start, to_memory in ordered
    ]
    return lasts, network


@given(what=transfers)
def test_contention_only_delays_and_bytes_are_conserved(
    what: list[tuple[int, int, int, bool]],
) -> None:
    spec = mesh(3, 4, ((0, 0), (2, 3)))
    lasts, network = carried(spec, what)
    assert max(lasts) >= max((link.busy_fs for link in network.links()), default=0)
    carried_bytes = sum(link.size_bytes for link in network.links())
    alone_bytes = 0.0
    for item, last in zip(sorted(what, key=lambda item: item[2]), lasts, strict=True):
        (alone,), own = carried(spec, [item])
        assert last >= alone
        alone_bytes += sum(link.size_bytes for link in own.links())
    assert carried_bytes == pytest.approx(alone_bytes)
    assert max(lasts) <= sum(max(carried(spec, [item])[0]) for item in what)


@given(what=transfers)
def test_a_wider_link_is_never_later(what: list[tuple[int, int, int, bool]]) -> None:
    narrow, _ = carried(mesh(3, 4), what)
    wide, _ = carried(mesh(3, 4, width=2 * WIDTH), what)
    assert all(a <= b for a, b in zip(wide, narrow, strict=True))


def test_transfers_on_disjoint_routes_do_not_disturb_each_other() -> None:
    spec = mesh(2, 3, ((0, 0),))
    network = Network(spec, HZ)
    alone = Network(spec, HZ).carry(1, 1000, 0, 0, to_memory=False)
    network.carry(3, 100_000, 0, 0, to_memory=False)  # down the first column
    assert network.carry(1, 1000, 0, 0, to_memory=False) == alone


def test_xy_routes_are_minimal_and_cannot_deadlock() -> None:
    """No cycle in what links wait for: W. J. Dally and C. Seitz, IEEE Trans. Computers, 1987."""
    places = [(row, column) for row in range(3) for column in range(4)]
    follows: dict[object, set[object]] = {}
    for source in places:
        for target in places:
            path = xy_path(source, target)
            assert len(path) - 1 == abs(source[0] - target[0]) + abs(source[1] - target[1])
            for link, after in pairwise(pairwise(path)):
                follows.setdefault(link, set()).add(after)
    assert list(TopologicalSorter(follows).static_order())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (((0, 0), (2, 1)), "network: port [2, 1] lies outside of the mesh of 2x2 routers, which"
         " count from 0; move it"),
        (((0, 0), (0, 0)), "network: 2 ports are at 1 routers; each needs a router of its own"),
    ],
)  # fmt: skip
def test_ports_have_routers_of_their_own(text: tuple[tuple[int, int], ...], message: str) -> None:
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        mesh(2, 2, text)


def test_a_1x1_mesh_equals_no_network_in_a_whole_run() -> None:
    plain = load_preset("edge_ddr4")
    with_mesh = replace(plain, network=mesh(1, 1, width=1_000_000))
    runs = [run(SMALL, spec) for spec in (plain, with_mesh)]
    first, second = (run.report for run in runs)
    assert [layer.work for layer in first.layers] == [layer.work for layer in second.layers]


def test_a_narrow_network_is_a_cause_of_stalls() -> None:
    spec = load_preset("npu_4core")
    assert spec.network is not None
    narrow = replace(spec, network=replace(spec.network, link_bytes_per_cycle=1))
    causes = run(SMALL, narrow).report.layers[-1].work.causes
    assert causes["network"] > 0
