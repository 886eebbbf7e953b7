/* One layer's details: roofs, cycles, stalls, traffic, energy, mapping. */

const TRAFFIC = ["dram_input_bytes", "dram_weight_bytes", "dram_output_bytes", "compulsory_bytes", "lower_bound_bytes"];
const ENERGIES = ["energy_array_pj", "energy_vector_pj", "energy_scratchpads_pj", "energy_network_pj",
  "energy_memories_pj", "energy_leakage_pj"];
const BOUNDS = ["total_cycles", "bound_cycles", "lower_bound_cycles"];
const FACTS = ["macs", "operations", INTENSITY, "ops_per_s", "spatial_utilization", "mac_utilization", "tiles", "folds",
  "cycles_of_lower_bound", "traffic_of_lower_bound"];

/** Open the details of a row; the address then has its name. */
function openDetails(view, row) {
  const dialog = byId("details");
  const focused = dialog.open ? document.activeElement?.id : "";
  dialog.replaceChildren(...(view.record.mappings ? layerDetails(view, row) : rowDetails(view, row)));
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
  (focused && dialog.querySelector(`#${focused}:enabled`) || byId("close-details")).focus();
  history.replaceState(null, "", `#${encodeURIComponent(view.name(row))}`);
}

function detailsHead(view, row) {
  const place = view.chosen.indexOf(row);
  const step = (steps, text, label) => button(text, () => openDetails(view, view.chosen[place + steps]),
    { id: steps < 0 ? "row-before" : "row-after", "aria-label": label, disabled: !(place + steps in view.chosen) || place < 0 });
  return element("div", { class: "details-head" },
    element("h2", { id: "details-name" }, view.name(row)),
    element("div", { class: "controls" }, step(-1, "←", "Row before"), step(1, "→", "Next row"),
      button("Close", () => byId("details").close(), { id: "close-details" })));
}

/** Return all of a row's numbers. */
function rowDetails(view, row) {
  const keys = view.columns.map((column) => column.key).filter((key) => key !== view.nameKey);
  return [detailsHead(view, row), factList(view, row, keys)];
}

function layerDetails(view, row) {
  const parts = [
    detailsHead(view, row),
    element("p", {}, `${view.value(row, "operator")} ${view.value(row, "shape")}`),
    element("p", {}, layerSentence(view, row)),
    detailsPart("Cycles, and what the roofs and any mapping allow", ...bars(view, row, BOUNDS)),
    roofsPart(view, row),
  ];
  for (const [key, heading] of [["stall_causes", "Why it stalls"], ["waits_for", "What it waits for"]]) {
    if (view.has(key)) parts.push(partsPart(view, row, key, heading));
  }
  parts.push(detailsPart("Main memory", ...bars(view, row, TRAFFIC)));
  if (view.has("energy_pj")) {
    parts.push(detailsPart(`Energy: ${view.shown(row, "energy_pj")}`, ...bars(view, row, ENERGIES)));
  }
  parts.push(mappingPart(view, row), detailsPart("Numbers", factList(view, row, FACTS)), layerActions(view, row));
  return parts.filter((part) => part !== null);
}

function layerSentence(view, row) {
  const total = view.value(row, "total_cycles");
  if (!total) return "No data moves and no cycle passes: it is a view.";
  const bound = view.value(row, "bound_by");
  const limit = bound === "latency" ? "No unit is busy for half of its time: latency bounds it."
    : `It is bound by '${bound}', which was busy longest.`;
  return `It takes ${whole(total)} cycles, ${view.shown(row, "time_share")} of the time: the unit that computes works in `
    + `${percent(view.value(row, "compute_cycles") / total)} of them. ${limit}`;
}

function detailsPart(heading, ...children) {
  return element("section", {}, element("h3", {}, heading), ...children);
}

/** Return a bar for each of some numbers of one unit, on one scale. */
function bars(view, row, keys) {
  const known = keys.filter((key) => view.has(key) && view.value(row, key) > 0);
  const largest = Math.max(...known.map((key) => view.value(row, key)));
  return known.map((key) => bar(term(view.column(key)), view.shown(row, key), view.value(row, key) / (largest || 1)));
}

function bar(name, text, share, hue = "hue-0") {
  const filled = element("span", { class: "filled" });
  filled.style.width = `${100 * share}%`;
  filled.style.background = `var(--${hue})`;
  return element("div", { class: "bar" }, element("span", { class: "bar-name" }, name),
    element("span", { class: "track" }, filled), element("span", { class: "bar-value" }, text));
}

/** What it does beside the roofs that stand above its dot. */
function roofsPart(view, row) {
  const spec = view.record.panels.find((panel) => panel.kind === "roofline");
  const achieved = view.value(row, "ops_per_s");
  if (!spec || !achieved) return null;
  const flat = spec.ceilings.filter((one) => one.ops_per_s !== null)
    .filter((one) => one.is_main === view.value(row, "macs") > 0)
    .map((one) => [one.label, one.ops_per_s]);
  const intensity = view.value(row, INTENSITY);
  // Bytes may be in any of the main memories: together they move them fastest.
  const slopes = spec.ceilings.filter((one) => one.is_main && one.bytes_per_s !== null && intensity > 0)
    .map((one) => [`${one.label} at ${digits(intensity, 4)} OP/B`, intensity * one.bytes_per_s])
    .sort((one, other) => other[1] - one[1]).slice(0, 1);
  const all = [...flat, ...slopes].sort((one, other) => one[1] - other[1]);
  const largest = Math.max(achieved, ...all.map(([, height]) => height));
  const text = (value) => scaled(value, 1000, DECIMAL, "OP/s");
  return detailsPart("Performance and its roofs",
    bar(term(view.column("ops_per_s")), text(achieved), achieved / largest),
    ...all.map(([name, height]) => bar(`roof: ${name}`, text(height), height / largest, "roof")));
}

function partsPart(view, row, key, heading) {
  const parts = Object.entries(view.value(row, key)).sort((one, other) => other[1] - one[1]);
  if (!parts.length) return null;
  const total = parts.reduce((sum, [, cycles]) => sum + cycles, 0);
  return detailsPart(heading, element("p", { class: "quiet" }, `${whole(total)} cycles `, termMark(view.column(key))),
    ...parts.map(([name, cycles]) => bar(name, `${whole(cycles)} (${percent(cycles / total)})`, cycles / total, "hue-5")));
}

function mappingPart(view, row) {
  const { texts, of_layer: ofLayer, without } = view.record.mappings;
  if (without) return detailsPart("Mapping", element("p", { class: "quiet" }, without));
  if (ofLayer[row] === null || !texts[ofLayer[row]]) return null;
  const alike = ofLayer.filter((text) => text === ofLayer[row]).length;
  const said = alike > 1 ? element("p", { class: "quiet" }, `${alike} layers are mapped so.`) : null;
  return detailsPart("Mapping", said, element("pre", { tabindex: "0" }, texts[ofLayer[row]]));
}

/** Return quantities and their values as a list. */
function factList(view, row, keys) {
  const list = element("dl", { class: "facts" });
  for (const key of keys.filter((one) => view.has(one))) {
    list.append(element("dt", {}, term(view.column(key))), element("dd", {}, view.shown(row, key)));
  }
  return list;
}

function layerActions(view, row) {
  const name = view.name(row);
  const quoted = `'${name.replaceAll("'", "'\\''")}'`;
  const parts = [element("p", { class: "quiet" }, "Where each unit's cycles went, and what would help:"),
    commandLine(`rooftile explain . --layer ${quoted}`)];
  if (view.zoomToLayer) {
    parts.push(button("Show on the timeline", () => {
      byId("details").close();
      view.zoomToLayer(name);
    }, { id: "show-on-timeline" }));
  }
  return detailsPart("More", ...parts);
}
