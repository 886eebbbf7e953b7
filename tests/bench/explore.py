"""`make bench`: how soon `rooftile explore` answers a moved slider, and how far off that answer is.

Every slider is moved to its next places, then several at a time; each question goes through the
server while the search for the one before it goes on, as on the page. Drawing isn't in the times.
"""

from __future__ import annotations

import json
import random
import statistics
import sys
import time
from http.client import HTTPConnection
from threading import Thread
from typing import Any

from accel.spec_file import load_preset
from mapper.search.find import SearchOptions
from rooftile.explore.server import ExploreServer
from rooftile.explore.session import Session
from rooftile.explore.space import Space
from workloads.loaders.asked import Asked

LIMIT_MS = 100.0
RUNS = (
    ("resnet50", "edge_32x32"),
    ("resnet50", "tpu_v1"),
    ("mobilenet_v2", "edge_32x32"),
    ("bert_base", "tpu_v4i_like"),
    ("bert_large", "tpu_v4i_like"),
    ("densenet121", "edge_32x32"),
    ("resnet152", "gemmini_default"),
    ("resnet18", "edge_ddr4"),
    ("resnet18", "npu_4core"),
    ("resnet18", "mesh_64core"),
)
#: Settings in which several sliders have moved, and those whose search is waited for.
MIXED, SEARCHED = 20, 12
#: Seconds that neighbours may be searched ahead, until a machine's are asked for.
REST_S = 30.0
#: Prices of answers at once over those of searches, below which they are no upper bound.
ROUNDING = 0.9995


def settings(space: Space, rng: random.Random) -> list[dict[str, int]]:
    """Return the settings that are asked for, one after the other: those of one slider first."""
    start = {knob.key: knob.start for knob in space.knobs}
    found = neighbours(space)
    for _ in range(MIXED):
        moved = {
            knob.key: min(len(knob.values) - 1, max(0, knob.start + rng.randint(-2, 2)))
            for knob in rng.sample(space.knobs, 3)
        }
        found.append({**start, **moved})
    return found


def neighbours(space: Space) -> list[dict[str, int]]:
    """Return the settings in which one slider has moved by one place."""
    start = {knob.key: knob.start for knob in space.knobs}
    return [
        {**start, knob.key: place}
        for knob in space.knobs
        for place in (knob.start - 1, knob.start + 1)
        if 0 <= place < len(knob.values)
    ]


class Asker:
    """A page's questions to a server of its own, and how soon it answered.

    Parameters
    ----------
    network, hardware
        What is explored.
    """

    def __init__(self, network: str, hardware: str) -> None:
        self.space = Space(network, Asked(), load_preset(hardware))
        self.session = Session(self.space, SearchOptions())
        #: Of questions about another setting than the one before.
        self.times_ms: list[float] = []
        self._last: dict[str, int] = {}

    def ask(self, question: str, setting: dict[str, int]) -> dict[str, Any]:
        """Return an answer."""
        start = time.perf_counter()
        connection = HTTPConnection("127.0.0.1", self.server.server_port)
        headers = {"Content-Type": "application/json"}
        connection.request("POST", f"/{self.server.token}/{question}", json.dumps(setting), headers)
        answer = json.loads(connection.getresponse().read())
        connection.close()
        if setting != self._last:
            self.times_ms.append(1000 * (time.perf_counter() - start))
        self._last = setting
        return dict(answer)

    def __enter__(self) -> Asker:
        self.server = ExploreServer(self.session, 0)
        Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.session.close()


def measured(network: str, hardware: str) -> str:
    """Return lines about a network on a machine."""
    priced, first, whole, questions = [], [], [], []
    with Asker(network, hardware) as page:
        start = {knob.key: knob.start for knob in page.space.knobs}
        deadline = time.monotonic() + REST_S
        ahead = neighbours(page.space)
        while time.monotonic() < deadline and not page.session.is_idle():
            time.sleep(0.1)
        known = sum(not page.ask("answer", one)["provisional"] for one in ahead)
        page.ask("answer", start)
    with Asker(network, hardware) as page:
        asked = settings(page.space, random.Random(0))
        for number, setting in enumerate(asked):
            answer = page.ask("answer", setting)
            if not answer.get("provisional"):
                continue
            priced.append(answer["priced"] / answer["layers"])
            if number % (len(asked) // SEARCHED):
                continue
            at_first, count = answer, 1
            while answer.get("more"):
                answer, count = page.ask("answer", setting), count + 1
            found = page.ask("wait", setting)
            if "error" not in found and answer["provisional"]:
                questions.append(count)
                first.append(at_first["total_cycles"] / found["total_cycles"])
                whole.append(answer["total_cycles"] / found["total_cycles"])
    times = page.times_ms
    within = sum(one <= LIMIT_MS for one in times)
    return (
        f"  {network} on {hardware}: {statistics.median(times):.0f} ms median,"
        f" {max(times):.0f} ms at most, {within} of {len(times)} within {LIMIT_MS:.0f} ms;"
        f" {statistics.mean(priced):.0%} of layers priced, all after"
        f" {statistics.mean(questions):.1f} questions\n"
        f"    provisional over searched cycles: at first {_spread(first)}, of all prices"
        f" {_spread(whole)}, {sum(one >= ROUNDING for one in whole)} of {len(whole)} no lower\n"
        f"    after {REST_S:.0f} s of rest at most, {known} of {len(ahead)} neighbours are searched"
    )


def _spread(ratios: list[float]) -> str:
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


def main() -> None:
    """Print lines for each network, or for those whose names are given."""
    sys.stdout.write("explore, from a question to its answer at once:\n")
    for network, hardware in RUNS:
        if len(sys.argv) == 1 or network in sys.argv or hardware in sys.argv:
            sys.stdout.write(measured(network, hardware) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
