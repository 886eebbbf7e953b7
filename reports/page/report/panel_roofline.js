/* The roofline: dots are layers, their area the share of the time, colour and shape what bounds them. */

const INTENSITY = "arithmetic_intensity_ops_per_byte";
const SYMBOLS = ["circle", "rect", "diamond", "triangle", "arrow", "roundRect"];
const DOT_PX = { least: 7, most: 52 };

function rooflinePanel(view, spec) {
  const others = element("input", { type: "checkbox", id: "all-roofs" });
  const section = panelSection("roofline", "Roofline",
    "A dot on a slope waits for memory, a dot on a flat roof uses the whole unit. Area: share of the time.",
    element("label", {}, others, " all roofs"));
  const bounds = view.counts("bound_by").map(([bound]) => bound);
  const colourOf = boundColours(spec.memories);
  let dots = [];
  const made = chart(section, "Roofline. Arrow keys go through the dots, Enter opens a layer.", (width) => {
    const limits = rooflineLimits(view, spec);
    const shown = spec.ceilings.filter((one) => others.checked || one.is_main || one.ops_per_s !== null);
    return {
      grid: { left: 62, right: 18, top: 14, bottom: 84 },
      legend: { bottom: 0, type: "scroll", itemWidth: 12, itemHeight: 12, textStyle: { color: colour("ink") },
        data: bounds.filter((bound) => dots.some((dot) => dot.bound === bound)).map((bound) => `bound by ${bound}`) },
      xAxis: axis("operations per main-memory byte", { type: "log", nameGap: 28, ...limits.x,
        axisLabel: { color: colour("quiet"), hideOverlap: true, showMinLabel: false, showMaxLabel: false,
          formatter: (value) => digits(value, 3) } }),
      yAxis: axis("", { type: "log", ...limits.y,
        axisLabel: { color: colour("quiet"), showMinLabel: false, showMaxLabel: false,
          formatter: (value) => scaled(value, 1000, DECIMAL, "OP/s", 3) } }),
      tooltip: tooltip({ formatter: ({ data }) => dotNote(view, data.dot) }),
      series: [
        roofSeries(shown, limits, roofNames(shown, width)),
        ...bounds.map((bound, number) => dotSeries(dots, bound, SYMBOLS[number % SYMBOLS.length], colourOf(bound))),
      ],
    };
  });
  others.addEventListener("change", made.draw);
  made.started = () => {
    made.instance.on("click", ({ data }) => data?.dot && openDetails(view, data.dot.rows[0]));
  };
  view.listen(() => {
    dots = dotsOf(view);
    if (made.instance) made.draw();
  });
  steppedByKeys(made, {
    count: () => dots.length,
    show: (place) => {
      const dot = dots[place];
      const dataIndex = dots.filter((other) => other.bound === dot.bound).indexOf(dot);
      const seriesIndex = 1 + bounds.indexOf(dot.bound);
      made.instance.dispatchAction({ type: "showTip", seriesIndex, dataIndex });
      speak(`${dotName(view, dot)}: ${percent(dot.share)} of the time, bound by ${dot.bound}`);
    },
    open: (place) => openDetails(view, dots[place].rows[0]),
  });
  const hidden = view.rows.length - view.rows.filter((_, row) => hasDot(view, row)).length;
  if (hidden) {
    section.append(element("p", { class: "quiet note" },
      `${hidden} of ${view.rows.length} layers have no dot: they compute nothing, or move nothing through main memory.`));
  }
  return section;
}

const hasDot = (view, row) => view.value(row, INTENSITY) > 0 && view.value(row, "ops_per_s") > 0;

/** Return dots, most time first: layers that lie at one place and are of one kind are one dot. */
function dotsOf(view) {
  const found = new Map();
  for (const row of view.chosen.filter((one) => hasDot(view, one))) {
    const place = [view.value(row, INTENSITY), view.value(row, "ops_per_s")];
    const bound = view.value(row, "bound_by");
    const key = JSON.stringify([...place, bound, view.value(row, "operator")]);
    const dot = found.get(key) ?? { place, bound, rows: [], share: 0 };
    dot.rows.push(row);
    dot.share += view.value(row, "time_share");
    found.set(key, dot);
  }
  return [...found.values()].sort((one, other) => other.share - one.share);
}

function dotName(view, dot) {
  const name = view.name(dot.rows[0]);
  return dot.rows.length > 1 ? `${name} and ${dot.rows.length - 1} alike` : name;
}

function dotNote(view, dot) {
  const keys = ["operator", "shape", INTENSITY, "ops_per_s", "total_cycles", "bound_by"];
  return rowNote(view, dot.rows[0], keys, dotName(view, dot), [["Time together", percent(dot.share)]]);
}

function dotSeries(dots, bound, symbol, fill) {
  const own = dots.filter((dot) => dot.bound === bound);
  return {
    name: `bound by ${bound}`, type: "scatter", symbol, z: 3,
    data: own.map((dot) => ({ value: dot.place, dot,
      symbolSize: Math.max(DOT_PX.least, DOT_PX.most * Math.sqrt(dot.share)) })),
    itemStyle: { color: fill, opacity: 0.8, borderColor: colour("surface"), borderWidth: 1 },
    emphasis: { itemStyle: { borderColor: colour("ink"), borderWidth: 2 } },
  };
}

/** Return ranges that hold every dot of the view, the ridges, and the highest roof. */
function rooflineLimits(view, { ceilings }) {
  const rows = [...view.rows.keys()].filter((row) => hasDot(view, row));
  const peak = Math.max(...ceilings.map((one) => one.ops_per_s ?? 0));
  const slopes = ceilings.filter((one) => one.is_main && one.bytes_per_s).map((one) => one.bytes_per_s);
  const ridge = slopes.length ? peak / Math.min(...slopes) : 1;
  const x = [...rows.map((row) => view.value(row, INTENSITY)), ridge];
  const y = [...rows.map((row) => view.value(row, "ops_per_s")), peak];
  return {
    x: { min: Math.min(...x) / 2, max: Math.max(...x) * 4 },
    y: { min: Math.min(...y) / 2.5, max: peak * 2.2 },
  };
}

/** Neighbouring slopes have their names at different places, the array where no dots are. */
function labelPlace({ ops_per_s: height, is_main: isMain }, slope) {
  if (height === null) return ["insideMiddleTop", "insideStartTop", "insideEndBottom"][slope % 3];
  return isMain ? "insideStartTop" : "insideEndTop";
}

/** Say of each roof where its name stands; narrow pictures have none along the lesser slopes. */
function roofNames(ceilings, width) {
  const slopes = ceilings.filter((one) => one.ops_per_s === null)
    .sort((one, other) => other.bytes_per_s - one.bytes_per_s);
  return (one) => ({ position: labelPlace(one, slopes.indexOf(one)),
    ...(width < NARROW_PX && one.ops_per_s === null && !one.is_main ? { show: false } : {}) });
}
