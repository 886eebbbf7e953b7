/* Elements. Text from files goes in as text, never as markup. */

const byId = (id) => document.getElementById(id);

/** Return an element: attributes that begin with "on" are listeners, children elements or text. */
function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/** Return a panel: a section with a heading, what is said of it, and room for controls. */
function panelSection(kind, heading, note, ...controls) {
  const head = element("div", { class: "panel-head" },
    element("h2", { id: `${kind}-heading` }, heading), element("div", { class: "controls" }, ...controls));
  const said = note ? element("p", { class: "quiet note" }, note) : null;
  return element("section", { id: `panel-${kind}`, class: `panel ${kind}`, "aria-labelledby": `${kind}-heading` },
    head, said);
}

/** Return a select element; `choices` are pairs of value and text. */
function select(label, choices, onChange) {
  const options = choices.map(([value, text]) => element("option", { value }, text));
  const made = element("select", { "aria-label": label }, ...options);
  made.addEventListener("change", () => onChange(made.value));
  return made;
}

function button(text, onClick, attributes = {}) {
  return element("button", { type: "button", ...attributes, onclick: onClick }, text);
}

/** Say something to those who hear the page. */
function speak(text) {
  byId("spoken").textContent = text;
}
