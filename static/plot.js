/* Draws every <div class="plot" data-figure="ID"> from <script type="application/json" id="ID"> (Django's json_script).

   A figure is {"data": [...], "layout": {...}} as plotly's Python library makes it. What all charts share - fonts, colours,
   axes, hover - stands here once; docs/design.md lists what a figure may say in `meta`. Plotly itself is fetched only when a
   page, or a fragment that htmx brought, holds a plot. */
(function () {
  "use strict";

  const own = document.currentScript;
  const isChinese = document.documentElement.lang.toLowerCase().startsWith("zh");
  const styles = getComputedStyle(document.documentElement);
  const token = (name) => styles.getPropertyValue(name).trim();
  const NARROW = 560;
  const SERIES = ["--primary", "--class-gold", "--class-equity", "--class-reit", "--class-short_bond", "--class-sector_equity"];
  /* plotly's own Chinese writes the fourth of May as 五 4. */
  const LOCALES = { "zh-CN": { format: { year: "%Y年", month: "%Y年%-m月", dayMonth: "%-m月%-d日", dayMonthYear: "%Y年%-m月%-d日" } } };
  let library = null;

  function load(address) {
    return new Promise((resolve, reject) => {
      const element = document.createElement("script");
      element.src = address;
      element.onload = resolve;
      element.onerror = () => reject(new Error(address));
      document.head.append(element);
    });
  }

  function plotly() {
    library ??= load(own.dataset.plotly).then(() => (isChinese ? load(own.dataset.zh) : null)).then(() => window.Plotly);
    return library;
  }

  function template() {
    const axis = {
      automargin: true, fixedrange: true, nticks: 5, zeroline: false, showline: false, ticks: "", tickcolor: token("--line"),
      gridcolor: token("--line"), zerolinecolor: token("--line-strong"), linecolor: token("--line-strong"),
      tickfont: { size: 13, color: token("--ink-muted") }, title: { font: { size: 13, color: token("--ink-muted") }, standoff: 8 },
    };
    return {
      layout: {
        font: { family: getComputedStyle(document.body).fontFamily, size: 13, color: token("--ink") },
        paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", margin: { l: 4, r: 12, t: 8, b: 4, pad: 6 },
        colorway: SERIES.map(token),
        dragmode: false, bargap: 0.35, separators: ".,", legend: { orientation: "h", x: 0, xanchor: "left", y: 1.02, yanchor: "bottom", font: { size: 13 } },
        hoverlabel: { bgcolor: token("--paper"), bordercolor: token("--line-strong"), font: { size: 13, color: token("--ink") }, align: "left" },
        xaxis: { ...axis, showgrid: false }, yaxis: axis,
      },
      data: { bar: [{ marker: { line: { width: 0 } }, textfont: { size: 13 }, insidetextanchor: "start", textangle: 0, cliponaxis: false }], scatter: [{ line: { width: 2 }, cliponaxis: false }] },
    };
  }

  /* meta.asset_class is one code or, for bars, a list of codes; meta.role is main, target, other, drawdown, band, gain or loss;
     meta.series is a place in the series, so that a line keeps its colour from one panel to the next. */
  function colourOf(meta) {
    if (Number.isInteger(meta.series)) return token(SERIES[meta.series % SERIES.length]);
    if (meta.asset_class) {
      const one = (code) => token(`--class-${code}`) || token("--series-other");
      return Array.isArray(meta.asset_class) ? meta.asset_class.map(one) : one(meta.asset_class);
    }
    if (meta.role === "gain" || meta.role === "loss") return token(`--${meta.role}`);
    return meta.role ? token(`--series-${meta.role}`) : null;
  }

  function withAlpha(hex, alpha) {
    const [r, g, b] = [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
    return `rgba(${r},${g},${b},${alpha})`;
  }

  /* A thin line needs more contrast than a bar: pale class colours are darkened until they have 3 : 1 on white. */
  function forLine(hex) {
    let parts = [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
    const light = ([r, g, b]) => [r, g, b].map((part) => (part / 255) ** 2.2).reduce((sum, part, at) => sum + part * [0.2126, 0.7152, 0.0722][at], 0);
    while (light(parts) > 0.3) parts = parts.map((part) => Math.round(part * 0.92));
    return `#${parts.map((part) => part.toString(16).padStart(2, "0")).join("")}`;
  }

  function paint(trace) {
    const meta = trace.meta || {};
    let colour = colourOf(meta);
    if (!colour) return;
    if (isLine(trace) && meta.role !== "other" && typeof colour === "string") colour = forLine(colour);
    trace.marker = { ...trace.marker, color: colour };
    if (typeof colour !== "string") return;
    trace.line = { ...trace.line, color: colour };
    if (trace.fill) trace.fillcolor = withAlpha(colour, meta.role === "band" ? 0.14 : 0.18);
    if (meta.role === "band") trace.line = { ...trace.line, width: 0 };
    if (meta.role === "target" && trace.mode === "markers") {
      trace.marker = { symbol: "line-ns", size: 18, ...trace.marker, line: { width: 3, color: colour } };
    }
  }

  /* 12,000 is 1.2万 in Chinese and 12k in English. */
  function shortMoney(value) {
    const units = isChinese ? [[1e8, "亿"], [1e4, "万"]] : [[1e9, "bn"], [1e6, "M"], [1e3, "k"]];
    const [size, unit] = units.find(([limit]) => Math.abs(value) >= limit) || [1, ""];
    const text = new Intl.NumberFormat("en", { maximumFractionDigits: size === 1 ? 0 : 1 }).format(Math.abs(value) / size);
    return `${value < 0 ? "−" : ""}${text}${unit}`;
  }

  function niceTicks(low, high, wanted) {
    const raw = (high - low || Math.abs(high) || 1) / wanted;
    const power = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= raw);
    const ticks = [];
    for (let at = Math.floor(low / step) * step; at <= high + step / 2; at += step) ticks.push(Math.round(at / step) * step);
    return ticks;
  }

  /* layout.meta.money_axes names the axes in yuan, such as ["yaxis"]. */
  function labelMoney(figure) {
    for (const name of (figure.layout.meta || {}).money_axes || []) {
      const letter = name[0];
      const short = name.replace("axis", "");
      const values = figure.data.filter((trace) => (trace[`${letter}axis`] || letter) === short).flatMap((trace) => trace[letter] || []).filter(Number.isFinite);
      if (!values.length) continue;
      const ticks = niceTicks(Math.min(...values), Math.max(...values), 4);
      figure.layout[name] = { ...figure.layout[name], tickmode: "array", tickvals: ticks, ticktext: ticks.map(shortMoney) };
    }
  }

  const isLine = (trace) => (trace.type || "scatter") === "scatter" && (trace.mode || "lines").includes("lines") && (trace.meta || {}).role !== "band";

  /* Lines carry their names at their ends where there is room; on a phone a legend above does. */
  function nameLines(figure, width) {
    const lines = figure.data.filter((trace) => isLine(trace) && trace.name && trace.showlegend !== false);
    const wanted = figure.layout.showlegend === undefined && lines.length > 1;
    if (!wanted) return;
    const oneAxis = lines.every((trace) => (trace.yaxis || "y") === "y");
    if (width < NARROW || !oneAxis) {
      figure.layout.showlegend = true;
      return;
    }
    figure.layout.showlegend = false;
    const ends = lines.map((trace) => ({ trace, y: trace.y[trace.y.length - 1] })).sort((a, b) => a.y - b.y);
    const all = lines.flatMap((trace) => trace.y).filter(Number.isFinite);
    const gap = ((Math.max(...all) - Math.min(...all)) * 20) / (figure.layout.height - 60);
    let last = -Infinity;
    const labels = ends.map(({ trace, y }) => {
      last = Math.max(y, last + gap);
      return { x: 1, xref: "paper", y: last, text: trace.name, xanchor: "left", xshift: 6, showarrow: false, font: { color: (trace.meta || {}).role === "other" ? token("--ink-muted") : (trace.line || {}).color } };
    });
    const longest = Math.max(...lines.map((trace) => [...trace.name].reduce((sum, letter) => sum + (letter > "⺀" ? 13 : 7), 0)));
    figure.layout.margin = { r: longest + 16, ...figure.layout.margin };
    figure.layout.annotations = [...(figure.layout.annotations || []), ...labels];
  }

  /* A vertical title costs width and is hard to read: it stands above its axis instead. */
  function layTitlesFlat(layout) {
    for (const name of Object.keys(layout).filter((key) => key.startsWith("yaxis"))) {
      const title = layout[name].title?.text ?? layout[name].title;
      if (typeof title !== "string") continue;
      const top = layout[name].domain?.[1] ?? 1;
      layout[name] = { ...layout[name], title: undefined };
      if (top === 1) {
        layout.margin = { t: 32, ...layout.margin };
        layout.legend = { y: 1 + 28 / (layout.height - 64), ...layout.legend };
      }
      const note = { text: title, xref: "paper", yref: "paper", x: 0, y: top, xanchor: "left", yanchor: "bottom", yshift: 6, showarrow: false };
      layout.annotations = [...(layout.annotations || []), { ...note, font: { color: token("--ink-muted") } }];
    }
  }

  /* A fund that never fell would otherwise get an axis from -100 % to 100 %. */
  function frameDrawdown(figure) {
    for (const trace of figure.data.filter((one) => (one.meta || {}).role === "drawdown")) {
      const name = (trace.yaxis || "y").replace("y", "yaxis");
      figure.layout[name] = { range: [Math.min(-0.01, Math.min(...trace.y) * 1.1), 0], ...figure.layout[name] };
    }
  }

  function prepare(figure, width) {
    const bars = figure.data.filter((trace) => trace.type === "bar" && trace.orientation === "h");
    const layout = figure.layout;
    layout.template = template();
    layout.autosize = true;
    delete layout.width;
    const rows = Math.max(0, ...bars.map((trace) => trace.y.length));
    layout.height ??= rows ? Math.max(120, rows * 40 + 48) : 320;
    if (bars.length) {
      layout.hovermode ??= "closest";
      layout.xaxis = { showgrid: true, ...layout.xaxis };
      layout.yaxis = { showgrid: false, autorange: "reversed", tickmode: "linear", dtick: 1, ...layout.yaxis };
    } else if (figure.data.some(isLine)) {
      layout.hovermode ??= "x unified";
    }
    figure.data.forEach(paint);
    labelMoney(figure);
    frameDrawdown(figure);
    layTitlesFlat(layout);
    nameLines(figure, width);
    if (layout.showlegend === undefined) layout.showlegend = figure.data.filter((trace) => trace.name && trace.showlegend !== false).length > 1 && !isLine(figure.data[0]);
    return figure;
  }

  /* A chart that cannot be drawn steps aside for its table. */
  function giveUp(div) {
    div.hidden = true;
    const table = div.closest(".chart-card, .card")?.querySelector("details");
    if (table) table.open = true;
  }

  async function draw(div) {
    const source = document.getElementById(div.dataset.figure);
    if (!source || div.dataset.drawn === "1" || !div.offsetWidth) return;
    div.dataset.drawn = "1";
    if (document.documentElement.hasAttribute("data-elder")) return giveUp(div); // its letters would be too small
    try {
      const Plotly = await plotly();
      const { data = [], layout = {} } = JSON.parse(source.textContent);
      const figure = prepare({ data, layout }, div.offsetWidth);
      div.setAttribute("role", "img");
      const title = div.closest(".chart-card")?.querySelector("h2, h3");
      if (title && !div.hasAttribute("aria-label")) div.setAttribute("aria-label", title.textContent.trim());
      await Plotly.newPlot(div, figure.data, figure.layout, { displayModeBar: false, responsive: true, scrollZoom: false, doubleClick: false, locale: isChinese ? "zh-CN" : "en", locales: LOCALES });
      div.classList.add("plot-drawn");
    } catch (error) {
      console.warn("chart not drawn:", error.message);
      giveUp(div);
    }
  }

  const drawAll = (root) => root.querySelectorAll(".plot[data-figure]").forEach(draw);

  document.addEventListener("DOMContentLoaded", () => drawAll(document));
  document.addEventListener("toggle", (event) => event.target.open && drawAll(event.target), true);
  document.addEventListener("htmx:afterSettle", (event) => drawAll(event.detail.elt.parentElement || document));
  document.addEventListener("htmx:beforeCleanupElement", (event) => {
    if (event.detail.elt.classList?.contains("plot-drawn")) window.Plotly.purge(event.detail.elt);
  });
})();
