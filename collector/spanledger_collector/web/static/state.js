// What the reader looks at is in the address, so that it can be linked to, reloaded and gone back from.

const DEFAULT_SINCE = "30d";
const KEYS = ["since", "team", "agent", "task", "call", "at"];

export function state() {
  const parameters = new URLSearchParams(location.search);
  const found = Object.fromEntries(KEYS.map((key) => [key, parameters.get(key) ?? ""]));
  return { ...found, since: parameters.get("since") ?? DEFAULT_SINCE };
}

// An address of this page: the present filters with these changes; "" takes a filter away.
export function link(changes, from = state()) {
  const next = { ...from, ...changes };
  const kept = KEYS.filter((key) => (key === "since" ? next.since !== DEFAULT_SINCE : next[key]));
  const query = new URLSearchParams(kept.map((key) => [key, next[key]])).toString();
  return query ? `?${query}` : "?";
}

// Where a cell leads: a team to its agents, an agent to its tasks, a task to its calls, a call to its details.
export function linkOf(column, row) {
  const name = row[column];
  if (!name || name === `(no ${column})`) return undefined;
  const one = { task: "", call: "", at: "" };
  if (column === "team") return link({ ...one, team: name, agent: "" });
  if (column === "agent") return link({ ...one, agent: name });
  if (column === "task" && !name.startsWith("trace ")) return link({ ...one, task: name });
  if (column === "started_at" && row.call_id) return link({ task: row.task ?? "", call: row.call_id, at: name });
  return undefined;
}

export const filtersOf = ({ since, team, agent }) => ({ since: instant(since), team, agent });

function instant(since) {
  if (since !== "month") return since;
  const now = new Date();
  return new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth())).toISOString();
}

export function stepOf(since) {
  if (["1h", "24h"].includes(since)) return "hour";
  return since === "" || since === "365d" ? "week" : "day";
}

// Links of the page change the view without loading it anew; with a key held down they are the browser's.
export function follow(render) {
  document.addEventListener("click", (event) => {
    const anchor = event.target.closest("a[href^='?']");
    if (!anchor || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    go(anchor.getAttribute("href"), render);
  });
  addEventListener("popstate", () => render());
}

export function go(address, render) {
  history.pushState(null, "", address);
  scrollTo(0, 0);
  render();
}
