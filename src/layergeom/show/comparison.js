"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const options = {mode: "vega-lite", ast: true, actions: false, renderer: "svg", tooltip: {theme: "light", offsetX: 18, offsetY: 14}};
  for (const place of document.querySelectorAll("[data-chart]")) {
    vegaEmbed(place, data.charts[place.dataset.chart], options).catch((error) => {
      place.textContent = "This figure cannot be drawn here (" + error.message + "); its numbers are in the tables.";
    });
  }
})();
