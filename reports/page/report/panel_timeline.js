/* The timeline: which unit does what when, with zoom. */

const TRACK_PX = 24;
const LEAST_CYCLES = 8;
const ZOOM_STEP = 1.6;
const PAN_STEP = 0.25;
/* Above so many units, one core's are shown at a time. */
const MANY_UNITS = 14;

function timelinePanel(view, spec) {
  const data = new TimelineData(spec);
  const span = { from: 0, to: data.end };
  const cores = coresOf(data.tracks);
  let tracks = data.tracks.map((_, track) => track);
  if (cores.length > 1 && data.tracks.length > MANY_UNITS) tracks = tracksOf(data, cores[0]);
  let blocks = [];
  const zoomBy = (factor, at = 0.5) => {
    const width = (span.to - span.from) * factor;
    const center = span.from + (span.to - span.from) * at;
    zoomTo(center - width * at, center + width * (1 - at));
  };
  const panBy = (part) => {
    const step = (span.to - span.from) * part;
    zoomTo(span.from + step, span.to + step);
  };
  const section = panelSection("timeline", "Timeline",
    "Which unit works when; waits are grey. Zoom with + and −, or Ctrl and the wheel; arrows move, 0 shows all.",
    tracks.length < data.tracks.length
      ? select("Core", cores.map((core) => [core, core === "" ? "shared units" : core]), showCore) : null,
    button("+", () => zoomBy(1 / ZOOM_STEP), { "aria-label": "Zoom in", id: "zoom-in" }),
    button("−", () => zoomBy(ZOOM_STEP), { "aria-label": "Zoom out", id: "zoom-out" }),
    button("←", () => panBy(-PAN_STEP), { "aria-label": "Earlier", id: "earlier" }),
    button("→", () => panBy(PAN_STEP), { "aria-label": "Later", id: "later" }),
    button("All", () => zoomTo(0, data.end), { id: "zoom-all" }));
  const said = element("p", { class: "quiet note", id: "timeline-span" });
  const made = chart(section, "Timeline. Plus and minus zoom, arrow keys move, 0 shows all.", () => {
    measure();
    return {
      grid: timelineGrid(data, tracks, made.box.clientWidth),
      dataZoom: [
        zoomSlider({ startValue: span.from, endValue: span.to, showDetail: false }),
        { type: "inside", filterMode: "none", startValue: span.from, endValue: span.to,
          zoomOnMouseWheel: "ctrl", moveOnMouseWheel: false, moveOnMouseMove: true, preventDefaultMouseMove: false },
      ],
      tooltip: tooltip({ formatter: ({ dataIndex }) => blockNote(view, data, spec, blocks[dataIndex]) }),
      xAxis: axis("", { type: "value", min: 0, max: data.end, splitLine: { show: false },
        axisLabel: { color: colour("quiet"), hideOverlap: true, formatter: (value) => timeText(value, span) } }),
      yAxis: axis("", { type: "category", inverse: true, data: tracks.map((track) => trackName(data, tracks, track)),
        axisTick: { show: false }, axisLabel: { color: colour("ink"), width: 150, overflow: "truncate" } }),
      series: [blockSeries()],
    };
  });

  /** Find what can be told apart between the two times. */
  function measure() {
    const box = timelineGrid(data, tracks, made.box.clientWidth);
    const pixels = Math.max(50, made.box.clientWidth - box.left - box.right);
    blocks = data.blocks(span.from, span.to, (span.to - span.from) / pixels, new Set(tracks));
    said.textContent = `${timeText(span.from, span)} to ${timeText(span.to, span)}: `
      + `${whole(((span.to - span.from) * spec.clock_hz) / PS_PER_S)} cycles`;
  }

  function blockSeries() {
    const paints = timelinePaints();
    return {
      type: "custom", encode: { x: [0, 1], y: 2 }, clip: true,
      data: blocks.map((block) => ({ value: [block.start, block.end, tracks.indexOf(block.track)] })),
      renderItem: (params, api) => drawBlock(params, api, data, blocks[params.dataIndex], paints),
    };
  }

  function redraw() {
    measure();
    made.instance.setOption({ series: [blockSeries()] });
  }

  function zoomTo(from, to) {
    const least = Math.min(data.end, (LEAST_CYCLES * PS_PER_S) / spec.clock_hz);
    const width = Math.min(data.end, Math.max(least, to - from));
    span.from = Math.max(0, Math.min(data.end - width, from));
    span.to = span.from + width;
    made.instance.dispatchAction({ type: "dataZoom", startValue: span.from, endValue: span.to });
    redraw();
    speak(said.textContent);
  }

  function showCore(core) {
    tracks = tracksOf(data, core);
    setHeight();
    made.instance.resize();
    made.draw();
  }

  function setHeight() {
    made.box.style.height = `${tracks.length * TRACK_PX + 84}px`;
  }

  setHeight();
  section.append(said);
  if (spec.joined > 1) {
    section.append(element("p", { class: "quiet note" },
      `To keep the page small, up to ${spec.joined} neighbouring slices of a unit are one block here;`
      + " the run's timeline.json has more of them."));
  }
  made.started = () => {
    made.instance.on("datazoom", (event) => {
      const moved = event.batch?.[0] ?? event;
      if (moved.start === undefined) return;
      span.from = (moved.start / 100) * data.end;
      span.to = (moved.end / 100) * data.end;
      requestAnimationFrame(redraw);
    });
    made.instance.on("click", ({ dataIndex }) => {
      const block = blocks[dataIndex];
      if (block?.layer !== undefined) openDetails(view, block.layer);
    });
  };
  made.box.addEventListener("keydown", (event) => {
    const act = { "+": () => zoomBy(1 / ZOOM_STEP), "=": () => zoomBy(1 / ZOOM_STEP), "-": () => zoomBy(ZOOM_STEP),
      ArrowLeft: () => panBy(-PAN_STEP), ArrowRight: () => panBy(PAN_STEP), 0: () => zoomTo(0, data.end) }[event.key];
    if (!act || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    act();
  });
  view.zoomToLayer = (name) => {
    const layer = data.layers.find((one) => one.name === name);
    if (!layer) return false;
    const margin = 0.05 * (layer.end - layer.start);
    zoomTo(layer.start - margin, layer.end + margin);
    section.scrollIntoView({ block: "center" });
    made.box.focus({ preventScroll: true });
    return true;
  };
  return section;
}

function timelineGrid(data, tracks, width) {
  const longest = Math.max(...tracks.map((track) => trackName(data, tracks, track).length));
  return { left: Math.min(width < NARROW_PX ? 96 : 160, 14 + 7 * longest), right: 14, top: 4, bottom: 60 };
}

/** Return a track's name; where one core is shown, it needs no name of its own. */
function trackName(data, tracks, track) {
  const name = data.tracks[track];
  return tracks.length < data.tracks.length ? name.replace(/^core\d+\./, "") : name;
}

/** Return the cores that tracks belong to, by the first part of a unit's name. */
function coresOf(tracks) {
  return [...new Set(tracks.slice(1).map(coreOf))];
}

const coreOf = (name) => /^core\d+(?=\.)/.exec(name)?.[0] ?? "";

function tracksOf(data, core) {
  return data.tracks.map((_, track) => track)
    .filter((track) => track === LAYERS_TRACK || coreOf(data.tracks[track]) === core);
}

/** Return a time to as many digits as the width of what is shown asks for. */
function timeText(time, { from, to }) {
  let place = 0;
  let one = 1;
  while (to / one >= 1000 && place < BELOW_PICO.length - 1) {
    one *= 1000;
    place += 1;
  }
  const decimals = Math.min(9, Math.max(0, Math.ceil(-Math.log10((to - from) / one / 20))));
  return `${(time / one).toLocaleString("en", { maximumFractionDigits: decimals })} ${BELOW_PICO[place]}s`;
}

function timelinePaints() {
  return { layers: [colour("layer-0"), colour("layer-1")], wait: colour("wait"), ink: colour("ink"),
    surface: colour("surface"), units: [0, 1, 2, 3, 4, 5].map((hue) => colour(`hue-${hue}`)) };
}

function drawBlock(params, api, data, block, paints) {
  const row = api.value(2);
  const [left, middle] = api.coord([block.start, row]);
  const [right] = api.coord([block.end, row]);
  const height = api.size([0, 1])[1] * 0.78;
  const shape = echarts.graphic.clipRectByRect(
    { x: left, y: middle - height / 2, width: Math.max(right - left, 1), height },
    { x: params.coordSys.x, y: params.coordSys.y, width: params.coordSys.width, height: params.coordSys.height });
  if (!shape) return null;
  const isLayer = block.track === LAYERS_TRACK;
  const fill = blockFill(block, paints);
  const text = shape.width > 34 ? blockName(data, block) : "";
  return {
    type: "rect", shape,
    style: {
      fill, opacity: isLayer || block.isWait ? 1 : 0.25 + 0.75 * block.share,
      stroke: paints.surface, lineWidth: shape.width > 4 ? 0.5 : 0,
    },
    textContent: { style: { text, fill: isLayer || block.isWait ? paints.ink : inkOn(fill), fontSize: 11,
      width: shape.width - 6, overflow: "truncate", ellipsis: "…" } },
    textConfig: { position: "insideLeft", distance: 3 },
  };
}

function blockFill(block, paints) {
  if (block.track === LAYERS_TRACK) return paints.layers[block.layer % 2];
  return block.isWait ? paints.wait : paints.units[(block.track - 1) % paints.units.length];
}

function blockName(data, block) {
  if (block.layer !== undefined) {
    return data.layers[block.layer].name + (block.count > 1 ? ` and ${block.count - 1} more` : "");
  }
  if (block.count > 1) return `${whole(block.count)} ${block.isWait ? "waits" : "slices"}`;
  return block.name === undefined ? "1 slice" : data.names[block.name];
}

function blockNote(view, data, spec, block) {
  const cycles = ((block.end - block.start) * spec.clock_hz) / PS_PER_S;
  const lines = [
    ["unit", data.tracks[block.track]],
    ["from", scaled(block.start, 1000, BELOW_PICO, "s", 7)],
    ["for", `${scaled(block.end - block.start, 1000, BELOW_PICO, "s")}, ${digits(cycles, 7)} cycles`],
  ];
  if (block.layer !== undefined) {
    const { alike, pieces } = data.layers[block.layer];
    if (alike !== block.layer) lines.push(["equal to", `${data.layers[alike].name}: simulated once`]);
    if (pieces > 1) lines.push(["pieces", `${whole(pieces)}, of which different ones are drawn`]);
  } else if (block.count > 1) {
    lines.push(["works for", percent(block.share)]);
  }
  return noteOf(blockName(data, block), lines);
}
