"""Profiles whose dimension is read at a scale chosen by name."""

from __future__ import annotations

import numpy as np
import pytest

import layergeom as lg
from clouds import torus
from layergeom.errors import InputError
from layergeom.geometry import gride, neighbor_graph
from layergeom.layer import Settings
from layergeom.measure import measure, profile_key
from layergeom.show.methods import methods_text
from layergeom.states.stored import stored_states

LAYERS = {
    "embedding": torus(400, 2, 0),
    "block_1": torus(400, 5, 2),
    "block_2": torus(400, 5, 2) @ np.diag(np.linspace(1, 2, 10)),
}


@pytest.mark.parametrize("scale", ["gride-8", "decimated-4"])
def test_the_dimension_is_that_of_the_named_scale(scale: str) -> None:
    found = lg.profile(LAYERS, k=10, scale=scale)
    nearest = lg.profile(LAYERS, k=10)
    at = np.asarray(found.dimension.values)
    for i, key in enumerate(LAYERS):
        if scale == "gride-8":
            expected = gride(neighbor_graph(LAYERS[key], 64), 8).value
        else:
            part = found.decimation[key]
            expected = part["values"][part["n"].index(100)]
        assert at[i] == pytest.approx(expected, rel=1e-12)
    errors = np.sqrt(np.diag(found.covariance["dimension"]))
    # the covariance is repaired to be positive semi-definite
    assert errors == pytest.approx(np.asarray(found.dimension.errors), rel=0.04)
    assert not np.allclose(at, nearest.dimension.values, rtol=1e-3)
    for same in ("dimension_linear_90", "homogeneity", "r1", "anisotropy"):
        np.testing.assert_array_equal(found[same].values, nearest[same].values)
    assert found.provenance["settings"]["scale"] == scale


def test_the_scale_is_said_in_words_and_is_part_of_the_key() -> None:
    found = lg.profile(LAYERS, k=10, scale="gride-8")
    assert "The dimension is read by Gride at n1 = 8" in " ".join(found.reading.statements)
    assert "was estimated by Gride at n1 = 8, maximum likelihood" in methods_text(found)
    label = found.plot().axes[0].get_legend_handles_labels()[1][0]
    assert label.startswith("ID (Gride at n1 = 8, ML)")
    states = stored_states(LAYERS)
    keys = {profile_key(states, None, None, Settings(scale=s)) for s in ("nearest", "gride-8")}
    assert len(keys) == 2


def test_a_scale_that_the_rows_cannot_show_is_refused_before_anything_is_done() -> None:
    with pytest.raises(InputError, match="scale gride-64 needs 128 listed neighbours"):
        lg.profile(LAYERS, k=10, scale="gride-64")
    with pytest.raises(InputError, match="scale gride-32 reads neighbour 64 but there are 40 rows"):
        lg.profile({key: X[:40] for key, X in LAYERS.items()}, k=10, scale="gride-32")


def test_a_layer_with_too_few_distinct_points_for_the_scale_is_undefined() -> None:
    few = np.repeat(LAYERS["embedding"][:120], 4, axis=0)[:400]
    settings = Settings(k=10, ranks=128, scale="gride-64")
    found = measure(stored_states(LAYERS | {"embedding": few}), settings=settings)
    assert "rank n2 = 128 exceeds the 99 neighbours" in found.undefined["embedding"]
    assert np.isnan(found.dimension.values[0])
    assert np.isfinite(found.dimension.values[1:]).all()


def test_plateaus_say_how_sure_they_are() -> None:
    found = lg.profile(LAYERS, k=10)
    scale = found.scales["embedding"]
    assert scale.plateau is not None
    assert scale.plateau_share > 0.9
    assert 0 < scale.plateau_error < 0.3
    assert "From half the samples to all of them" in " ".join(found.reading.statements)


def test_a_folded_surface_is_not_called_a_lower_bound() -> None:
    rng = np.random.default_rng(0)
    t, frequencies = rng.random((2000, 2)), rng.normal(0, 40, (2, 60))
    folded = np.sin(2 * np.pi * t @ frequencies)  # two dimensions, folded
    found = lg.profile({"sheet": folded, "cloud": rng.standard_normal((2000, 60))}, k=10)
    assert found.dimension.values[0] > 0.8 * np.log2(2000)
    [about_sheet] = [w for w in found.warnings if w.startswith("sheet:") and "log2 N" in w]
    [about_cloud] = [w for w in found.warnings if w.startswith("cloud:") and "log2 N" in w]
    assert "falls as points are added: it is no bound" in about_sheet
    assert "read it as a lower bound" in about_cloud
