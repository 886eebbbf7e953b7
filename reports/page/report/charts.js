/* Charts: what all of them share. */

const NARROW_PX = 620;
const openCharts = [];

/** Return a chart in a box of its own; `option` returns what ECharts draws, in the colours of now. */
function chart(section, label, option) {
  const box = element("div", { class: "chart", tabindex: "0", role: "application", "aria-label": label });
  section.append(box);
  const made = { box, instance: null };
  made.draw = () => {
    made.instance ??= echarts.init(box);
    made.width = box.clientWidth;
    made.instance.setOption({ ...sharedOption(), ...option(box.clientWidth) }, { notMerge: true });
  };
  made.observer = new ResizeObserver(() => {
    // It is called once without any change of size, too.
    if (box.clientWidth && box.clientWidth !== made.width) {
      made.instance.resize();
      made.draw();
    }
  });
  openCharts.push(made);
  return made;
}

/** Draw for the first time: once the box is in the page. */
function startCharts() {
  for (const made of openCharts) {
    made.draw();
    made.started?.();
    made.observer.observe(made.box);
  }
}

function closeCharts() {
  for (const made of openCharts.splice(0)) {
    made.observer.disconnect();
    made.instance?.dispose();
  }
}

themeListeners.push(() => {
  for (const made of openCharts) if (made.instance) made.redraw ? made.redraw() : made.draw();
});

function sharedOption() {
  return {
    animation: false,
    textStyle: { color: colour("quiet"), fontFamily: getComputedStyle(document.body).fontFamily },
    tooltip: tooltip(),
  };
}

function tooltip(more = {}) {
  return {
    trigger: "item", confine: true, padding: [8, 10], borderWidth: 1, transitionDuration: 0,
    backgroundColor: colour("surface"), borderColor: colour("strong-line"),
    textStyle: { color: colour("ink"), fontSize: 13 }, extraCssText: "max-width: 340px; white-space: normal;",
    ...more,
  };
}

function axis(name, more = {}) {
  return {
    name, nameLocation: "middle", nameTextStyle: { color: colour("quiet") },
    axisLine: { show: true, lineStyle: { color: colour("strong-line") } },
    axisTick: { lineStyle: { color: colour("strong-line") } },
    axisLabel: { color: colour("quiet"), hideOverlap: true },
    splitLine: { lineStyle: { color: colour("line"), width: 0.6 } },
    minorSplitLine: { show: false },
    ...more,
  };
}

/** Return roofs as lines with their names along them: `nameOf` says of each where its label is. */
function roofSeries(ceilings, { x, y }, nameOf) {
  const peak = Math.max(...ceilings.map((one) => one.ops_per_s ?? 0));
  const lines = ceilings.map((one) => {
    const label = { formatter: one.label, color: colour("ink"), fontSize: 11, distance: 3,
      textBorderColor: colour("surface"), textBorderWidth: 3, ...nameOf(one) };
    const lineStyle = { color: colour("roof"), width: one.is_main ? 1.6 : 1, type: one.is_main ? "solid" : "dashed" };
    if (one.ops_per_s !== null) {
      return [{ coord: [x.min, one.ops_per_s], label, lineStyle }, { coord: [x.max, one.ops_per_s] }];
    }
    const start = Math.max(x.min, y.min / one.bytes_per_s);
    const end = Math.min(x.max, peak / one.bytes_per_s);
    if (start >= end) return null;
    return [{ coord: [start, start * one.bytes_per_s], label, lineStyle }, { coord: [end, end * one.bytes_per_s] }];
  });
  return { name: "roofs", type: "scatter", data: [], silent: true,
    markLine: { silent: true, symbol: "none", data: lines.filter((line) => line !== null) } };
}

/** Return how far ticks are apart where the library's choice reads badly: bytes, in powers of two. */
function tickDistance(values, unit) {
  if (unit !== "bytes" || !values.length) return {};
  const [low, high] = values.reduce(([least, most], value) => [Math.min(least, value), Math.max(most, value)], [Infinity, -Infinity]);
  const interval = 2 ** Math.round(Math.log2((high - low) / 5));
  return high > low ? { interval, min: Math.floor(low / interval) * interval, max: Math.ceil(high / interval) * interval } : {};
}

function zoomSlider(more = {}) {
  return {
    type: "slider", filterMode: "none", height: 22, bottom: 6, brushSelect: false,
    borderColor: colour("line"), fillerColor: colour("tint"), backgroundColor: "transparent",
    dataBackground: { lineStyle: { opacity: 0 }, areaStyle: { opacity: 0 } },
    handleStyle: { color: colour("surface"), borderColor: colour("accent") },
    moveHandleStyle: { color: colour("accent") }, textStyle: { color: colour("quiet") },
    ...more,
  };
}

/** Return what a tooltip shows of a row: its name, and some of its numbers with their names. */
function rowNote(view, row, keys, title = view.name(row), more = []) {
  const known = keys.filter((key) => view.has(key)).map((key) => [view.column(key).label, view.shown(row, key)]);
  return noteOf(title, [...known, ...more]);
}

function noteOf(title, lines) {
  const list = element("dl", {});
  for (const [name, text] of lines) list.append(element("dt", {}, name), element("dd", {}, text));
  return element("div", { class: "chart-note" }, element("strong", {}, title), list);
}

/** Let arrow keys go through what a chart shows, and Enter open it. */
function steppedByKeys(made, { count, show, open }) {
  let place = -1;
  made.box.addEventListener("keydown", (event) => {
    const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (steps !== undefined && count() > 0) {
      place = Math.min(count() - 1, Math.max(0, place + steps));
      show(place);
    } else if (event.key === "Enter" && place >= 0 && place < count()) {
      open(place);
    } else if (event.key === "Escape") {
      made.instance.dispatchAction({ type: "hideTip" });
      return;
    } else {
      return;
    }
    event.preventDefault();
  });
}
