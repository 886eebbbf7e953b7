/* One filter for all panels. */

function filterBar(view) {
  const texts = view.columns.filter((column) => column.unit === "text");
  const names = texts.slice(0, 3).map((column) => column.label.toLowerCase());
  const search = element("input", { type: "search", id: "search", placeholder: names.join(", "),
    "aria-label": `Show what has this in: ${names.join(", ")}` });
  search.addEventListener("input", () => view.setText(search.value));
  const choices = view.record.table.filters.map((key) => {
    const label = view.column(key).label;
    const counts = view.counts(key).map(([value, count]) => [value, `${value} (${count})`]);
    const made = select(`Filter by ${label}`, [["", `all: ${label.toLowerCase()}`], ...counts],
      (value) => view.setChoice(key, value));
    made.id = `filter-${key}`;
    return made;
  });
  const said = element("output", { id: "shown", "aria-live": "polite" });
  const clear = button("Show all", () => {
    search.value = "";
    for (const made of choices) made.value = "";
    view.clear();
  }, { id: "clear" });
  view.listen(() => {
    said.textContent = filterText(view);
    clear.disabled = !view.isFiltered;
  });
  return element("div", { class: "filter", role: "search" }, search, ...choices, clear, said);
}

function filterText(view) {
  const rows = `${whole(view.chosen.length)} of ${whole(view.rows.length)} ${view.record.table.rows_are ?? "layers"}`;
  if (!view.has("time_share")) return rows;
  const share = view.chosen.reduce((sum, row) => sum + view.value(row, "time_share"), 0);
  return `${rows}, ${percent(Math.min(1, share))} of the time`;
}
