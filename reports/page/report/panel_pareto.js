/* Two results against each other: the Pareto front, and a rectangle that keeps what lies in it. */

function paretoPanel(view, spec) {
  const results = view.columns.filter((column) => column.role === "result" && column.unit !== "text");
  const state = { x: spec.x ?? results[0].key, y: spec.y ?? (results[1] ?? results[0]).key, isDrawing: false };
  const choices = results.map((column) => [column.key, column.label]);
  const choose = (direction, label) => {
    const made = select(label, choices, (key) => { state[direction] = key; draw(); });
    made.value = state[direction];
    return made;
  };
  const drawing = button("Select a rectangle", () => setDrawing(!state.isDrawing),
    { id: "select-rectangle", "aria-pressed": "false" });
  const section = panelSection("pareto", "Which are best?",
    "Dots on the line: no other row is as good in both and better in one. Others are grey.",
    choose("x", "Across"), choose("y", "Up"), drawing,
    button("Clear", () => view.setBrush("pareto", null), { id: "clear-pareto" }));
  const said = element("p", { class: "quiet note", id: "pareto-said" });
  let rows = [];
  let front = [];
  const made = chart(section, "Pareto front. Arrow keys go along the front, Enter opens a row.", () => ({
    grid: { left: 70, right: 20, top: 16, bottom: 46 },
    brush: { brushLink: "none", xAxisIndex: 0, yAxisIndex: 0, transformable: false, throttleType: "debounce", brushType: "rect",
      brushStyle: { color: colour("tint"), borderColor: colour("accent") } },
    toolbox: { show: false },
    tooltip: tooltip({ formatter: ({ data }) => rowNote(view, data.row, view.columns.map((column) => column.key)) }),
    xAxis: paretoAxis(view, rows, state.x, { nameGap: 28 }),
    yAxis: paretoAxis(view, rows, state.y, { nameGap: 52 }),
    series: paretoSeries(view, state, rows, front),
  }));

  function draw() {
    rows = view.rowsWithout("pareto");
    front = paretoFront(view, rows, view.column(state.x), view.column(state.y));
    said.textContent = `${front.length} of ${rows.length} rows are on the front: ${wish(view.column(state.x))}, `
      + `${wish(view.column(state.y))}.`;
    if (!made.instance) return;
    made.draw();
    setDrawing(false);
  }

  function setDrawing(isDrawing) {
    state.isDrawing = isDrawing;
    drawing.setAttribute("aria-pressed", String(isDrawing));
    made.instance.dispatchAction({ type: "takeGlobalCursor", key: "brush",
      brushOption: { brushType: isDrawing ? "rect" : false, brushMode: "single" } });
  }

  made.started = () => {
    made.instance.on("click", ({ data }) => { if (data?.row !== undefined) openDetails(view, data.row); });
    made.instance.on("brushEnd", ({ areas: [area] }) => {
      if (!area) return;
      const [[left, right], [bottom, top]] = area.coordRange;
      const isInside = (row) => view.value(row, state.x) >= left && view.value(row, state.x) <= right
        && view.value(row, state.y) >= bottom && view.value(row, state.y) <= top;
      view.setBrush("pareto", rows.filter(isInside));
    });
  };
  view.listen(draw);
  section.append(said);
  steppedByKeys(made, {
    count: () => front.length,
    show: (place) => {
      made.instance.dispatchAction({ type: "showTip", seriesIndex: 1, dataIndex: place });
      const row = front[place];
      speak(`${view.name(row)}: ${view.shown(row, state.x)}, ${view.shown(row, state.y)}`);
    },
    open: (place) => openDetails(view, front[place]),
  });
  return section;
}

const wish = (column) => `${column.goal === "max" ? "most" : "least"} ${column.label.toLowerCase()}`;

/** Return the rows that no other is as good as in both results and better in one, along the first. */
function paretoFront(view, rows, x, y) {
  const cost = (row, column) => (column.goal === "max" ? -1 : 1) * view.value(row, column.key);
  const ordered = [...rows].sort((one, other) => cost(one, x) - cost(other, x) || cost(one, y) - cost(other, y));
  const front = [];
  for (const row of ordered) {
    const last = front[front.length - 1];
    const isEqual = last !== undefined && cost(row, x) === cost(last, x) && cost(row, y) === cost(last, y);
    if (last === undefined || cost(row, y) < cost(last, y) || isEqual) front.push(row);
  }
  return front;
}

/** Return all dots, and the front as a line: between two of its dots, only what the first reaches is reached. */
function paretoSeries(view, state, rows, front) {
  const brushed = view.brushes.get("pareto");
  const isKept = (row) => !brushed || brushed.has(row);
  const isBest = new Set(front);
  const dot = (row) => ({ value: [view.value(row, state.x), view.value(row, state.y)], row,
    itemStyle: { opacity: isKept(row) ? 0.9 : 0.2 } });
  return [
    { type: "scatter", symbolSize: 9, itemStyle: { color: colour("hue-grey") },
      data: rows.filter((row) => !isBest.has(row)).map(dot) },
    { type: "line", step: "end", symbol: "diamond", symbolSize: 13,
      lineStyle: { color: colour("accent"), width: 1.5 }, itemStyle: { color: colour("accent") }, data: front.map(dot) },
  ];
}

function paretoAxis(view, rows, key, more) {
  const column = view.column(key);
  const numbers = rows.map((row) => view.value(row, key)).filter((value) => value !== null);
  return axis(`${column.label} (${column.goal === "max" ? "more" : "less"} is better)`, { type: "value", scale: true,
    ...tickDistance(numbers, column.unit), axisLabel: { color: colour("quiet"), hideOverlap: true, formatter: (value) => formatted(value, column.unit) }, ...more });
}
