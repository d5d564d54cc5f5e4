from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layergeom.errors import InputTypeError
from layergeom.states.content import content_key

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(JSON, JSON)
def test_equal_content_and_only_equal_content_gives_equal_keys(a, b):
    assert (content_key(a) == content_key(b)) == (repr_of(a) == repr_of(b))


def repr_of(value):
    if isinstance(value, dict):
        return {"d": sorted((k, str(repr_of(v))) for k, v in value.items())}
    if isinstance(value, list):
        return [repr_of(v) for v in value]
    return repr(value)


def test_known_key_so_that_stores_outlive_versions():
    key = content_key({"k": 30, "x": [1.5, None, True]}, np.arange(3, dtype=np.float32))
    assert key == "e8a5eae6ca8311c7033edac9fdf70411d2baa038038b862a2b492f53020e9787"


def test_concatenation_does_not_collide():
    assert content_key("ab", "c") != content_key("a", "bc")
    assert content_key([1], [2]) != content_key([1, 2])


def test_layout_does_not_count_but_shape_dtype_and_bytes_do():
    X = np.arange(12.0).reshape(3, 4)
    assert content_key(X) == content_key(np.asfortranarray(X)) == content_key(X.astype(">f8"))
    others = [X.reshape(4, 3), X.astype("f4"), X + 1]
    assert content_key(X) not in {content_key(other) for other in others}


def test_arrays_beyond_a_block_are_streamed_to_the_same_key(monkeypatch):
    X = np.random.default_rng(0).normal(size=(1000, 7))
    whole = content_key(X)
    monkeypatch.setattr("layergeom.states.content.BLOCK", 100)
    assert content_key(X) == whole
    assert content_key(np.hstack([X, X])[:, :7]) == whole


def test_dataclasses_count_by_their_fields():
    @dataclass(frozen=True)
    class Settings:
        k: int

    assert content_key(Settings(3)) == content_key({"k": 3}) != content_key(Settings(4))


@pytest.mark.parametrize("part", [Path("x"), {1, 2}, np.array([None]), {3: 1}, object()])
def test_what_has_no_content_is_refused(part):
    with pytest.raises(InputTypeError, match=r"content key"):
        content_key(part)
