"""Estimators: scikit-learn's own checks, and the numbers of the functions behind them."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import layergeom as lg
from layergeom.errors import DegenerateError, InputError
from layergeom.estimators import Gride, LevinaBickel, LocalDimension, TwoNN

rng = np.random.default_rng(0)
CLOUD = rng.standard_normal((400, 3)) @ rng.standard_normal((3, 12))

A_NUMBER = "transform() returns one number for the whole data set, as scikit-dimension's does"
EXPECTED = {
    "check_transformer_data_not_an_array": A_NUMBER,
    "check_transformer_general": A_NUMBER,
    "check_transformer_preserve_dtypes": A_NUMBER,
    "check_methods_sample_order_invariance": f"{A_NUMBER}: there is no row to reorder",
    "check_methods_subset_invariance": f"{A_NUMBER}: there is no row to leave out",
}
EVERY = [TwoNN(), TwoNN("linear", 0.9), Gride(), Gride(multiscale=True)]
EVERY += [LevinaBickel(3, 5), LocalDimension(5)]  # the checks have ten rows


@pytest.mark.filterwarnings("ignore::layergeom.errors.GeometryWarning")  # the checks repeat rows
@parametrize_with_checks(EVERY, expected_failed_checks=lambda _: EXPECTED)
def test_scikit_learns_checks(estimator, check):
    check(estimator)


def test_the_expected_failures_do_fail():
    """None is left on the list that would pass by now."""
    found = TwoNN().fit(CLOUD)
    assert isinstance(found.transform(CLOUD), float)
    assert not hasattr(found.transform(CLOUD), "shape")


@pytest.mark.parametrize(
    ("estimator", "expected"),
    [
        (TwoNN(), lg.twonn),
        (TwoNN("linear", 0.8), lambda g: lg.twonn(g, "linear", 0.8)),
        (TwoNN("censored"), lambda g: lg.twonn(g, "censored")),
        (Gride(), lg.gride),
        (Gride(4), lambda g: lg.gride(g, 4)),
        (Gride(3, 11, outliers="dadapy"), lambda g: lg.gride(g, 3, 11, "dadapy")),
        (LevinaBickel(), lg.levina_bickel),
        (LocalDimension(12), lambda g: lg.levina_bickel(g, 12, 12)),
    ],
)
def test_numbers_are_those_of_the_functions_exactly(estimator, expected):
    wide = expected(lg.neighbor_graph(CLOUD, k=64))
    found = estimator.fit(CLOUD)
    assert found.dimension_ == wide.value
    assert found.error_ == wide.error
    assert found.estimate_.ranks == wide.ranks
    assert clone(estimator).fit_transform(CLOUD) == wide.value == found.transform()


def test_gride_at_doubling_scales():
    found = Gride(2, multiscale=True, range_max=40).fit(CLOUD)
    graph = lg.neighbor_graph(CLOUD, k=64)
    assert found.scales_.tolist() == [1, 2, 4, 8, 16]
    for at, n1 in enumerate([1, 2, 4, 8, 16]):
        each = lg.gride(graph, n1)
        assert found.dimension_scales_[at] == each.value
        assert found.error_scales_[at] == each.error
        assert found.distance_scales_[at] == each.distance
        assert found.radius_scales_[at] == graph.distances[:, 2 * n1 - 1].mean()
    assert found.dimension_ == found.dimension_scales_[1]


def test_scales_end_where_the_samples_do():
    found = Gride(multiscale=True, range_max=64).fit(CLOUD[:20])
    assert found.scales_.tolist() == [1, 2, 4, 8]


def test_the_dimension_around_every_row():
    found = LocalDimension(15).fit(CLOUD)
    expected = lg.local_dimension(lg.neighbor_graph(CLOUD, k=20), 15)
    np.testing.assert_array_equal(found.dimension_pw_, expected.values)
    np.testing.assert_array_equal(found.error_pw_, expected.errors)
    np.testing.assert_array_equal(found.transform_pw(CLOUD), expected.values)
    np.testing.assert_array_equal(LocalDimension(15).fit_transform_pw(CLOUD), expected.values)


def test_neighbours_that_are_there_already_are_used():
    graph = lg.neighbor_graph(CLOUD, k=20)
    lists = (graph.distances, graph.indices)
    for estimator in (TwoNN(), Gride(multiscale=True, range_max=20), LevinaBickel()):
        searched = clone(estimator).fit(CLOUD).dimension_
        assert clone(estimator).fit(CLOUD, precomputed_knn_arrays=lists).dimension_ == searched
        assert clone(estimator).fit_graph(graph).dimension_ == searched
    stretched = (graph.distances**2, graph.indices)
    assert TwoNN().fit(CLOUD, precomputed_knn_arrays=stretched).dimension_ == pytest.approx(
        TwoNN().fit(CLOUD).dimension_ / 2
    )


def test_lists_of_other_rows_are_refused():
    graph = lg.neighbor_graph(CLOUD[:100], k=20)
    with pytest.raises(InputError, match="X has 400 rows but the distances have 100"):
        TwoNN().fit(CLOUD, precomputed_knn_arrays=(graph.distances, graph.indices))


def test_they_stand_at_the_end_of_a_pipeline():
    scaled = StandardScaler().fit_transform(CLOUD)
    assert (
        make_pipeline(StandardScaler(), TwoNN()).fit_transform(CLOUD)
        == TwoNN().fit(scaled).dimension_
    )


def test_they_are_quantities_of_a_profile():
    found = lg.profile({"a": CLOUD, "b": CLOUD**3}, k=10, quantities=[TwoNN()])["TwoNN"]
    expected = [TwoNN().fit(X) for X in (CLOUD, CLOUD**3)]
    assert found.values.tolist() == [each.dimension_ for each in expected]
    assert found.errors.tolist() == [each.error_ for each in expected]


def test_what_cannot_be_measured_is_refused():
    with pytest.raises(NotFittedError):
        TwoNN().transform()
    with pytest.raises(DegenerateError):
        TwoNN().fit(np.zeros((20, 3)))
    with pytest.raises(InputError, match="k is 20 but X has 10 samples"):
        LevinaBickel().fit(CLOUD[:10])
    with pytest.raises(InputError, match="method is 'mle'"):
        TwoNN("mle").fit(CLOUD)
    with pytest.raises(InputError, match="masked array"):
        TwoNN().fit(np.ma.masked_greater(CLOUD, 1))
    with pytest.raises(ValueError, match="features"):
        TwoNN().fit(CLOUD).transform(CLOUD[:, :3])
