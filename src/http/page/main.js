// Puts the page together: the stream feeds the parts, the address decides which of them is seen.

import * as attention from "./attention.js";
import { $, say } from "./dom.js";
import * as fleet from "./fleet.js";
import * as head from "./head.js";
import * as limits from "./limits.js";
import { List } from "./list.js";
import * as observed from "./observed.js";
import * as phases from "./phases.js";
import * as plot from "./plot.js";
import { RunView } from "./run.js";
import * as statuses from "./statuses.js";
import { Stream } from "./stream.js";
import * as tiles from "./tiles.js";
import { refresh, setNow } from "./time.js";
import * as zone from "./zone.js";

const list = new List($("list"));
const run = new RunView($("run"));
let connected = false;
let latest = null;

function summary(data) {
  setNow(data.at);
  latest = data;
  for (const part of [head, fleet, tiles, attention, statuses, plot, phases, limits, observed]) part.show(data);
  list.tick(data);
  run.tick();
}

/** Times are now in another zone. */
function zoned() {
  plot.forget();
  if (latest) summary(latest);
  run.redraw();
  refresh(document.body);
}

async function route() {
  const [path, query] = location.hash.replace(/^#/, "").split("?");
  const id = path.match(/^\/runs\/(.+)$/)?.[1];
  if (location.hash && !path.startsWith("/")) return;
  const params = new URLSearchParams(query ?? "");
  $("overview").hidden = Boolean(id);
  $("run").hidden = !id;
  if (id) {
    list.leave();
    list.adopt(params);
    run.open(decodeURIComponent(id), list.address());
    scrollTo(0, 0);
    return;
  }
  const wasOpen = run.close();
  const ready = list.enter(params, wasOpen);
  if (params.size && !wasOpen) bringIntoView();
  // Only now the page may be long enough.
  if (!(await ready) && params.size) bringIntoView();
}

/** A filter was chosen: its runs are what the reader wants to see, and they are below the figures. */
function bringIntoView() {
  const title = $("runs-title");
  if (connected) title.focus({ preventScroll: true });
  title.closest("section").scrollIntoView();
}

const stream = new Stream({
  summary,
  run: (change) => {
    list.change(change);
    run.change(change);
  },
  resync: () => {
    list.reload();
    run.reload();
  },
  hello: head.hello,
  up: () => {
    head.up();
    if (connected) say("Connected again.");
    connected = true;
  },
  down: head.down,
});
$("again").addEventListener("click", () => stream.retry());
// A hash of its own would be taken for an address of the page.
$("skip").addEventListener("click", (event) => {
  event.preventDefault();
  ($("overview").hidden ? $("main") : $("runs-title")).focus();
});
// A link to where the page is already changes no address.
addEventListener("click", (event) => {
  const link = event.target.closest?.("a[href^='#/']");
  if (link?.getAttribute("href") === location.hash) route();
});
addEventListener("hashchange", route);
zone.mount(zoned);
route();
stream.run();
