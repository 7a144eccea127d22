// How is a number over time drawn? By uPlot, in the page's own colours.

import { h } from "./dom.js";

let library = null;

async function plotter() {
  library ??= import("./vendored/uPlot.esm.js").then((found) => found.default);
  if (!document.querySelector("link[data-uplot]")) {
    document.head.append(h("link", { rel: "stylesheet", href: "console/vendored/uPlot.min.css", "data-uplot": true }));
  }
  return library;
}

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

/** A chart in a card: `lines` are name, colour of the page, and how a value is written. Gives the card, `set` and `end`. */
export async function chart(title, lines, { unit = (value) => String(value), most } = {}) {
  const Plot = await plotter();
  const place = h("div", { class: "chart" });
  const last = h("p", { class: "quiet chart-last", role: "status" });
  const card = h("section", { class: "card chart-card", "aria-label": title }, h("h3", null, title), place, last);
  let data = [[], ...lines.map(() => [])];
  let plot = null;

  function made() {
    const axis = {
      stroke: colour("quiet"),
      grid: { stroke: colour("line"), width: 1 },
      ticks: { show: false },
      font: "11px system-ui, sans-serif",
    };
    return new Plot(
      {
        width: Math.max(200, place.clientWidth),
        height: 170,
        legend: { show: false },
        cursor: { show: false },
        scales: { y: { range: (_, low, high) => [0, (most ?? (high || 1)) * 1.06] } },
        axes: [
          { ...axis, space: 90, values: (_, splits) => splits.map(clock) },
          { ...axis, size: 62, values: (_, values) => values.map(unit) },
        ],
        series: [
          {},
          ...lines.map(([, name]) => ({ stroke: colour(name), width: 2, points: { show: false }, spanGaps: false })),
        ],
      },
      data,
      place,
    );
  }

  function redraw() {
    plot?.destroy();
    plot = made();
  }

  const watch = new ResizeObserver(() => plot?.setSize({ width: Math.max(200, place.clientWidth), height: 170 }));
  const scheme = matchMedia("(prefers-color-scheme: dark)");
  scheme.addEventListener("change", redraw);
  watch.observe(place);
  return {
    card,
    set(columns) {
      data = columns;
      if (plot) plot.setData(data);
      else if (place.isConnected) redraw();
      last.replaceChildren(
        ...lines.map(([name, tone], at) => {
          const value = data[at + 1].at(-1);
          return h(
            "span",
            { class: "key-of" },
            h("i", { style: { background: `var(--${tone})` } }),
            `${name} ${value === null || value === undefined ? "–" : unit(value)}`,
          );
        }),
      );
    },
    end() {
      plot?.destroy();
      watch.disconnect();
      scheme.removeEventListener("change", redraw);
    },
  };
}

function clock(seconds) {
  return new Date(seconds * 1000).toLocaleTimeString("sv-SE");
}
