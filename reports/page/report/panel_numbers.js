/* The summary: in words, and its key numbers with their definitions. */

function summaryPanel(view) {
  const { sentences, warnings, numbers } = view.record;
  const section = panelSection("summary", "Summary", "");
  section.append(element("div", { class: "words" }, ...sentences.map((text) => element("p", {}, text))));
  if (warnings.length) {
    const lines = warnings.map((text) => element("li", {}, text));
    section.append(element("div", { class: "warnings", role: "note" },
      element("strong", {}, "Before you trust the numbers"), element("ul", {}, ...lines)));
  }
  const tiles = numbers.map((number) => element("div", { class: "tile" },
    element("div", { class: "value" }, formatted(number.value, number.unit)), term(number)));
  section.append(element("div", { class: "tiles" }, ...tiles));
  return section;
}
