// Bars over time as SVG, with the same numbers as a table below for whoever can't see them or wants them exactly.

import { table } from "./table.js";

const SVG = "http://www.w3.org/2000/svg";
const [HEIGHT, LEFT, BOTTOM, TOP] = [220, 34, 22, 6];
const TICK_PIXELS = 60;

// As wide as its place, and drawn again when that changes.
export class Bars {
  // `series` are {name, label, sign}: bars of sign -1 hang below the axis.
  constructor(into, title, series) {
    Object.assign(this, { title, series, points: [] });
    this.place = document.createElement("div");
    this.numbers = document.createElement("details");
    into.replaceChildren(legend(series), this.place, this.numbers);
    new ResizeObserver(() => this.draw()).observe(this.place);
  }

  // `points` are {label, tick?, [name]: number}.
  show(points) {
    this.points = points;
    this.draw();
    this.tell();
  }

  draw() {
    const { points, series } = this;
    const width = this.place.clientWidth;
    if (width <= LEFT || points.length === 0) return;
    const [most, least] = [reach(points, series, 1), reach(points, series, -1)];
    const scale = (HEIGHT - TOP - BOTTOM) / (most + least);
    const zero = TOP + most * scale;
    const step = (width - LEFT) / points.length;
    const chart = make("svg", { class: "chart", width, height: HEIGHT, role: "img", "aria-label": summary(this.title, series, points) });
    chart.append(...lines(most, least, zero, scale, width));
    points.forEach((point, number) => {
      const x = LEFT + number * step;
      chart.append(...stack(point, series, x, step, zero, scale), hover(point, series, x, step));
    });
    chart.append(...ticks(points, step));
    this.place.replaceChildren(chart);
  }

  tell() {
    const handle = document.createElement("summary");
    handle.textContent = "As a table";
    const heads = ["When", ...this.series.map((one) => one.label)];
    const rows = this.points
      .filter((point) => sum(point, this.series))
      .map((point) => [point.label, ...this.series.map((one) => point[one.name])]);
    this.numbers.replaceChildren(handle, table(this.title, heads, rows.reverse(), "Nothing yet."));
  }
}

function reach(points, series, sign) {
  const sums = points.map((point) => sum(point, series.filter((one) => one.sign === sign)));
  const highest = Math.max(...sums);
  if (highest === 0) return sign > 0 ? 1 : 0;
  const unit = 10 ** Math.floor(Math.log10(highest));
  return Math.ceil(highest / unit) * unit;
}

function sum(point, series) {
  return series.reduce((total, one) => total + point[one.name], 0);
}

function* lines(most, least, zero, scale, width) {
  for (const value of new Set([most, 0, -least])) {
    const y = zero - value * scale;
    yield make("line", { class: value ? "grid" : "axis", x1: LEFT, x2: width, y1: y, y2: y });
    yield text(LEFT - 6, y + 4, Math.abs(value).toLocaleString(), "end");
  }
}

function* stack(point, series, x, step, zero, scale) {
  const ends = { 1: zero, [-1]: zero };
  for (const { name, sign } of series) {
    const height = point[name] * scale;
    if (height === 0) continue;
    const y = sign > 0 ? ends[sign] - height : ends[sign];
    ends[sign] -= sign * height;
    yield make("rect", { class: name, x: x + step * 0.1, y, width: step * 0.8, height, rx: Math.min(2, height / 2) });
  }
}

function hover(point, series, x, step) {
  const area = make("rect", { class: "hover", x, y: TOP, width: step, height: HEIGHT - TOP - BOTTOM });
  const title = make("title", {});
  title.textContent = `${point.label}\n${series.map((one) => `${one.label}: ${point[one.name]}`).join("\n")}`;
  area.append(title);
  return area;
}

function summary(title, series, points) {
  const totals = series.map((one) => `${one.label}: ${points.reduce((total, point) => total + point[one.name], 0)}`);
  return `${title}. ${totals.join(", ")} in all. The table below has each.`;
}

function legend(series) {
  const list = document.createElement("ul");
  list.className = "legend";
  for (const { name, label } of series) {
    const key = document.createElement("span");
    key.className = `key ${name}`;
    const item = document.createElement("li");
    item.append(key, label);
    list.append(item);
  }
  return list;
}

// As many as there is room for, the last for certain.
function* ticks(points, step) {
  let free = Infinity;
  for (let number = points.length - 1; number >= 0; number--) {
    const x = LEFT + (number + 0.5) * step;
    if (!points[number].tick || x > free) continue;
    yield text(x, HEIGHT - 6, points[number].tick, "middle");
    free = x - TICK_PIXELS;
  }
}

function text(x, y, content, anchor) {
  const made = make("text", { x, y, "text-anchor": anchor });
  made.textContent = content;
  return made;
}

function make(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}
