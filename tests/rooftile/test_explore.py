"""`rooftile explore`: settings, answers at once and searched ones, and what its server refuses."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from http.client import HTTPConnection
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from accel.spec import AcceleratorSpec
from accel.spec_file import load_preset
from foundation.errors import OutputError, RooftileError
from mapper.search.find import SearchOptions
from rooftile.explore.ahead import neighbours
from rooftile.explore.found import Searched
from rooftile.explore.prepared import Preparer
from rooftile.explore.pricing import Clock, Pricing
from rooftile.explore.searcher import Job, searched
from rooftile.explore.server import MOST_BYTES, ExploreServer
from rooftile.explore.session import Session
from rooftile.explore.space import Space
from rooftile.simulation import simulate
from rooftile.sources import find_network
from tests.rooftile.command import Command, process
from tests.rooftile.test_cli import TINY
from workloads.loaders.asked import Asked

SPEC = load_preset("edge_32x32")
PATIENCE_S = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A server that runs."""

    session: Session
    server: ExploreServer

    @property
    def start(self) -> dict[str, int]:
        return {knob.key: knob.start for knob in self.session.space.knobs}

    def moved(self, **steps: int) -> dict[str, int]:
        """Return the first setting with some knobs moved by so many places."""
        names = {key.rpartition(".")[2]: key for key in self.start}
        return {**self.start, **{names[k]: self.start[names[k]] + by for k, by in steps.items()}}

    def request(
        self, method: str, path: str, body: bytes | None = None, **headers: str | None
    ) -> tuple[int, bytes]:
        """Return status and body of a request; a header that is None isn't sent."""
        connection = HTTPConnection("127.0.0.1", self.server.server_port, timeout=PATIENCE_S)
        sent: dict[str, str | None] = {"Host": f"127.0.0.1:{self.server.server_port}"}
        if body is not None:
            sent |= {"Content-Type": "application/json", "Content-Length": str(len(body))}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in sent.items():
            if value is not None:
                connection.putheader(name, value)
        connection.endheaders(body)
        response = connection.getresponse()
        try:
            return response.status, response.read()
        finally:
            connection.close()

    def post(self, name: str, data: object, **headers: str | None) -> tuple[int, Any]:
        body = json.dumps(data).encode()
        status, text = self.request("POST", f"/{self.server.token}/{name}", body, **headers)
        return status, json.loads(text) if text.startswith(b"{") else text

    def searched(self, setting: dict[str, int]) -> dict[str, Any]:
        """Return the search's answer, however long it takes."""
        while True:
            answer = dict(self.post("wait", setting)[1])
            if not answer.get("pending"):
                return answer


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    network = tmp_path_factory.mktemp("explore") / "tiny.yaml"
    network.write_text(TINY)
    session = Session(Space(str(network), Asked(), SPEC), SearchOptions(), look_ahead=False)
    with ExploreServer(session, 0) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield Served(session=session, server=server)
        server.shutdown()
    session.close()


def test_the_first_answer_is_the_machine_as_it_was_given(served: Served) -> None:
    status, answer = served.post("answer", served.start)
    assert (status, answer["provisional"]) == (200, False)
    expected = simulate(served.session.space.network, SPEC, engine="analytical").report
    assert answer["total_cycles"] == expected.total_cycles
    assert answer["time_share_by_bound"]
    assert {dot["bound_by"] for dot in answer["dots"]} <= {"array", "vector", "dram", "latency"}
    assert [line["cycles"] for line in answer["lines"]] == sorted(
        (x.work.total_cycles for x in expected.layers if x.work.total_cycles), reverse=True
    )


def test_an_answer_at_once_is_provisional_and_the_searched_one_follows(served: Served) -> None:
    setting = served.moved(columns=1, dram=2, batch=1)
    _, quick = served.post("answer", setting)
    assert quick["provisional"]
    while quick["more"]:
        _, quick = served.post("answer", setting)
    assert quick["priced"] == quick["layers"] == 4
    assert quick["is_bound"]
    assert 0 < quick["least_time_s"] <= quick["time_s"]
    assert quick["limit"] is None
    found = served.searched(setting)
    assert not found["provisional"]
    space = served.session.space
    places = space.setting(setting)
    report = simulate(
        find_network(space.network, space.asked_of(places)),
        space.machine(places),
        engine="analytical",
    ).report
    assert (report.spec.array.columns, report.batch) == (48, 2)
    assert found["total_cycles"] == report.total_cycles
    assert quick["total_cycles"] == pytest.approx(report.total_cycles, rel=0.3)
    assert served.post("answer", setting)[1]["total_cycles"] == report.total_cycles


def test_a_question_that_is_superseded_is_told_so(served: Served) -> None:
    first, second = served.moved(rows=-1), served.moved(rows=-2)
    served.post("answer", first)
    served.post("answer", second)
    answer = served.post("wait", first)[1]
    assert answer.get("superseded") or not answer["provisional"]
    assert not served.searched(second)["provisional"]


def pricing(
    asked: Asked, spec: AcceleratorSpec, known: Searched, clock: Clock = time.perf_counter
) -> Pricing:
    """Return prices of resnet18."""
    return Pricing(Preparer("resnet18", SPEC).prepared(asked), spec, known, clock)


@pytest.fixture(scope="module")
def known() -> Searched:
    job = Job(number=0, network="resnet18", asked=Asked(), spec=SPEC, options=SearchOptions())
    return searched(job)


def test_what_doesnt_fit_is_an_error_and_not_an_answer(known: Searched) -> None:
    space = Space("resnet18", Asked(), SPEC)
    with pytest.raises(RooftileError, match="its array multiplies int8, not bf16"):
        pricing(Asked(dtype="bf16"), SPEC, known)
    assert "dtype" not in [knob.key for knob in space.knobs], "the machine has one type only"


def test_the_machine_that_was_searched_takes_what_it_took(known: Searched) -> None:
    same = pricing(Asked(), SPEC, known).go_on(budget_s=1000)
    assert same.report.total_cycles == known.report.total_cycles


@pytest.mark.parametrize("rows", [16, 64])
def test_layers_for_which_there_is_no_time_change_as_the_others(known: Searched, rows: int) -> None:
    spec = replace(SPEC, array=replace(SPEC.array, rows=rows))
    times = iter([0.0, *(0.01 * n for n in range(1000))])
    partly = pricing(Asked(), spec, known, lambda: next(times))
    quick = partly.go_on(budget_s=0.03)
    assert 0 < quick.priced < quick.layers
    assert not quick.is_over
    assert not quick.is_bound
    assert quick.report.total_macs == known.report.total_macs
    least = pricing(Asked(), spec, known).go_on(budget_s=1000)
    assert quick.report.total_cycles == pytest.approx(least.report.total_cycles, rel=0.05)
    none = pricing(Asked(), spec, known, lambda: 0.0).go_on(budget_s=0)
    assert none.priced == 0
    if rows < SPEC.array.rows:
        assert none.report.total_cycles >= known.report.total_cycles
    while not quick.is_over:
        quick = partly.go_on(budget_s=0.05)
    assert quick.report.total_cycles == least.report.total_cycles


@pytest.mark.parametrize(
    "changes",
    [
        {"array": replace(SPEC.array, rows=48)},
        {"array": replace(SPEC.array, rows=16, columns=64)},
        {"memories": (replace(SPEC.memories[0], bandwidth_bytes_per_s=3.2e9),)},
        {"scratchpads": tuple(replace(p, capacity_bytes=p.capacity_bytes // 2)
                              for p in SPEC.scratchpads)},
    ],
    ids=["48 rows", "16x64", "quarter bandwidth", "half scratchpads"],
)  # fmt: skip
def test_prices_of_all_layers_hold_the_search_between_them(
    known: Searched, changes: dict[str, Any]
) -> None:
    """The engine's own of a mapping that can run: the best takes no more, nor less than roofs."""
    spec = replace(SPEC, **changes)
    quick = pricing(Asked(), spec, known).go_on(budget_s=1000)
    assert quick.is_over
    assert quick.is_bound
    assert quick.priced == quick.layers
    found = simulate("resnet18", spec, engine="analytical").report
    # Finalists are chosen by closed form: what a mapping near takes may be a little less.
    assert 0.98 * found.total_cycles <= quick.report.total_cycles <= 1.3 * found.total_cycles
    assert quick.least_cycles <= found.total_cycles


@pytest.mark.parametrize("name", ["edge_32x32", "npu_4core"])
def test_larger_scratchpads_take_no_longer_and_that_is_known_without_a_price(name: str) -> None:
    spec = load_preset(name)
    job = Job(number=0, network="lenet", asked=Asked(), spec=spec, options=SearchOptions())
    before = searched(job)
    pads = tuple(replace(pad, capacity_bytes=2 * pad.capacity_bytes) for pad in spec.scratchpads)
    prepared = Preparer("lenet", spec).prepared(Asked())
    quick = Pricing(prepared, replace(spec, scratchpads=pads), before).go_on(budget_s=0)
    assert quick.is_over
    assert quick.is_bound
    assert quick.report.total_cycles == before.report.total_cycles


def test_cores_that_wait_are_estimated_and_not_a_bound() -> None:
    spec = load_preset("npu_4core")
    job = Job(number=0, network="lenet", asked=Asked(), spec=spec, options=SearchOptions())
    prepared = Preparer("lenet", spec).prepared(Asked())
    same = Pricing(prepared, replace(spec, notes="other"), searched(job)).go_on(budget_s=1000)
    other = replace(spec, array=replace(spec.array, rows=16))
    quick = Pricing(prepared, other, searched(job)).go_on(budget_s=1000)
    assert quick.priced == quick.layers
    assert not quick.is_bound
    assert quick.least_cycles <= quick.report.total_cycles
    found = simulate("lenet", other, engine="analytical").report.total_cycles
    assert quick.report.total_cycles == pytest.approx(found, rel=0.5)
    assert same.report.total_cycles == pytest.approx(searched(job).report.total_cycles, rel=0.05)


def test_neighbours_are_searched_while_nobody_asks(tmp_path: Path) -> None:
    network = tmp_path / "tiny.yaml"
    network.write_text(TINY)
    session = Session(Space(str(network), Asked(), SPEC), SearchOptions())
    try:
        start = session.space.start
        ahead = list(neighbours(session.space.knobs, start, start))
        deadline = time.monotonic() + PATIENCE_S
        while not session.is_idle():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        for setting in ahead:
            assert not session.answer(setting)["provisional"]
    finally:
        session.close()


def test_neighbours_in_the_direction_of_the_last_move_come_first() -> None:
    knobs = Space("lenet", Asked(), SPEC).knobs
    start = Space("lenet", Asked(), SPEC).start
    moved = (start[0], start[1] - 1, *start[2:])
    found = list(neighbours(knobs, start, moved))
    assert [one[1] - start[1] for one in found[:4]] == [-2, -3, -4, 0]
    assert len(set(found)) == len(found)
    assert moved not in found
    for one in found[4:]:
        (place,) = [n for n in range(len(knobs)) if one[n] != moved[n]]
        assert abs(one[place] - moved[place]) == 1
        assert 0 <= one[place] < len(knobs[place].values)


def test_knobs_hold_what_was_given_and_whole_sizes() -> None:
    space = Space("resnet18", Asked(batch=3), load_preset("tpu_v4i_like"))
    for knob in space.knobs:
        assert len(knob.values) == len(knob.texts) > 1
        assert len(set(knob.values)) == len(knob.values)
    knobs = {knob.key: knob for knob in space.knobs}
    assert knobs["batch"].values[knobs["batch"].start] == 3
    assert all(isinstance(size, int) for size in knobs["rows"].values)
    assert "bf16" in knobs["dtype"].values
    assert space.machine(space.start) == space.spec
    assert space.asked_of(space.start) == Asked(batch=3)


def test_a_dram_bank_by_bank_has_the_bandwidth_of_its_standard() -> None:
    keys = [knob.key for knob in Space("lenet", Asked(), load_preset("edge_ddr4")).knobs]
    assert not [key for key in keys if key.startswith("memories.")]


@pytest.mark.parametrize(
    "data",
    [None, [], {}, "x", {"rows": 0}, 7],
    ids=["null", "list", "empty", "text", "one key", "number"],
)
def test_a_setting_that_isnt_one_is_refused(served: Served, data: object) -> None:
    status, answer = served.post("answer", data)
    assert status == 400
    assert "error" in answer


@pytest.mark.parametrize("place", [-1, 1000, 1.5, True, "0", None, [], 10**400])
def test_a_place_that_isnt_one_is_refused(served: Served, place: object) -> None:
    status, answer = served.post("answer", {**served.start, "rows": place})
    assert status == 400
    assert "'rows' must be a number from 0 to" in answer["error"]


def test_the_page_and_its_files_are_there_and_nothing_else(served: Served) -> None:
    base = f"/{served.server.token}/"
    for name, kind in (("", b"<!doctype html>"), ("explore.js", b'"use strict"'),
                       ("explore.css", b"color-scheme"), ("echarts.js", b"echarts")):  # fmt: skip
        status, text = served.request("GET", base + name)
        assert status == 200
        assert kind in text
    for name in ("answer", "wait", "../cli.py", "explore.js/../..", "%2e%2e/etc/passwd", "x"):
        assert served.request("GET", base + name)[0] == 404, name


def test_only_the_loopback_interface_is_listened_on(served: Served) -> None:
    assert served.server.server_address[0] == "127.0.0.1"


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "evil.example:{port}", "127.0.0.1.evil.example:{port}"),
        *("127.0.0.1", "127.0.0.1:1", "localhost", "0.0.0.0:{port}", "[::1]:{port}", ""),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_foreign_hosts_are_refused(served: Served, host: str, method: str) -> None:
    """A name that was pointed at this computer after its page was loaded: DNS rebinding."""
    name = host.format(port=served.server.server_port)
    path = f"/{served.server.token}/answer" if method == "POST" else f"/{served.server.token}/"
    body = json.dumps(served.start).encode() if method == "POST" else None
    assert served.request(method, path, body, Host=name)[0] == 403


def test_a_request_without_a_host_is_refused(served: Served) -> None:
    assert served.request("GET", f"/{served.server.token}/", Host=None)[0] == 403


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "https://127.0.0.1:{port}", "http://127.0.0.1:1"]
)
def test_foreign_origins_are_refused(served: Served, origin: str) -> None:
    name = origin.format(port=served.server.server_port)
    assert served.post("answer", served.start, Origin=name)[0] == 403
    assert served.request("GET", f"/{served.server.token}/", Origin=name)[0] == 403
    assert served.post("answer", served.start, Sec_Fetch_Site="cross-site")[0] == 403


def test_our_own_origin_isnt_foreign(served: Served) -> None:
    own = f"http://127.0.0.1:{served.server.server_port}"
    assert served.post("answer", served.start, Origin=own, Sec_Fetch_Site="same-origin")[0] == 200
    port = served.server.server_port
    host, origin = f"localhost:{port}", f"http://localhost:{port}"
    assert served.post("answer", served.start, Host=host, Origin=origin)[0] == 200
    assert served.post("answer", served.start, Host=host, Origin=own)[0] == 403


@pytest.mark.parametrize("path", ["/", "/answer", "/x/", "/{token}x/", "//", "/{half}/", "*"])
def test_nothing_is_there_without_the_token(served: Served, path: str) -> None:
    token = served.server.token
    name = path.format(token=token, half=token[: len(token) // 2])
    assert served.request("GET", name)[0] == 404
    assert served.request("POST", name + "answer", b"{}")[0] == 404


def test_tokens_are_long_and_never_the_same(served: Served) -> None:
    other = ExploreServer(served.session, 0)
    other.server_close()
    assert other.token != served.server.token
    assert len(other.token) >= 32


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "PATCH", "HEAD", "CONNECT"])
def test_other_methods_are_refused(served: Served, method: str) -> None:
    assert served.request(method, f"/{served.server.token}/answer", b"{}")[0] == 501


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content_Type": "text/plain"}, 415),
        ({"Content_Type": None}, 415),
        ({"Content_Type": "application/x-www-form-urlencoded"}, 415),
        ({"Content_Length": None}, 411),
        ({"Content_Length": "-1"}, 411),
        ({"Content_Length": "1e3"}, 411),
        ({"Content_Length": str(MOST_BYTES + 1)}, 413),
        ({"Content_Length": "9" * 400}, 413),
    ],
)
def test_requests_that_arent_small_json_are_refused(
    served: Served, headers: dict[str, str | None], status: int
) -> None:
    assert served.post("answer", served.start, **headers)[0] == status


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 4000, b"NaN"])
def test_bodies_that_arent_settings_are_refused(served: Served, body: bytes) -> None:
    path = f"/{served.server.token}/answer"
    assert served.request("POST", path, body)[0] == 400


def test_get_changes_nothing(served: Served) -> None:
    before = dict(served.session._known)
    for name in ("", "answer", "wait", "answer?rows=0"):
        served.request("GET", f"/{served.server.token}/{name}")
    assert served.session._known == before


def test_a_port_in_use_is_an_error(served: Served) -> None:
    with pytest.raises(OutputError, match=r"choose another one with --port"):
        ExploreServer(served.session, served.server.server_port)


def test_what_never_ends_is_closed(served: Served) -> None:
    with socket.create_connection(("127.0.0.1", served.server.server_port), 5) as line:
        line.sendall(b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 200 + b"\r\n")
        assert b"431" in line.recv(100)


def test_ctrl_c_ends_it_and_its_search(tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(TINY)
    started = process("explore", "tiny.yaml", "--hw", "edge_32x32", folder=tmp_path)
    assert started.stdout is not None
    url = started.stdout.readline().strip()
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/[\w-]{32}/", url)
    children = subprocess.run(
        ["ps", "--ppid", str(started.pid), "-o", "pid="], capture_output=True, text=True
    ).stdout.split()
    assert children
    started.send_signal(signal.SIGINT)
    _, err = started.communicate(timeout=PATIENCE_S)
    assert (started.returncode, err) == (0, "ended\n")
    deadline = time.monotonic() + PATIENCE_S
    while any(Path(f"/proc/{child}").exists() for child in children):
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nothing.yaml", "--hw", "edge_32x32"), "nothing.yaml: no such file"),
        (("tiny.yaml", "--hw", "nothing"), "hardware 'nothing': neither a file nor one of"),
        (("tiny.yaml", "--hw", "edge_32x32", "--port", "70000"), "0<=x<=65535"),
        (("tiny.yaml", "--hw", "edge_32x32", "--dtype", "bf16"), "its array multiplies int8"),
    ],
)
def test_what_cant_be_explored_is_an_error(
    rooftile: Command, arguments: tuple[str, ...], message: str
) -> None:
    Path("tiny.yaml").write_text(TINY)
    done = rooftile("explore", *arguments)
    assert (done.status, done.out) == (2, "")
    assert message in done.err
