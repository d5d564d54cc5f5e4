"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const options = {mode: "vega-lite", ast: true, actions: false, renderer: "svg", tooltip: {theme: "light", offsetX: 18, offsetY: 14}};

  function drawn(place) {
    return vegaEmbed(place, data.charts[place.dataset.chart], options).then(
      (result) => result.view,
      (error) => { place.textContent = "This figure cannot be drawn here (" + error.message + "); its numbers are in the tables."; },
    );
  }

  window.page = {data, views: [...document.querySelectorAll("[data-chart]")].map(drawn)};
})();
