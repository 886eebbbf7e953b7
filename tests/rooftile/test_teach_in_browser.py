"""The page of `rooftile teach` in headless Chromium, from a file and with no network."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select
from selenium.webdriver.support.wait import WebDriverWait

from reports.teach import Lesson
from rooftile.teach import teach
from tests.rooftile.browser import check_is_alone_and_well, chromium, needs_chromium, window

pytestmark = needs_chromium
#: All that a cycle shows, each moving number with its place.
STATE = """
const chips = [...document.querySelectorAll("[data-key]")].map((chip) =>
  [chip.dataset.key, chip.textContent, chip.className, chip.style.transform].join(" "));
const rest = ["cycle", "now", "busy", "input", "weight", "output", "curve"].map((id) =>
  document.getElementById(id).innerHTML);
const pes = [...document.querySelectorAll("#stage .pe")].map((pe) => pe.className);
return [...chips.sort(), ...rest, ...pes];
"""
DATAFLOWS = ["WS", "OS", "IS"]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    with chromium(tmp_path_factory.mktemp("chromium")) as driver:
        yield driver


class Page:
    """A lesson's page, opened."""

    def __init__(self, browser: webdriver.Chrome, path: Path, lesson: Lesson) -> None:
        self.browser, self.lesson, self.url = browser, lesson, path.as_uri()
        self.last = len(lesson.frames) - 1
        self.open("")

    def open(self, fragment: str) -> None:
        # Another fragment of the page that is open would not load it again.
        self.browser.get("about:blank")
        self.browser.get(self.url + fragment)

    def click(self, name: str) -> None:
        self.browser.find_element(By.ID, name).click()

    def press(self, *keys: str) -> None:
        ActionChains(self.browser).send_keys(*keys).perform()

    @property
    def cycle(self) -> int:
        return int(self.browser.find_element(By.ID, "cycle").text)

    @property
    def state(self) -> list[str]:
        return list(self.run(STATE))

    @property
    def output(self) -> list[list[str]]:
        return list(
            self.run(
                "return [...document.querySelectorAll('#output tr')].map((line) =>"
                " [...line.querySelectorAll('td')].map((cell) => cell.textContent))"
            )
        )

    def run(self, script: str) -> Any:
        return self.browser.execute_script(script)

    def wait_until_cycle(self, cycle: int) -> None:
        WebDriverWait(self.browser, 10).until(lambda _: self.cycle == cycle)

    def check_is_alone_and_well(self) -> None:
        check_is_alone_and_well(self.browser)


def opened(
    browser: webdriver.Chrome,
    folder: Path,
    dataflow: str,
    *,
    registers: int = 2,
    array: tuple[int, int] = (4, 3),
    gemm: tuple[int, int, int] = (5, 4, 6),
) -> Page:
    path = folder / "page.html"
    lesson = teach(
        path, array=array, gemm=gemm, dataflow=dataflow, registers=registers, seed=registers
    )
    return Page(browser, path, lesson)


def product(lesson: Lesson) -> list[list[str]]:
    """Return the output by NumPy, as the page writes it."""
    output = np.array(lesson.input) @ np.array(lesson.weight)
    return [[str(value) for value in row] for row in output.tolist()]


@pytest.mark.parametrize("registers", [1, 2])
@pytest.mark.parametrize("dataflow", DATAFLOWS)
def test_the_last_cycle_shows_numpys_output(
    browser: webdriver.Chrome, tmp_path: Path, dataflow: str, registers: int
) -> None:
    page = opened(browser, tmp_path, dataflow, registers=registers)
    assert page.output == [["·"] * 4] * 5
    page.click("last")
    assert page.cycle == page.last
    assert page.output == product(page.lesson)
    page.check_is_alone_and_well()


@pytest.mark.parametrize("dataflow", DATAFLOWS)
def test_back_undoes_forward_in_every_cycle(
    browser: webdriver.Chrome, tmp_path: Path, dataflow: str
) -> None:
    page = opened(browser, tmp_path, dataflow)
    states = [page.state]
    for _ in range(page.last):
        page.click("step-forward")
        states.append(page.state)
    assert page.cycle == page.last
    assert len({tuple(state) for state in states}) == len(states)
    for cycle in range(page.last - 1, -1, -1):
        page.press(Keys.ARROW_LEFT)
        assert page.cycle == cycle
        assert page.state == states[cycle]
    page.press(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    page.click("step-back")
    assert page.state == states[2]
    page.check_is_alone_and_well()


def test_keys_and_buttons_stop_at_both_ends(browser: webdriver.Chrome, tmp_path: Path) -> None:
    page = opened(browser, tmp_path, "WS")
    page.press(Keys.ARROW_LEFT)
    assert page.cycle == 0
    assert not browser.find_element(By.ID, "step-back").is_enabled()
    page.press(Keys.END, Keys.ARROW_RIGHT)
    assert page.cycle == page.last
    assert not browser.find_element(By.ID, "step-forward").is_enabled()
    page.press(Keys.HOME)
    assert page.cycle == 0
    page.click("last")
    page.click("first")
    assert page.cycle == 0
    page.check_is_alone_and_well()


def test_the_slider_moves_with_keys_once_a_cycle(browser: webdriver.Chrome, tmp_path: Path) -> None:
    page = opened(browser, tmp_path, "OS")
    slider = browser.find_element(By.ID, "slider")
    slider.send_keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    assert page.cycle == 2
    slider.send_keys(Keys.END)
    assert page.cycle == page.last
    page.check_is_alone_and_well()


def test_it_plays_to_the_end_and_pauses(browser: webdriver.Chrome, tmp_path: Path) -> None:
    page = opened(browser, tmp_path, "IS")
    play = browser.find_element(By.ID, "play")
    Select(browser.find_element(By.ID, "speed")).select_by_value("60")
    play.click()
    assert play.get_attribute("aria-label") == "Pause"
    page.wait_until_cycle(page.last)
    assert play.get_attribute("aria-label") == "Play"
    assert page.output == product(page.lesson)
    Select(browser.find_element(By.ID, "speed")).select_by_value("0.5")
    browser.find_element(By.TAG_NAME, "h1").click()
    page.press(Keys.SPACE)
    assert play.get_attribute("aria-label") == "Pause"
    assert page.cycle < page.last, "from the end it starts again"
    page.press(Keys.SPACE)
    assert play.get_attribute("aria-label") == "Play"
    page.check_is_alone_and_well()


def test_the_address_has_the_cycle(browser: webdriver.Chrome, tmp_path: Path) -> None:
    page = opened(browser, tmp_path, "WS")
    page.open("#cycle=7")
    assert page.cycle == 7
    page.click("step-forward")
    WebDriverWait(browser, 10).until(lambda driver: driver.current_url.endswith("#cycle=8"))
    page.run("location.hash = '#cycle=3'")
    page.wait_until_cycle(3)
    page.open("#cycle=999999")
    assert page.cycle == page.last
    page.open("#cycle=x")
    assert page.cycle == 0
    page.check_is_alone_and_well()


def test_a_pe_says_what_it_computes(browser: webdriver.Chrome, tmp_path: Path) -> None:
    page = opened(browser, tmp_path, "WS")
    page.open(f"#cycle={page.lesson.events.first_input}")
    pe = browser.find_element(By.CSS_SELECTOR, "#stage .pe")
    ActionChains(browser).move_to_element(pe).perform()
    left, right = page.lesson.input[0][0], page.lesson.weight[0][0]
    factors = [str(value) if value >= 0 else f"({value})" for value in (left, right)]
    assert browser.find_element(By.ID, "detail").text == (
        f"PE in row 0, column 0, fold 1: 0 + {' × '.join(factors)} = {left * right}"
    )
    page.check_is_alone_and_well()


def test_controls_have_names(browser: webdriver.Chrome, tmp_path: Path) -> None:
    opened(browser, tmp_path, "WS")
    for name in ("first", "step-back", "play", "step-forward", "last", "slider"):
        assert browser.find_element(By.ID, name).accessible_name


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_wider_than_the_window(
    browser: webdriver.Chrome, tmp_path: Path, width: int
) -> None:
    with window(browser, width):
        page = opened(browser, tmp_path, "WS", array=(16, 16), gemm=(20, 40, 30))
        assert page.run("return document.documentElement.scrollWidth") <= width
        page.click("last")
        assert page.output == product(page.lesson)
        page.check_is_alone_and_well()
