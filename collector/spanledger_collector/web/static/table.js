// An answer as a table that a screen reader can walk: caption, column and row headers, a bar where it helps.

import { cell, heading, isNumber } from "./format.js";

const WARNING_COLUMNS = new Set(["unpriced_calls", "tool_errors", "errors", "failed_calls"]);

export function element(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

export function table(query, rows) {
  if (rows.length === 0) return element("p", { className: "quiet", textContent: "Nothing in this period." });
  const columns = query.table.map((name) => query.columns.find((column) => column.name === name));
  const head = columns.map((column) =>
    element("th", { scope: "col", className: kind(column), title: column.meaning, textContent: heading(column) }));
  if (hasBars(query)) head.push(element("td"));
  const largest = Math.max(...rows.map((row) => Number(row[query.chart.value])));
  const body = rows.map((row) => {
    const cells = columns.map((column, place) => valueCell(column, row[column.name], place === 0));
    if (hasBars(query)) cells.push(barCell(Number(row[query.chart.value]), largest));
    return element("tr", {}, ...cells);
  });
  const grid = element("table", {},
    element("caption", { textContent: `${query.title}: ${query.purpose}` }),
    element("thead", {}, element("tr", {}, ...head)),
    element("tbody", {}, ...body));
  const frame = element("div", { className: "scroll", tabIndex: 0 }, grid);
  frame.setAttribute("role", "region");
  frame.setAttribute("aria-label", query.title);
  return frame;
}

const hasBars = (query) => ["bar", "stack"].includes(query.chart.kind);
const kind = (column) => (isNumber(column) ? "number" : "");

function valueCell(column, value, isFirst) {
  const text = cell(column, value);
  const node = element(isFirst ? "th" : "td", { className: kind(column), textContent: text });
  if (isFirst) Object.assign(node, { scope: "row", title: text });
  if (WARNING_COLUMNS.has(column.name) && value > 0) node.classList.add("warning");
  if (column.name === "status" && value === "error") node.classList.add("failure");
  return node;
}

// The bar repeats a figure of its row, so that it is nothing to a screen reader.
function barCell(value, largest) {
  const bar = element("div", { className: "bar" });
  bar.style.width = `${largest > 0 ? (100 * value) / largest : 0}%`;
  const frame = element("td", { className: "bars" }, bar);
  frame.setAttribute("aria-hidden", "true");
  return frame;
}
