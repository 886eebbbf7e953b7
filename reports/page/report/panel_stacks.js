/* Cycle stacks: where each layer's cycles went, in order of execution. */

const MOST_CAUSES = 6;
const FEW_BARS = 60;
/* Bars that are at least this wide have their layers' names below them. */
const NAMED_PX = 13;

function stacksPanel(view, spec) {
  const state = { parts: view.has("stall_causes") ? "stall_causes" : null, isShare: false, window: [0, 100] };
  const choices = ["stall_causes", "waits_for"].filter((key) => view.has(key));
  const controls = choices.map((key) => [key, `stalls: ${key === "waits_for" ? "what is waited for" : "why"}`]);
  const section = panelSection("stacks", "Where cycles go",
    "A bar is a layer, in order of execution: cycles in which the unit that computes works, and stalls.",
    choices.length ? select("Parts of stalls", controls, (key) => { state.parts = key; made.draw(); }) : null,
    select("Height of bars", [["cycles", "cycles"], ["share", "share of the layer"]],
      (value) => { state.isShare = value === "share"; made.draw(); }));
  const made = chart(section, "Cycle stacks. Arrow keys go through the layers, Enter opens one.", (width) => {
    const rows = view.chosen;
    const isNamed = (width - 74) / rows.length >= NAMED_PX;
    const parts = stackParts(view, spec, state.parts);
    return {
      grid: { left: 62, right: 12, top: 14, bottom: isNamed ? 168 : 96 },
      legend: { bottom: 34, type: "scroll", itemWidth: 12, itemHeight: 12, textStyle: { color: colour("ink") } },
      tooltip: tooltip({ trigger: "axis", axisPointer: { type: "shadow" },
        formatter: ([first]) => stackNote(view, spec, rows[first.dataIndex], parts) }),
      dataZoom: [zoomSlider({ start: state.window[0], end: state.window[1], filterMode: "filter", showDetail: false })],
      xAxis: axis("", { type: "category", data: rows.map((row) => view.name(row)),
        axisLabel: { show: isNamed, color: colour("quiet"), interval: 0, rotate: 60, width: 86, overflow: "truncate", fontSize: 11 },
        axisTick: { show: isNamed } }),
      yAxis: axis("", { type: "value", max: state.isShare ? 1 : null,
        axisLabel: { color: colour("quiet"),
          formatter: state.isShare ? percent : (value) => scaled(value, 1000, DECIMAL, "") } }),
      series: parts.map((part) => ({
        name: part.name, type: "bar", stack: "cycles", barCategoryGap: rows.length > FEW_BARS ? "0%" : "15%",
        itemStyle: { color: colour(part.colour), ...part.style },
        data: rows.map((row) => part.cycles(row) / (state.isShare ? view.value(row, spec.total) || 1 : 1)),
      })),
    };
  });
  made.started = () => {
    made.instance.on("datazoom", () => {
      const [{ start, end }] = made.instance.getOption().dataZoom;
      state.window = [start, end];
    });
    // All of a bar's height opens it, not only what is drawn.
    made.instance.getZr().on("click", ({ offsetX, offsetY }) => {
      if (!made.instance.containPixel("grid", [offsetX, offsetY])) return;
      const place = made.instance.convertFromPixel({ seriesIndex: 0 }, [offsetX, offsetY])[0];
      if (place in view.chosen) openDetails(view, view.chosen[place]);
    });
  };
  view.listen(() => { if (made.instance) made.draw(); });
  steppedByKeys(made, {
    count: () => view.chosen.length,
    show: (place) => {
      made.instance.dispatchAction({ type: "showTip", seriesIndex: 0, dataIndex: place });
      const row = view.chosen[place];
      speak(`${view.name(row)}: ${view.shown(row, spec.total)} cycles`);
    },
    open: (place) => openDetails(view, view.chosen[place]),
  });
  return section;
}

/** Return what a bar is stacked of: work, then the largest causes, then the others together. */
function stackParts(view, spec, key) {
  const base = { name: "computing", colour: "hue-0", style: {}, cycles: (row) => view.value(row, spec.base) };
  if (key === null) {
    const stall = (row) => view.value(row, spec.total) - view.value(row, spec.base);
    return [base, { name: "stalls", colour: "hue-5", style: {}, cycles: stall }];
  }
  const totals = new Map();
  for (const row of view.rows.keys()) {
    for (const [name, cycles] of Object.entries(view.value(row, key))) {
      totals.set(name, (totals.get(name) ?? 0) + cycles);
    }
  }
  const names = [...totals].sort((a, b) => b[1] - a[1]).map(([name]) => name);
  const own = names.slice(0, MOST_CAUSES);
  const others = names.slice(MOST_CAUSES);
  const hues = ["hue-5", "hue-1", "hue-4", "hue-3", "hue-2", "hue-6"];
  const parts = own.map((name, number) => ({ name, colour: hues[number],
    style: { borderColor: colour("surface"), borderWidth: view.chosen.length > FEW_BARS ? 0 : 0.5 },
    cycles: (row) => view.value(row, key)[name] ?? 0 }));
  if (others.length) {
    const sum = (row) => others.reduce((total, name) => total + (view.value(row, key)[name] ?? 0), 0);
    parts.push({ name: "others", colour: "hue-grey", style: {}, cycles: sum });
  }
  return [base, ...parts];
}

function stackNote(view, spec, row, parts) {
  const total = view.value(row, spec.total) || 1;
  const lines = parts.map((part) => [part.name, part.cycles(row)]).filter(([, cycles]) => cycles > 0)
    .map(([name, cycles]) => [name, `${whole(cycles)} (${percent(cycles / total)})`]);
  return noteOf(view.name(row), [["cycles", view.shown(row, spec.total)], ...lines]);
}
