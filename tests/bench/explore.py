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
    ("mobilenet_v2", "edge_32x32"),
    ("bert_large", "tpu_v4i_like"),
    ("densenet121", "edge_32x32"),
    ("resnet18", "npu_4core"),
)
#: Settings in which several sliders have moved, and those whose search is waited for.
MIXED, SEARCHED = 20, 6


def settings(space: Space, rng: random.Random) -> list[dict[str, int]]:
    """Return the settings that are asked for, one after the other."""
    start = {knob.key: knob.start for knob in space.knobs}
    found = [
        {**start, knob.key: place}
        for knob in space.knobs
        for place in (knob.start - 1, knob.start + 1)
        if 0 <= place < len(knob.values)
    ]
    for _ in range(MIXED):
        moved = {
            knob.key: min(len(knob.values) - 1, max(0, knob.start + rng.randint(-2, 2)))
            for knob in rng.sample(space.knobs, 3)
        }
        found.append({**start, **moved})
    return found


def measured(network: str, hardware: str) -> str:
    """Return one line about a network on a machine."""
    session = Session(Space(network, Asked(), load_preset(hardware)), SearchOptions())
    times, priced, ratios = [], [], []
    with ExploreServer(session, 0) as server:
        Thread(target=server.serve_forever, daemon=True).start()

        def ask(question: str, setting: dict[str, int]) -> dict[str, Any]:
            connection = HTTPConnection("127.0.0.1", server.server_port)
            headers = {"Content-Type": "application/json"}
            connection.request("POST", f"/{server.token}/{question}", json.dumps(setting), headers)
            answer = json.loads(connection.getresponse().read())
            connection.close()
            return dict(answer)

        asked = settings(session.space, random.Random(0))
        for number, setting in enumerate(asked):
            start = time.perf_counter()
            answer = ask("answer", setting)
            times.append(1000 * (time.perf_counter() - start))
            if not answer.get("provisional"):
                continue
            priced.append(answer["priced"] / answer["layers"])
            if number % (len(asked) // SEARCHED) == 0:
                found = ask("wait", setting)
                if "error" not in found:
                    ratios.append(answer["total_cycles"] / found["total_cycles"])
        server.shutdown()
    session.close()
    within = sum(one <= LIMIT_MS for one in times)
    return (
        f"  {network + ' on ' + hardware:<30} {statistics.median(times):5.0f} ms median,"
        f" {max(times):5.0f} ms at most, {within} of {len(times)} within {LIMIT_MS:.0f} ms;"
        f" {statistics.mean(priced):4.0%} of layers priced; provisional over searched cycles"
        f" {min(ratios):.2f} to {max(ratios):.2f}"
    )


def main() -> None:
    """Print a line for each network."""
    sys.stdout.write("explore, from a question to its answer at once:\n")
    for network, hardware in RUNS:
        sys.stdout.write(measured(network, hardware) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
