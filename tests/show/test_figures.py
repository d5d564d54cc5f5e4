from dataclasses import replace

import matplotlib as mpl
import pytest
from matplotlib.figure import Figure

from layergeom.show import figures
from layergeom.show.figure_files import write_figures
from layergeom.show.figure_style import literal


@pytest.fixture(scope="module")
def written(profile, reading, dynamics, tmp_path_factory):
    folder = tmp_path_factory.mktemp("figures")
    few = tuple(replace(p, curves={"dimension": p.curves["dimension"]}) for p in dynamics.profiles)
    return figures.save_figures(profile, reading, folder, replace(dynamics, profiles=few))


def test_every_figure_in_three_formats(written):
    names = {path.stem for path in written}
    assert {"dimension", "overlap", "anisotropy", "rank", "scales", "samples"} <= names
    assert "overlap_map" in names
    assert {"dynamics_dimension", "dynamics_overlap_to_final"} <= names
    assert len(written) == 3 * len(names)
    assert all(path.stat().st_size > 2000 for path in written)


def test_text_stays_text_and_literal(written):
    path = next(p for p in written if p.name == "overlap.svg")
    text = path.read_text("utf-8")
    assert "neighbourhood overlap" in text
    assert "chance of" in text
    assert "<script" not in text
    assert "1.96 SE" in text
    scales = next(p for p in written if p.name == "scales.svg").read_text("utf-8")
    assert "&lt;script&gt;" in scales


def test_dollars_are_no_mathematics(profile):
    figure = Figure()
    label = figure.text(0, 0, literal("$5$ and $\\frac$"))
    assert not label._preprocess_math(label.get_text())[1]
    assert label._preprocess_math(label.get_text())[0] == "$5$ and $\\frac$"


def test_equal_profiles_give_equal_files(profile, tmp_path):
    write_figures(tmp_path, {name: lambda: figures.dimension(profile) for name in ("a", "b")})
    for extension in ("pdf", "svg", "png"):
        first, second = (tmp_path / f"{name}.{extension}" for name in ("a", "b"))
        assert first.read_bytes() == second.read_bytes()


def test_global_settings_stay(profile, reading):
    before = dict(mpl.rcParams)
    figures.dimension(profile, reading=reading)
    assert dict(mpl.rcParams) == before


def test_a_figure_draws_into_given_axes(profile):
    axes = Figure().subplots(1, 2)
    figure = figures.anisotropy(profile, axes[0])
    assert axes[0].get_ylabel() == "anisotropy"
    assert figure is axes[0].figure
    assert not axes[1].lines


def test_the_line_is_the_curve(profile):
    axes = Figure().add_subplot()
    figures.dimension(profile, axes)
    drawn = axes.lines[0].get_ydata()
    assert list(drawn[1:]) == list(profile.curves["dimension"].values[1:])
