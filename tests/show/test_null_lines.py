"""Nulls in figures and charts: each beside its own curve, named, grey, and absent unasked."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from layergeom.profiles import Curve, Profile
from layergeom.show import figures
from layergeom.show.charts import report_charts
from layergeom.show.null_lines import null_lines
from layergeom.show.report_tables import report_tables


def level(profile: Profile, name: str, value: float) -> Curve:
    values = np.full(len(profile.layers), value)
    values[0] = np.nan
    return Curve(name, values, np.full(len(values), 0.01))


@pytest.fixture
def with_nulls(profile: Profile) -> Profile:
    return replace(
        profile,
        nulls={
            "permuted": {
                "overlap_next": level(profile, "overlap_next", 0.11),
                "overlap_next_upper": level(profile, "overlap_next_upper", 0.12),
            },
            "gaussian": {"dimension": level(profile, "dimension", 23.5)},
            "untrained": {
                "dimension": level(profile, "dimension", 24.5),
                "label_overlap": level(profile, "label_overlap", 0.21),
            },
            "length": {"label_overlap_tokens": level(profile, "label_overlap_tokens", 0.31)},
        },
    )


def drawn(profile: Profile, draw) -> dict[str, np.ndarray]:
    [axes] = draw(profile).axes[:1]
    return {str(line.get_label()): np.asarray(line.get_ydata()) for line in axes.lines}


def test_nulls_stand_in_the_figures_of_their_curves(with_nulls: Profile) -> None:
    dimension = drawn(with_nulls, figures.dimension)
    assert dimension["ID, Gaussian of the same spectrum"][1] == 23.5
    assert dimension["ID, untrained weights"][1] == 24.5
    overlap = drawn(with_nulls, figures.overlap)
    assert overlap["χ(l, l+1), permuted, upper 95 %"][1] == 0.12  # not the mean
    assert overlap["χ(labels), untrained weights"][1] == 0.21
    assert overlap["χ(labels), by bag of tokens"][1] == 0.31
    assert not set(dimension) & set(overlap) - {None}


def test_both_overlaps_stand_with_their_chance(profile: Profile) -> None:
    chance = np.full(len(profile.layers), 0.003)
    follows = replace(profile.curves["overlap_next"], chance=chance)
    known = replace(profile, curves={**profile.curves, "overlap_next": follows})
    assert (drawn(known, figures.overlap)["chance of χ(l, l+1)"] == 0.003).all()
    assert "chance of χ(labels)" in drawn(known, figures.overlap)


def test_the_report_draws_them_too(with_nulls: Profile, profile: Profile) -> None:
    own = {chart.key: chart for chart in report_charts(with_nulls)}
    for key, names in (("dimension", ["ID"]), ("overlaps", ["χ(l, l+1)", "χ(labels)"])):
        text = json.dumps(own[key].spec, ensure_ascii=False)
        assert all(f"{name}, " in text for name in names)
        assert own[key].caption.endswith("there is nothing to find.")
    assert "23.5" in json.dumps(own["dimension"].spec)
    assert "untrained" not in json.dumps(own["rank"].spec)
    plain = {chart.key: chart for chart in report_charts(profile)}
    assert "nothing to find" not in plain["dimension"].caption
    assert plain["anisotropy"].spec == own["anisotropy"].spec


def test_a_null_of_a_curve_that_is_not_there_is_not_drawn(with_nulls: Profile) -> None:
    curves = {k: v for k, v in with_nulls.curves.items() if k != "label_overlap"}
    names = ["overlap_next", "label_overlap"]
    assert len(null_lines(with_nulls, names)) == 3
    assert len(null_lines(replace(with_nulls, curves=curves), names)) == 1
    assert null_lines(replace(with_nulls, nulls={}), names) == []


def test_every_number_that_is_drawn_stands_in_a_table(
    with_nulls: Profile, profile: Profile
) -> None:
    tables = {table.title: table for table in report_tables(with_nulls)}
    dealt = tables["Null: permuted, layer by layer"]
    assert dealt.head == ("Layer", "Overlap with the next layer", "Overlap next upper")
    assert dealt.rows[1][1:] == ("0.110 ± 0.010", "0.120 ± 0.010")
    assert tables["Null: untrained, layer by layer"].head[1:] == (
        "Intrinsic dimension", "Label overlap"
    )  # fmt: skip
    assert not [table for table in report_tables(profile) if "Null" in table.title]
