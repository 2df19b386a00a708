// The page asks the question library over the API and shows the answers; it holds no rule of its own.

import { cell, heading } from "./format.js";
import { element, table } from "./table.js";

const REFRESH_MS = 5000;
const filters = document.getElementById("filters");
const freshness = document.getElementById("freshness");
const trouble = document.getElementById("trouble");
const library = new Map();
const shownAnswers = new WeakMap();
let latestRound = 0;

async function get(path, parameters = {}) {
  const query = new URLSearchParams(Object.entries(parameters).filter(([, text]) => text));
  const response = await fetch(`${path}?${query}`);
  const body = await response.json();
  if (!response.ok) throw new Error(body.error ?? response.statusText);
  return body;
}

const asked = () => Object.fromEntries(new FormData(filters));

async function loadLibrary() {
  for (const query of await get("api/queries")) library.set(query.name, query);
}

async function refresh() {
  const round = ++latestRound;
  try {
    if (library.size === 0) await loadLibrary();
    const sections = [...document.querySelectorAll("[data-query]")];
    const parameters = asked();
    const [totals, ...answers] = await Promise.all([
      get("api/queries/spend_total", parameters),
      ...sections.map(({ dataset }) => get(`api/queries/${dataset.query}`, { ...parameters, limit: dataset.limit })),
    ]);
    if (round !== latestRound) return;
    showTotals(library.get("spend_total"), totals[0]);
    sections.forEach((section, place) => showAnswer(section, answers[place]));
    freshness.textContent = `updated ${new Date().toLocaleTimeString()}`;
    trouble.hidden = true;
  } catch (error) {
    if (round !== latestRound) return;
    trouble.textContent = `No fresh figures: ${error.message}. Trying again every ${REFRESH_MS / 1000} seconds.`;
    trouble.hidden = false;
  }
}

function showTotals(query, row) {
  const terms = query.table.map((name) => {
    const column = query.columns.find((candidate) => candidate.name === name);
    const label = name === "total_cost_usd" ? "priced cost" : heading(column);
    return element("div", { title: column.meaning },
      element("dt", { textContent: label }), element("dd", { textContent: cell(column, row[name]) }));
  });
  document.getElementById("totals").replaceChildren(...terms);
  const note = document.getElementById("left-out");
  note.hidden = row.unpriced_calls === 0;
  const tokens = row.unpriced_tokens === null ? "an unknown number of" : row.unpriced_tokens.toLocaleString("en");
  note.textContent = `The cost leaves out ${row.unpriced_calls.toLocaleString("en")} calls with ${tokens} tokens `
    + "whose price is not known; see Unpriced below.";
}

// An answer that did not change is left alone, with the reader's selection in it.
function showAnswer(section, rows) {
  const answer = JSON.stringify(rows);
  if (shownAnswers.get(section) === answer) return;
  shownAnswers.set(section, answer);
  const fresh = table(library.get(section.dataset.query), rows);
  const shown = section.querySelector(".scroll");
  const scrolled = shown?.scrollLeft ?? 0;
  const focused = shown === document.activeElement;
  section.querySelector(".answer")?.remove();
  section.append(element("div", { className: "answer" }, fresh));
  fresh.scrollLeft = scrolled;
  if (focused) fresh.focus();
}

async function fillChoices(name) {
  const select = filters.elements[name];
  const rows = await get(`api/queries/spend_by_${name}`);
  const known = new Set([...select.options].map((option) => option.value));
  const names = rows.map((row) => row[name]).filter((text) => text !== `(no ${name})` && !known.has(text)).sort();
  select.append(...names.map((text) => element("option", { value: text, textContent: text })));
}

async function tick() {
  if (document.hidden) return;
  await refresh();
  await Promise.all(["team", "agent"].map(fillChoices)).catch(() => {});
}

filters.addEventListener("change", refresh);
document.addEventListener("visibilitychange", tick);
for (;;) {
  await tick();
  await new Promise((resume) => setTimeout(resume, REFRESH_MS));
}
