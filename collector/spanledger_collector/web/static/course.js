// Spend over time, drawn by uPlot, which the API serves from its own package; the same figures stand in a table below.

import { columnOf, library } from "./api.js";
import { cell, counted, money } from "./format.js";
import { go, linkOfPeriod } from "./state.js";
import { changed, element, replace, table } from "./table.js";

const HEIGHT_PX = 220;
const HOUR_S = 3600;
const DAY_S = 24 * HOUR_S;
const STEPS = {
  hour: { seconds: HOUR_S, marks: [1, 2, 3, 6, 12, 24].map((hours) => hours * HOUR_S), text: (date) => date.slice(11, 16) },
  day: { seconds: DAY_S, marks: [1, 2, 5, 10, 20].map((days) => days * DAY_S), text: (date) => date.slice(5, 10) },
  week: { seconds: 7 * DAY_S, marks: [1, 2, 4, 13, 26, 52].map((weeks) => weeks * 7 * DAY_S), text: (date) => date.slice(0, 10) },
};
const drawing = document.getElementById("course-chart");
const figures = document.getElementById("course-figures");
const readout = document.getElementById("course-readout");
const hint = readout.textContent;
const NARROW = ["period", "change_usd", "total_cost_usd"];
let plot;

const loaded = new Promise((resolve) => {
  const script = element("script", { src: "charts/uplot.js" });
  script.onload = () => resolve(true);
  script.onerror = () => resolve(false);
  document.head.append(element("link", { rel: "stylesheet", href: "charts/uplot.css" }), script);
});

// `bounds` are the start and the end of what was asked for, in ms; the start is NaN for all time.
export async function showCourse(rows, step, bounds) {
  if (!changed(drawing, rows)) return;
  replace(figures, table(library.get("spend_trend"), rows.toReversed(), { narrow: NARROW }));
  readout.textContent = rows.length > 0 ? hint : "Nothing in this period.";
  const dearest = rows.reduce((most, row) => (Number(row.total_cost_usd) > Number(most.total_cost_usd) ? row : most), rows[0]);
  drawing.setAttribute("aria-label", rows.length === 0 ? "No spend in this period"
    : `Spend by ${step}, ${rows.length} in all; most ${money(dearest.total_cost_usd)} on ${at(dearest)}`);
  if (await loaded) draw(rows, step, bounds);
}

const brief = (amount) => `$${amount.toLocaleString("en", { maximumSignificantDigits: 3 })}`;
const at = (row) => cell(columnOf("spend_trend", "period"), row.period);

// A canvas takes a colour, not the rule that chooses one for light or dark.
function colorOf(role) {
  const probe = element("span", { className: `plot-${role}` });
  drawing.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

function draw(rows, step, bounds) {
  plot?.destroy();
  drawing.hidden = rows.length === 0;
  if (rows.length === 0) return;
  const [ink, line, accent] = ["ink", "line", "accent"].map(colorOf);
  const axis = { stroke: ink, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 }, font: "12px system-ui" };
  const seconds = rows.map((row) => Date.parse(row.period) / 1000);
  const { seconds: period, marks, text } = STEPS[step];
  // All that was asked for, so that days without calls are seen, too.
  const from = Math.min(seconds[0], bounds[0] / 1000 || Infinity) - period / 2;
  const to = Math.max(seconds.at(-1), bounds[1] / 1000 - period) + period / 2;
  const widest = Math.min(48, (0.7 * drawing.clientWidth * period) / (to - from));
  plot = new globalThis.uPlot({
    width: drawing.clientWidth,
    height: HEIGHT_PX,
    tzDate: (second) => globalThis.uPlot.tzDate(new Date(second * 1000), "Etc/UTC"),
    cursor: { y: false, points: { show: false }, drag: { x: false } },
    legend: { show: false },
    hooks: { setCursor: [({ cursor: { idx } }) => tellOf(rows[idx])] },
    scales: {
      x: { range: () => [from, to] },
      y: { range: (_, __, most) => [0, most * 1.1 || 1] },
    },
    axes: [
      { ...axis, incrs: marks, values: (_, times) => times.map((time) => text(new Date(time * 1000).toISOString())) },
      { ...axis, size: 70, values: (_, amounts) => amounts.map(brief) },
    ],
    series: [
      {},
      {
        fill: accent, stroke: accent, width: 0, points: { show: false },
        paths: globalThis.uPlot.paths.bars({ size: [0.7, widest], radius: 0.15 }),
      },
    ],
  }, [seconds, rows.map((row) => (row.total_cost_usd === null ? null : Number(row.total_cost_usd)))], drawing);
  plot.redrawn = () => draw(rows, step, bounds);
  // The figures below lead to the same places, by keyboard.
  plot.over.onclick = () => plot.cursor.idx !== null && go(linkOfPeriod(rows[plot.cursor.idx].period));
}

function tellOf(row) {
  if (!row) readout.textContent = hint;
  else readout.textContent = `${at(row)} UTC: ${cell({ unit: "USD" }, row.total_cost_usd)} for ${counted(row.calls, "call")}`;
}

new ResizeObserver(() => {
  if (plot && !drawing.hidden && drawing.clientWidth !== plot.width) plot.setSize({ width: drawing.clientWidth, height: HEIGHT_PX });
}).observe(drawing);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => plot?.redrawn());
