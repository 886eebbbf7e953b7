/* Sliders: each goes through the choices of one thing, and says the choice with its unit. */

/** Return sliders in the form; `moved` is called with all places when one moves. */
function sliders(form, knobs, moved) {
  const inputs = knobs.map((knob) => {
    const id = `knob-${knob.key}`;
    const input = element("input", {
      id, name: knob.key, type: "range", min: 0, max: knob.texts.length - 1, step: 1, value: knob.start,
    });
    const output = element("output", { for: id });
    const say = () => {
      const text = knob.texts[Number(input.value)];
      output.textContent = text;
      output.classList.toggle("moved", Number(input.value) !== knob.start);
      input.setAttribute("aria-valuetext", text);
    };
    input.addEventListener("input", () => {
      say();
      moved(places());
    });
    say();
    form.append(element("div", { class: "knob" }, element("label", { for: id }, knob.label), output, input));
    return { input, say, knob };
  });

  function places() {
    return Object.fromEntries(inputs.map(({ input, knob }) => [knob.key, Number(input.value)]));
  }

  function reset() {
    for (const { input, say, knob } of inputs) {
      input.value = knob.start;
      say();
    }
    moved(places());
  }

  form.addEventListener("submit", (event) => event.preventDefault());
  return { places, reset };
}
