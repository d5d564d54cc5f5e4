"""Figures for a paper: their sizes, their looks, and the papers' layouts in one call."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from layergeom.errors import InputError
from layergeom.show import figures, paper_figures
from layergeom.show.figure_style import DOUBLE, SINGLE
from layergeom.show.series import LOOKS, further_groups, line_groups, look_of

WIDTHS = (SINGLE, DOUBLE)


@pytest.fixture(scope="module")
def two(profile):
    layers = (*profile.layers[:-1], "final")
    names = tuple(replace(n, key=k) for n, k in zip(profile.names, layers, strict=True))
    one = replace(profile, layers=layers, names=names)
    return {"first": one, "second": one}


def cut(figure):
    """Return the texts of a figure that stand beyond its edges."""
    figure.savefig(io.BytesIO(), format="png", dpi=100)
    whole, renderer = figure.bbox, FigureCanvasAgg(figure).get_renderer()
    texts = [axes.yaxis.label for axes in figure.axes] + [axes.xaxis.label for axes in figure.axes]
    boxes = [
        (text.get_text(), text.get_window_extent(renderer)) for text in texts if text.get_text()
    ]
    return [
        t for t, b in boxes if b.y0 < -1 or b.y1 > whole.y1 + 1 or b.x0 < -1 or b.x1 > whole.x1 + 1
    ]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(
    "name", ["dimension", "overlap", "anisotropy", "rank", "scales", "samples"]
)
def test_a_figure_fits_one_column_and_two(profile, reading, name, width):
    figure = getattr(figures, name)(profile, reading=reading, width=width)
    assert figure.get_figwidth() == width
    assert cut(figure) == []
    assert figure.axes[0].get_position().height > 0.33  # five names and slanted layers below it


@pytest.mark.parametrize("width", WIDTHS)
def test_the_papers_layouts_draw_the_numbers(two, width):
    figure = paper_figures.dimension_and_labels(two, width=width)
    above, below = figure.axes
    at = list(two["first"].blocks)
    for axes, name in ((above, "dimension"), (below, "label_overlap")):
        values = two["first"].curves[name].values[at]
        np.testing.assert_array_equal(axes.lines[0].get_ydata(), values)
        assert len(axes.collections) == 2  # the bands
    assert list(above.lines[0].get_xdata()) == [two["first"].names[i].depth for i in at]
    assert [text.get_text() for text in above.get_legend().get_texts()] == ["first", "second"]
    assert below.get_legend() is None
    assert cut(figure) == []


def test_the_other_layouts(two, dynamics):
    [above, below] = paper_figures.overlaps_between_layers(two["first"]).axes
    assert below.get_ylabel() == "Overlap with the last layer"
    assert above.get_legend() is None
    [axes] = paper_figures.anisotropy_over_depth(two["first"]).axes
    assert axes.get_ylabel() == "Anisotropy, centred"
    figure = paper_figures.dimension_in_training(dynamics)
    assert figure.axes[0].get_ylabel() == "layer-mean intrinsic dimension"
    assert figure.axes[1].get_xlabel() == "layer"


def test_panels_draw_into_given_axes_and_say_when_they_are_too_few(two):
    given = Figure().subplots(2, 2).flat
    figure = paper_figures.dimension_and_labels(two["first"], given[:2])
    assert figure is given[0].figure
    assert given[1].lines
    assert not given[2].lines
    with pytest.raises(InputError, match="1 axes were given for 2 panels"):
        paper_figures.dimension_and_labels(two["first"], given[:1])
    few = replace(two["first"], curves={"dimension": two["first"].curves["dimension"]})
    with pytest.raises(InputError, match="label_overlap"):
        paper_figures.dimension_and_labels(few)


def test_the_depth_can_stand_below(profile):
    axes = figures.dimension(profile, depth=True).axes[0]
    assert axes.get_xlabel() == "relative depth l/L"
    assert [text.get_text() for text in axes.get_xticklabels()][:: len(axes.get_xticks()) - 1] == [
        "0.00",
        "1.00",
    ]
    assert not axes.child_axes


def test_lines_are_apart_without_colour():
    assert len({(look.dash, look.shape, look.marker) for look in LOOKS}) == len(LOOKS)
    looks = [look_of(place) for place in range(25)]
    assert looks[:5] == list(LOOKS)
    assert len(set(looks)) == 25


def test_every_curve_is_in_exactly_one_figure(profile):
    curve = profile.curves["norm"]
    new = {name: replace(curve, name=name) for name in ("label_agreement_x", "unheard_of")}
    more = replace(profile, curves={**profile.curves, **new})
    groups = (*line_groups(more), *further_groups(more))
    drawn = [name for group in groups for name in group.held(more)]
    assert sorted([*drawn, "dimension"]) == sorted(more.curves)
    assert len({group.key for group in groups}) == len(groups)
