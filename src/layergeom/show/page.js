"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const options = {mode: "vega-lite", ast: true, actions: false, renderer: "svg", tooltip: {theme: "light", offsetX: 18, offsetY: 14}};
  const views = [];

  // One marker: a place shared by all charts that have its signal. What the keys set stays; the
  // pointer's place goes when the pointer does.
  function marker(slider) {
    const signal = slider.dataset.signal, {names, heads, titles, numbers, main} = data.readers[signal];
    const output = document.getElementById("readout-" + signal);
    const all = document.getElementById("all-" + signal);
    let pinned = signal === "hovered" ? -1 : Number(slider.value), shown = pinned;

    function read(place) {
      const cells = numbers[place].slice(0, main).map((text, i) => heads[i] + " " + text);
      output.textContent = [names[place], ...cells].join(" · ");
      slider.setAttribute("aria-valuetext", output.textContent);
      if (all && all.parentNode.open) fill(place);
    }

    function fill(place) {
      all.replaceChildren(...numbers[place].map((text, i) => {
        const pair = document.createElement("div"), head = document.createElement("dt"), cell = document.createElement("dd");
        head.textContent = titles[i];
        cell.textContent = text;
        pair.append(head, cell);
        return pair;
      }));
    }

    function show(place) {
      if (place === shown) return;
      shown = place;
      for (const {view, signals} of views) if (signal in signals) view.signal(signal, place).runAsync();
      if (signal === "hovered") {
        for (const row of document.querySelectorAll("tr[data-place]")) {
          row.classList.toggle("here", Number(row.dataset.place) === place);
        }
      }
      if (place < 0) return;
      slider.value = place;
      read(place);
    }

    function pin(place) {
      pinned = Math.max(-1, Math.min(names.length - 1, place));
      show(pinned);
    }

    slider.addEventListener("input", () => pin(Number(slider.value)));
    if (all) all.parentNode.addEventListener("toggle", () => fill(Number(slider.value)));
    read(Number(slider.value));
    return {
      signal,
      point: (place) => show(place >= 0 ? place : pinned),
      move: (by) => pin(Math.max(0, Number(slider.value) + (shown < 0 ? 0 : by))),
      end: (last) => pin(last ? names.length - 1 : 0),
      leave: () => { if (signal === "hovered") pin(-1); },
    };
  }

  const markers = [...document.querySelectorAll("input[data-signal]")].map(marker);
  const along = markers.find((m) => m.signal === "hovered"), steps = markers.find((m) => m.signal === "stepped");

  function follow(view) {
    const signals = view.getState({signals: () => true, data: () => false}).signals;
    views.push({view, signals});
    if (!("pick" in signals)) return;
    view.addSignalListener("pick", (_, picked) => {
      const [place, step] = ["position", "at"].map((name) => (picked && picked[name] ? picked[name][0] : -1));
      if (along) along.point(place);
      if (steps && step >= 0) steps.point(step);
    });
  }

  function draw(place) {
    const inner = place.appendChild(document.createElement("div")); // vega writes its own role and label
    return vegaEmbed(inner, data.charts[place.dataset.chart], options).then(
      (result) => follow(result.view),
      (error) => { place.textContent = "This figure cannot be drawn here (" + error.message + "); its numbers are in the tables."; },
    );
  }

  const keys = {
    ArrowLeft: () => along && along.move(-1), ArrowRight: () => along && along.move(1),
    ArrowUp: () => steps && steps.move(1), ArrowDown: () => steps && steps.move(-1),
    Home: () => along && along.end(false), End: () => along && along.end(true), Escape: () => along && along.leave(),
  };
  document.getElementById("figures").addEventListener("keydown", (event) => {
    const act = keys[event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey || !event.target.closest("figure")) return;
    if ((event.key === "ArrowUp" || event.key === "ArrowDown") && !steps) return;
    event.preventDefault();
    act();
  });

  function copy(button) {
    const text = document.getElementById(button.dataset.copy).textContent;
    const told = (word) => { button.textContent = word; setTimeout(() => { button.textContent = "Copy"; }, 2000); };
    navigator.clipboard.writeText(text).then(() => told("Copied"), () => {
      getSelection().selectAllChildren(document.getElementById(button.dataset.copy));
      told("Selected");
    });
  }
  for (const button of document.querySelectorAll("button[data-copy]")) {
    button.hidden = false;
    button.addEventListener("click", () => copy(button));
  }

  async function drawAll() {
    for (const place of document.querySelectorAll("[data-chart]")) {
      await draw(place);
      await new Promise((next) => setTimeout(next)); // the page stays alive between two figures
    }
    document.body.dataset.drawn = views.length;
  }
  drawAll();
})();
