/* Numbers for people, by unit. */

const DECIMAL = ["", "k", "M", "G", "T", "P", "E"];
const BINARY = ["", "Ki", "Mi", "Gi", "Ti", "Pi"];
const BELOW_PICO = ["p", "n", "µ", "m", "", "k", "M", "G"];
const PS_PER_S = 1e12;
const PER_PICO = 1e12;
const FS_PER_PS = 1e3;

const digits = (value, count) =>
  value.toLocaleString("en", { maximumSignificantDigits: count, useGrouping: value >= 1e4 });

/** Return a value with the prefix that makes it 1 to 999, or 1023. */
function scaled(value, base, prefixes, unit, count = 4) {
  if (value === 0) return `0 ${unit}`.trim();
  let number = value;
  let place = 0;
  while (Math.abs(number) >= base && place < prefixes.length - 1) {
    number /= base;
    place += 1;
  }
  const text = digits(number, count);
  return prefixes[place] + unit ? `${text} ${prefixes[place]}${unit}` : text;
}

const whole = (value) => value.toLocaleString("en", { maximumFractionDigits: 0 });

function percent(share) {
  return `${(100 * share).toFixed(share > 0 && share < 0.0995 ? 1 : 0)}%`;
}

const FORMATS = {
  text: (value) => value,
  cycles: whole,
  tiles: whole,
  folds: whole,
  share: percent,
  ratio: (value) => `${digits(value, 4)} ×`,
  bytes: (value) => scaled(value, 1024, BINARY, "B"),
  MACs: (value) => scaled(value, 1000, DECIMAL, ""),
  operations: (value) => scaled(value, 1000, DECIMAL, ""),
  "OP/s": (value) => scaled(value, 1000, DECIMAL, "OP/s"),
  "OP/B": (value) => digits(value, 4),
  "inferences/s": (value) => `${digits(value, 4)} /s`,
  J: (value) => scaled(value * PER_PICO, 1000, BELOW_PICO, "J"),
  W: (value) => scaled(value * PER_PICO, 1000, BELOW_PICO, "W"),
  "OP/J": (value) => scaled(value, 1000, DECIMAL, "OP/J"),
  pJ: (value) => scaled(value, 1000, BELOW_PICO, "J"),
  "B/s": (value) => scaled(value, 1000, DECIMAL, "B/s"),
  Hz: (value) => scaled(value, 1000, DECIMAL, "Hz"),
  fs: (value) => scaled(value / FS_PER_PS, 1000, BELOW_PICO, "s"),
  s: (value) => scaled(value * PS_PER_S, 1000, BELOW_PICO, "s"),
};

/** Return a value as text; units that aren't known follow the number. */
function formatted(value, unit) {
  if (value === null || value === undefined) return "–";
  if (unit === "parts") return partsText(value);
  if (FORMATS[unit]) return FORMATS[unit](value);
  return typeof value === "number" ? `${digits(value, 4)} ${unit}`.trim() : String(value);
}

/** Return named cycles as text, most first. */
function partsText(parts) {
  const ordered = Object.entries(parts).sort((a, b) => b[1] - a[1]);
  return ordered.map(([name, cycles]) => `${name} ${whole(cycles)}`).join(", ") || "–";
}

/** Return the unit as a heading writes it. */
const unitText = (unit) => ({ text: "", parts: "cycles", share: "%", ratio: "×", pJ: "J" })[unit] ?? unit;
