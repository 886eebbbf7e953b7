/* The roofline, and the layers that take longest, of the answer that is there. */

const SYMBOLS = ["circle", "rect", "diamond", "triangle", "arrow", "roundRect"];
const DOT_PX = { least: 7, most: 52 };
const LINE_PX = 19;
const LINES_MARGIN_PX = 46;
/** Where slopes have their names, one after the other: side by side they would cover each other. */
const ALONG = ["Middle", "End", "Start"];
const NAME_CHARACTERS = { narrow: 17, wide: 29 };

/** Keep ranges while dots move within them, so that the eye has something to hold on to. */
function heldLimits(previous, { ceilings, dots }) {
  const peak = Math.max(...ceilings.map((one) => one.ops_per_s ?? 0));
  const slopes = ceilings.filter((one) => one.is_main && one.bytes_per_s).map((one) => one.bytes_per_s);
  const ridge = slopes.length ? peak / Math.min(...slopes) : 1;
  const x = [...dots.map((dot) => dot.intensity_ops_per_byte), ridge];
  const y = [...dots.map((dot) => dot.ops_per_s), peak];
  const needed = { x: [Math.min(...x), Math.max(...x)], y: [Math.min(...y), peak] };
  const whole = ([least, most]) => ({
    min: 10 ** Math.floor(Math.log10(least / 1.5)), max: 10 ** Math.ceil(Math.log10(most * 1.5)),
  });
  const holds = (range, [least, most]) => range.min <= least && range.max >= most && range.max / range.min < 1e7;
  const axis = (name) => (previous && holds(previous[name], needed[name]) ? previous[name] : whole(needed[name]));
  return { x: axis("x"), y: axis("y") };
}

function rooflinePanel(parent) {
  const section = panelSection("roofline", "Roofline",
    "A dot on a slope waits for memory, a dot on the flat roof uses the whole array. Area: share of the time.");
  parent.append(section);
  let answer = null;
  let limits = null;
  const made = chart(section, "Roofline. Arrow keys go through the dots.", (width) => {
    if (!answer) return {};
    limits = heldLimits(limits, answer);
    const bounds = [...new Set(answer.dots.map((dot) => dot.bound_by))];
    const colourOf = boundColours(answer.memories);
    const logAxis = (range, formatter, more) => axis("", { type: "log", ...range,
      axisLabel: { color: colour("quiet"), hideOverlap: true, formatter }, ...more });
    return {
      grid: { left: 72, right: 16, top: 14, bottom: 46 },
      xAxis: logAxis(limits.x, (value) => digits(value, 3), { name: "operations per main-memory byte", nameGap: 26 }),
      yAxis: logAxis(limits.y, (value) => scaled(value, 1000, DECIMAL, "OP/s", 3)),
      tooltip: tooltip({ formatter: ({ data }) => dotNote(data.dot) }),
      series: [
        roofSeries(answer.ceilings.filter((one) => one.is_main || one.ops_per_s !== null), limits,
          roofNames(width < NARROW_PX)),
        ...bounds.map((bound, number) => ({
          name: bound, type: "scatter", symbol: SYMBOLS[number % SYMBOLS.length], z: 3,
          data: answer.dots.filter((dot) => dot.bound_by === bound).map((dot) => ({
            value: [dot.intensity_ops_per_byte, dot.ops_per_s], dot,
            symbolSize: Math.max(DOT_PX.least, DOT_PX.most * Math.sqrt(dot.time_share)),
          })),
          itemStyle: { color: colourOf(bound), opacity: 0.8, borderColor: colour("surface"), borderWidth: 1 },
        })),
      ],
    };
  });
  steppedByKeys(made, {
    count: () => answer?.dots.length ?? 0,
    show: (place) => {
      const dot = answer.dots[place];
      const bounds = [...new Set(answer.dots.map((one) => one.bound_by))];
      const dataIndex = answer.dots.filter((one) => one.bound_by === dot.bound_by).indexOf(dot);
      made.instance.dispatchAction({ type: "showTip", seriesIndex: 1 + bounds.indexOf(dot.bound_by), dataIndex });
      speak(`${dot.label}: ${percent(dot.time_share)} of the time, bound by ${dot.bound_by}`);
    },
    open: () => undefined,
  });
  return (next) => {
    answer = next;
    if (made.instance) made.draw();
  };
}

function dotNote(dot) {
  return noteOf(dot.label, [
    ["Share of the time", percent(dot.time_share)],
    ["Operations per byte", digits(dot.intensity_ops_per_byte, 4)],
    ["Performance", scaled(dot.ops_per_s, 1000, DECIMAL, "OP/s")],
    ["Bound by", dot.bound_by],
  ]);
}

/** Say of each roof where its name stands, and what it is: short where there is little room. */
function roofNames(isNarrow) {
  let slopes = 0;
  return (one) => {
    const along = one.ops_per_s === null ? ALONG[slopes++ % ALONG.length] : one.is_main ? "Start" : "End";
    const name = isNarrow ? one.label.replace("main memories together", "together") : one.label;
    return { position: `inside${along}Top`, formatter: name };
  };
}

/** Leave out the middle of a long name: its end tells it from its neighbours. */
function shortened(name, most) {
  if (name.length <= most) return name;
  const end = Math.ceil((most - 1) * 0.65);
  return `${name.slice(0, most - 1 - end)}…${name.slice(-end)}`;
}

function layersPanel(parent) {
  const section = panelSection("layers", "Layers that take longest",
    "Cycles of all layers in a line; colour is what bounds them.");
  parent.append(section);
  let answer = null;
  const made = chart(section, "Layers that take longest, as bars. Arrow keys go through them.", (width) => {
    if (!answer) return {};
    const colourOf = boundColours(answer.memories);
    const isNarrow = width < NARROW_PX;
    return {
      grid: { left: isNarrow ? 132 : 210, right: 18, top: 4, bottom: 30 },
      xAxis: axis("", { type: "value", splitNumber: isNarrow ? 3 : 5,
        axisLabel: { color: colour("quiet"), hideOverlap: true, formatter: (value) => scaled(value, 1000, DECIMAL, "") } }),
      yAxis: axis("", { type: "category", inverse: true, data: answer.lines.map((line) => line.name), axisTick: { show: false },
        axisLabel: { color: colour("ink"), width: isNarrow ? 120 : 196, overflow: "truncate", interval: 0, fontSize: 12,
          formatter: (name) => shortened(name, isNarrow ? NAME_CHARACTERS.narrow : NAME_CHARACTERS.wide) } }),
      tooltip: tooltip({ formatter: ({ data }) => noteOf(data.line.name, [
        ["Cycles", whole(data.line.cycles)],
        ["Share of the time", percent(data.line.cycles / answer.total_cycles)],
        ["Bound by", data.line.bound_by],
      ]) }),
      series: [{ type: "bar", barWidth: "64%", data: answer.lines.map((line) => ({
        value: line.cycles, line, itemStyle: { color: colourOf(line.bound_by), borderRadius: [0, 3, 3, 0] },
      })) }],
    };
  });
  steppedByKeys(made, {
    count: () => answer?.lines.length ?? 0,
    show: (place) => {
      const line = answer.lines[place];
      made.instance.dispatchAction({ type: "showTip", seriesIndex: 0, dataIndex: place });
      speak(`${line.name}: ${whole(line.cycles)} cycles, bound by ${line.bound_by}`);
    },
    open: () => undefined,
  });
  return (next) => {
    answer = next;
    made.box.style.height = `${LINES_MARGIN_PX + LINE_PX * Math.max(1, answer.lines.length)}px`;
    if (made.instance) {
      made.instance.resize();
      made.draw();
    }
  };
}
