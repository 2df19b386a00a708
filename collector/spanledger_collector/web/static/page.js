// The page asks the question library over the API and shows the answers; it holds no rule of its own.

import { ask, columnOf, library, loadLibrary } from "./api.js";
import { showCall } from "./call.js";
import { showCourse } from "./course.js";
import { cell, heading } from "./format.js";
import { filtersOf, follow, go, link, state, stepOf } from "./state.js";
import { showTask } from "./task.js";
import { changed, element, linked, replace, table } from "./table.js";

const REFRESH_MS = 10000;
const LIVE_MS = 1500;
const LIVE_WINDOW = "10m";
const TASK_TOTALS = [
  "total_cost_usd", "unpriced_calls", "llm_calls", "tool_calls", "tool_errors",
  "total_input_tokens", "total_cache_read_tokens", "total_output_tokens",
];
const main = document.getElementById("answers");
const filters = document.getElementById("filters");
const freshness = document.getElementById("freshness");
const trouble = document.getElementById("trouble");
const views = { overview: document.getElementById("overview"), task: document.getElementById("task"), call: document.getElementById("call") };
const recent = document.querySelector("[data-query='calls']");
const recentRows = Number(recent.dataset.limit);
let latestRound = 0;
let shownAddress;
let slowCalls = [];

async function refresh() {
  const round = ++latestRound;
  const isLatest = () => round === latestRound;
  const asked = state();
  const view = asked.call ? "call" : asked.task ? "task" : "overview";
  showFilters(asked);
  if (location.search !== shownAddress) main.setAttribute("aria-busy", "true");
  try {
    await loadLibrary();
    const shown = await { overview: showOverview, task: showTaskView, call: showCall }[view](asked, isLatest);
    if (!isLatest()) return;
    showView(view);
    showTrail(asked, shown);
    main.setAttribute("aria-busy", "false");
    shownAddress = location.search;
    freshness.textContent = `updated ${new Date().toLocaleTimeString()}`;
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
}

// Each answer is shown as it comes: on a large ledger some take longer than others.
async function showOverview(asked, isLatest) {
  const parameters = filtersOf(asked);
  const give = async (name, more, show) => {
    const rows = await ask(name, { ...parameters, ...more });
    if (isLatest()) show(rows);
  };
  showView("overview");
  showTrail(asked);
  const sections = [...document.querySelectorAll("#overview [data-query]")];
  await Promise.all([
    give("spend_total", {}, ([row]) => {
      showTotals(document.getElementById("totals"), row, library.get("spend_total").table);
      showLeftOut(row);
    }),
    give("spend_trend", { step: stepOf(asked.since) }, (rows) => showCourse(rows, asked.since)),
    ...sections.map((section) => give(section.dataset.query, { limit: section.dataset.limit, top: section.dataset.top }, (rows) => {
      if (section === recent) slowCalls = rows;
      showAnswer(section, rows);
    })),
  ]);
}

async function showTaskView(asked, isLatest) {
  const totals = await showTask(asked, isLatest);
  if (isLatest()) showTotals(document.getElementById("task-totals"), totals, TASK_TOTALS);
}

function showTotals(place, row, names) {
  const terms = names.map((name) => {
    const column = columnOf("spend_total", name);
    const label = name === "total_cost_usd" ? "priced cost" : heading(column);
    return element("div", { title: column.meaning },
      element("dt", { textContent: label }), element("dd", { textContent: cell(column, row[name]) }));
  });
  if (changed(place, row)) place.replaceChildren(...terms);
}

function showLeftOut(row) {
  const note = document.getElementById("left-out");
  note.hidden = row.unpriced_calls === 0;
  const tokens = row.unpriced_tokens === null ? "an unknown number of" : row.unpriced_tokens.toLocaleString("en");
  document.getElementById("left-out-text").textContent =
    `The cost leaves out ${row.unpriced_calls.toLocaleString("en")} calls with ${tokens} tokens whose price is not known.`;
}

function showAnswer(section, rows) {
  const place = section.querySelector(".answer");
  const { query, rows: limit, columns } = section.dataset;
  const chosen = { limit: limit && Number(limit), names: columns?.split(" ") };
  if (changed(place, rows)) replace(place, table(library.get(query), rows, chosen));
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
    if (![...select.options].some((option) => option.value === asked[name])) addChoices(select, [asked[name]]);
    if (select !== document.activeElement || select.value !== asked[name]) select.value = asked[name];
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

// Between the full rounds the newest calls alone are asked for, so that a call is seen as it comes.
async function live() {
  if (document.hidden || library.size === 0 || views.overview.hidden) return;
  const round = latestRound;
  const { team, agent } = filtersOf(state());
  const newest = await ask("calls", { since: LIVE_WINDOW, team, agent, limit: String(recentRows) });
  if (round !== latestRound) return;
  const seen = new Set(newest.map((row) => row.call_id));
  showAnswer(recent, [...newest, ...slowCalls.filter((row) => !seen.has(row.call_id))].slice(0, recentRows));
}

async function tick() {
  if (document.hidden) return;
  await refresh();
  await Promise.all(["team", "agent"].map(fillChoices)).catch(() => {});
}

// What takes long is done less often, so that a large ledger has time for other questions.
async function repeat(work, everyMs) {
  for (;;) {
    const started = performance.now();
    await work().catch(() => {});
    const tookMs = performance.now() - started;
    await new Promise((resume) => setTimeout(resume, Math.max(everyMs, 4 * tookMs)));
  }
}

filters.addEventListener("change", (event) => go(link({ [event.target.name]: event.target.value, task: "", call: "", at: "" }), refresh));
filters.addEventListener("submit", (event) => event.preventDefault());
document.addEventListener("visibilitychange", tick);
follow(refresh);
repeat(tick, REFRESH_MS);
repeat(live, LIVE_MS);
