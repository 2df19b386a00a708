// The figures for one glance, each leading to the section that tells more; filled as the answers come.

import { brief, counted, money, percent } from "./format.js";

const tile = (name) => document.getElementById(`tile-${name}`);

function show(name, figure, detail = "") {
  tile(name).textContent = figure;
  tile(`${name}-detail`).textContent = detail;
}

export function showTotals(row) {
  show("spend", row.total_cost_usd === null ? "–" : money(row.total_cost_usd), tile("spend-detail").textContent);
  show("unpriced", counted(row.unpriced_calls, "call"), row.unpriced_calls ? `${tokens(row.unpriced_tokens)} that no cost here includes` : row.calls ? "every cost is known" : "");
  tile("unpriced").classList.toggle("warning", row.unpriced_calls > 0);
  show("calls", row.llm_calls.toLocaleString("en"),
    `and ${counted(row.tool_calls, "tool run")}${row.tool_errors ? `, ${row.tool_errors.toLocaleString("en")} failed` : ""}`);
  const isTold = row.total_input_tokens > 0;
  show("input", isTold ? brief(row.total_input_tokens) : "–",
    isTold ? `${percent((row.total_cache_read_tokens ?? 0) / row.total_input_tokens)} from cache, ${brief(row.total_output_tokens ?? 0)} out` : "");
  showTaskCost(row);
  document.getElementById("first-steps").hidden = row.calls > 0;
}

const tokens = (count) => (count === null ? "an unknown number of tokens" : counted(count, "token"));

// `former` is the total of as much time before, undefined where there is none to compare.
export function showChange(row, former, since) {
  const [now, before] = [Number(row.total_cost_usd ?? 0), Number(former?.total_cost_usd ?? 0)];
  const than = since === "month" ? "last month by now" : "the time before";
  const change = before > 0 ? `${now >= before ? "▲" : "▼"} ${percent(Math.abs(now - before) / before)} on ${than} (${money(before)})` : `nothing ${since === "month" ? "by this time last month" : "in the time before"}`;
  tile("spend-detail").textContent = former ? change : counted(row.tasks, "task");
}

// Calls that name no task are in no task's cost.
function showTaskCost(row) {
  show("task", row.priced_tasks ? money(row.average_task_cost_usd) : "–",
    row.priced_tasks ? `of ${counted(row.priced_tasks, "priced task")}, median ${money(row.median_task_cost_usd)}` : "no call names a task");
}

// Of a large ledger only the dearest findings are read; each tells of all.
export function showWaste([dearest], total) {
  const wasted = Number(dearest?.total_wasted_cost_usd ?? 0);
  const share = Number(total.total_cost_usd ?? 0) > 0 ? `, ${percent(wasted / Number(total.total_cost_usd))} of spend` : "";
  show("waste", total.calls ? money(wasted) : "–", dearest ? counted(dearest.findings, "finding") + share : "no rule found any");
}
