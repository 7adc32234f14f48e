// Reads server-sent events out of text that comes in pieces.
// https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation

/** A function that takes the next piece of text, and calls `tell(name, data, id)` for every event that is whole. */
export function reader(tell) {
  let rest = "";
  let name = "";
  let data = [];
  let id = null;
  const line = (text) => {
    if (text === "") {
      if (data.length) tell(name || "message", data.join("\n"), id);
      name = "";
      data = [];
      return;
    }
    const colon = text.indexOf(":");
    const field = colon < 0 ? text : text.slice(0, colon);
    const value = colon < 0 ? "" : text.slice(colon + 1).replace(/^ /, "");
    if (field === "event") name = value;
    else if (field === "data") data.push(value);
    else if (field === "id") id = value;
  };
  return (text) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop();
    for (const each of lines) line(each.replace(/\r$/, ""));
  };
}
