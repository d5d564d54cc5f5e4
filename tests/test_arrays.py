"""The door: what comes in, what is turned away, and what the message says."""

import tracemalloc

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from layergeom import arrays
from layergeom.errors import InputError, InputTypeError

X = np.random.default_rng(0).standard_normal((6, 3))


@pytest.mark.parametrize(
    ("array", "dtype"),
    [
        (X, np.float64),
        (X.astype(np.float32), np.float32),
        (X.astype(np.float16), np.float32),
        (X.astype(">f8"), np.float64),
        (X.astype(">f4"), np.float32),
        (X.astype(np.longdouble), np.float64),
        (np.arange(18, dtype=np.uint8).reshape(6, 3), np.float64),
        (np.arange(18).reshape(6, 3) % 2 == 0, np.float64),
        (torch.tensor(X).bfloat16(), np.float32),
        (torch.tensor(X).half(), np.float32),
        (torch.tensor(X, requires_grad=True), np.float64),
        (pd.DataFrame(X), np.float64),
        (sp.csr_array(X), np.float64),
        (sp.csr_matrix(X), np.float64),
        (X.tolist(), np.float64),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, type) else value.__name__,
)
def test_real_numbers_of_any_kind_enter_exactly(array, dtype):
    found = arrays.points(array)
    assert found.dtype == np.dtype(dtype)  # native byte order too
    plain = array.detach().double().numpy() if isinstance(array, torch.Tensor) else array
    plain = plain.toarray() if sp.issparse(plain) else np.asarray(plain)
    assert np.array_equal(found, plain.astype(np.float64))


def test_clean_input_is_not_copied():
    for clean in (X, X.astype(np.float32), X[::2, ::-1]):
        assert np.shares_memory(arrays.points(clean), clean)


@pytest.mark.parametrize(
    ("array", "error", "message"),
    [
        (np.zeros(5), InputError, r"must have 2 dimensions .* has 1 \(shape \(5,\)\)"),
        (np.zeros((4, 3, 2)), InputError, "has 3 .* Pool over the sequence positions first"),
        (3.0, InputError, "2 dimensions"),
        (np.zeros((2, 4)), InputError, "2 samples; at least 3 samples"),
        (np.zeros((0, 4)), InputError, "0 samples"),
        (np.zeros((4, 0)), InputError, "no features"),
        (X * 1j, InputTypeError, "dtype complex128; real numbers"),
        (X.astype(object), InputTypeError, "dtype object"),
        (np.array([["a", "b"]] * 4), InputTypeError, "real numbers"),
        (np.zeros((4, 2), dtype="datetime64[s]"), InputTypeError, "real numbers"),
        ([[1.0, 2.0], [3.0]], InputTypeError, "not a rectangular array"),
        (None, InputTypeError, "real numbers"),
        (np.ma.masked_array(X, mask=X > 0), InputTypeError, "masked array; drop or fill"),
        (pd.DataFrame({"a": ["x"] * 4}), InputTypeError, "real numbers"),
        (torch.tensor(X) * 1j, InputTypeError, "real numbers"),
    ],
    ids=str,
)
def test_what_cannot_be_used_is_turned_away_with_its_reason(array, error, message):
    with pytest.raises(error, match=message):
        arrays.points(array, "X")


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({(2, 1): np.nan}, r"NaN values in 1 of 6 rows \(first: row 2\)"),
        ({(4, 0): np.inf, (5, 2): -np.inf}, r"inf .* in 2 of 6 rows \(first: row 4\)"),
        ({(1, 0): np.inf, (3, 0): np.nan}, r"NaN values in 2 of 6 rows \(first: row 1\)"),
        ({(0, 0): np.inf, (0, 1): -np.inf}, r"inf .* in 1 of 6 rows \(first: row 0\)"),
    ],
)
def test_nonfinite_rows_are_counted_and_named(entries, message):
    bad = X.copy()
    for place, value in entries.items():
        bad[place] = value
    with pytest.raises(InputError, match=message):
        arrays.points(bad, "block_3")
    with pytest.raises(InputError, match=r"^block_3 has"):
        arrays.points(bad.astype(np.float32), "block_3")


def test_nonfinite_rows_of_all_blocks_are_counted(monkeypatch):
    monkeypatch.setattr(arrays, "FINITE_ENTRIES", 7)  # blocks of two rows
    bad = X.copy()
    bad[[3, 4, 5], [2, 0, 1]] = -np.inf
    for layout in (bad, np.asfortranarray(bad), np.repeat(bad, 2, axis=0)[::2]):
        with pytest.raises(InputError, match=r"inf .* in 3 of 6 rows \(first: row 3\)"):
            arrays.points(layout)


def test_the_check_needs_little_memory():
    wide = np.ones((2000, 1000), dtype=np.float32)
    tracemalloc.start()
    arrays.points(wide)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < wide.nbytes / 20


def test_sums_that_overflow_are_not_taken_for_infinite_entries():
    assert arrays.points(np.full((5, 4), 1.5e308)).shape == (5, 4)
    assert arrays.points(np.full((5, 4), 3e38, dtype=np.float32)).dtype == np.float32


@pytest.mark.parametrize("value", [3, 3.0, np.int64(3), np.float32(3)])
def test_count_accepts_whole_numbers(value):
    found = arrays.count(value, "k", 1, 5)
    assert found == 3
    assert type(found) is int


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (2.5, "k must be a whole number but is 2.5"),
        (float("nan"), "whole number"),
        (float("inf"), "whole number"),
        ("3", "whole number"),
        (True, "whole number"),
        (None, "whole number"),
        (0, "between 1 and 5 but is 0"),
        (6, "between 1 and 5 but is 6"),
        (-3, "between 1 and 5"),
    ],
)
def test_count_says_what_it_wants(value, message):
    with pytest.raises(InputError, match=message):
        arrays.count(value, "k", 1, 5)


def test_count_without_a_ceiling():
    with pytest.raises(InputError, match="at least 1 but is 0"):
        arrays.count(0, "k", 1)


def test_labels_are_coded_and_missing_ones_are_marked():
    assert arrays.labels(["b", "a", "b", None, ""], 5).tolist() == [1, 0, 1, -1, -1]
    assert arrays.labels([3.0, np.nan, 1.0], 3).tolist() == [1, -1, 0]
    assert arrays.labels(["b", float("nan"), "a"], 3).tolist() == [1, -1, 0]
    assert arrays.labels([3.0, None, 3], 3).tolist() == [0, -1, 0]
    assert arrays.labels(np.array([True, False, True]), 3).tolist() == [1, 0, 1]
    assert arrays.labels(torch.tensor([5, 5, 2]), 3).tolist() == [1, 1, 0]
    assert arrays.labels([None, None, None], 3).tolist() == [-1, -1, -1]


def test_missing_values_of_pandas_are_missing_labels():
    assert arrays.labels(pd.array(["b", None, "a"], dtype="string"), 3).tolist() == [1, -1, 0]
    assert arrays.labels(pd.Series(["b", pd.NA, "a"]), 3).tolist() == [1, -1, 0]
    assert arrays.labels(pd.Categorical(["b", None, "a"]), 3).tolist() == [1, -1, 0]
    assert arrays.labels(pd.Series([2, None, 1], dtype="Int64"), 3).tolist() == [1, -1, 0]


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=20))
def test_equal_labels_and_only_equal_labels_share_a_code(values):
    codes = arrays.labels(values, len(values))
    assert (codes[:, None] == codes).tolist() == [[a == b for b in values] for a in values]
    assert sorted(set(codes.tolist())) == list(range(len(set(values))))
    text = arrays.labels([str(v) for v in values], len(values))
    assert np.array_equal(codes[:, None] == codes, text[:, None] == text)


@given(
    st.one_of(
        hnp.arrays(np.int64, 12, elements=st.integers(-12, 12)),
        hnp.arrays(np.uint8, 12),
        hnp.arrays(np.bool_, 12),
        hnp.arrays("U3", 12, elements=st.text("ab1 ", max_size=3)),
        hnp.arrays(
            np.float32, 12, elements=st.sampled_from([-0.0, 0.0, 2.0, 10.0, -3.0, 1e20, np.nan])
        ),
    )
)
def test_labels_of_one_type_have_the_codes_of_their_values_as_objects(values):
    assert np.array_equal(arrays.labels(values, 12), arrays.labels(values.astype(object), 12))


def test_values_that_compare_equal_but_have_other_names_are_other_classes():
    mixed = np.array([True, 1, 1.0, "1", False, 0], dtype=object)
    assert arrays.labels(mixed, 6).tolist() == [3, 1, 1, 1, 2, 0]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (None, r"labels are missing \(None\)"),
        ([1, 2], "length 2 but there are 3 rows"),
        ([1, 2, 3, 4], "length 4 but there are 3 rows"),
        (np.eye(3), r"one label per row but have shape \(3, 3\)"),
        ([0.1, 0.2, 0.3], "real numbers, not classes; convert them to strings"),
        ([0.1, 0.2, None], "real numbers, not classes"),
        ([1, np.inf, 2], "real numbers"),
    ],
)
def test_labels_that_do_not_fit_are_turned_away(values, message):
    with pytest.raises(InputError, match=message):
        arrays.labels(values, 3)
