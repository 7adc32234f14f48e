// Numbers and durations as people read them.

const count = new Intl.NumberFormat("en");
const rough = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

export const whole = (number) => count.format(number ?? 0);
export const brief = (number) => (number < 100_000 ? whole(number) : rough.format(number));

/** `1 run`, `1,234 runs`. */
export const many = (number, one, more = `${one}s`) => `${whole(number)} ${number === 1 ? one : more}`;

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

/** `Taskwatch.Capacity` → `Capacity`. */
export const plain = (name) => (name ?? "").replace(/^Taskwatch\./, "");
