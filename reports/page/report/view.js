/* What a view shows: a table, which of its rows are chosen, and who wants to know. */

class View {
  constructor(record) {
    this.record = record;
    this.columns = record.table.columns;
    this.rows = record.table.rows;
    this.text = "";
    this.choices = new Map();
    this.brushes = new Map();
    this.listeners = [];
    this.places = new Map(this.columns.map((column, place) => [column.key, place]));
    this.chosen = this.rows.map((_, row) => row);
    this.nameKey = this.columns.find((column) => column.role === "label")?.key ?? this.columns[0].key;
  }

  column(key) {
    return this.columns[this.places.get(key)];
  }

  has(key) {
    return this.places.has(key);
  }

  value(row, key) {
    return this.rows[row][this.places.get(key)];
  }

  shown(row, key) {
    return formatted(this.value(row, key), this.column(key).unit);
  }

  name(row) {
    return String(this.value(row, this.nameKey));
  }

  /** Return the different values of a column with their numbers of rows, most first. */
  counts(key) {
    const found = new Map();
    for (const row of this.rows.keys()) {
      const value = this.value(row, key);
      found.set(value, (found.get(value) ?? 0) + 1);
    }
    return [...found].sort((a, b) => b[1] - a[1]);
  }

  setText(text) {
    this.text = text.trim().toLowerCase();
    this.choose();
  }

  /** Keep rows with this value in a column; an empty one keeps all. */
  setChoice(key, value) {
    if (value === "") this.choices.delete(key);
    else this.choices.set(key, value);
    this.choose();
  }

  /** Keep rows that a panel has brushed; null keeps all. */
  setBrush(panel, rows) {
    if (rows === null) this.brushes.delete(panel);
    else this.brushes.set(panel, new Set(rows));
    this.choose();
  }

  clear() {
    this.text = "";
    this.choices.clear();
    this.brushes.clear();
    this.choose();
  }

  get isFiltered() {
    return this.text !== "" || this.choices.size > 0 || this.brushes.size > 0;
  }

  choose() {
    this.chosen = [...this.rows.keys()].filter((row) => this.isChosen(row));
    for (const listener of this.listeners) listener();
  }

  /** Return the rows that all but a panel's own brush keep. */
  rowsWithout(panel) {
    return [...this.rows.keys()].filter((row) => this.isChosen(row, panel));
  }

  isChosen(row, without = null) {
    for (const [key, value] of this.choices) if (String(this.value(row, key)) !== value) return false;
    for (const [panel, rows] of this.brushes) if (panel !== without && !rows.has(row)) return false;
    return this.text === "" || this.textOf(row).includes(this.text);
  }

  textOf(row) {
    const texts = this.columns.filter((column) => column.unit === "text");
    return texts.map((column) => this.value(row, column.key)).join(" ").toLowerCase();
  }

  /** Call a listener now and whenever other rows are chosen. */
  listen(listener) {
    this.listeners.push(listener);
    listener();
  }
}
