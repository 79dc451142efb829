"use strict";

/** Make an SVG element. */
function svg(name, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  made.append(...children);
  return made;
}

const WIDTH = 720, HEIGHT = 300, LEFT = 52, RIGHT = 12, TOP = 12, BOTTOM = 40;
const DASHES = ["", "6 3", "2 3", "10 3 2 3"];

/** Return round numbers from `low` to `high`; powers of ten where `log`. */
function ticks(low, high, log) {
  if (log) {
    const found = [];
    for (let power = Math.ceil(Math.log10(low) - 1e-9); 10 ** power <= high * 1.0001; power++) found.push(10 ** power);
    const step = Math.ceil(found.length / 6);
    return found.filter((_, number) => number % step === 0);
  }
  const rough = (high - low) / 5 || 1, unit = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * unit).find((size) => size >= rough);
  const found = [];
  for (let at = Math.ceil(low / step) * step; at <= high + step / 1000; at += step) found.push(Number(at.toPrecision(6)));
  return found;
}

/**
 * Draw lines, whose values are read by pointing at them or with the arrow keys, and are in a table below.
 *
 * series: {name, points: [[x, y, error?], ...]}; levels: [name, y], horizontal lines; logX, logY: logarithmic axes.
 */
function chart({ label, x, y, series, levels = [], logX = false, logY = false }) {
  const points = series.flatMap((one) => one.points);
  const xs = [...new Set(points.map((point) => point[0]))].sort((one, other) => one - other);
  const ys = [...points.flatMap(([, value, error = 0]) => [value - error, value + error]), ...levels.map(([, at]) => at)];
  const bounds = (values, log) => {
    const used = values.filter((value) => Number.isFinite(value) && (!log || value > 0));
    const low = Math.min(...used), high = Math.max(...used);
    if (low === high) return log ? [low / 2, high * 2] : [low - 1, high + 1];
    const space = log ? 0 : (high - low) * 0.04;
    return [low - space, high + space];
  };
  const [left, right] = logX ? bounds(xs, true) : [xs[0], xs.at(-1) > xs[0] ? xs.at(-1) : xs[0] + 1];
  const [bottom, top] = bounds(ys, logY);
  const scale = (low, high, from, to, log) => (value) => {
    const share = log ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low);
    return from + share * (to - from);
  };
  const across = scale(left, right, LEFT, WIDTH - RIGHT, logX);
  const upwards = scale(bottom, top, HEIGHT - BOTTOM, TOP, logY);
  const drawn = svg("svg", { class: "chart", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": label, tabindex: 0 });
  for (const at of ticks(bottom, top, logY)) {
    drawn.append(svg("line", { class: "axis", x1: LEFT, x2: WIDTH - RIGHT, y1: upwards(at), y2: upwards(at) }));
    drawn.append(svg("text", { x: LEFT - 6, y: upwards(at) + 4, "text-anchor": "end" }, logY ? at.toExponential(0) : at.toLocaleString("en")));
  }
  for (const at of ticks(left, right, logX))
    drawn.append(svg("text", { x: across(at), y: HEIGHT - BOTTOM + 16, "text-anchor": "middle" }, at.toLocaleString("en")));
  drawn.append(svg("text", { x: (LEFT + WIDTH - RIGHT) / 2, y: HEIGHT - 6, "text-anchor": "middle" }, x));
  levels.forEach(([name, at], number) => {
    drawn.append(svg("line", { x1: LEFT, x2: WIDTH - RIGHT, y1: upwards(at), y2: upwards(at), stroke: "var(--series-3)", "stroke-width": 1.5, "stroke-dasharray": DASHES[1 + (number % 3)] }));
    drawn.append(svg("text", { x: WIDTH - RIGHT - 4, y: upwards(at) - 4, "text-anchor": "end" }, `${name} ${at.toFixed(3)}`));
  });
  series.forEach((one, number) => {
    const colour = `var(--series-${1 + (number % 4)})`;
    const path = one.points.map(([at, value], place) => `${place ? "L" : "M"}${across(at).toFixed(1)} ${upwards(value).toFixed(1)}`);
    drawn.append(svg("path", { class: "line", d: path.join(""), stroke: colour, "stroke-dasharray": DASHES[number % 4] }));
    for (const [at, value, error] of one.points) {
      if (one.points.length <= 60) drawn.append(svg("circle", { cx: across(at), cy: upwards(value), r: 3, fill: colour }));
      if (error) drawn.append(svg("line", { class: "band", x1: across(at), x2: across(at), y1: upwards(value - error), y2: upwards(value + error), stroke: colour }));
    }
  });
  const cursor = svg("line", { class: "cursor", y1: TOP, y2: HEIGHT - BOTTOM, visibility: "hidden" });
  drawn.append(cursor);
  const values = element("p", { class: "values", "aria-live": "polite" }, "Point at the curve, or press the arrow keys in it, for its values.");
  const nearest = (one, at) => one.points.reduce((best, point) => (Math.abs(point[0] - at) < Math.abs(best[0] - at) ? point : best));
  const written = (value) => (Math.abs(value) >= 0.001 ? value.toFixed(3) : value.toExponential(1));
  let chosen = 0;
  function choose(place) {
    chosen = Math.max(0, Math.min(xs.length - 1, place));
    const at = xs[chosen];
    cursor.setAttribute("x1", across(at));
    cursor.setAttribute("x2", across(at));
    cursor.setAttribute("visibility", "visible");
    const parts = series.map((one) => {
      const [where, value, error] = nearest(one, at);
      const from = where === at ? "" : ` (${x} ${where.toLocaleString("en")})`;
      return `${one.name} ${written(value)}${error ? " ± " + written(error) : ""}${from}`;
    });
    values.textContent = `${x} ${at.toLocaleString("en")}: ${parts.join(", ")}`;
  }
  drawn.addEventListener("pointermove", (event) => {
    const box = drawn.getBoundingClientRect();
    const at = ((event.clientX - box.left) / box.width) * WIDTH;
    choose(xs.reduce((best, value, place) => (Math.abs(across(value) - at) < Math.abs(across(xs[best]) - at) ? place : best), 0));
  });
  drawn.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    choose(chosen + step);
  });
  const keys = series.map((one, number) => element("span", { class: "key" },
    svg("svg", { width: 28, height: 10, "aria-hidden": true }, svg("line", { x1: 0, x2: 28, y1: 5, y2: 5, "stroke-width": 2, stroke: `var(--series-${1 + (number % 4)})`, "stroke-dasharray": DASHES[number % 4] })), one.name));
  return element("div", {}, element("p", { class: "muted" }, y), drawn, element("div", {}, ...keys), values);
}

/** Return a table; cells that are numbers are set to the right. */
function table(heads, rows) {
  const cell = (name, value) => element(name, typeof value === "number" || /^[-+<±]?[\d.,]+( ?%)?( ± .*)?$/.test(value) ? { class: "number" } : {}, value instanceof Node ? value : String(value));
  return element("div", { class: "scroll" }, element("table", {},
    element("thead", {}, element("tr", {}, ...heads.map((head) => element("th", { scope: "col" }, head)))),
    element("tbody", {}, ...rows.map((row) => element("tr", {}, ...row.map((value) => cell("td", value)))))));
}
