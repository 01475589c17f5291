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
        colorway: SERIES.map((name) => legible(token(name), 3)),
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

  const parts = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
  const luminance = (rgb) => rgb.map((part) => (part <= 10 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4)).reduce((sum, part, at) => sum + part * [0.2126, 0.7152, 0.0722][at], 0);

  const contrast = (one, other) => (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
  /* Of black and white one has 4.5 : 1 on any colour. */
  const inkOn = (hex) => (contrast(luminance(parts(hex)), 0) > contrast(luminance(parts(hex)), 1) ? "#000000" : "#FFFFFF");

  /* The colour, taken towards the ink until it stands out from the paper: 3 : 1 for a line or an edge, 4.5 : 1 for letters. */
  function legible(hex, ratio) {
    const ground = luminance(parts(token("--paper")));
    const end = ground > 0.5 ? 0 : 255;
    let rgb = parts(hex);
    while (contrast(luminance(rgb), ground) < ratio && rgb.some((part) => part !== end)) rgb = rgb.map((part) => Math[end ? "ceil" : "floor"](part + (end - part) * 0.08));
    return `#${rgb.map((part) => part.toString(16).padStart(2, "0")).join("")}`;
  }

  function withAlpha(hex, alpha) {
    return `rgba(${parts(hex)},${alpha})`;
  }

  function paint(trace) {
    const meta = trace.meta || {};
    let colour = colourOf(meta);
    if (!colour) return;
    const each = (change) => (Array.isArray(colour) ? colour.map(change) : change(colour));
    const seen = each((one) => legible(one, 3));
    if (trace.type === "bar") {
      trace.marker = { line: { width: 1, color: seen }, ...trace.marker, color: colour };
      trace.insidetextfont = { color: each(inkOn), ...trace.insidetextfont };
      if (trace.error_x) { // the half of an interval that lies on the bar must be seen as well
        trace.marker.color = each((one) => withAlpha(one, 0.35));
        trace.error_x = { color: token("--ink"), thickness: 1.5, ...trace.error_x };
      }
    } else trace.marker = { ...trace.marker, color: (colour = seen) };
    if (typeof colour !== "string") return;
    trace.line = { ...trace.line, color: colour };
    if (trace.fill) trace.fillcolor = withAlpha(colour, meta.role === "band" ? 0.14 : 0.18);
    if (meta.role === "band") trace.line = { ...trace.line, width: 0 };
    if (meta.role === "target" && trace.mode === "markers") {
      trace.marker = { symbol: "line-ns", size: 24, ...trace.marker, line: { width: 3, color: colour } };
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
      return { x: 1, xref: "paper", y: last, text: trace.name, xanchor: "left", xshift: 6, showarrow: false, font: { color: (trace.line || {}).color ? legible(trace.line.color, 4.5) : token("--ink-muted") } };
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

  function drawAgain() {
    const drawn = document.querySelectorAll(".plot-drawn");
    drawn.forEach((div) => { div.dataset.drawn = ""; });
    drawn.forEach(draw);
  }

  /* Plotly writes colours into its shapes: they are written again when the screen turns dark or light, and light ones for paper. */
  const dark = matchMedia("(prefers-color-scheme: dark)");
  dark.addEventListener("change", drawAgain);
  window.addEventListener("beforeprint", () => {
    document.documentElement.dataset.theme = "light";
    if (dark.matches) drawAgain();
  });
  window.addEventListener("afterprint", () => {
    delete document.documentElement.dataset.theme;
    if (dark.matches) drawAgain();
  });

  document.addEventListener("DOMContentLoaded", () => drawAll(document));
  document.addEventListener("toggle", (event) => event.target.open && drawAll(event.target), true);
  document.addEventListener("htmx:afterSettle", (event) => drawAll(event.detail.elt.parentElement || document));
  document.addEventListener("htmx:beforeCleanupElement", (event) => {
    if (event.detail.elt.classList?.contains("plot-drawn")) window.Plotly.purge(event.detail.elt);
  });
})();
