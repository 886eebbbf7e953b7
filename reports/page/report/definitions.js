/* What a number means, one click away. */

/** Return a button with a quantity's name that shows its definition. */
function term(quantity, text = quantity.label) {
  return element("button", {
    type: "button", class: "term", "aria-haspopup": "true", onclick: (event) => define(event.currentTarget, quantity),
  }, text);
}

/** Return a small button beside a name. */
function termMark(quantity) {
  return element("button", {
    type: "button", class: "term-mark", "aria-label": `What is ${quantity.label}?`, "aria-haspopup": "true",
    onclick: (event) => define(event.currentTarget, quantity),
  }, "?");
}

function define(anchor, quantity) {
  const note = byId("definition");
  const unit = unitText(quantity.unit);
  note.replaceChildren(
    element("p", {}, element("strong", {}, quantity.label), unit ? ` in ${unit}` : ""),
    element("p", {}, quantity.meaning),
    quantity.is_derived ? "" : element("p", { class: "quiet" }, "in the run's files: ", element("code", {}, quantity.key)));
  // What lies outside of an open dialog can't be used: the note goes into it.
  (anchor.closest("dialog") ?? document.body).append(note);
  note.showPopover();
  const place = anchor.getBoundingClientRect();
  const left = Math.min(place.left, innerWidth - note.offsetWidth - 12);
  const isAbove = place.bottom + note.offsetHeight + 12 > innerHeight && place.top > note.offsetHeight + 12;
  note.style.left = `${Math.max(12, left)}px`;
  note.style.top = `${isAbove ? place.top - note.offsetHeight - 6 : place.bottom + 6}px`;
}
