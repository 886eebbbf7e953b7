/* Builds the page of a view out of its panels. */

const PANELS = {
  roofline: rooflinePanel,
  stacks: stacksPanel,
  timeline: timelinePanel,
  table: tablePanel,
  parallel: parallelPanel,
  pareto: paretoPanel,
};

function showView(record) {
  closeCharts();
  const view = new View(record);
  byId("title").textContent = record.title;
  byId("subtitle").textContent = record.subtitle;
  byId("main").replaceChildren(
    summaryPanel(view), filterBar(view), ...record.panels.map((panel) => PANELS[panel.kind](view, panel)));
  if (record.configuration) byId("main").append(configurationPanel(view));
  startCharts();
  return view;
}

/** Open the row that the address names. */
function openAddress(view) {
  let name = "";
  try {
    name = decodeURIComponent(location.hash.slice(1));
  } catch {
    return;
  }
  const row = view.rows.findIndex((_, number) => view.name(number) === name);
  if (name && row >= 0) openDetails(view, row);
}

function start() {
  const { views } = JSON.parse(byId("data").textContent);
  const chooser = byId("view");
  startTheme();
  let view = showView(views[0]);
  if (views.length > 1) {
    byId("views").hidden = false;
    views.forEach((one, number) => chooser.append(element("option", { value: number }, one.name)));
    chooser.addEventListener("change", () => { view = showView(views[chooser.value]); });
  }
  const dialog = byId("details");
  dialog.addEventListener("close", () => {
    document.body.append(byId("definition"));
    history.replaceState(null, "", "#");
  });
  // A click beside the dialog closes it.
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  dialog.addEventListener("keydown", ({ key, target }) => {
    if (target.tagName === "PRE") return;
    if (key === "ArrowLeft") byId("row-before").click();
    if (key === "ArrowRight") byId("row-after").click();
  });
  addEventListener("hashchange", () => openAddress(view));
  openAddress(view);
}

start();
