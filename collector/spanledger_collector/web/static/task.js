// A task: its totals, what was wasted in it, and its calls as a waterfall over time with cost, tokens and cache.

import { ask, library } from "./api.js";
import { brief, cell, counted, money, percent } from "./format.js";
import { filtersOf, link } from "./state.js";
import { changed, element, frame, linked, replace, table } from "./table.js";

const FINDING = ["rule", "about", "calls", "wasted_cost_usd"];
const PARTS = ["part", "unit", "this_task", "median", "difference_usd"];
const timeline = document.getElementById("timeline");
const explanation = document.getElementById("task-explanation");
const findings = document.getElementById("task-waste");

// Shows the task unless something else is looked at by then; returns its totals.
export async function showTask(asked, isLatest) {
  const { task } = asked;
  explain(asked, isLatest).catch(() => {});
  const [[totals], calls, waste] = await Promise.all([
    ask("spend_total", { task }), ask("task_timeline", { task }), ask("waste", { task, ids: "0" }),
  ]);
  if (!isLatest()) return totals;
  document.getElementById("task-name").textContent = task;
  if (changed(timeline, calls)) replace(timeline, calls.length ? waterfall(task, calls) : nothing());
  showFigures(totals, calls);
  findings.closest("section").hidden = waste.length === 0;
  if (changed(findings, waste)) replace(findings, table(library.get("waste"), waste, { names: FINDING, narrow: ["rule", "wasted_cost_usd"] }));
  return totals;
}

function showFigures(totals, calls) {
  const end = endOf(calls);
  const input = totals.total_input_tokens;
  const figures = [
    ["cost", cell({ unit: "USD" }, totals.total_cost_usd), totals.unpriced_calls ? `without ${counted(totals.unpriced_calls, "unpriced call")}` : ""],
    ["took", span(end), "first start to last end"],
    ["model calls", totals.llm_calls.toLocaleString("en"), totals.embedding_calls ? `and ${counted(totals.embedding_calls, "embedding")}` : ""],
    ["tool runs", totals.tool_calls.toLocaleString("en"), totals.tool_errors ? `${totals.tool_errors.toLocaleString("en")} failed` : ""],
    ["input tokens", input === null ? "–" : brief(input), input ? `${percent((totals.total_cache_read_tokens ?? 0) / input)} from cache` : ""],
    ["output tokens", totals.total_output_tokens === null ? "–" : brief(totals.total_output_tokens), ""],
  ];
  const place = document.getElementById("task-totals");
  if (!changed(place, figures)) return;
  place.replaceChildren(...figures.map(([name, figure, detail]) => element("div", {},
    element("dt", { textContent: name }),
    element("dd", {}, element("span", { className: "figure", textContent: figure }), element("span", { className: "detail", textContent: detail })))));
}

// The task beside the median task of its agent, within the period: what the difference is made of.
async function explain(asked, isLatest) {
  const { since, until } = filtersOf(asked);
  const parts = await ask("explain_task", { since, until, explained: asked.task });
  if (!isLatest()) return;
  const [first] = parts;
  const section = explanation.closest("section");
  section.hidden = !first || first.median_task === first.task;
  if (section.hidden || !changed(explanation, parts)) return;
  document.getElementById("task-beside").replaceChildren(
    `${money(first.task_cost_usd)} beside ${money(first.median_cost_usd)} of `,
    linked(first.median_task, link({ task: first.median_task })),
    `, the median of ${first.tasks_compared.toLocaleString("en")} tasks of ${first.agent} in this period.`);
  const telling = parts.filter((part) => Number(part.difference_usd) !== 0).map((part) => ({
    ...part, part: part.part.replaceAll("_", " "), this_task: figure(part.this_task, part.unit), median: figure(part.median, part.unit),
  }));
  replace(explanation, table(library.get("explain_task"), telling, { names: PARTS, narrow: ["part", "difference_usd"] }));
}

// The two figures behind a part are of the part's own unit.
function figure(value, unit) {
  return cell({ unit: unit.startsWith("share") ? "share" : unit.startsWith("USD") ? "USD" : "" }, value);
}

const nothing = () => element("p", { className: "quiet", textContent: "No call names this task." });

const endOf = (calls) => Math.max(...calls.map((call) => call.offset_ms + call.duration_ms), 1);

function waterfall(task, calls) {
  const end = endOf(calls);
  const agents = new Set(calls.map((call) => call.agent));
  const heads = [
    ["at", "number wide"], ["call", ""], ...(agents.size > 1 ? [["agent", "wide"]] : []), ["took", "number wide"], ["input", "number wide"],
    ["cached", "number wide"], ["output", "number wide"], ["cost", "number"], ["so far", "number wide"], [`0 to ${span(end)}`, "lane"],
  ].map(([textContent, className]) => element("th", { scope: "col", className, textContent }));
  const grid = element("table", { className: "waterfall" },
    element("caption", { textContent: `Calls of ${task} in order of their start` }),
    element("thead", {}, element("tr", {}, ...heads)),
    element("tbody", {}, ...calls.map((call) => waterfallRow(task, call, end, agents.size > 1))));
  return frame("Timeline", grid);
}

function waterfallRow(task, call, end, hasAgents) {
  const isTool = call.kind === "tool";
  const told = (unit, value) => (isTool ? "" : cell({ unit }, value));
  const cached = call.input_tokens > 0 && call.cache_read_tokens !== null ? call.cache_read_tokens / call.input_tokens : null;
  const name = element("th", { scope: "row" },
    element("span", { className: `kind ${call.kind}`, textContent: call.kind }), " ",
    linked(call.name, link({ task, call: call.call_id, at: "" })));
  if (call.status === "error") name.append(element("span", { className: "failure", title: call.error_type, textContent: " failed" }));
  // What a phone has no columns for.
  if (!isTool) {
    name.append(element("span", { className: "narrow detail",
      textContent: `${told("tokens", call.input_tokens)} in, ${told("share", cached)} cached, ${told("tokens", call.output_tokens)} out` }));
  }
  const unpriced = call.cost_usd === null && !isTool;
  const number = (textContent, more = "wide") => element("td", { className: `number ${more}`, textContent });
  const cost = number(told("USD", call.cost_usd), unpriced ? "warning" : "");
  if (unpriced) cost.title = `no price: ${call.price_status}`;
  return element("tr", {},
    number(span(call.offset_ms)), name, ...(hasAgents ? [element("td", { className: "wide", textContent: call.agent || "–" })] : []),
    number(span(call.duration_ms)), number(told("tokens", call.input_tokens)), number(told("share", cached)),
    number(told("tokens", call.output_tokens)), cost,
    number(call.cost_so_far_usd === null ? "" : money(call.cost_so_far_usd)), lane(call, end));
}

function lane(call, end) {
  const bar = element("div", { className: `bar ${call.kind} ${call.status}` });
  bar.style.marginInlineStart = `${(100 * call.offset_ms) / end}%`;
  bar.style.width = `${Math.max((100 * call.duration_ms) / end, 0.4)}%`;
  return element("td", { className: "lane", title: `${span(call.duration_ms)}` }, bar);
}

function span(milliseconds) {
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`;
  const seconds = milliseconds / 1000;
  if (seconds < 120) return `${seconds.toFixed(1)} s`;
  return seconds < 7200 ? `${(seconds / 60).toFixed(1)} min` : `${(seconds / 3600).toFixed(1)} h`;
}
