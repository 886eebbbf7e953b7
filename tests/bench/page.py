"""`make bench`: the page of a run of 1,000 layers, from the click to the last drawn chart."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from rooftile.report import write_report
from rooftile.simulation import simulate
from tests.rooftile.browser import CHROMIUM, DRIVER, check_is_alone_and_well, chromium
from workloads.loaders.yaml import parse_network

LAYERS = 1000
#: Widths of layers, so that there are as many different ones.
WIDTHS = tuple(range(64, 64 + 8 * 50, 8))
LIMIT_S = 2.0
LIMIT_MB = 5.0
LOADS = 5
#: Calls back when what the page's scripts drew is on the screen.
DRAWN = "requestAnimationFrame(() => requestAnimationFrame(arguments[0]))"


def network() -> str:
    """Return a network of linear layers, half of them followed by a function of their own."""
    lines = ["name: thousand", "inputs: {x: [16, 64]}", "layers:"]
    for number in range(LAYERS // 2):
        width = WIDTHS[number % len(WIDTHS)]
        lines.append(f"  - {{name: block{number}.linear, op: linear, out: {width}}}")
        lines.append(f"  - {{name: block{number}.gelu, op: gelu}}")
    return "\n".join(lines)


def main() -> None:
    """Print the page's size and how long a browser takes to show it."""
    if CHROMIUM is None or DRIVER is None:
        sys.stdout.write("page of 1,000 layers: not measured, there is no Chromium here\n")
        return
    with TemporaryDirectory() as name:
        folder, page = Path(name, "run"), Path(name, "page.html")
        result = simulate(parse_network(network(), "thousand.yaml"), "edge_32x32")
        assert len(result.report.layers) == LAYERS
        result.write(folder, plots=False)
        start = time.perf_counter()
        megabytes = write_report([folder], page) / 1e6
        written_s = time.perf_counter() - start
        loads_s = []
        with chromium(Path(name, "profile")) as browser:
            for _ in range(LOADS):
                browser.get("about:blank")
                start = time.perf_counter()
                browser.get(page.as_uri())
                browser.execute_async_script(DRAWN)
                loads_s.append(time.perf_counter() - start)
            check_is_alone_and_well(browser)
    shown_s = median(loads_s)
    missed = ", MISSED" * (shown_s > LIMIT_S or megabytes > LIMIT_MB)
    sys.stdout.write(
        f"page of {LAYERS:,} layers: {megabytes:.1f} MB (limit {LIMIT_MB:g} MB), written in"
        f" {written_s:.2f} s, shown in {shown_s:.2f} s, the median of {LOADS} (limit {LIMIT_S:g} s"
        f"{missed})\n"
    )


if __name__ == "__main__":
    main()
