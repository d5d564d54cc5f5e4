"""Maps over layer and step: the numbers as they are, cells on the axis, the peak's interval."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from layergeom.show.map_figures import dynamics_map, mean_dimension
from layergeom.show.over_training import dynamics_axis, dynamics_names, peak_places
from layergeom.show.training_charts import dynamics_charts
from layergeom.tasks.turning_point import maximum


@pytest.fixture(scope="module")
def training(dynamics):
    means = replace(dynamics.mean_dimension, errors=np.full(5, 0.05))
    peak = maximum(dynamics.checkpoints, dynamics.steps, means)
    return replace(dynamics, mean_dimension=means, peak=peak)


@pytest.fixture(scope="module")
def charts(training):
    return {chart.key: chart for chart in dynamics_charts(training)}


def test_every_map_has_a_figure_and_a_chart(training, charts):
    names = dynamics_names(training)
    assert {"dimension", "anisotropy", "label_overlap", "overlap_to_final"} <= set(names)
    maps = {f"dynamics_{name}" for name in [*names, "mean_dimension"]}
    assert set(charts) == maps | {"step_profile_dimension", "step_profile_label_overlap"}


@pytest.mark.parametrize("name", ["dimension", "overlap_to_final"])
def test_a_figure_shows_the_numbers_as_they_are(training, name):
    axes = dynamics_map(training, name).axes[0]
    [mesh] = axes.collections
    values = training.maps[name].values
    shown = np.ma.filled(mesh.get_array(), np.nan).reshape(values.shape)
    np.testing.assert_array_equal(shown, values)
    corners = mesh.get_coordinates()[:, 0, 1]
    np.testing.assert_allclose(corners, dynamics_axis(training).edges)
    labels = [text.get_text() for text in axes.get_yticklabels()]
    assert labels == ["0", "16", "256", "4096", "60k"]


def test_overlaps_share_one_scale_and_name_their_chance(training):
    figure = dynamics_map(training, "label_overlap")
    mesh, bar = figure.axes[0].collections[0], figure.axes[-1]
    assert mesh.get_clim() == (0, 1)
    assert "chance" in bar.get_ylabel()
    assert dynamics_map(training, "dimension").axes[0].collections[0].get_clim() != (0, 1)


def marks(chart, kind):
    """Return the layers of a chart with this mark, each with its rows."""
    layers = [x for x in chart.spec["layer"] if x["mark"]["type"] == kind]
    return [(x, chart.spec["datasets"][x["data"]["name"]]) for x in layers if "data" in x]


def test_chart_cells_cover_the_axis_without_gaps(training, charts):
    [(cells, values)] = marks(charts["dynamics_dimension"], "rect")
    told = {part["as"]: part["calculate"] for part in cells["transform"]}
    edges = json.loads(told["low"].removesuffix("[datum.at]"))
    assert told["high"] == f"{json.dumps(edges)}[datum.at + 1]"
    steps, values_map = dynamics_axis(training), training.maps["dimension"]
    assert len(values) == values_map.values.size
    first = [row for row in values if row["position"] == 3]
    assert [row["at"] for row in first] == list(range(len(steps.places)))
    np.testing.assert_allclose(edges, steps.edges, rtol=1e-5)
    np.testing.assert_allclose([r["value"] for r in first], values_map.values[:, 3], rtol=1e-5)
    assert all("±" in row["shown"] for row in first)


def test_the_break_before_step_zero_is_drawn_and_said(training, charts):
    for chart in (chart for key, chart in charts.items() if key.startswith("dynamics_")):
        assert len(marks(chart, "rule")) == 1
        assert "the axis is broken" in chart.caption
    axes = mean_dimension(training).axes[0]
    assert len(axes.lines) == 2  # the curve, and the mark of the break


def test_the_interval_of_the_peak_is_shaded(training, charts):
    steps = dynamics_axis(training)
    assert (training.peak.kind, training.peak.low, training.peak.high) == ("peak", 0, 256)
    assert peak_places(training, steps) == (steps.places[0], steps.places[2])
    chart = charts["dynamics_mean_dimension"]
    [(_, [row])] = marks(chart, "rect")
    assert (row["from"], row["to"]) == pytest.approx((steps.places[0], steps.places[2]), rel=1e-5)
    assert "95 %: steps 0 to 256" in chart.caption
    labels = mean_dimension(training).axes[0].get_legend_handles_labels()[1]
    assert "95 %: the maximum lies here" in labels


def test_the_profile_of_every_checkpoint_is_there_and_the_last_is_shown_first(training, charts):
    chart = charts["step_profile_dimension"]
    places = {parameter["name"]: parameter.get("value") for parameter in chart.spec["params"]}
    assert places["stepped"] == 4
    [(_, rows), *_] = [(0, r) for r in chart.spec["datasets"].values() if "at" in r[0]]
    for at, profile in enumerate(training.profiles):
        drawn = np.array([row["value"] for row in rows if row["at"] == at], dtype=float)
        np.testing.assert_allclose(drawn, profile.dimension.values, rtol=1e-5)


def test_without_a_peak_nothing_is_shaded(dynamics):
    flat = replace(dynamics, peak=None)
    assert peak_places(flat, dynamics_axis(flat)) is None
    [chart] = [c for c in dynamics_charts(flat) if c.key == "dynamics_mean_dimension"]
    assert not [x for x in chart.spec["layer"] if x["mark"]["type"] == "rect"]


def test_unknown_steps_stand_evenly(training):
    unknown = replace(training, steps=np.full(5, np.nan), peak=None)
    axis = dynamics_axis(unknown)
    assert axis.places == (0, 1, 2, 3, 4)
    assert dynamics_map(unknown).axes[0].get_ylabel() == "checkpoint"
