"use strict";
/* Draws the lesson: what is where in a cycle follows from the folds' events, the numbers that are
   in the PEs come from the cycle's frame. */

const lesson = JSON.parse(document.getElementById("lesson").textContent);
const { rows: ROWS, columns: COLUMNS, dataflow: flow, folds, frames, dimensions, events } = lesson;
const PES = ROWS * COLUMNS;
const LAST_CYCLE = frames.length - 1;
const HOLDS_SUMS = flow.time === "K";
const HAS_SECOND = lesson.registers === 2;
const FOLD_COLOURS = 6;

/* Lengths on the stage, in em. */
const PE_PITCH = { x: 8.2, y: 6.3 };
const WAITING_PITCH = { x: 3.6, y: 2.3 };
const CHIP = { held: { x: 0.3, y: 0.45 }, crossing: { x: 3.7, y: 0.45 },
  moving: { x: 0.3, y: 3 }, second: { x: 3.7, y: 3 } };
const PORT = { y: 0.35, height: 3.1 };
/* Font size of the stage. To be seen as a whole it may shrink to `whole`, to fit in the width to
   `least`; then it scrolls. The rest of the page takes about `REST_PX` of the height. */
const SCALE_PX = { least: 8, whole: 11, most: 14 };
const REST_PX = 325;
const NARROW_PX = 560;
/* Texts of so many characters are set smaller. */
const LONG_TEXT = 4;
/* Rows or columns at most of matrices that are laid out as on paper, weight above output. */
const ON_PAPER = 14;
/* Lines at most that are reserved for words on the folds in the array. */
const MOST_LINES = 4;

const byId = (id) => document.getElementById(id);
const percent = (share) => `${(100 * share).toFixed(share > 0 && share < 0.1 ? 1 : 0)} %`;
const counted = (number, noun) => `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
const foldColour = (fold) => `var(--fold-${fold % FOLD_COLOURS})`;
const operandOf = (...axes) =>
  ["input", "weight"].find((name) => axes.every((axis) => dimensions[name].includes(axis)));

const MOVING = operandOf(flow.rows, flow.time);
const FROM_TOP = HOLDS_SUMS ? operandOf(flow.columns, flow.time) : operandOf(flow.rows, flow.columns);

let cycle = 0;
let timer = null;
let waitingSlots = { x: 5, y: 5 };
let pointedPe = null;

/* What is where */

/** Row and column, in a matrix, of what a fold has at this row, column and step. */
function element(operand, fold, row, column, step) {
  const place = { [flow.rows]: fold.row_start + row, [flow.columns]: fold.column_start + column,
    [flow.time]: step };
  return [...dimensions[operand]].map((axis) => place[axis]);
}

const valueOf = (operand, [row, column]) => lesson[operand][row][column];

/** Where in the stage a chip lies that is in a register of a PE. */
function inPe(row, column, register) {
  return { x: waitingSlots.x * WAITING_PITCH.x + column * PE_PITCH.x + CHIP[register].x,
    y: waitingSlots.y * WAITING_PITCH.y + row * PE_PITCH.y + CHIP[register].y };
}

/** Where a chip lies that enters a row or column so many cycles later. */
function waitingAtLeft(row, distance) {
  return { x: (waitingSlots.x - distance) * WAITING_PITCH.x, y: inPe(row, 0, "moving").y };
}

function waitingAtTop(column, distance, register) {
  return { x: inPe(0, column, register).x, y: (waitingSlots.y - distance) * WAITING_PITCH.y };
}

function atPort(column, register) {
  const below = inPe(ROWS, column, register);
  return { x: below.x, y: below.y - CHIP[register].y + PORT.y };
}

const isFar = (distance, slots) => (distance >= slots ? "far" : "outside");

/** Operands that enter a row or column step by step and move on by a PE in each cycle. */
function* streamChips(fold, number, at, frame) {
  const first = fold.events.first_input;
  const lanes = [{ side: "row", operand: MOVING, count: fold.mapped_rows, length: COLUMNS,
    slots: waitingSlots.x }];
  if (HOLDS_SUMS) {
    lanes.push({ side: "column", operand: FROM_TOP, count: fold.mapped_columns, length: ROWS,
      slots: waitingSlots.y });
  }
  for (const { side, operand, count, length, slots } of lanes) {
    const isRow = side === "row";
    for (let lane = 0; lane < count; lane += 1) {
      const newest = at - first - lane;
      const oldest = Math.max(0, newest - length + 1);
      for (let step = oldest; step <= Math.min(fold.stream - 1, newest + slots); step += 1) {
        const depth = newest - step;
        const cell = element(operand, fold, isRow ? lane : 0, isRow ? 0 : lane, step);
        const chip = { key: `${side}:${number}:${lane}:${step}`, operand, cell, fold: number };
        if (depth < 0) {
          const place = isRow ? waitingAtLeft(lane, -depth) : waitingAtTop(lane, -depth, "crossing");
          yield { ...chip, ...place, text: valueOf(operand, cell), look: isFar(-depth, slots) };
        } else {
          const [row, column] = isRow ? [lane, depth] : [depth, lane];
          const register = isRow ? "moving" : "crossing";
          yield { ...chip, ...inPe(row, column, register),
            text: frame[register][row * COLUMNS + column], look: "" };
        }
      }
    }
  }
}

/** The stationary operand: moves in from the top, waits, then is held until its last use. */
function* loadChips(fold, number, at, frame) {
  const { accepted, first_input: firstInput, last_input: lastInput } = fold.events;
  const loading = HAS_SECOND ? "second" : "held";
  for (let row = 0; row < fold.mapped_rows; row += 1) {
    for (let column = 0; column < fold.mapped_columns; column += 1) {
      const age = at - (accepted + ROWS - row + column);
      if (-age > waitingSlots.y || at > lastInput + row + column) continue;
      const cell = element(FROM_TOP, fold, row, column, 0);
      const chip = { key: `load:${number}:${row}:${column}`, operand: FROM_TOP, cell, fold: number };
      if (age < 0) {
        yield { ...chip, ...waitingAtTop(column, -age, loading), text: valueOf(FROM_TOP, cell),
          look: isFar(-age, waitingSlots.y) };
        continue;
      }
      const reached = Math.min(age, row);
      const register = at >= firstInput + row + column ? "held" : loading;
      yield { ...chip, ...inPe(reached, column, register),
        text: frame[register][reached * COLUMNS + column], look: "" };
    }
  }
}

/** Sums that move down a column and grow in each PE. */
function* movingSums(fold, number, at, frame) {
  for (let column = 0; column < fold.mapped_columns; column += 1) {
    const newest = at - fold.events.first_input - column;
    for (let step = Math.max(0, newest - ROWS); step <= Math.min(fold.stream - 1, newest); step += 1) {
      const row = newest - step;
      const chip = { key: `sum:${number}:${column}:${step}`, operand: "psum", look: "", fold: number,
        cell: element("psum", fold, 0, column, step) };
      if (row < ROWS) {
        yield { ...chip, ...inPe(row, column, "crossing"),
          text: frame.crossing[row * COLUMNS + column] };
      } else {
        const left = frame.written.find((w) => w.fold === number && w.column === column);
        yield { ...chip, ...atPort(column, "crossing"), text: left.psum };
      }
    }
  }
}

/** Sums that grow in their PE, and move down when they are finished. */
function* heldSums(fold, number, at, frame) {
  const { first_input: firstInput, last_input: lastInput, first_output: firstOutput } = fold.events;
  for (let row = 0; row < fold.mapped_rows; row += 1) {
    for (let column = 0; column < fold.mapped_columns; column += 1) {
      const age = at - firstInput - row - column;
      const shifts = Math.max(at - firstOutput - column, 0);
      if (age < 0 || row + shifts >= ROWS) continue;
      const isFinished = at > lastInput + row + column;
      const register = isFinished && HAS_SECOND ? "second" : "held";
      const reached = isFinished ? row + shifts : row;
      // At its first product the register still has the fold before's sum, which isn't used.
      const text = age === 0 ? 0 : frame[register][reached * COLUMNS + column];
      yield { key: `sum:${number}:${row}:${column}`, operand: "psum", look: "", fold: number,
        cell: element("psum", fold, row, column, 0), ...inPe(reached, column, register), text };
    }
  }
  for (const written of frame.written.filter((w) => w.fold === number)) {
    yield { key: `port:${written.m}:${written.n}`, operand: "psum", look: "", fold: number,
      cell: [written.m, written.n], text: written.psum,
      ...atPort(written.column, HAS_SECOND ? "second" : "held") };
  }
}

function chipsAt(at) {
  const sources = HOLDS_SUMS ? [streamChips, heldSums] : [loadChips, streamChips, movingSums];
  const ahead = ROWS + COLUMNS + waitingSlots.x + waitingSlots.y;
  return folds.flatMap((fold, number) =>
    fold.events.accepted - ahead > at || fold.events.last_output < at ? []
      : sources.flatMap((source) => [...source(fold, number, at, frames[at])]));
}

/* The array */

const stage = byId("stage");
const pes = [];
const chipElements = new Map();

function place(node, { x, y }) {
  // A node whose text is larger than the stage's has a larger em.
  const lengths = [x, y].map((em) => `calc(${em.toFixed(2)}em / var(--text, 1))`);
  node.style.transform = `translate(${lengths})`;
}

function add(parent, tag, className, text = "") {
  const node = document.createElement(tag);
  node.className = className;
  node.textContent = text;
  parent.append(node);
  return node;
}

const plural = (operand) => `${operand}s`;

function buildStage() {
  stage.replaceChildren();
  chipElements.clear();
  pes.length = 0;
  const room = stage.parentElement.clientWidth;
  waitingSlots = room < NARROW_PX ? { x: 3, y: 3 } : { x: 5, y: 5 };
  const left = waitingSlots.x * WAITING_PITCH.x;
  const top = waitingSlots.y * WAITING_PITCH.y;
  const width = left + COLUMNS * PE_PITCH.x;
  const height = top + ROWS * PE_PITCH.y + PORT.height;
  stage.style.width = `${width}em`;
  stage.style.height = `${height}em`;
  const whole = Math.max(SCALE_PX.whole, (innerHeight - REST_PX) / height);
  const scale = Math.max(SCALE_PX.least, Math.min(SCALE_PX.most, whole, room / width));
  stage.style.fontSize = `${scale.toFixed(2)}px`;
  for (let index = 0; index < PES; index += 1) {
    const [row, column] = [Math.floor(index / COLUMNS), index % COLUMNS];
    const pe = add(stage, "div", "pe");
    pe.dataset.index = index;
    place(pe, { x: left + column * PE_PITCH.x, y: top + row * PE_PITCH.y });
    pes.push(pe);
  }
  for (let column = 0; column < COLUMNS; column += 1) {
    place(add(stage, "div", "port"),
      { x: left + column * PE_PITCH.x, y: top + ROWS * PE_PITCH.y });
  }
  const corner = add(stage, "div", "corner");
  corner.style.width = `${left - 1}em`;
  corner.style.height = `${top}em`;
  add(corner, "span", "", `${plural(FROM_TOP)} ↓`);
  add(corner, "span", "", `${plural(MOVING)} →`);
  const exit = add(stage, "div", "exit", "sums ↓");
  exit.style.width = `${left - 1}em`;
  place(exit, { x: 0, y: top + ROWS * PE_PITCH.y + PORT.y });
}

function drawPes() {
  const frame = frames[cycle];
  pes.forEach((pe, index) => {
    pe.className = `pe ${lesson.states[frame.state[index]]}`;
    pe.style.setProperty("--fold", foldColour(Math.max(frame.fold[index], 0)));
  });
}

const SHAPES = { input: "input", weight: "weight", psum: "sum" };

function drawChips(chips) {
  const gone = new Set(chipElements.keys());
  for (const chip of chips) {
    let node = chipElements.get(chip.key);
    if (!node) {
      node = add(stage, "div", "");
      node.dataset.key = chip.key;
      node.style.setProperty("--fold", foldColour(chip.fold));
      chipElements.set(chip.key, node);
    }
    gone.delete(chip.key);
    const text = String(chip.text);
    const long = text.length >= LONG_TEXT ? "long" : "";
    const look = ["chip", SHAPES[chip.operand], chip.look, long].filter(Boolean).join(" ");
    if (node.className !== look) node.className = look;
    if (node.textContent !== text) node.textContent = text;
    place(node, chip);
  }
  for (const key of gone) {
    chipElements.get(key).remove();
    chipElements.delete(key);
  }
}

const HINT = "In a PE: ↖ held, ↗ from above, ↙ from the left"
  + `${HAS_SECOND ? ", ↘ second register" : ""}. Point at one to see its sum.`;

/** What a PE does in this cycle, in words. */
function describePe(index) {
  const frame = frames[cycle];
  const [row, column] = [Math.floor(index / COLUMNS), index % COLUMNS];
  const name = `PE in row ${row}, column ${column}`;
  const fold = frame.fold[index];
  const of = `fold ${fold + 1}`;
  const state = lesson.states[frame.state[index]];
  if (state === "computing") {
    const events_ = folds[fold].events;
    const isFirst = cycle === events_.first_input + row + column;
    const held = HOLDS_SUMS && isFirst ? 0 : frame.held[index];
    const [sum, factor] = HOLDS_SUMS ? [held, frame.crossing[index]] : [frame.crossing[index], held];
    const moving = frame.moving[index];
    return `${name}, ${of}: ${sum} + ${signed(moving)} × ${signed(factor)} = ${sum + moving * factor}`;
  }
  return `${name}: ${{
    idle: "idle", unused: `no work in ${of}; only zeros and passers-by`,
    waiting: `has its ${FROM_TOP} of ${of} and waits for the first ${MOVING}`,
    loading: `passes on ${plural(FROM_TOP)} of ${of}`,
    draining: `holds a finished sum of ${of}`,
  }[state]}`;
}

const signed = (number) => (number < 0 ? `(${number})` : `${number}`);

/** What a fold does in this cycle, in words; nothing when it isn't in the array. */
function describeFold(fold, number) {
  const at = fold.events;
  if (cycle < at.accepted || cycle > at.last_output) return "";
  const left = frames[cycle].written.filter((written) => written.fold === number);
  const parts = [];
  if (!HOLDS_SUMS && cycle < at.first_input) {
    parts.push(`${plural(FROM_TOP)} move in from the top, the lowest row's first`);
  } else if (cycle <= at.last_input) {
    parts.push(HOLDS_SUMS
      ? "inputs enter from the left, weights from the top"
      : `${plural(MOVING)} enter from the left, each row a cycle later`);
  } else if (cycle < at.last_input + fold.mapped_rows + fold.mapped_columns - 1) {
    parts.push(HOLDS_SUMS ? "the last operands move on" : `the last ${plural(MOVING)} move on`);
  }
  if (left.length) {
    parts.push(`${counted(left.length, left[0].is_final ? "sum" : "partial sum")}`
      + ` ${left.length === 1 ? "leaves" : "leave"}`);
  } else if (!parts.length) {
    parts.push(HOLDS_SUMS ? "finished sums move down" : "the last sums move down");
  }
  return parts.join("; ");
}

function drawWords() {
  const now = byId("now");
  now.replaceChildren();
  folds.forEach((fold, number) => {
    const words = describeFold(fold, number);
    if (!words) return;
    const line = add(now, "span", "fold-line");
    const dot = add(line, "i", "");
    dot.style.setProperty("--fold", foldColour(number));
    add(line, "b", "", `Fold ${number + 1} of ${folds.length}: `);
    line.append(words);
  });
  byId("detail").textContent = pointedPe === null
    ? HINT : describePe(pointedPe);
}

/** Keep room for as many lines as folds are ever in the array at once: nothing jumps. */
function reserveLines() {
  const inArray = (at) => folds.filter(({ events: { accepted, last_output: end } }) =>
    accepted <= at && at <= end).length;
  const lines = Math.max(...folds.map(({ events: { accepted } }) => inArray(accepted)));
  byId("now").style.setProperty("--lines", Math.min(lines, MOST_LINES));
}

/* The matrices */

const cells = { input: [], weight: [], psum: [] };
const writes = new Map();
const shownCells = new Map();

function buildMatrices() {
  const sizes = { M: lesson.input.length, K: lesson.weight.length, N: lesson.weight[0].length };
  for (const operand of ["input", "weight", "psum"]) {
    const [down, across] = dimensions[operand];
    const id = operand === "psum" ? "output" : operand;
    byId(`${id}-caption`).textContent = `${id}, ${sizes[down]}×${sizes[across]} (${down}×${across})`;
    for (let row = 0; row < sizes[down]; row += 1) {
      const line = add(byId(id), "tr", "");
      cells[operand].push(Array.from({ length: sizes[across] }, (_, column) =>
        add(line, "td", "", operand === "psum" ? "·" : valueOf(operand, [row, column]))));
    }
  }
  frames.forEach(({ written }, at) => written.forEach((w) => {
    const key = `${w.m},${w.n}`;
    writes.set(key, [...(writes.get(key) ?? []), { ...w, at }]);
  }));
  const isOnPaper = sizes.M + sizes.K <= ON_PAPER && sizes.K + sizes.N <= ON_PAPER;
  byId("matrices").className = isOnPaper ? "on-paper" : "side-by-side";
  byId("matrix-legend").textContent = "Framed: in the array. Dashed: about to enter. "
    + "Output: · not there yet, italic = partial sum, bold = final, filled = leaves in this cycle.";
}

function drawMatrices(chips) {
  const looks = new Map();
  for (const { operand, cell, fold, look } of chips) {
    const node = cells[operand][cell[0]][cell[1]];
    const name = look ? "coming" : operand === "psum" ? "building" : "inside";
    if (name !== "coming" || !looks.has(node)) looks.set(node, { name, fold });
  }
  cells.psum.forEach((line, m) => line.forEach((node, n) => {
    const done = writes.get(`${m},${n}`)?.findLast(({ at }) => at <= cycle);
    const look = done?.at === cycle ? { name: "leaving", fold: done.fold } : looks.get(node);
    drawCell(node, look, done ? (done.is_final ? "final" : "partial") : "empty", done?.value ?? "·");
  }));
  for (const node of [...cells.input, ...cells.weight].flat()) drawCell(node, looks.get(node));
  for (const id of ["input", "weight", "output"]) showCurrent(byId(id));
}

/** Change a cell only where it looks otherwise than before: there may be thousands. */
function drawCell(node, look, kind = "", text = node.textContent) {
  const shown = [kind, look?.name, look?.fold, text].join(" ");
  if (shownCells.get(node) === shown) return;
  shownCells.set(node, shown);
  node.textContent = text;
  node.className = [kind, look?.name].filter(Boolean).join(" ");
  node.style.setProperty("--fold", look ? foldColour(look.fold) : "transparent");
}

/** Scroll a matrix that is too large for its place to what is current in it. */
function showCurrent(table) {
  const pane = table.parentElement;
  const current = table.querySelector(".leaving") ?? table.querySelector(".inside, .building");
  if (!current) return;
  const outer = pane.getBoundingClientRect();
  const inner = current.getBoundingClientRect();
  if (inner.top < outer.top || inner.bottom > outer.bottom) {
    pane.scrollTop += inner.top - outer.top - outer.height / 3;
  }
  if (inner.left < outer.left || inner.right > outer.right) {
    pane.scrollLeft += inner.left - outer.left - outer.width / 3;
  }
}

/* The utilization curve */

const EVENT_NAMES = { accepted: "accepted", first_input: "first input", last_input: "last input",
  first_output: "first output", last_output: "last output", array_free: "array free" };
const CURVE = { left: 44, right: 10, height: 110, row: 15, below: 34, character: 6.1 };
let curveX = () => 0;

/** Labels of events in rows, so that none covers another. */
function eventLabels(width, x) {
  const names = new Map();
  for (const [key, name] of Object.entries(EVENT_NAMES)) {
    names.set(events[key], [...(names.get(events[key]) ?? []), name]);
  }
  const ends = [];
  return [...names].sort(([a], [b]) => a - b).map(([at, list]) => {
    const text = `${list.join(", ")}: cycle ${at}`;
    const length = text.length * CURVE.character;
    const start = Math.max(0, Math.min(x(at + 0.5) - 3, width - length));
    let row = ends.findIndex((end) => end + 10 < start);
    if (row < 0) row = ends.length;
    ends[row] = start + length;
    return { at, text, start, row };
  });
}

function buildCurve() {
  const svg = byId("curve");
  const width = Math.max(svg.clientWidth, 240);
  const step = (width - CURVE.left - CURVE.right) / frames.length;
  const x = (at) => CURVE.left + at * step;
  curveX = x;
  const labels = eventLabels(width, x);
  const top = (Math.max(...labels.map(({ row }) => row)) + 1) * CURVE.row + 8;
  const y = (share) => top + (1 - share) * CURVE.height;
  const bottom = y(0);
  svg.style.height = `${bottom + CURVE.below}px`;
  const steps = lesson.utilization.map((share, at) => `${x(at)} ${y(share)} ${x(at + 1)} ${y(share)}`);
  const every = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000].find((n) => n * step >= 34) ?? 1000;
  const ticks = frames.map((_, at) => at).filter((at) => at % every === 0);
  const average = y(lesson.average_utilization);
  const horizontal = (at) => `x1="${CURVE.left}" x2="${width - CURVE.right}" y1="${at}" y2="${at}"`;
  svg.innerHTML = [
    ...[0, 0.5, 1].map((share) => `<line class="grid" ${horizontal(y(share))}/>`
      + `<text x="${CURVE.left - 6}" y="${y(share) + 4}" text-anchor="end">${percent(share)}</text>`),
    `<rect class="cursor" id="cursor" y="${top}" width="${step}" height="${CURVE.height}"/>`,
    `<path class="area" d="M${x(0)} ${bottom} L${steps.join(" ")} ${x(frames.length)} ${bottom}Z"/>`,
    `<path class="steps" d="M${steps.join(" ")}"/>`,
    `<line class="average" ${horizontal(average)}/>`,
    ...labels.map(({ at, row }) => `<line class="event-line" x1="${x(at + 0.5)}"`
      + ` x2="${x(at + 0.5)}" y1="${row * CURVE.row + 16}" y2="${bottom}"/>`),
    ...labels.map(({ text, start, row }) =>
      `<text class="event" x="${start}" y="${row * CURVE.row + 12}">${text}</text>`),
    ...ticks.map((at) => `<text x="${x(at + 0.5)}" y="${bottom + 15}" text-anchor="middle">${at}</text>`),
    `<text x="${(CURVE.left + width) / 2}" y="${bottom + 30}" text-anchor="middle">cycle</text>`,
    `<line class="cursor-line" id="cursor-line" y1="${top}" y2="${bottom}"/>`,
  ].join("");
  const busy = frames.reduce((sum, { state }) =>
    sum + state.filter((code) => lesson.states[code] === "computing").length, 0);
  byId("average").textContent = `On average ${percent(lesson.average_utilization)} of the PEs are`
    + ` busy (dashed): ${counted(busy, "MAC")} in ${counted(frames.length, "cycle")} on`
    + ` ${counted(PES, "PE")}. Dotted: when things happen by the closed form.`;
}

function drawCursor() {
  byId("cursor").setAttribute("x", curveX(cycle));
  for (const end of ["x1", "x2"]) byId("cursor-line").setAttribute(end, curveX(cycle + 0.5));
  const share = lesson.utilization[cycle];
  byId("busy").textContent = `${percent(share)} of PEs busy: ${Math.round(share * PES)} of ${PES}`;
}

/* Legend */

function buildLegend() {
  const legend = byId("legend");
  const operands = [[MOVING, `${MOVING}, moves right`],
    [FROM_TOP, HOLDS_SUMS ? `${FROM_TOP}, moves down` : `${FROM_TOP}, stays`],
    ["sum", HOLDS_SUMS ? "sum, stays" : "sum, moves down"]];
  for (const [shape, text] of operands) {
    const item = add(legend, "span", "");
    add(item, "span", `chip ${shape}`, "7").style.setProperty("--fold", "var(--strong-line)");
    item.append(text);
  }
  const states = { idle: "idle", loading: "loading", waiting: "loaded, waits", computing: "computing",
    draining: "draining", unused: "no work in this fold" };
  for (const [state, text] of Object.entries(states)) {
    if (HOLDS_SUMS ? state === "loading" || state === "waiting" : state === "draining") continue;
    const item = add(legend, "span", "");
    add(item, "span", `pe ${state}`).style.setProperty("--fold", "var(--strong-line)");
    item.append(text);
  }
  const item = add(legend, "span", "");
  for (let fold = 0; fold < Math.min(folds.length, FOLD_COLOURS); fold += 1) {
    add(item, "i", "").style.setProperty("--fold", foldColour(fold));
  }
  item.append(folds.length === 1 ? "one fold: the array is filled once"
    : `folds 1 to ${folds.length}: each fills the array once`);
}

/* Going from cycle to cycle */

function draw() {
  const chips = chipsAt(cycle);
  drawPes();
  drawChips(chips);
  drawWords();
  drawMatrices(chips);
  drawCursor();
  byId("cycle").textContent = cycle;
  byId("slider").value = cycle;
  for (const id of ["first", "step-back"]) byId(id).disabled = cycle === 0;
  for (const id of ["last", "step-forward"]) byId(id).disabled = cycle === LAST_CYCLE;
}

let hashTimer = null;

/** Put the cycle into the address, but not so often that browsers object. */
function noteCycle() {
  hashTimer ??= setTimeout(() => {
    hashTimer = null;
    history.replaceState(null, "", `#cycle=${cycle}`);
  }, 300);
}

function go(to) {
  const next = Math.min(Math.max(to, 0), LAST_CYCLE);
  stage.classList.toggle("jump", Math.abs(next - cycle) !== 1);
  cycle = next;
  draw();
  noteCycle();
}

function pause() {
  clearInterval(timer);
  timer = null;
  document.body.classList.remove("playing");
  byId("play").setAttribute("aria-label", "Play");
}

function play() {
  if (cycle === LAST_CYCLE) go(0);
  const seconds = 1 / Number(byId("speed").value);
  stage.style.setProperty("--move", `${Math.min(260, seconds * 700)}ms`);
  document.body.classList.add("playing");
  byId("play").setAttribute("aria-label", "Pause");
  timer = setInterval(() => {
    go(cycle + 1);
    if (cycle === LAST_CYCLE) pause();
  }, 1000 * seconds);
}

const ACTIONS = { "first": () => go(0), "step-back": () => go(cycle - 1),
  "step-forward": () => go(cycle + 1), "last": () => go(LAST_CYCLE) };
const KEYS = { Home: "first", ArrowLeft: "step-back", ArrowRight: "step-forward", End: "last" };

function goToHash() {
  const match = /^#cycle=(\d+)$/.exec(location.hash);
  if (match) {
    pause();
    go(Number(match[1]));
  }
}

function listen() {
  for (const [id, action] of Object.entries(ACTIONS)) {
    byId(id).addEventListener("click", () => { pause(); action(); });
  }
  const toggle = () => (timer === null ? play() : pause());
  byId("play").addEventListener("click", toggle);
  byId("slider").addEventListener("input", (event) => { pause(); go(Number(event.target.value)); });
  byId("speed").addEventListener("change", () => { if (timer !== null) { pause(); play(); } });
  document.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const inControl = event.target.closest("input, select");
    if (event.key === " " && !event.target.closest("button, select")) {
      event.preventDefault();
      toggle();
    } else if (KEYS[event.key] && !inControl) {
      event.preventDefault();
      pause();
      ACTIONS[KEYS[event.key]]();
    }
  });
  const point = (event) => {
    const pe = event.target.closest(".pe");
    pointedPe = pe ? Number(pe.dataset.index) : null;
    drawWords();
  };
  stage.addEventListener("pointerover", point);
  stage.addEventListener("pointerleave", point);
  byId("curve").addEventListener("pointerdown", (event) => {
    const from = event.currentTarget.getBoundingClientRect().left;
    pause();
    go(Math.floor((event.clientX - from - curveX(0)) / (curveX(1) - curveX(0))));
  });
  addEventListener("hashchange", goToHash);
  let width = innerWidth;
  addEventListener("resize", () => {
    if (innerWidth === width) return;
    width = innerWidth;
    layOut();
  });
}

function layOut() {
  buildStage();
  buildCurve();
  stage.classList.add("jump");
  draw();
}

byId("sentence").textContent = lesson.sentence;
byId("registers").textContent = lesson.registers_sentence;
byId("cycles").textContent = frames.length.toLocaleString("en");
byId("slider").max = LAST_CYCLE;
document.body.classList.toggle("wide", COLUMNS > 6);
reserveLines();
buildMatrices();
buildLegend();
listen();
layOut();
goToHash();
