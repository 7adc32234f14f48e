// Puts the page together: the stream feeds the parts, the address decides which of them is seen.

import * as attention from "./attention.js";
import { $, say } from "./dom.js";
import * as head from "./head.js";
import * as limits from "./limits.js";
import { List } from "./list.js";
import * as phases from "./phases.js";
import * as plot from "./plot.js";
import { RunView } from "./run.js";
import * as statuses from "./statuses.js";
import { Stream } from "./stream.js";
import * as tiles from "./tiles.js";
import { setNow } from "./format.js";

const list = new List($("list"));
const run = new RunView($("run"));
let came = false;

function summary(data) {
  setNow(data.at);
  for (const part of [head, tiles, attention, statuses, plot, phases, limits]) part.show(data);
  list.tick(data);
  run.tick();
}

function route() {
  const [path, query] = location.hash.replace(/^#/, "").split("?");
  const id = path.match(/^\/runs\/(.+)$/)?.[1];
  if (location.hash && !path.startsWith("/")) return;
  $("overview").hidden = Boolean(id);
  $("run").hidden = !id;
  if (id) {
    list.leave();
    run.open(decodeURIComponent(id), list.address());
    scrollTo(0, 0);
  } else {
    const from = run.close();
    list.enter(new URLSearchParams(query ?? ""), from);
  }
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
    if (came) say("Connected again.");
    came = true;
  },
  down: head.down,
});
$("again").addEventListener("click", () => stream.retry());
// A hash of its own would be taken for an address of the page.
$("skip").addEventListener("click", (event) => {
  event.preventDefault();
  ($("overview").hidden ? $("main") : $("runs-title")).focus();
});
addEventListener("hashchange", route);
route();
stream.run();
