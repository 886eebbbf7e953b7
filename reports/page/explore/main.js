/* The page: sliders move, questions go out, answers are shown. */

const given = JSON.parse(byId("data").textContent);

/** Show what is known of an answer, and how far it is to be trusted. */
function stateOf(answer) {
  if (answer.error) return ["error", answer.error];
  if (!answer.provisional) return ["searched", "Searched: mappings were found for this machine."];
  const least = `at least ${formatted(answer.least_time_s, "s")} by the roofs`;
  if (answer.is_bound) return ["provisional", `Provisional: mappings take this, ${least}. Searching …`];
  const priced = answer.priced < answer.layers ? ` of ${answer.priced} of ${answer.layers} layers` : "";
  return ["provisional", `Provisional: an estimate${priced}, ${least}. Searching …`];
}

/** Say how far answers at once were from searched ones, as far as that is known. */
function trackRecord([low, high]) {
  const off = (ratio) => {
    if (Math.abs(ratio - 1) < 0.0005) return "right";
    return ratio < 1 ? `${percent(1 / ratio - 1)} too low` : `${percent(ratio - 1)} too high`;
  };
  const range = off(low) === off(high) ? off(low) : `from ${off(low)} to ${off(high)}`;
  return `So far what was said at once has been ${range}.`;
}

function showNumbers(answer) {
  const pair = (name, text, more) => [element("dt", {}, name), element("dd", {}, text, more ? element("small", {}, more) : null)];
  const rows = [
    ["Latency", formatted(answer.time_s, "s"), `${whole(answer.total_cycles)} cycles`],
    ["Throughput", formatted(answer.inferences_per_s, "inferences/s"), "inferences"],
    ["Performance", formatted(answer.ops_per_s, "OP/s"),
      `${percent(answer.peak_ops_per_s ? answer.ops_per_s / answer.peak_ops_per_s : 0)} of ${formatted(answer.peak_ops_per_s, "OP/s")}`],
    ["Main memory", formatted(answer.dram_bytes, "bytes"), "moved"],
  ];
  byId("numbers").replaceChildren(...rows.map((row) => element("div", {}, ...pair(...row))));
}

function showBounds(answer) {
  const colourOf = boundColours(answer.memories);
  const shares = Object.entries(answer.time_share_by_bound);
  const bar = element("div", { class: "share-bar", "aria-hidden": "true" });
  const legend = element("ul", { class: "legend", "aria-label": "What bounds the time" });
  for (const [bound, share] of shares) {
    const piece = element("span", {});
    piece.style.flexGrow = share;
    piece.style.background = colourOf(bound);
    bar.append(piece);
    const mark = element("i", {});
    mark.style.background = colourOf(bound);
    legend.append(element("li", {}, mark, `${bound} ${percent(share)}`, element("small", {}, " of the time")));
  }
  byId("bounds").replaceChildren(bar, legend);
}

function start() {
  startTheme();
  const results = byId("results");
  const draw = [rooflinePanel(results), layersPanel(results)];
  let last = null;

  function show(answer, { moved }) {
    const [state, text] = stateOf(answer);
    document.body.dataset.answer = state;
    byId("state").dataset.state = state;
    byId("state").textContent = text;
    if (answer.error) return;
    last = answer;
    byId("machine").textContent = answer.machine;
    byId("limit").textContent = answer.limit ?? (answer.said_over_searched ? trackRecord(answer.said_over_searched) : "");
    showNumbers(answer);
    showBounds(answer);
    for (const one of draw) one(answer);
    if (!answer.provisional) speak(`Latency ${formatted(answer.time_s, "s")}`);
    document.body.dataset.shown = JSON.stringify({
      cycles: answer.total_cycles, provisional: answer.provisional, server_ms: answer.answer_ms ?? null,
      shown_ms: performance.now() - moved,
    });
  }

  const ask = asker(show);
  const knobs = sliders(byId("knobs"), given.knobs, (places) => ask(places, performance.now()));
  byId("reset").addEventListener("click", knobs.reset);
  themeListeners.push(() => last && showBounds(last));
  startCharts();
  ask(knobs.places(), performance.now());
}

start();
