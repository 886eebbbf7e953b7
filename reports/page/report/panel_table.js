/* The table: sorted by a column, filtered by the view, a row opens its details. */

/* Rows that are there at once; the others follow as soon as the page is drawn. */
const FIRST_ROWS = 100;

function tablePanel(view) {
  const state = { key: null, isDown: true, hasAll: false };
  const head = element("thead", {});
  const body = element("tbody", {});
  const all = element("input", { type: "checkbox", id: "all-columns" });
  const section = panelSection("table", view.record.table.title ?? "Layers",
    "Sort by a column's name; ? says what a column means; a row's name opens it.",
    element("label", {}, all, " all columns"));
  section.append(element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Table" },
    element("table", {}, head, body)));
  const rows = new Map();
  const columns = () => view.columns.filter((column) => state.hasAll || column.is_shown);

  function drawHead() {
    const cells = columns().map((column) => {
      const sort = button(column.label, () => sortBy(column.key), { class: "sort", "data-key": column.key });
      return element("th", { scope: "col", class: column.unit === "text" ? "" : "number",
        "aria-sort": ariaSort(state, column.key) }, sort, termMark(column));
    });
    head.replaceChildren(element("tr", {}, ...cells));
  }

  function sortBy(key) {
    state.isDown = state.key === key ? !state.isDown : view.column(key).unit !== "text";
    state.key = key;
    for (const cell of head.querySelectorAll("th")) {
      cell.setAttribute("aria-sort", ariaSort(state, cell.querySelector(".sort").dataset.key));
    }
    drawBody();
  }

  function drawBody() {
    const shown = columns();
    const order = sorted(view, view.chosen, state);
    const made = (row) => {
      if (!rows.has(row)) rows.set(row, tableRow(view, row, shown));
      return rows.get(row);
    };
    clearTimeout(state.later);
    body.replaceChildren(...order.slice(0, FIRST_ROWS).map(made));
    if (order.length > FIRST_ROWS) {
      state.later = setTimeout(() => body.append(...order.slice(FIRST_ROWS).map(made)));
    }
  }

  all.addEventListener("change", () => {
    state.hasAll = all.checked;
    rows.clear();
    drawHead();
    drawBody();
  });
  drawHead();
  view.listen(drawBody);
  return section;
}

function ariaSort(state, key) {
  if (state.key !== key) return "none";
  return state.isDown ? "descending" : "ascending";
}

/** Return rows in the order of a column; equal ones stay in that of the table. */
function sorted(view, rows, { key, isDown }) {
  if (key === null) return rows;
  const sign = isDown ? -1 : 1;
  const sortable = (value) => {
    if (value === null) return -Infinity;
    return typeof value === "object" ? Object.values(value).reduce((sum, cycles) => sum + cycles, 0) : value;
  };
  return [...rows].sort((one, other) => {
    const [left, right] = [one, other].map((row) => sortable(view.value(row, key)));
    const order = typeof left === "string" ? left.localeCompare(right, "en", { numeric: true })
      : Number(left > right) - Number(left < right);
    return sign * order || one - other;
  });
}

function tableRow(view, row, columns) {
  const made = element("tr", { "data-row": row, onclick: () => openDetails(view, row) });
  for (const column of columns) {
    const text = view.shown(row, column.key);
    if (column.key === view.nameKey) {
      // The row's own listener opens it.
      made.append(element("th", { scope: "row" }, button(text, () => {}, { class: "name" })));
    } else {
      made.append(element("td", { class: column.unit === "text" || column.unit === "parts" ? "" : "number" }, text));
    }
  }
  return made;
}
