// Numbers, durations and instants as people read them.

const count = new Intl.NumberFormat("en");
const rough = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

let ahead = 0;

/** The cell's clock, as far as it was told. */
export const now = () => Date.now() + ahead;

/** Sets this page's clock by the cell's. */
export function setNow(at) {
  const told = Date.parse(at);
  if (!Number.isNaN(told)) ahead = told - Date.now();
}

export const whole = (number) => count.format(number ?? 0);
export const brief = (number) => (number < 100_000 ? whole(number) : rough.format(number));

/** A rate: one decimal below ten, two digits below one. */
export function rate(number) {
  if (number < 1) return String(Number(number.toPrecision(2)));
  return number < 10 ? String(Math.round(number * 10) / 10) : whole(Math.round(number));
}

/** A duration in its two largest units. */
export function duration(seconds) {
  if (!Number.isFinite(seconds) || seconds < 0) return "–";
  if (seconds < 0.0005) return "0 ms";
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 10) return `${Math.round(seconds * 10) / 10} s`;
  const s = Math.round(seconds);
  if (s < 60) return `${s} s`;
  if (s < 3600) return two(Math.floor(s / 60), "min", s % 60, "s");
  if (s < 86_400) return two(Math.floor(s / 3600), "h", Math.floor((s % 3600) / 60), "min");
  return two(Math.floor(s / 86_400), "d", Math.floor((s % 86_400) / 3600), "h");
}

const two = (a, big, b, small) => (b ? `${a} ${big} ${b} ${small}` : `${a} ${big}`);

/** Seconds between two instants; the second one is now where it is missing. */
export const between = (from, to) => ((to ? Date.parse(to) : now()) - Date.parse(from)) / 1000;

const UNITS = [[86_400, "d"], [3600, "h"], [60, "min"], [1, "s"]];

/** How long ago, roughly. */
export function ago(at) {
  const seconds = Math.round(between(at));
  if (seconds < 1) return "now";
  const [size, unit] = UNITS.find(([size]) => seconds >= size);
  return `${Math.floor(seconds / size)} ${unit} ago`;
}

const digits = (number) => String(number).padStart(2, "0");

/** The time of day by the reader's clock. By hand, because the locale's way costs a tenth of a frame, and a list has it in every row. */
export function clock(at, seconds = false) {
  const date = new Date(at);
  const parts = [date.getHours(), date.getMinutes(), ...(seconds ? [date.getSeconds()] : [])];
  return parts.map(digits).join(":");
}

/** An instant in the reader's own time. */
export function instant(at) {
  const date = new Date(at);
  return `${date.getFullYear()}-${digits(date.getMonth() + 1)}-${digits(date.getDate())} ${clock(date, true)}`;
}

/** `Taskwatch.Capacity` → `Capacity`. */
export const plain = (name) => (name ?? "").replace(/^Taskwatch\./, "");
