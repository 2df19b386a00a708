// What the reader looks at is in the address, so that it can be linked to, reloaded and gone back from.

const DEFAULT_SINCE = "month";
const KEYS = ["since", "until", "team", "agent", "task", "call", "at"];
const MINUTE_MS = 60000;
const UNITS_MS = { m: MINUTE_MS, h: 60 * MINUTE_MS, d: 1440 * MINUTE_MS, w: 10080 * MINUTE_MS };
const STEPS_MS = { hour: UNITS_MS.h, day: UNITS_MS.d, week: UNITS_MS.w };

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

// Where a cell leads: a period into itself, a team to its agents, an agent to its tasks, a task to its calls, a call to its details.
export function linkOf(column, row) {
  const name = row[column];
  if (!name || name === `(no ${column})`) return undefined;
  const one = { task: "", call: "", at: "" };
  if (column === "period") return linkOfPeriod(name);
  if (column === "team") return link({ ...one, team: name, agent: "" });
  if (column === "agent") return link({ ...one, agent: name });
  if (column === "task" && !name.startsWith("trace ")) return link({ ...one, task: name });
  if (column === "started_at" && row.call_id) return link({ task: row.task ?? "", call: row.call_id, at: name });
  return undefined;
}

// One bar of the course: from its start to its end, drawn in the next finer step.
export function linkOfPeriod(start) {
  const { since, until } = state();
  const end = Date.parse(start) + STEPS_MS[stepOf({ since, until })];
  return link({ since: start, until: new Date(end).toISOString().replace(".000Z", "Z") });
}

export const filtersOf = ({ since, until, team, agent }) => ({ since: instant(since), until, team, agent });

const isAge = (text) => /^\d+[mhdw]$/.test(text);
const ageMs = (text) => Number(text.slice(0, -1)) * UNITS_MS[text.at(-1)];
const monthOf = (date, further = 0) => Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + further);
const instant = (since) => (since === "month" ? new Date(monthOf(new Date())).toISOString() : since);

// Start and end in ms; the start of all time is NaN.
function boundsOf({ since, until }) {
  const end = until ? Date.parse(until) : Date.now();
  if (since === "") return [NaN, end];
  return [isAge(since) ? end - ageMs(since) : Date.parse(instant(since)), end];
}

// The time that the course is drawn over: a month whole, as the days to come are part of it.
export function courseOf(asked) {
  const [start, end] = boundsOf(asked);
  return [start, asked.since === "month" ? monthOf(new Date(start), 1) : end];
}

// As much time before: of a month the one before as far as this one has come, else the same length. None of all time.
export function filtersBefore(asked) {
  const [start, end] = boundsOf(asked);
  if (Number.isNaN(start)) return undefined;
  const from = asked.since === "month" ? monthOf(new Date(start), -1) : start - (end - start);
  const bounds = [from, Math.min(from + (end - start), start)].map((time) => new Date(time).toISOString());
  return { ...filtersOf(asked), since: bounds[0], until: bounds[1] };
}

export function stepOf(asked) {
  const [start, end] = boundsOf(asked);
  if (Number.isNaN(start) || end - start > 92 * STEPS_MS.day) return "week";
  return end - start > 2 * STEPS_MS.day ? "day" : asked.since === "month" ? "day" : "hour";
}

export function nameOfPeriod({ since, until }) {
  if (!until) return since.slice(0, 16).replace("T", " ");
  return `${since.slice(0, 16).replace("T", " ")} to ${until.slice(0, 16).replace("T", " ")}`.replaceAll(" 00:00", "");
}

// Links of the page change the view without loading it anew; with a key held down they are the browser's.
let showing;
export function follow(render) {
  showing = render;
  document.addEventListener("click", (event) => {
    const anchor = event.target.closest("a[href^='?']");
    if (!anchor || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    go(anchor.getAttribute("href"));
  });
  addEventListener("popstate", () => render());
}

export function go(address) {
  history.pushState(null, "", address);
  scrollTo(0, 0);
  showing();
}
