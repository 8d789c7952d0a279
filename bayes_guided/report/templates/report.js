"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const byId = (id) => document.getElementById(id);
  const PAGE = 25;
  const STRONG = 5; // nats, as in the table of groups
  const state = { run: 0, column: "place", down: false, page: 0, rows: [] };

  // Units -----------------------------------------------------------------------------------------------------------------

  function decoded(column) {
    const bytes = Uint8Array.from(atob(column.data), (letter) => letter.charCodeAt(0));
    return column.flag ? bytes : new Float32Array(bytes.buffer);
  }

  function unpack(run) {
    if (run.values) return run;
    run.values = Object.fromEntries(run.columns.map((column) => [column.name, decoded(column)]));
    const total = run.sizes.reduce((sum, size) => sum + size, 0);
    run.starts = run.sizes.map((_, place) => run.sizes.slice(0, place).reduce((sum, size) => sum + size, 0));
    run.values.group = new Int32Array(total);
    run.values.unit = new Int32Array(total);
    run.values.place = new Int32Array(total);
    run.sizes.forEach((size, group) => {
      for (let unit = 0; unit < size; unit += 1) {
        const place = run.starts[group] + unit;
        run.values.group[place] = group;
        run.values.unit[place] = unit;
        run.values.place[place] = place;
      }
    });
    return run;
  }

  const current = () => unpack(data.runs[state.run]);

  function shown(value, digits) {
    if (Number.isNaN(value)) return "–";
    if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
    const size = Math.abs(value);
    const text = size !== 0 && (size < 1e-3 || size >= 1e6) ? value.toExponential(digits - 1) : Number(value.toPrecision(digits)).toString();
    return text.replace("-", "−");
  }

  function cell(run, column, place, digits) {
    const value = run.values[column.name][place];
    return column.flag ? (value ? "yes" : "no") : shown(value, digits);
  }

  function described(run, place) {
    const parts = run.columns.map((column) => `${column.label} ${cell(run, column, place, 4)}`);
    return `${run.groups[run.values.group[place]]}, unit ${run.values.unit[place]}: ${parts.join("; ")}`;
  }

  // Map of all units --------------------------------------------------------------------------------------------------------

  function shade(value) {
    if (Number.isNaN(value)) return "#888888";
    return data.shades[Math.min(Math.floor(value * data.shades.length), data.shades.length - 1)];
  }

  function mean(values, from, to) {
    let sum = 0;
    for (let place = from; place < to; place += 1) sum += values[place];
    return sum / (to - from);
  }

  function drawStrip(run, group, canvas, chosen) {
    const ratio = window.devicePixelRatio || 1;
    canvas.width = Math.max(Math.round(canvas.clientWidth * ratio), 1);
    canvas.height = Math.round(28 * ratio);
    const pen = canvas.getContext("2d");
    const size = run.sizes[group];
    const steps = Math.min(size, canvas.width);
    const half = canvas.height / 2;
    ["prior_survival", "posterior_survival"].forEach((name, side) => {
      const values = run.values[name];
      for (let step = 0; step < steps; step += 1) {
        const from = Math.floor((step * size) / steps);
        const to = Math.max(Math.floor(((step + 1) * size) / steps), from + 1);
        pen.fillStyle = values ? shade(mean(values, run.starts[group] + from, run.starts[group] + to)) : "#888888";
        const left = Math.round((step * canvas.width) / steps);
        pen.fillRect(left, side * half, Math.round(((step + 1) * canvas.width) / steps) - left, half);
      }
    });
    pen.fillStyle = "#ffffff";
    pen.fillRect(0, half - ratio / 2, canvas.width, ratio);
    if (chosen !== undefined) {
      const wide = Math.max(canvas.width / size, 3 * ratio);
      pen.strokeStyle = "#d55e00";
      pen.lineWidth = 2 * ratio;
      pen.strokeRect(((chosen + 0.5) * canvas.width) / size - wide / 2, ratio, wide, canvas.height - 2 * ratio);
    }
  }

  function drawStrips() {
    const run = current();
    const strips = byId("strips");
    strips.replaceChildren();
    run.groups.forEach((name, group) => {
      const strip = document.createElement("div");
      strip.className = "strip";
      const label = document.createElement("span");
      label.textContent = `${name} (${run.sizes[group].toLocaleString("en")})`;
      label.title = name;
      const canvas = document.createElement("canvas");
      canvas.tabIndex = 0;
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", `Survival of the ${run.sizes[group]} units of ${name}; arrow keys read them one by one`);
      strip.append(label, canvas);
      strips.append(strip);
      let unit = -1;
      const choose = (wanted) => {
        unit = Math.min(Math.max(wanted, 0), run.sizes[group] - 1);
        byId("readout").textContent = described(run, run.starts[group] + unit);
        drawStrip(run, group, canvas, unit);
      };
      canvas.addEventListener("pointermove", (event) => {
        const box = canvas.getBoundingClientRect();
        choose(Math.floor(((event.clientX - box.left) / box.width) * run.sizes[group]));
      });
      canvas.addEventListener("pointerleave", () => drawStrip(run, group, canvas));
      canvas.addEventListener("blur", () => drawStrip(run, group, canvas));
      canvas.addEventListener("keydown", (event) => {
        const step = { ArrowRight: 1, ArrowLeft: -1, PageDown: 25, PageUp: -25, Home: -Infinity, End: Infinity }[event.key];
        if (step === undefined) return;
        event.preventDefault();
        choose(unit + step);
      });
      drawStrip(run, group, canvas);
    });
  }

  // Table of units ----------------------------------------------------------------------------------------------------------

  function head() {
    const run = current();
    const row = byId("unit-table").tHead.rows[0];
    row.replaceChildren();
    const all = [{ name: "place", label: "group", help: "groups in network order" }, { name: "unit", label: "unit", help: "index in the group" }, ...run.columns];
    all.forEach((column) => {
      const th = document.createElement("th");
      th.scope = "col";
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = column.label;
      button.title = column.help;
      button.addEventListener("click", () => {
        state.down = state.column === column.name ? !state.down : !["place", "unit"].includes(column.name);
        state.column = column.name;
        state.page = 0;
        list();
      });
      th.dataset.column = column.name;
      th.append(button);
      row.append(th);
    });
  }

  function wantedUnits(text) {
    const found = /^\s*(\d+)\s*(?:[-–]\s*(\d+)\s*)?$/.exec(text);
    return found ? [Number(found[1]), Number(found[2] ?? found[1])] : null;
  }

  function matching(run) {
    const { values } = run;
    const group = Number(byId("filter-group").value);
    const units = wantedUnits(byId("filter-unit").value);
    const factors = values.log_bayes_factor;
    const kinds = {
      all: () => true,
      in: (place) => values.in_model[place] === 1,
      out: (place) => values.in_model[place] === 0,
      protected: (place) => values.protected[place] === 1,
      wanted: (place) => factors !== undefined && factors[place] > STRONG,
      unwanted: (place) => factors !== undefined && factors[place] < -STRONG,
    };
    const kind = kinds[byId("filter-kind").value];
    return Array.from(values.place).filter((place) => (group < 0 || values.group[place] === group)
      && (!units || (values.unit[place] >= units[0] && values.unit[place] <= units[1])) && kind(place));
  }

  function list() {
    const run = current();
    const values = run.values[state.column] ?? run.values.place;
    const sign = state.down ? -1 : 1;
    state.rows = matching(run).sort((a, b) => {
      const [x, y] = [values[a], values[b]];
      if (Number.isNaN(x) || Number.isNaN(y)) return Number.isNaN(x) - Number.isNaN(y) || a - b;
      return x === y ? a - b : sign * (x < y ? -1 : 1);
    });
    [...byId("unit-table").tHead.rows[0].cells].forEach((th) => {
      if (th.dataset.column === state.column) th.setAttribute("aria-sort", state.down ? "descending" : "ascending");
      else th.removeAttribute("aria-sort");
    });
    page();
  }

  function page() {
    const run = current();
    const last = Math.max(Math.ceil(state.rows.length / PAGE) - 1, 0);
    state.page = Math.min(Math.max(state.page, 0), last);
    const from = state.page * PAGE;
    const rows = state.rows.slice(from, from + PAGE);
    byId("unit-table").tBodies[0].replaceChildren(...rows.map((place) => {
      const row = document.createElement("tr");
      const th = document.createElement("th");
      th.scope = "row";
      th.textContent = run.groups[run.values.group[place]];
      const unit = document.createElement("td");
      unit.textContent = run.values.unit[place];
      row.append(th, unit);
      run.columns.forEach((column) => {
        const td = document.createElement("td");
        td.textContent = cell(run, column, place, 4);
        td.title = `${column.help}: ${cell(run, column, place, 8)}`;
        row.append(td);
      });
      return row;
    }));
    const count = state.rows.length;
    byId("page-state").textContent = count ? `${(from + 1).toLocaleString("en")} to ${(from + rows.length).toLocaleString("en")} of ${count.toLocaleString("en")} units` : "no such units";
    byId("page-first").disabled = byId("page-back").disabled = state.page === 0;
    byId("page-next").disabled = byId("page-last").disabled = state.page === last;
  }

  function groups() {
    const choice = byId("filter-group");
    choice.replaceChildren(new Option("all groups", "-1"), ...current().groups.map((name, place) => new Option(name, String(place))));
    choice.value = "-1";
  }

  // Runs --------------------------------------------------------------------------------------------------------------------

  function showRun(run) {
    state.run = run;
    document.querySelectorAll("[data-run]").forEach((part) => {
      part.hidden = Number(part.dataset.run) !== run;
    });
    const choice = byId("run-choice");
    if (choice) choice.value = String(run);
    const slider = byId("strength");
    if (slider) showPoint(slider, slider.dataset.runs.split(" ").map(Number).indexOf(run));
    byId("readout").textContent = "No unit chosen.";
    groups();
    head();
    list();
    drawStrips();
  }

  function showPoint(slider, point) {
    slider.value = String(point);
    const x = slider.dataset.x.split(" ")[point];
    document.querySelectorAll(".marker").forEach((marker) => {
      marker.setAttribute("x1", x);
      marker.setAttribute("x2", x);
    });
    document.querySelectorAll(".dot").forEach((dot) => dot.classList.toggle("chosen", Number(dot.dataset.point) === point));
    byId("strength-said").textContent = data.path[point];
    slider.setAttribute("aria-valuetext", data.path[point]);
  }

  function start() {
    byId("explorer").hidden = false;
    byId("scale-bar").style.background = `linear-gradient(to right, ${data.shades.join(", ")})`;
    const refilter = () => { state.page = 0; list(); };
    ["filter-group", "filter-kind", "filter-unit"].forEach((id) => byId(id).addEventListener("input", refilter));
    byId("filters").addEventListener("submit", (event) => event.preventDefault());
    byId("filters").addEventListener("reset", () => setTimeout(refilter));
    byId("page-first").addEventListener("click", () => { state.page = 0; page(); });
    byId("page-back").addEventListener("click", () => { state.page -= 1; page(); });
    byId("page-next").addEventListener("click", () => { state.page += 1; page(); });
    byId("page-last").addEventListener("click", () => { state.page = Infinity; page(); });
    const slider = byId("strength");
    if (slider) slider.addEventListener("input", () => showRun(Number(slider.dataset.runs.split(" ")[Number(slider.value)])));
    const choice = byId("run-choice");
    if (choice) choice.addEventListener("input", () => showRun(Number(choice.value)));
    let waiting = 0;
    window.addEventListener("resize", () => { cancelAnimationFrame(waiting); waiting = requestAnimationFrame(drawStrips); });
    showRun(slider ? Number(slider.dataset.runs.split(" ")[0]) : 0);
  }

  start();
})();
