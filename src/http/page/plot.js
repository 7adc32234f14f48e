// Failures by class over the last hour, a stacked bar for each minute; the same as a table for those who cannot see it.

import { $, el, reconcile, setText, svg } from "./dom.js";
import { plain, whole } from "./format.js";
import { clock, zone } from "./time.js";
import { CLASSES } from "./words.js";

const MINUTE = 60_000;
/** Of the bars; above them is room for half a label. */
const HEIGHT = 156;
const HEAD = 8;
const FOOT = 18;
/** A young cell's bars are not drawn thinner than this. */
const FEWEST_MINUTES = 15;
const MOST_MINUTES = 60;

const picture = svg("svg", { class: "plot", height: HEIGHT + FOOT, role: "img" });
const legend = el("ul", { class: "legend" });
const none = el("p", { class: "quiet" }, "No attempt has failed in the last hour.");
const head = el("tr");
const body = el("tbody");
let drawn = "";

/** What was drawn is drawn anew: its times are in another zone now. */
export function forget() {
  drawn = "";
}

export function show(summary) {
  if (!picture.isConnected) mount();
  const minutes = span(summary);
  // The hour changes once a second at most, and mostly not at all.
  const state = JSON.stringify(minutes);
  if (state === drawn) return;
  drawn = state;
  const classes = CLASSES.filter((name) => minutes.some((minute) => minute.failures[name]));
  draw(minutes, classes);
  fillTable(minutes, classes);
}

function mount() {
  const table = el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Failures a minute" },
    el("table", { class: "figures" }, el("thead", {}, head), body));
  $("plot").append(picture, legend, none, el("details", {}, el("summary", {}, "As a table"), table));
}

/** Every minute that is to be drawn, those without a failure too. */
function span(summary) {
  const last = Math.floor(Date.parse(summary.at) / MINUTE);
  const age = last - Math.floor(Date.parse(summary.beganAt) / MINUTE) + 1;
  const known = new Map(summary.minutes.map((minute) => [Math.floor(Date.parse(minute.at) / MINUTE), minute.failures]));
  const count = Math.min(MOST_MINUTES, Math.max(FEWEST_MINUTES, age));
  return Array.from({ length: count }, (_, at) => {
    const minute = last - count + 1 + at;
    return { at: minute * MINUTE, failures: known.get(minute) ?? {} };
  });
}

const address = (name) => `#/?error=${name}`;
const total = (minute) => Object.values(minute.failures).reduce((sum, n) => sum + n, 0);

/** A round number at or above the highest bar. */
function ceiling(highest) {
  const power = 10 ** Math.floor(Math.log10(Math.max(highest, 4)));
  return [1, 2, 4, 5, 8, 10].map((step) => step * power).find((value) => value >= highest && value >= 4) ?? 4;
}

function draw(minutes, classes) {
  const top = ceiling(Math.max(...minutes.map(total)));
  const y = (value) => HEIGHT - (value / top) * (HEIGHT - HEAD);
  const width = 100 / minutes.length;
  const grid = [0, 0.5, 1].map((share) => {
    const at = y(top * share);
    return [
      svg("line", { x1: 0, x2: "100%", y1: at, y2: at, class: "grid" }),
      svg("text", { x: -8, y: at + 4, class: "axis", "text-anchor": "end" }, whole(top * share)),
    ];
  });
  const bars = minutes.map((minute, at) => bar(minute, at * width, width, classes, y));
  const every = minutes.length > 30 ? 15 : 5;
  const times = minutes.map((minute, at) => (minute.at / MINUTE) % every === 0
    && (at + 0.5) * width > 5 && (at + 0.5) * width < 95
    && svg("text", { x: `${(at + 0.5) * width}%`, y: HEIGHT + 13, class: "axis", "text-anchor": "middle" }, clock(minute.at)));
  picture.replaceChildren(...[grid, bars, times].flat(2).filter(Boolean));
  const sums = classes.map((name) => [name, minutes.reduce((sum, minute) => sum + (minute.failures[name] ?? 0), 0)]);
  const said = sums.map(([name, n]) => `${plain(name)} ${whole(n)}`).join(", ");
  setText($("plot-zone"), zone());
  picture.setAttribute("aria-label", `Failed attempts of the last ${minutes.length} minutes: ${said || "none"}`);
  reconcile(legend, sums, ([name]) => name, makeKey, (item, [, n]) => setText(item.querySelector(".number"), whole(n)));
  none.hidden = sums.length > 0;
}

function makeKey([name]) {
  return el("li", {}, el("a", { href: address(name) }, el("i", { class: "key", "data-class": plain(name) }), plain(name), " ", el("b", { class: "number" })));
}

function bar(minute, x, width, classes, y) {
  let below = 0;
  const parts = classes.filter((name) => minute.failures[name]).map((name) => {
    const [low, high] = [y(below), y(below + minute.failures[name])];
    below += minute.failures[name];
    return toRuns(name, svg("rect", { x: `${x + width * 0.1}%`, width: `${width * 0.8}%`, y: high, height: Math.max(1, low - high - 0.5), class: "part", "data-class": plain(name) }));
  });
  if (!parts.length) return null;
  const lines = Object.entries(minute.failures).map(([name, n]) => `${plain(name)} ${whole(n)}`);
  return svg("g", {}, svg("title", {}, `${clock(minute.at)} ${zone(minute.at)}: ${lines.join(", ")}`), parts);
}

/** Leads to the runs of this class, as the legend does: that one is for the keyboard. */
const toRuns = (name, part) => svg("a", { href: address(name), tabindex: -1 }, part);

function fillTable(minutes, classes) {
  head.replaceChildren(...[`Minute (${zone()})`, ...classes.map(plain)].map((name) => el("th", { scope: "col" }, name)));
  body.replaceChildren(...minutes.filter(total).reverse().map((minute) => el("tr", {},
    el("th", { scope: "row" }, clock(minute.at)), classes.map((name) => el("td", { class: "number" }, whole(minute.failures[name]))))));
}
