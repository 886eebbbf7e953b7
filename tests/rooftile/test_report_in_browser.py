"""The page of `rooftile report` in headless Chromium, from a file and with no network."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select
from selenium.webdriver.support.wait import WebDriverWait

from reports.pages import report_page
from rooftile.report import write_report
from rooftile.simulation import simulate
from rooftile.sweep.run import run_sweep
from tests.reports import made_up_sweep
from tests.rooftile.browser import check_is_alone_and_well, chromium, needs_chromium, window
from tests.rooftile.sweep.sweeps import SMALL, loaded, table

pytestmark = needs_chromium

#: Where on the screen a chart has a place in data.
PIXEL = """
const box = document.querySelector(arguments[0]);
const [, place, seriesIndex] = arguments;
const [x, y] = echarts.getInstanceByDom(box).convertToPixel({ seriesIndex }, place);
return [Math.round(x - box.clientWidth / 2), Math.round(y - box.clientHeight / 2)];
"""
DOTS = """
return echarts.getInstanceByDom(document.querySelector("#panel-roofline .chart")).getOption().series
  .flatMap((series) => series.data.map((data) => data.value));
"""
#: Picoseconds in which the array works, of each layer, and of what is drawn on few to many pixels.
WORK_OF_ARRAY = """
const { views } = JSON.parse(document.getElementById("data").textContent);
const data = new TimelineData(views[0].panels.find((panel) => panel.kind === "timeline"));
const array = data.tracks.indexOf("matrix");
const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);
const ofLayer = (layer) => sum((data.drawn.get(layer.alike) ?? [])
  .filter((own) => own.track === array).map((own) => own.work));
const drawn = (pixels) => sum(data.blocks(0, data.end, data.end / pixels, new Set([array]))
  .filter((block) => block.track === array && !block.isWait)
  .map((block) => (block.end - block.start) * block.share));
return [data.layers.map(ofLayer), [1, 40, 300, 5000, 1e6].map(drawn)];
"""
SPAN = "return document.getElementById('timeline-span').textContent"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    with chromium(tmp_path_factory.mktemp("chromium")) as driver:
        yield driver


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the runs ``r18`` and ``estimate``, and the page of the first."""
    folder = tmp_path_factory.mktemp("runs")
    simulate("resnet18", "edge_32x32").write(folder / "r18", plots=False)
    simulate("lenet", "edge_32x32", engine="analytical").write(folder / "estimate", plots=False)
    write_report([folder / "r18"], folder / "r18.html")
    return folder


class Page:
    """A page, opened."""

    def __init__(self, browser: webdriver.Chrome, path: Path, fragment: str = "") -> None:
        self.browser = browser
        # Another fragment of the page that is open would not load it again.
        browser.get("about:blank")
        browser.get(path.as_uri() + fragment)

    def find(self, selector: str) -> Any:
        return self.browser.find_element(By.CSS_SELECTOR, selector)

    def texts(self, selector: str) -> list[str]:
        return [one.text for one in self.browser.find_elements(By.CSS_SELECTOR, selector)]

    def run(self, script: str, *arguments: Any) -> Any:
        return self.browser.execute_script(script, *arguments)

    def press(self, *keys: str) -> None:
        ActionChains(self.browser).send_keys(*keys).perform()

    def point(self, chart: str, place: list[float], series: int = 1) -> ActionChains:
        """Return the mouse over a place of a chart, in data of a series."""
        box = self.find(chart)
        self.run("arguments[0].scrollIntoView({block: 'center'})", box)
        x, y = self.run(PIXEL, chart, place, series)
        return ActionChains(self.browser).move_to_element_with_offset(box, x, y)

    def wait(self, condition: Any) -> None:
        WebDriverWait(self.browser, 10).until(lambda _: condition())

    @property
    def opened(self) -> str:
        """The layer whose details are shown; empty if none are."""
        return str(
            self.run(
                "return details.open ? detailsName() : ''; function detailsName()"
                " { return document.getElementById('details-name').textContent; }"
            )
        )

    @property
    def rows(self) -> list[str]:
        return list(
            self.run(
                "return [...document.querySelectorAll('tbody .name')]"
                ".map((name) => name.textContent)"
            )
        )

    def check_is_alone_and_well(self) -> None:
        check_is_alone_and_well(self.browser)


def layers(folder: Path) -> list[dict[str, str]]:
    with (folder / "layers.csv").open() as stream:
        return list(csv.DictReader(stream))


def slowest(folder: Path) -> dict[str, str]:
    return max(layers(folder), key=lambda row: int(row["total_cycles"]))


def test_hover_names_a_dot_and_a_click_opens_its_layer(
    browser: webdriver.Chrome, runs: Path
) -> None:
    page = Page(browser, runs / "r18.html")
    place = page.run(DOTS)[0]
    page.point("#panel-roofline .chart", place).perform()
    page.wait(lambda: page.texts(".chart-note strong"))
    name = page.texts(".chart-note strong")[0].partition(" and ")[0]
    assert "OP/s" in page.texts("#panel-roofline .chart-note")[0]
    page.point("#panel-roofline .chart", place).click().perform()
    page.wait(lambda: page.opened)
    assert page.opened == name
    own = next(row for row in layers(runs / "r18") if row["layer"] == name)
    assert f"{int(own['total_cycles']):,} cycles" in page.find("#details").text
    assert browser.current_url.endswith(f"#{name}")
    page.check_is_alone_and_well()


def test_keys_go_through_dots_and_open_one(browser: webdriver.Chrome, runs: Path) -> None:
    page = Page(browser, runs / "r18.html")
    page.find("#panel-roofline .chart").send_keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    spoken = page.run("return document.getElementById('spoken').textContent")
    assert "of the time, bound by" in spoken
    page.press(Keys.ENTER)
    assert spoken.startswith(page.opened)
    page.press(Keys.ESCAPE)
    page.wait(lambda: not page.opened)
    page.check_is_alone_and_well()


def test_the_filter_holds_for_dots_and_rows(browser: webdriver.Chrome, runs: Path) -> None:
    page = Page(browser, runs / "r18.html")
    every = len(page.run(DOTS))
    Select(page.find("#filter-operator")).select_by_value("add")
    adds = [row["layer"] for row in layers(runs / "r18") if row["operator"] == "add"]
    assert page.rows == adds
    assert 0 < len(page.run(DOTS)) < every
    assert page.find("#shown").text.startswith(f"{len(adds)} of 31 layers, ")
    page.find("#search").send_keys("stage2")
    assert page.rows == [name for name in adds if name.startswith("stage2")]
    page.find("#clear").click()
    assert len(page.rows) == 31
    assert len(page.run(DOTS)) == every
    page.check_is_alone_and_well()


def test_keys_sort_the_table_and_open_a_row(browser: webdriver.Chrome, runs: Path) -> None:
    page = Page(browser, runs / "r18.html")
    by_cycles = page.find(".sort[data-key=total_cycles]")
    by_cycles.send_keys(Keys.ENTER)
    ordered = sorted(layers(runs / "r18"), key=lambda row: -int(row["total_cycles"]))
    assert page.rows == [row["layer"] for row in ordered]
    heads = "th:has(.sort[data-key=total_cycles])"
    assert page.find(heads).get_attribute("aria-sort") == "descending"
    by_cycles.send_keys(Keys.SPACE)
    assert page.find(heads).get_attribute("aria-sort") == "ascending"
    cycles = {row["layer"]: int(row["total_cycles"]) for row in layers(runs / "r18")}
    assert [cycles[name] for name in page.rows] == sorted(cycles.values())
    page.find("#all-columns").send_keys(Keys.SPACE)
    assert len(page.texts("thead th")) > 30
    page.find("tbody .name").send_keys(Keys.ENTER)
    assert page.opened == page.rows[0]
    page.press(Keys.ARROW_RIGHT)
    assert page.opened == layers(runs / "r18")[-1]["layer"], "the next in order of execution"
    page.check_is_alone_and_well()


def test_the_timeline_zooms_by_button_key_and_layer(browser: webdriver.Chrome, runs: Path) -> None:
    page = Page(browser, runs / "r18.html")
    total = int(page.run(SPAN).split(": ")[1].split()[0].replace(",", ""))
    assert total == sum(int(row["total_cycles"]) for row in layers(runs / "r18"))
    page.find("#zoom-in").click()
    assert page.run(SPAN).endswith(f": {round(total / 1.6):,} cycles")
    page.find("#panel-timeline .chart").send_keys("+", Keys.ARROW_RIGHT)
    assert page.run(SPAN).endswith(f": {round(total / 1.6**2):,} cycles")
    page.press("0")
    assert page.run(SPAN).endswith(f": {total:,} cycles")
    slow = slowest(runs / "r18")
    browser.get(f"{(runs / 'r18.html').as_uri()}#{slow['layer']}")
    page.wait(lambda: page.opened == slow["layer"])
    page.find("#show-on-timeline").click()
    assert not page.opened
    assert page.run(SPAN).endswith(f": {round(1.1 * int(slow['total_cycles'])):,} cycles")
    page.press("0")
    middle = int(layers(runs / "r18")[0]["total_cycles"]) * 500  # of the first layer, in ps
    page.point("#panel-timeline .chart", [middle, 0], series=0).click().perform()
    assert page.opened == layers(runs / "r18")[0]["layer"]
    page.check_is_alone_and_well()


def test_the_timeline_draws_the_cycles_of_the_table(browser: webdriver.Chrome, runs: Path) -> None:
    page = Page(browser, runs / "r18.html")
    by_layer, at_widths = page.run(WORK_OF_ARRAY)
    ps_per_cycle = 1000  # at 1 GHz
    computed = [
        int(row["compute_cycles"]) * ps_per_cycle if int(row["macs"]) else 0
        for row in layers(runs / "r18")
    ]
    assert by_layer == computed
    # However little can be told apart, all work is drawn.
    assert at_widths == pytest.approx([sum(computed)] * len(at_widths))
    page.check_is_alone_and_well()


def test_a_bar_opens_its_layer(browser: webdriver.Chrome, runs: Path) -> None:
    page = Page(browser, runs / "r18.html")
    page.find("#panel-stacks .chart").send_keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    assert "DRAM bandwidth" in page.texts("#panel-stacks .chart-note")[0]
    page.point("#panel-stacks .chart", [3, 1000]).click().perform()
    assert page.opened == layers(runs / "r18")[3]["layer"]
    page.check_is_alone_and_well()


def test_every_number_has_its_definition_also_in_a_dialog(
    browser: webdriver.Chrome, runs: Path
) -> None:
    page = Page(browser, runs / "r18.html")
    page.find(".tile .term").click()
    assert "cycles over the clock" in page.find("#definition").text
    page.press(Keys.ESCAPE)
    assert not page.find("#definition").is_displayed()
    page.find("thead .term-mark").click()
    assert "The layer's name in the network" in page.find("#definition").text
    page.press(Keys.ESCAPE)
    page.find("tbody .name").click()
    page.find("#details .term").click()
    assert "layers.csv" not in page.find("#definition").text
    assert "Compute and stall cycles of the layer" in page.find("#definition").text
    assert not page.run(
        "return [...document.querySelectorAll('.tile, thead th, #details dt')]"
        ".filter((one) => !one.querySelector('.term, .term-mark')).length"
    )
    page.check_is_alone_and_well()


@pytest.mark.parametrize("system", ["light", "dark"])
def test_colours_follow_the_system_and_the_switch(
    browser: webdriver.Chrome, runs: Path, system: str
) -> None:
    paper = {"light": "rgb(251, 251, 249)", "dark": "rgb(20, 23, 27)"}
    ink = {"light": "rgb(29, 33, 39)", "dark": "rgb(236, 239, 243)"}
    now = "return getComputedStyle(document.body).backgroundColor"
    chart = (
        "return echarts.getInstanceByDom(document.querySelector('#panel-roofline .chart'))"
        ".getOption().legend[0].textStyle.color"
    )
    features = [{"name": "prefers-color-scheme", "value": system}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    try:
        page = Page(browser, runs / "r18.html")
        assert [page.run(now), page.run(chart)] == [paper[system], ink[system]]
        for theme in ("dark", "light"):
            Select(page.find("#theme")).select_by_value(theme)
            assert [page.run(now), page.run(chart)] == [paper[theme], ink[theme]]
        Select(page.find("#theme")).select_by_value("auto")
        assert page.run(now) == paper[system]
        page.check_is_alone_and_well()
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_wider_than_the_window(
    browser: webdriver.Chrome, runs: Path, width: int
) -> None:
    with window(browser, width):
        page = Page(browser, runs / "r18.html", "#conv1")
        assert page.opened == "conv1"
        assert page.run("return document.documentElement.scrollWidth") <= width
        assert page.run("return details.scrollWidth <= details.clientWidth")
        page.check_is_alone_and_well()


def test_controls_have_names(browser: webdriver.Chrome, runs: Path) -> None:
    page = Page(browser, runs / "r18.html", "#conv1")
    for one in browser.find_elements(By.CSS_SELECTOR, "#details button"):
        assert one.accessible_name
    page.press(Keys.ESCAPE)
    named = "header select, .filter :is(input, select, button), :is(.panel-head, thead) button"
    named += ", .chart, .scroll"
    for one in browser.find_elements(By.CSS_SELECTOR, named):
        if one.is_displayed():
            assert one.accessible_name, one.get_attribute("outerHTML")


def test_several_runs_take_turns(browser: webdriver.Chrome, runs: Path) -> None:
    write_report([runs / "r18", runs / "estimate"], runs / "two.html")
    page = Page(browser, runs / "two.html")
    assert len(page.rows) == 31
    Select(page.find("#view")).select_by_visible_text("estimate")
    assert page.find("h1").text == "lenet on edge_32x32"
    assert page.rows == [row["layer"] for row in layers(runs / "estimate")]
    assert not browser.find_elements(By.ID, "panel-timeline")
    page.find("tbody .name").click()
    assert page.opened == page.rows[0]
    page.check_is_alone_and_well()


def test_no_text_of_a_run_is_markup(browser: webdriver.Chrome, tmp_path: Path) -> None:
    attack = "<script>alert(1)</script><img src=x onerror=alert(2)>"
    run = tmp_path / "run"
    simulate("lenet", "edge_32x32").write(run, plots=False)
    for name in ("layers.csv", "timeline.json"):
        text = (run / name).read_text()
        assert "conv1" in text
        (run / name).write_text(text.replace("conv1", attack).replace("array", f"{attack}array"))
    summary = json.loads((run / "summary.json").read_text())
    for key in ("network", "hardware", "limit"):
        summary[key] = f"</title></script>{attack}"
    summary["warnings"] = [attack]
    (run / "summary.json").write_text(json.dumps(summary))
    write_report([run], tmp_path / "page.html")
    page = Page(browser, tmp_path / "page.html")
    assert attack in page.find("h1").text
    assert page.rows[0] == attack
    page.find("#panel-roofline .chart").send_keys(Keys.ARROW_RIGHT)
    page.find("#panel-stacks .chart").send_keys(Keys.ARROW_RIGHT)
    page.find("tbody .name").click()
    assert page.opened == attack
    assert browser.find_elements(By.TAG_NAME, "img") == []
    assert len(browser.find_elements(By.TAG_NAME, "script")) == 3
    page.check_is_alone_and_well()


def test_panels_of_any_table_brush_its_rows(browser: webdriver.Chrome, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text(report_page("made up", [made_up_sweep.view()]), encoding="utf-8")
    page = Page(browser, path)
    assert len(page.rows) == 48
    rows = made_up_sweep.view()["table"]["rows"]
    times, areas = [row[4] for row in rows], [row[5] for row in rows]
    front = [
        row[0] for row in rows
        if not any(
            t <= row[4] and a <= row[5] and (t < row[4] or a < row[5])
            for t, a in zip(times, areas, strict=True)
        )
    ]  # fmt: skip
    assert page.find("#pareto-said").text.startswith(f"{len(front)} of 48 rows are on the front")
    found = page.run(
        "return echarts.getInstanceByDom(document.querySelector('#panel-pareto .chart'))"
        ".getOption().series[1].data.map((data) => data.row)"
    )
    assert sorted(rows[number][0] for number in found) == sorted(front)
    page.find("#select-rectangle").click()
    corner = [min(times) * 0.9, 30]
    start = page.point("#panel-pareto .chart", corner).click_and_hold()
    x, y = page.run(PIXEL, "#panel-pareto .chart", [max(times) * 1.02, 60], 1)
    start.move_to_element_with_offset(page.find("#panel-pareto .chart"), x, y).release().perform()
    page.wait(lambda: len(page.rows) < 48)
    assert page.rows == [row[0] for row in rows if row[5] >= 30]
    page.find("#clear-pareto").click()
    assert len(page.rows) == 48
    page.run("document.querySelector('#panel-parallel').scrollIntoView()")
    page.run(
        "const chart = echarts.getInstanceByDom(document.querySelector('#panel-parallel .chart'));"
        "chart.dispatchAction({type: 'axisAreaSelect', parallelAxisId:"
        " chart.getModel().getComponent('parallelAxis', 0).id, intervals: [[30, 70]]});"
    )
    page.wait(lambda: len(page.rows) < 48)
    assert page.rows == [row[0] for row in rows if row[1] >= 30]
    page.check_is_alone_and_well()


def test_the_page_of_a_sweep(browser: webdriver.Chrome, tmp_path: Path) -> None:
    run_sweep(loaded(tmp_path, SMALL), tmp_path / "out")
    write_report([tmp_path / "out"], tmp_path / "sweep.html")
    page = Page(browser, tmp_path / "sweep.html")
    assert len(page.rows) == 24
    fastest = min(table(tmp_path / "out"), key=lambda row: row[-4])
    assert page.rows[0] == str(fastest[2]), "the fastest comes first"
    assert page.find("#pareto-said").text.startswith("1 of 24 rows are on the front")
    page.run(
        "const chart = echarts.getInstanceByDom(document.querySelector('#panel-parallel .chart'));"
        "chart.dispatchAction({type: 'axisAreaSelect', parallelAxisId:"
        " chart.getModel().getComponent('parallelAxis', 1).id, intervals: [[30, 33]]});"
    )
    page.wait(lambda: len(page.rows) < 24)
    assert len(page.rows) == 12, "those of 32 rows"
    page.check_is_alone_and_well()
