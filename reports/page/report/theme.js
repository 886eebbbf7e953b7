/* Light and dark: one definition of each colour, in the style sheet. */

const THEME_KEY = "rooftile-colours";
const themeListeners = [];
const knownColours = new Map();

/** Return a colour of the style sheet as it is now. */
function colour(name) {
  if (!knownColours.has(name)) {
    const probe = byId("spoken");
    probe.style.color = `var(--${name})`;
    knownColours.set(name, getComputedStyle(probe).color);
  }
  return knownColours.get(name);
}

/** Return what can be read on a colour, as the style sheet gives it: rgb(...). */
function inkOn(fill) {
  const [red, green, blue] = fill.match(/[\d.]+/g).map(Number);
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 115 ? "#14171b" : "#ffffff";
}

/** Colours of units that bound a layer: the same in every picture; main memories take theirs in order. */
function boundColours(memories) {
  const names = { array: "hue-0", vector: "hue-2", latency: "hue-grey" };
  const own = ["hue-5", "hue-3", "hue-1", "hue-4"];
  memories.forEach((memory, number) => { names[memory] = own[number % own.length]; });
  return (bound) => colour(names[bound] ?? "hue-grey");
}

function setTheme(theme) {
  if (theme === "auto") document.documentElement.removeAttribute("data-theme");
  else document.documentElement.dataset.theme = theme;
  knownColours.clear();
  for (const listener of themeListeners) listener();
}

/** Pages of files may have no storage: then the choice lasts until the page is closed. */
function rememberTheme(theme) {
  try {
    localStorage.setItem(THEME_KEY, theme);
  } catch {
    return;
  }
}

function rememberedTheme() {
  try {
    return localStorage.getItem(THEME_KEY) ?? "auto";
  } catch {
    return "auto";
  }
}

function startTheme() {
  const chosen = byId("theme");
  chosen.value = rememberedTheme();
  if (chosen.selectedIndex < 0) chosen.value = "auto";
  setTheme(chosen.value);
  chosen.addEventListener("change", () => {
    rememberTheme(chosen.value);
    setTheme(chosen.value);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => setTheme(chosen.value));
}
