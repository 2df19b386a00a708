// An answer as a table that a screen reader can walk: caption, column and row headers, a bar where it helps.

import { cell, heading, isNumber } from "./format.js";
import { linkOf } from "./state.js";

const WARNING_COLUMNS = new Set(["unpriced_calls", "tool_errors", "errors", "failed_calls"]);
const NOTES = { rule: "rule_text", part: "meaning" };
const CHANGES = /^(change|difference)_/;

export function element(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

// An answer that did not change is left alone, with the reader's selection and focus in it.
const shownAnswers = new WeakMap();
export function changed(place, answer) {
  const text = JSON.stringify([location.search, answer]);
  if (shownAnswers.get(place) === text) return false;
  shownAnswers.set(place, text);
  return true;
}

// `names` are columns to show instead of those of the question's own table form, `narrow` those that a phone shows,
// `group` the first columns, told once for the rows below each other that have them in common.
export function table(query, rows, { limit = rows.length, names = query.table, narrow = names, group = [] } = {}) {
  if (rows.length === 0) return element("p", { className: "quiet", textContent: "Nothing in this period." });
  const columns = names.map((name) => ({ ...query.columns.find((column) => column.name === name), isWide: !narrow.includes(name) }));
  const head = columns.map((column) =>
    element("th", { scope: "col", className: kind(column), title: column.meaning, textContent: heading(column) }));
  if (hasBars(query)) head.push(element("td", { className: "bars wide" }));
  const largest = Math.max(...rows.map((row) => Math.abs(row[query.chart.value])));
  const shown = rows.slice(0, limit);
  const body = shown.map((row, at) => {
    const isFirst = group.length === 0 || at === 0 || row[group[0]] !== shown[at - 1][group[0]];
    const told = isFirst ? columns : columns.filter((column) => !group.includes(column.name));
    const cells = told.map((column) => valueCell(column, row, column === columns[0], noteOf(column, row, shown, at)));
    if (hasBars(query)) cells.push(barCell(Number(row[query.chart.value]), largest));
    if (group.length > 0 && isFirst) {
      const next = shown.findIndex((other, place) => place > at && other[group[0]] !== row[group[0]]);
      for (const cell of cells.slice(0, group.length)) {
        cell.rowSpan = (next < 0 ? shown.length : next) - at;
        if (next < 0) cell.classList.add("ending");
      }
    }
    return element("tr", {}, ...cells);
  });
  const grid = element("table", {},
    element("caption", { textContent: `${query.title}: ${query.purpose}` }),
    element("thead", {}, element("tr", {}, ...head)),
    element("tbody", {}, ...body));
  const hidden = rows.length - body.length;
  return hidden > 0 ? frame(query.title, grid, `and ${hidden.toLocaleString("en")} more`) : frame(query.title, grid);
}

// A region that scrolls by itself, by keyboard too.
export function frame(label, grid, note = "") {
  const region = element("div", { className: "scroll", tabIndex: 0 }, grid);
  if (note) region.append(element("p", { className: "quiet more", textContent: note }));
  region.setAttribute("role", "region");
  region.setAttribute("aria-label", label);
  return region;
}

// Puts a fresh answer where the old one stood, scrolled and focused as that was.
export function replace(place, fresh) {
  const old = place.querySelector(".scroll");
  const scrolled = old?.scrollLeft ?? 0;
  const wasFocused = old === document.activeElement;
  const focusedLink = place.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
  place.replaceChildren(fresh);
  fresh.scrollLeft = scrolled;
  if (wasFocused) fresh.focus();
  else if (focusedLink) place.querySelector(`a[href="${CSS.escape(focusedLink)}"]`)?.focus();
}

const hasBars = (query) => ["bar", "stack"].includes(query.chart.kind);
const kind = (column) => `${isNumber(column) ? "number" : ""} ${column.isWide ? "wide" : ""}`.trim();

export function linked(content, href) {
  return href ? element("a", { href }, content) : content;
}

// A phone has no room for the day of what has just come.
function shortened({ name }, text) {
  if (name !== "started_at" || text.length < 19) return text;
  const moment = document.createDocumentFragment();
  moment.append(element("span", { className: "date", textContent: text.slice(0, 11) }), text.slice(11));
  return moment;
}

// What a rule or a part is stands in words below its name, where the name comes first.
function noteOf({ name }, row, rows, at) {
  return name in NOTES && rows.findIndex((other) => other[name] === row[name]) === at ? row[NOTES[name]] : undefined;
}

function valueCell(column, row, isFirst, note) {
  const value = row[column.name];
  const isMore = CHANGES.test(column.name) && Number(value) > 0;
  const text = (isMore ? "+" : "") + cell(column, value);
  const node = element(isFirst ? "th" : "td", { className: kind(column) }, linked(shortened(column, text), linkOf(column.name, row)));
  if (isFirst) Object.assign(node, { scope: "row", title: text });
  if (note) node.append(element("span", { className: "prose", textContent: note }));
  if (value === 0) node.classList.add("none");
  if (WARNING_COLUMNS.has(column.name) && value > 0) node.classList.add("warning");
  if (column.name === "times_median" && row.is_outlier) Object.assign(node, { title: "an outlier: three times its agent's median or more" }).classList.add("warning");
  if (column.name === "status" && value === "error") node.classList.add("failure");
  return node;
}

// The bar repeats a figure of its row, so that it is nothing to a screen reader.
function barCell(value, largest) {
  const bar = element("div", { className: value < 0 ? "bar less" : "bar" });
  bar.style.width = `${largest > 0 ? (100 * Math.abs(value)) / largest : 0}%`;
  const place = element("td", { className: "bars wide" }, bar);
  place.setAttribute("aria-hidden", "true");
  return place;
}
