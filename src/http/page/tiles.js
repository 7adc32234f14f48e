// The numbers of now: launches against the quota, what is in flight, event lag, throttles, corrections. Tiles of runs lead to them.

import { $, el, setText, svg } from "./dom.js";
import { brief, duration, many, rate } from "./format.js";

/** Launch rates of the last two minutes, one a second. */
const SPARK = 120;
const rates = [];
const tiles = new Map();

const lastHour = (summary, what) => summary.minutes.reduce((sum, minute) => sum + minute[what], 0);

const TILES = [
  {
    title: "Launches a second",
    value: (s) => rate(s.launchesPerSecond),
    note: (s) => `quota ${rate(s.limits.runTaskRate)} a second`,
    share: (s) => s.launchesPerSecond / s.limits.runTaskRate,
    spark: true,
  },
  {
    title: "In flight",
    value: (s) => brief(s.inFlight),
    what: "Tasks of runs that may have one, and those that ECS still takes down",
    note: (s) => `at most ${brief(s.limits.maxInFlight)}`,
    share: (s) => s.inFlight / s.limits.maxInFlight,
    runs: "#/?status=STARTING,RUNNING",
  },
  {
    title: "Waiting",
    what: "Runs that wait for a launch slot",
    runs: "#/?status=QUEUED",
    value: (s) => brief(s.waiting),
    note: (s) => queues(Object.keys(s.queues).length + s.queuesLeftOut),
  },
  {
    title: "Event lag, p50",
    what: "From an event's arrival in the events queue until what follows from it is stored, over the last hour",
    value: (s) => (s.eventLag.count ? duration(s.eventLag.p50) : "–"),
    note: (s) => (s.eventLag.count ? `p99 ${duration(s.eventLag.p99)}` : "no events in the last hour"),
  },
  {
    title: "Throttled calls",
    what: "RunTask calls that ECS throttled since the process started: they use up no attempt",
    value: (s) => brief(s.counters.throttles),
    note: (s) => `${brief(lastHour(s, "throttles"))} in the last hour`,
  },
  {
    title: "Lost events",
    what: "Changes of tasks that DescribeTasks found because their events were lost, since the process started",
    value: (s) => brief(s.counters.corrections),
    note: (s) => `${brief(lastHour(s, "corrections"))} in the last hour`,
  },
  {
    title: "To be delivered",
    what: "Notifications that wait for their delivery; delivered ones are counted since the process started",
    value: (s) => brief(s.outbox),
    note: (s) => `${brief(s.counters.notifications)} delivered`,
  },
];

const queues = (n) => (n === 0 ? "no run waits" : `in ${many(n, "queue")}`);

function make(tile) {
  const value = el("p", { class: "value" });
  const note = el("p", { class: "quiet note" });
  const bar = tile.share && svg("rect", { height: 4, width: "0%", rx: 2, class: "filled" });
  const line = tile.spark && svg("polyline", { class: "spark-line", "vector-effect": "non-scaling-stroke" });
  const node = el("div", { class: tile.spark ? "tile panel broad" : "tile panel" },
    el("h2", { title: tile.what }, tile.runs ? el("a", { href: tile.runs }, tile.title) : tile.title), value,
    line && svg("svg", { class: "spark", viewBox: `0 0 ${SPARK - 1} 20`, preserveAspectRatio: "none", "aria-hidden": "true" }, line),
    bar && svg("svg", { class: "meter", height: 4, "aria-hidden": "true" }, svg("rect", { width: "100%", height: 4, rx: 2, class: "track" }), bar),
    note);
  $("tiles").append(node);
  return { value, note, bar, line };
}

export function show(summary) {
  rates.push(summary.launchesPerSecond);
  if (rates.length > SPARK) rates.shift();
  for (const tile of TILES) {
    if (!tiles.has(tile)) tiles.set(tile, make(tile));
    const { value, note, bar, line } = tiles.get(tile);
    setText(value, tile.value(summary));
    setText(note, tile.note(summary));
    bar?.setAttribute("width", `${Math.min(100, 100 * tile.share(summary)).toFixed(1)}%`);
    line?.setAttribute("points", points(summary.limits.runTaskRate));
  }
}

function points(quota) {
  const top = Math.max(quota, ...rates);
  const from = SPARK - rates.length;
  return rates.map((value, at) => `${from + at},${(19 - 18 * (value / top)).toFixed(2)}`).join(" ");
}
