"""Profiles whose neighbours are searched through torch."""

from dataclasses import replace

import numpy as np
import pytest
from test_device import out_of_memory
from test_plain import noise

from layergeom import profile
from layergeom.errors import InputError
from layergeom.geometry import _search
from layergeom.layer import Settings
from layergeom.measure import measure
from layergeom.states.stored import stored_states


def test_a_profile_searches_where_it_is_told_and_says_so(through_torch):
    X = noise(90, 5)
    states = stored_states({"a": X, "b": X @ noise(5, 7, 1)})
    settings = Settings(k=5, ranks=16)
    plain = measure(states, settings=settings)
    other = measure(states, settings=settings, device="cuda")
    assert other.provenance["estimators"]["neighbours"] == "torch"
    assert plain.provenance["estimators"]["neighbours"].startswith("exact")
    assert other.provenance["key"] == plain.provenance["key"]
    assert np.allclose(other.dimension.values, plain.dimension.values, rtol=1e-12)
    assert np.array_equal(other.overlap.values, plain.overlap.values, equal_nan=True)


def test_stored_states_are_searched_on_the_device_that_is_asked_for(through_torch):
    layers = {"a": noise(90, 5), "b": noise(90, 5, 1)}
    asked = profile(layers, k=5, device="cuda")
    assert asked.provenance["estimators"]["neighbours"] == "torch"
    for device in ("auto", None):
        assert profile(layers, k=5, device=device).provenance["estimators"]["neighbours"] != "torch"
    assert np.array_equal(asked.overlap.values, profile(layers, k=5).overlap.values, equal_nan=True)


def test_a_device_that_is_not_known_ends_a_profile_before_any_layer():
    with pytest.raises(InputError, match="but is 'abacus'"):
        profile({"a": noise(90, 5), "b": noise(90, 5, 1)}, k=5, device="abacus")


def test_a_layer_that_left_the_device_is_told_in_the_profile(monkeypatch, through_torch):
    out_of_memory(monkeypatch, 0)
    states = stored_states({"a": noise(90, 5), "b": noise(90, 5, 1)})
    told = measure(states, settings=Settings(k=5, ranks=16), device="cuda").warnings
    assert any("searched on the CPU" in sentence for sentence in told)


def test_the_device_of_the_model_is_taken_where_it_is_here(monkeypatch):
    states = replace(stored_states({"a": noise(90, 5)}), provenance={"device": "cuda:0"})
    asked = []
    monkeypatch.setattr("layergeom.measure.neighbor_way", lambda _, device: asked.append(device))
    measure(states, settings=Settings(k=5, ranks=16))
    with monkeypatch.context() as here:
        here.setattr("layergeom.layer.graphs.has_device", lambda _: True)
        here.setattr(_search, "place", lambda *_: None)
        measure(states, settings=Settings(k=5, ranks=16))
        measure(states, settings=Settings(k=5, ranks=16), device="cpu")
    assert asked == [None, "cuda:0", "cpu"]
