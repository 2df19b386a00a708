// All sections of the first view; each answer is shown as it comes: on a large ledger some take longer than others.

import { ask, library } from "./api.js";
import { showCourse } from "./course.js";
import { showChange, showTotals, showWaste } from "./glance.js";
import { courseOf, filtersBefore, filtersOf, state, stepOf } from "./state.js";
import { changed, element, replace, table } from "./table.js";

const LIVE_WINDOW = "10m";
// The store answers one question after the other: the one that takes longest is asked last.
const isLong = ({ dataset }) => Number(dataset.query === "waste");
const sections = [...document.querySelectorAll("#overview [data-query]")].sort((one, other) => isLong(one) - isLong(other));
const recent = document.querySelector("[data-query='calls']");
const recentRows = Number(recent.dataset.limit);
let slowCalls = [];

export async function showOverview(asked, isLatest) {
  const give = async (name, more, show = () => {}) => {
    const rows = await ask(name, { ...filtersOf(asked), ...more });
    if (isLatest()) await show(rows);
    return rows;
  };
  const totals = give("spend_total", {}, ([row]) => showTotals(row));
  const trend = give("spend_trend", { step: stepOf(asked) }, (rows) => showCourse(rows, stepOf(asked), courseOf(asked)));
  const before = filtersBefore(asked);
  const former = before ? give("spend_total", before) : [];
  const answers = Object.fromEntries(sections.map((section) => [section.dataset.query, give(section.dataset.query,
    { limit: section.dataset.limit, top: section.dataset.top, ids: section.dataset.ids }, (rows) => showAnswer(section, rows)).catch((error) => tellIn(section, error, isLatest))]));
  const shown = await Promise.allSettled([
    trend,
    answers.calls.then((rows) => { if (isLatest()) slowCalls = rows; }),
    Promise.all([totals, former]).then(([[row], [then]]) => isLatest() && showChange(row, then, asked.since)),
    Promise.all([answers.waste, totals]).then(([rows, [row]]) => isLatest() && showWaste(rows, row)),
    ...Object.values(answers),
  ]);
  const failed = shown.find(({ status }) => status === "rejected");
  if (failed) throw failed.reason;
}

// What stood there before is better than nothing, and the page tells of the rest.
function tellIn(section, error, isLatest) {
  const place = section.querySelector(".answer");
  if (isLatest() && !place.hasChildNodes()) place.append(element("p", { className: "failure", textContent: `No answer: ${error.message}` }));
  throw error;
}

function showAnswer(section, rows) {
  const place = section.querySelector(".answer");
  const { query, rows: limit, columns, narrow, group } = section.dataset;
  const chosen = { limit: limit && Number(limit), names: columns?.split(" "), narrow: narrow?.split(" "), group: group?.split(" ") };
  if (changed(place, rows)) replace(place, table(library.get(query), rows, chosen));
}

// Between the full rounds the newest calls alone are asked for, so that a call is seen as it comes.
export async function showNewest(isLatest) {
  const asked = state();
  if (asked.until) return;
  const { team, agent } = filtersOf(asked);
  const newest = await ask("calls", { since: LIVE_WINDOW, team, agent, limit: String(recentRows) });
  if (!isLatest()) return;
  const seen = new Set(newest.map((row) => row.call_id));
  showAnswer(recent, [...newest, ...slowCalls.filter((row) => !seen.has(row.call_id))].slice(0, recentRows));
}
