import json
from dataclasses import replace

import numpy as np
import pytest
import vl_convert

from layergeom.show.charts import report_charts


@pytest.fixture(scope="module")
def charts(profile, reading, dynamics):
    return {chart.key: chart for chart in report_charts(profile, reading, dynamics)}


def test_all_charts_are_there(charts):
    assert {"dimension", "overlaps", "anisotropy", "rank", "scales", "samples"} <= set(charts)
    assert "overlap_map" in charts
    assert {"dynamics_mean_dimension", "dynamics_dimension"} <= set(charts)


def test_specifications_compile_and_hold_no_address(charts):
    for chart in charts.values():
        compiled = vl_convert.vegalite_to_vega({**chart.spec, "width": 400})
        assert compiled["marks"]
        assert "http" not in json.dumps(chart.spec)


def test_charts_over_layers_share_the_hovered_layer(charts):
    for key in ("dimension", "overlaps", "anisotropy", "rank", "scales", "samples", "overlap_map"):
        text = json.dumps(charts[key].spec)
        assert '"name": "hovered"' in text
        assert '"name": "pick"' in text


def test_tooltips_hold_value_and_error(charts):
    text = json.dumps(charts["dimension"].spec, ensure_ascii=False)
    assert " ± 0." in text
    assert '"Intrinsic dimension": "–"' in text
    assert "± –" in text


def test_unknown_values_are_null(charts):
    json.dumps(charts["overlaps"].spec, allow_nan=False)


def test_a_profile_of_few_curves_gives_few_charts(profile):
    curves = {"dimension": profile.curves["dimension"]}
    few = replace(profile, curves=curves, maps={}, scales={}, decimation={})
    assert [chart.key for chart in report_charts(few)] == ["dimension"]


def test_a_profile_without_any_dimension_is_drawn(profile):
    curve = profile.curves["dimension"]
    nothing = np.full(len(profile.layers), np.nan)
    curves = {"dimension": replace(curve, values=nothing, errors=nothing)}
    (chart,) = report_charts(replace(profile, curves=curves, maps={}, scales={}, decimation={}))
    assert vl_convert.vegalite_to_vega({**chart.spec, "width": 400})["marks"]
