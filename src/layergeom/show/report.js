"use strict";
(() => {
  const {data, views: promised} = window.page;
  const views = [];
  const slider = document.getElementById("place");
  const readout = document.getElementById("readout");
  let current = -1;

  function read(place) {
    readout.textContent = data.readouts[place] || "";
    readout.title = readout.textContent;
    slider.setAttribute("aria-valuetext", readout.textContent);
  }

  function mark(place) {
    for (const row of document.querySelectorAll("tr[data-place]")) {
      row.classList.toggle("here", Number(row.dataset.place) === place);
    }
  }

  function show(place) {
    if (place === current) return;
    current = place;
    for (const view of views) view.signal("hovered", place).runAsync();
    mark(place);
    if (place >= 0) {
      slider.value = place;
      read(place);
    }
  }

  function follow(view) {
    if (!view) return;
    views.push(view);
    if (!("pick" in view.getState({signals: () => true, data: () => false}).signals)) return;
    view.addSignalListener("pick", (_, picked) => {
      const place = picked && picked.position;
      show(place && place.length ? place[0] : -1);
    });
  }

  for (const view of promised) view.then(follow);
  slider.addEventListener("input", () => show(Number(slider.value)));
  slider.addEventListener("blur", () => show(-1));
  read(Number(slider.value));
})();
