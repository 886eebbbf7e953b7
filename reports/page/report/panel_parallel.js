/* Parallel coordinates: a line for each row, an axis for each parameter and result; axes are brushed. */

function parallelPanel(view, spec) {
  const keys = spec.columns ?? view.columns.filter((column) => column.role !== "label").map((column) => column.key);
  const section = panelSection("parallel", "All parameters and results",
    "A line is a row. Draw along an axis to keep what lies there; a click on it lets go.",
    button("Clear", () => {
      view.setBrush("parallel", null);
      made.draw();
    }, { id: "clear-parallel" }));
  let rows = [];
  const series = () => ({
    type: "parallel", realtime: false, inactiveOpacity: 0.06, activeOpacity: 0.9,
    lineStyle: { width: 1.4, opacity: 0.75, color: colour("hue-0") },
    data: rows.map((row) => keys.map((key) => view.value(row, key))),
  });
  const made = chart(section, "Parallel coordinates of all parameters and results.", () => ({
    parallel: { left: 46, right: 70, top: 46, bottom: 26,
      parallelAxisDefault: { nameGap: 14, nameTextStyle: { color: colour("ink") }, areaSelectStyle: {
        width: 22, borderColor: colour("accent"), color: colour("accent"), opacity: 0.25 } } },
    parallelAxis: keys.map((key, dim) => parallelAxis(view, key, dim)),
    tooltip: { show: false },
    series: [series()],
  }));
  made.started = () => {
    made.instance.on("axisareaselected", () => {
      const active = made.instance.getModel().getSeries()[0].getRawIndicesByActiveState("active");
      view.setBrush("parallel", active.length === rows.length ? null : active.map((place) => rows[place]));
    });
  };
  view.listen(() => {
    const found = view.rowsWithout("parallel");
    if (found.length === rows.length && found.every((row, place) => row === rows[place])) return;
    rows = found;
    if (made.instance) made.instance.setOption({ series: [series()] });
  });
  return section;
}

/** Return the axis of a column: of names, or of numbers with their unit. */
function parallelAxis(view, key, dim) {
  const column = view.column(key);
  const shared = { dim, name: column.label, axisLine: { lineStyle: { color: colour("strong-line") } } };
  const label = { color: colour("ink"), textBorderColor: colour("surface"), textBorderWidth: 3 };
  if (view.rows.some((_, row) => typeof view.value(row, key) === "string")) {
    const names = view.counts(key).map(([name]) => name).sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
    return { ...shared, type: "category", data: names, axisLabel: label };
  }
  const numbers = view.rows.map((_, row) => view.value(row, key)).filter((value) => value !== null);
  return { ...shared, type: "value", scale: true, ...tickDistance(numbers, column.unit),
    axisLabel: { ...label, formatter: (value) => formatted(value, column.unit) } };
}
