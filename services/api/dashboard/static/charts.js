// Draws the figures of a page's table as charts. Without it, the table is what one reads.
"use strict";

const LOOKS = {
  succeeded: { colour: "--good" },
  under_way: { colour: "--off" },
  dead: { colour: "--bad" },
  p50: { colour: "--good" },
  p95: { colour: "--warn", dash: [6, 4] },
  p99: { colour: "--bad", dash: [2, 4] },
};
const HEIGHT = 220;
const DAY = 86_400;
const MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");
const UNITS = [[3_600_000, "h"], [60_000, "min"], [1_000, "s"], [1, "ms"]];
// Where an axis of durations may have a line, in milliseconds.
const LINES = [
  ...[1, 2, 5, 10, 20, 50, 100, 200, 500],
  ...[1, 2, 5, 10, 30].map((seconds) => seconds * 1_000),
  ...[1, 2, 5, 10, 30].map((minutes) => minutes * 60_000),
  ...[1, 2, 4, 8, 24, 72, 168, 720].map((hours) => hours * 3_600_000),
];
const table = document.getElementById("figures");

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function column(name) {
  const cells = Array.from(table.querySelectorAll(`[data-of="${name}"]`));
  return cells.map((cell) => ("value" in cell.dataset ? Number(cell.dataset.value) : null));
}

function duration(milliseconds) {
  const [size, unit] = UNITS.find(([size]) => milliseconds >= size) ?? [1, "ms"];
  return `${Number((milliseconds / size).toFixed(1))} ${unit}`;
}

function ticks(_chart, places, _axis, _space, step) {
  return places.map((place) => {
    const moment = new Date(place * 1000);
    if (step < DAY && place % DAY) return moment.toISOString().slice(11, 16);
    return `${moment.getUTCDate()} ${MONTHS[moment.getUTCMonth()]}`;
  });
}

function axis(more) {
  const grid = { stroke: colour("--pico-muted-border-color"), width: 1 };
  return { stroke: colour("--pico-color"), grid, ticks: { show: false }, font: "12px system-ui, sans-serif", ...more };
}

// Each on top of those before it. What is on top is painted first, so that of each its own part is seen.
function stacked(names) {
  const own = names.map(column);
  const sum = (row, last) => own.slice(0, last + 1).reduce((total, counts) => total + counts[row], 0);
  const upTo = (last) => own[last].map((count, row) => (count ? sum(row, last) : null));
  const paths = uPlot.paths.bars({ size: [0.8, 48] });
  const series = names.map((name) => ({ fill: colour(LOOKS[name].colour), width: 0, paths, points: { show: false } }));
  const whole = (_chart, places) => places.map((place) => (Number.isInteger(place) ? place.toLocaleString("en") : ""));
  return {
    data: names.map((_, last) => upTo(last)).reverse(),
    series: series.reverse(),
    scale: { range: (_chart, _low, high) => [0, Math.max((high ?? 0) * 1.05, 4)] },
    axis: axis({ size: 64, values: whole }),
  };
}

// Those that no line leads to: between two gaps.
function alone(values) {
  const gap = (row) => (values[row] ?? null) === null;
  return [...values.keys()].filter((row) => !gap(row) && gap(row - 1) && gap(row + 1));
}

// On a logarithmic scale: a success at once and one after hours of attempts are both to be seen.
function lines(names) {
  const few = (found) => found.filter((_, number) => number % Math.ceil(found.length / 7) === 0);
  const data = names.map((name) => column(name).map((value) => (value === null ? null : Math.max(1, value))));
  return {
    data,
    series: names.map((name, number) => {
      const stroke = colour(LOOKS[name].colour);
      const points = { show: true, size: 6, fill: stroke, filter: () => alone(data[number]) };
      return { stroke, dash: LOOKS[name].dash, width: 2, points };
    }),
    scale: {
      distr: 3,
      range: (_chart, low, high) => [
        LINES.findLast((line) => line < low) ?? 1,
        LINES.find((line) => line > high) ?? (high ?? 500) * 2,
      ],
    },
    axis: axis({
      size: 64,
      splits: (_chart, _axis, low, high) => few(LINES.filter((line) => line >= low && line <= high)),
      filter: (_chart, places) => places,
      values: (_chart, places) => places.map(duration),
    }),
  };
}

// The row that is pointed at, as the table has it.
function read(figure, row) {
  const line = table.tBodies[0].rows[row ?? -1];
  const value = (name) => line.querySelector(`[data-of="${name}"]`).textContent;
  const words = () => Array.from(figure.querySelectorAll("[data-series]"), (one) => `${one.textContent} ${value(one.dataset.series)}`);
  figure.querySelector(".readout").textContent = line ? `${line.cells[0].textContent}: ${words().join(", ")}` : "\u00a0";
}

function draw(place) {
  const figure = place.closest("figure");
  const times = Array.from(table.querySelectorAll("tbody time"), (time) => Date.parse(time.dateTime) / 1000);
  const names = Array.from(figure.querySelectorAll("[data-series]"), (one) => one.dataset.series);
  const kind = { stacked, lines }[place.dataset.chart](names);
  const half = (times[1] - times[0]) / 2;
  const options = {
    width: place.clientWidth,
    height: HEIGHT,
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
    scales: { x: { range: () => [times[0] - half, times.at(-1) + half] }, y: kind.scale },
    series: [{}, ...kind.series],
    axes: [axis({ grid: { show: false }, values: ticks }), kind.axis],
    cursor: { drag: { x: false, y: false }, y: false, sync: { key: "figures" } },
    legend: { show: false },
    hooks: { setCursor: [(chart) => read(figure, chart.cursor.idx)] },
  };
  return new uPlot(options, [times, ...kind.data], place);
}

function start() {
  const places = [...document.querySelectorAll("[data-chart]")];
  places[0].closest(".charts").hidden = false;
  let drawn = [];
  let width = 0;
  const again = () => {
    drawn.forEach((chart) => chart.destroy());
    drawn = places.map(draw);
  };
  new ResizeObserver(() => {
    if (places[0].clientWidth === width) return;
    width = places[0].clientWidth;
    again();
  }).observe(places[0]);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
}

if (table) start();
