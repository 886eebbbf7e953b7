"""The page of `rooftile explore` in headless Chromium, with a server of this process."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from threading import Thread
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

from accel.spec_file import load_preset
from mapper.search.find import SearchOptions
from rooftile.explore.server import ExploreServer
from rooftile.explore.session import Session
from rooftile.explore.space import Space
from rooftile.simulation import simulate
from tests.rooftile.browser import chromium, needs_chromium, window
from tests.rooftile.test_cli import TINY
from workloads.loaders.asked import Asked

pytestmark = needs_chromium
#: Whatever the computer is busy with.
PATIENCE_S = 20
SPEC = load_preset("tpu_v4i_like")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExploreServer]:
    network = tmp_path_factory.mktemp("explore") / "tiny.yaml"
    network.write_text(TINY)
    session = Session(Space(str(network), Asked(), SPEC), SearchOptions())
    with ExploreServer(session, 0) as one:
        Thread(target=one.serve_forever, daemon=True).start()
        yield one
        one.shutdown()
    session.close()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    with chromium(tmp_path_factory.mktemp("chromium")) as driver:
        yield driver


class Page:
    """The page, opened, its first answer shown."""

    def __init__(self, browser: webdriver.Chrome, server: ExploreServer) -> None:
        self.browser, self.server = browser, server
        browser.get(server.url)
        self.wait(lambda shown: not shown["provisional"])

    @property
    def shown(self) -> dict[str, Any]:
        text = self.run("return document.body.dataset.shown ?? null")
        return dict(json.loads(text)) if text else {"provisional": True, "cycles": None}

    def wait(self, is_there: Any) -> dict[str, Any]:
        deadline = time.monotonic() + PATIENCE_S
        while not is_there(self.shown):
            assert time.monotonic() < deadline, (self.shown, self.text("state"))
            time.sleep(0.02)
        return self.shown

    def run(self, script: str) -> Any:
        return self.browser.execute_script(script)

    def find(self, name: str) -> WebElement:
        return self.browser.find_element(By.ID, name)

    def text(self, name: str) -> str:
        return self.find(name).text

    def press(self, knob: str, *keys: str) -> None:
        self.find(f"knob-{knob}").send_keys(*keys)

    def check_is_well(self) -> None:
        assert self.browser.get_log("browser") == []  # type: ignore[no-untyped-call]
        urls = self.run("return performance.getEntriesByType('resource').map((one) => one.name)")
        assert all(url.startswith((self.server.url, "data:")) for url in urls)


@pytest.fixture
def page(browser: webdriver.Chrome, server: ExploreServer) -> Page:
    return Page(browser, server)


def test_it_opens_with_the_machine_as_it_was_given(page: Page) -> None:
    expected = simulate(page.server.session.space.network, SPEC, engine="analytical").report
    assert page.shown["cycles"] == expected.total_cycles
    assert f"{expected.total_cycles:,} cycles" in page.text("numbers")
    assert page.text("state").startswith("Searched")
    assert "of the time" in page.text("bounds")
    assert "limits tiny" in page.text("limit")
    assert len(page.browser.find_elements(By.CSS_SELECTOR, ".chart canvas")) == 2
    page.check_is_well()


def test_keys_move_a_size_and_the_searched_answer_follows(page: Page) -> None:
    before = page.shown["cycles"]
    page.press("rows", Keys.ARROW_LEFT, Keys.ARROW_LEFT)
    shown = page.wait(lambda shown: shown["cycles"] != before and not shown["provisional"])
    space = page.server.session.space
    setting = {knob.key: knob.start for knob in space.knobs}
    setting["rows"] -= 2
    machine = space.machine(space.setting(setting))
    expected = simulate(space.network, machine, engine="analytical").report
    assert shown["cycles"] == expected.total_cycles
    assert page.find("knob-rows").get_attribute("aria-valuetext") == str(machine.array.rows)
    assert machine.array.label in page.text("machine")
    page.find("reset").click()
    page.wait(lambda shown: shown["cycles"] == before and not shown["provisional"])
    page.check_is_well()


def test_an_answer_at_once_is_marked_as_provisional(page: Page) -> None:
    page.run(
        "new MutationObserver(() => {"
        "  (window.states ??= []).push(document.body.dataset.answer);"
        "  (window.texts ??= []).push(document.getElementById('state').textContent);"
        "}).observe(document.body, { attributes: true, attributeFilter: ['data-answer'] })"
    )
    page.press("memories.hbm", Keys.ARROW_LEFT)
    page.wait(lambda _: page.run("return window.states?.at(-1)") == "searched")
    assert "provisional" in page.run("return window.states")
    texts = [text for text in page.run("return window.texts") if text.startswith("Provisional")]
    assert all(re.search(r"at least [\d.]+ [nµm]?s by the roofs\. Searching", t) for t in texts)
    page.check_is_well()


def test_keys_go_through_the_bars_and_long_names_keep_their_ends(page: Page) -> None:
    layers = page.browser.find_elements(By.CSS_SELECTOR, ".panel.layers .chart")[0]
    layers.send_keys(Keys.ARROW_DOWN)
    name = page.run("return document.getElementById('spoken').textContent").split(":")[0]
    assert name in page.server.session.answer(page.server.session.space.start)["lines"][0]["name"]
    short = page.run("return shortened('stage4.second_block.conv2', 17)")
    assert (len(short), short[:2], short[-5:]) == (17, "st", "conv2")
    assert page.run("return shortened('conv2', 17)") == "conv2"
    page.check_is_well()


def test_precision_and_batch_are_asked_of_the_network(page: Page) -> None:
    before = page.shown["cycles"]
    page.press("batch", Keys.ARROW_RIGHT)
    page.wait(lambda shown: shown["cycles"] != before and not shown["provisional"])
    assert "batch 2" in page.text("machine")
    page.press("dtype", Keys.ARROW_RIGHT)
    page.wait(lambda shown: not shown["provisional"])
    assert page.find("knob-dtype").get_attribute("aria-valuetext") == "bf16"
    page.check_is_well()


def test_what_cant_be_is_said_and_the_way_back_is_open(page: Page) -> None:
    before = page.shown["cycles"]
    page.run("window.fetch = async () => new Response('', { status: 403 })")
    page.press("rows", Keys.ARROW_LEFT)
    deadline = time.monotonic() + PATIENCE_S
    while "refuses (403)" not in page.text("state"):
        assert time.monotonic() < deadline
    assert page.run("return document.body.dataset.answer") == "error"
    assert page.shown["cycles"] == before
    page.check_is_well()


def test_controls_have_names(page: Page) -> None:
    for knob in page.server.session.space.knobs:
        assert page.find(f"knob-{knob.key}").accessible_name == knob.label
    for chart in page.browser.find_elements(By.CSS_SELECTOR, ".chart"):
        assert chart.accessible_name
    page.check_is_well()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_is_wider_than_the_window(page: Page, width: int, theme: str) -> None:
    features = [{"name": "prefers-color-scheme", "value": theme}]
    page.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    try:
        with window(page.browser, width):
            again = Page(page.browser, page.server)
            assert again.run("return document.documentElement.scrollWidth") <= width
            paper = again.run("return getComputedStyle(document.body).backgroundColor")
            assert paper == {"light": "rgb(251, 251, 249)", "dark": "rgb(20, 23, 27)"}[theme]
            again.check_is_well()
    finally:
        page.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
