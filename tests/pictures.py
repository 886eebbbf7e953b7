"""Pictures of the web pages, as the documentation shows them: `make pictures`.

Each page is made anew, opened in headless Chromium, and what a window shows of it is written to
``docs/pages/``, with few colours, so that it is small.
"""

from __future__ import annotations

import base64
import io
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import NamedTuple

from PIL import Image
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from accel.spec_file import load_preset
from mapper.search.find import SearchOptions
from rooftile.cli import cli
from rooftile.explore.server import ExploreServer
from rooftile.explore.session import Session
from rooftile.explore.space import Space
from tests.rooftile.browser import chromium
from workloads.loaders.asked import Asked

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "pages"
SWEEP = ROOT / "rooftile" / "sweep" / "examples" / "array_shapes.sweep.yaml"
COLOURS = 256
#: Until a page has drawn itself, whatever the computer is busy with.
PATIENCE_S = 60.0
DRAWN_S = 1.5


class Window(NamedTuple):
    """Where a page is looked at: pixels, and whether it is light or dark."""

    width: int
    height: int
    theme: str = "light"


WIDE, PHONE = Window(1280, 900), Window(390, 844, "dark")
#: Picture to the window, and what opens its page there.
PICTURES: dict[str, tuple[Window, Callable[[webdriver.Chrome, Path], None]]] = {}


def _picture(name: str, window: Window) -> Callable[[Callable[..., None]], Callable[..., None]]:
    def add(opens: Callable[..., None]) -> Callable[..., None]:
        PICTURES[name] = (window, opens)
        return opens

    return add


@_picture("report.png", WIDE._replace(height=1200))
def _report(browser: webdriver.Chrome, folder: Path) -> None:
    """Open the page of a run."""
    _run("run", "resnet18", "--hw", "edge_32x32", "-o", str(folder / "run"))
    _run("report", str(folder / "run"), "-o", str(folder / "run.html"))
    browser.get((folder / "run.html").as_uri())


@_picture("sweep.png", WIDE)
def _sweep(browser: webdriver.Chrome, folder: Path) -> None:
    """Open the page of a sweep."""
    _run("sweep", str(SWEEP), "-o", str(folder / "sweep"))
    _run("report", str(folder / "sweep"), "-o", str(folder / "sweep.html"))
    browser.get((folder / "sweep.html").as_uri())


@_picture("explore.png", WIDE)
@_picture("explore-phone.png", PHONE)
def _explore(browser: webdriver.Chrome, folder: Path) -> None:
    """Open a page of sliders, of which two have moved, and wait for the search."""
    with _explored("resnet18", "edge_32x32") as url:
        browser.get(url)
        for knob, key in (("columns", Keys.ARROW_RIGHT), ("memories.dram", Keys.ARROW_RIGHT)):
            browser.find_element(By.ID, f"knob-{knob}").send_keys(key)
        deadline = time.monotonic() + PATIENCE_S
        while browser.execute_script("return document.body.dataset.answer") != "searched":
            if time.monotonic() > deadline:
                raise TimeoutError("the page shows no searched answer")
            time.sleep(0.1)


@contextmanager
def _explored(network: str, hardware: str) -> Iterator[str]:
    space = Space(network, Asked(), load_preset(hardware))
    session = Session(space, SearchOptions(), look_ahead=False)
    try:
        with ExploreServer(session, 0) as server:
            Thread(target=server.serve_forever, daemon=True).start()
            yield server.url
            server.shutdown()
    finally:
        session.close()


def _run(*arguments: str) -> None:
    cli(arguments, standalone_mode=False)


def _shot(browser: webdriver.Chrome) -> bytes:
    """Return what the window shows, as a small PNG."""
    time.sleep(DRAWN_S)
    shot = browser.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})
    image = Image.open(io.BytesIO(base64.b64decode(shot["data"]))).convert("RGB")
    written = io.BytesIO()
    image.quantize(COLOURS, kmeans=4, dither=Image.Dither.NONE).save(written, "png", optimize=True)
    return written.getvalue()


def main() -> None:
    """Write all pictures, or those whose names are given."""
    FOLDER.mkdir(exist_ok=True)
    for name, (window, opens) in PICTURES.items():
        if len(sys.argv) > 1 and name not in sys.argv:
            continue
        with tempfile.TemporaryDirectory() as folder, chromium(Path(folder) / "profile") as browser:
            size = {"width": window.width, "height": window.height}
            browser.execute_cdp_cmd(
                "Emulation.setDeviceMetricsOverride",
                {**size, "deviceScaleFactor": 1, "mobile": False},
            )
            browser.execute_cdp_cmd("Emulation.setScrollbarsHidden", {"hidden": True})
            features = [{"name": "prefers-color-scheme", "value": window.theme}]
            browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
            opens(browser, Path(folder))
            picture = _shot(browser)
        (FOLDER / name).write_bytes(picture)
        sys.stdout.write(f"{(FOLDER / name).relative_to(ROOT)}: {len(picture) / 1000:.0f} kB\n")


if __name__ == "__main__":
    main()
