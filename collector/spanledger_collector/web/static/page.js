// The page asks the question library over the API and shows the answers; it holds no rule of its own.

import { ask, leave, library, loadLibrary } from "./api.js";
import { showCall } from "./call.js";
import { showNewest, showOverview } from "./overview.js";
import { filtersOf, follow, go, link, nameOfPeriod, state } from "./state.js";
import { showTask } from "./task.js";
import { changed, element, linked } from "./table.js";

const REFRESH_MS = 10000;
const LIVE_MS = 1000;
const main = document.getElementById("answers");
const filters = document.getElementById("filters");
const freshness = document.getElementById("freshness");
const trouble = document.getElementById("trouble");
const views = { overview: document.getElementById("overview"), task: document.getElementById("task"), call: document.getElementById("call") };
let latestRound = 0;
let shownAddress;

async function refresh() {
  const round = ++latestRound;
  const isLatest = () => round === latestRound;
  const asked = state();
  const view = asked.call ? "call" : asked.task ? "task" : "overview";
  showFilters(asked);
  if (location.search !== shownAddress) {
    main.setAttribute("aria-busy", "true");
    leave();
  }
  try {
    await loadLibrary();
    if (view === "overview") {
      // Its answers come one by one, and stand where they will.
      showView(view);
      showTrail(asked);
    }
    const shown = await { overview: showOverview, task: showTask, call: showCall }[view](asked, isLatest);
    if (!isLatest()) return;
    showView(view);
    showTrail(asked, shown);
    main.setAttribute("aria-busy", "false");
    shownAddress = location.search;
    freshness.textContent = `updated ${new Date().toISOString().slice(11, 19)} UTC`;
    freshness.classList.remove("stale");
    trouble.hidden = true;
  } catch (error) {
    if (isLatest()) tell(error);
  }
}

function showView(view) {
  for (const [name, place] of Object.entries(views)) place.hidden = name !== view;
}

function tell(error) {
  trouble.textContent = `No fresh figures: ${error.message}. Trying again every ${REFRESH_MS / 1000} seconds.`;
  trouble.hidden = false;
  freshness.classList.add("stale");
  if (!shownAddress) freshness.textContent = "not whole";
  main.setAttribute("aria-busy", "false");
}

// From all to the one thing that is looked at: team, agent, task, call.
function showTrail(asked, shown) {
  const team = asked.team || (asked.call && shown?.team) || "";
  const agent = asked.agent || (asked.call && shown?.agent) || "";
  const one = { task: "", call: "", at: "" };
  const steps = [["All", link({ ...one, team: "", agent: "" })]];
  if (team) steps.push([team, link({ ...one, team, agent: "" })]);
  if (agent) steps.push([agent, link({ ...one, team, agent })]);
  if (asked.task) steps.push([asked.task, link({ task: asked.task, call: "", at: "" })]);
  if (asked.call) steps.push(["call", ""]);
  const trail = document.getElementById("trail");
  trail.hidden = steps.length === 1;
  if (!changed(trail, steps)) return;
  trail.firstElementChild.replaceChildren(...steps.map(([name, href], place) => {
    const isLast = place === steps.length - 1;
    const step = element("li", {}, linked(name, isLast ? "" : href));
    if (isLast) step.setAttribute("aria-current", "page");
    return step;
  }));
  document.title = `${steps.length > 1 ? `${steps.at(-1)[0]} · ` : ""}spanledger`;
}

function showFilters(asked) {
  for (const name of ["since", "team", "agent"]) {
    const select = filters.elements[name];
    const value = name === "since" && asked.until ? `${asked.since}..${asked.until}` : asked[name];
    if (![...select.options].some((option) => option.value === value)) {
      select.append(element("option", { value, textContent: name === "since" ? nameOfPeriod(asked) : value }));
    }
    if (select.value !== value) select.value = value;
  }
}

const addChoices = (select, names) =>
  select.append(...names.map((text) => element("option", { value: text, textContent: text })));

async function fillChoices(name) {
  const select = filters.elements[name];
  const rows = await ask(`spend_by_${name}`, { since: filtersOf(state()).since });
  const known = new Set([...select.options].map((option) => option.value));
  addChoices(select, rows.map((row) => row[name]).filter((text) => text !== `(no ${name})` && !known.has(text)).sort());
}

async function live() {
  if (document.hidden || library.size === 0 || views.overview.hidden) return;
  const round = latestRound;
  await showNewest(() => round === latestRound);
}

async function tick() {
  // A view that is being asked for is fresh enough.
  if (document.hidden || main.getAttribute("aria-busy") === "true") return;
  await refresh();
  await Promise.all(["team", "agent"].map(fillChoices)).catch(() => {});
}

// What takes long is done less often, so that a large ledger has time for other questions: it rests `rest` times as long.
async function repeat(work, everyMs, rest) {
  for (;;) {
    const started = performance.now();
    await work().catch(() => {});
    const tookMs = performance.now() - started;
    await new Promise((resume) => setTimeout(resume, Math.max(everyMs, rest * tookMs)));
  }
}

filters.addEventListener("change", ({ target: { name, value } }) => {
  const [since, until = ""] = value.split("..");
  go(link({ ...(name === "since" ? { since, until } : { [name]: value }), task: "", call: "", at: "" }));
});
filters.addEventListener("submit", (event) => event.preventDefault());
document.addEventListener("visibilitychange", tick);
follow(refresh);
repeat(tick, REFRESH_MS, 4);
repeat(live, LIVE_MS, 1);
