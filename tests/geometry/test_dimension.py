"""TwoNN and Gride against golden values, the exact model, slow references and repetitions."""

import json
from pathlib import Path

import numpy as np
import pytest
import reference
from manifolds import golden_cloud, poisson_distances
from scipy import stats

from clouds import ball, gauss
from layergeom.errors import DegenerateError, GeometryWarning, InputError
from layergeom.geometry import NeighborGraph, gride, neighbor_graph, twonn
from layergeom.geometry.dimension import fisher_error, ratio_fit, ratio_likelihood

GOLDEN = json.loads((Path(__file__).parent / "golden.json").read_text(encoding="utf-8"))
RANKS = [1, 2, 4, 8, 16, 32, 64, 128]
FISHER = {1: 1.000, 2: 0.721, 4: 0.511, 8: 0.361, 16: 0.255, 32: 0.180}
X = gauss(np.random.default_rng(0), 3, 400)
GRAPH = neighbor_graph(X, 16)


def exact_model(d, n, k, seed=0):
    """A graph whose neighbour distances follow the exact model; its indices mean nothing."""
    distances = poisson_distances(np.random.default_rng(seed), d, n, k)
    return NeighborGraph.from_arrays(distances, ring(n, k), self_included=False)


def ring(n, k):
    return (np.arange(n)[:, None] + np.arange(1, k + 1)) % n


# ── golden values and references ──────────────────────────────────────────────────────────────


@pytest.fixture(scope="module", params=GOLDEN["manifolds"])
def golden(request):
    return neighbor_graph(golden_cloud(request.param), 256), GOLDEN["manifolds"][request.param]


def test_golden_values(golden):
    graph, values = golden
    assert twonn(graph).value == pytest.approx(values["ml"], rel=1e-6)
    assert twonn(graph, "linear").value == pytest.approx(values["twonn_0.9"], rel=1e-6)
    assert twonn(graph, "linear", 0.98).value == pytest.approx(values["twonn_0.98"], rel=1e-6)
    for n1, value, error in zip(RANKS, values["gride"], values["gride_err"], strict=True):
        found = gride(graph, n1, outliers="dadapy")
        assert found.value == pytest.approx(value, abs=0.00051), n1
        if error is not None:
            distances, _ = graph.points
            log_mu = np.log(distances[:, 2 * n1 - 1] / distances[:, n1 - 1])
            assert fisher_error(found.value, log_mu, n1, 2 * n1) == pytest.approx(error, abs=0.0011)
            assert found.error > 0.9 * error


@pytest.mark.parametrize("fraction", [0.5, 0.9, 0.98])
def test_fits_equal_their_formulas(fraction):
    log_mu = reference.ratios(X).astype(float)
    assert twonn(GRAPH).value == pytest.approx(reference.twonn(X), rel=1e-12)
    linear, censored = (twonn(GRAPH, m, fraction).value for m in ("linear", "censored"))
    assert linear == pytest.approx(reference.linear_fit(log_mu, fraction), rel=1e-12)
    assert censored == pytest.approx(reference.censored_fit(log_mu, fraction), rel=1e-12)


def test_censoring_nothing_is_maximum_likelihood():
    assert twonn(GRAPH, "censored", 1).value == pytest.approx(twonn(GRAPH).value, rel=1e-12)
    assert np.isfinite(twonn(GRAPH, "linear", 1.0).value)


@pytest.mark.parametrize(("n1", "n2"), [(1, 2), (1, 3), (2, 4), (4, 8), (3, 11), (8, 16)])
def test_gride_maximises_the_likelihood(n1, n2):
    log_mu = reference.ratios(X, n1, n2).astype(float)
    found = gride(GRAPH, n1, n2)
    assert found.value == pytest.approx(reference.gride(log_mu, n1, n2), rel=1e-6)
    assert found.ranks == (n1, n2)
    assert found.method == "gride"
    between = GRAPH.distances[:, [n1 - 1, n2 - 1]].mean()
    assert found.distance == pytest.approx(between, rel=1e-12)


def test_gride_at_one_is_twonn():
    ml, first = twonn(GRAPH), gride(GRAPH)
    assert first.value == ml.value
    assert first.error == ml.error
    assert ml.method == "twonn-ml"
    assert twonn(GRAPH, "linear").method == "twonn-linear"


def test_dropped_outliers_have_no_influence():
    graph = neighbor_graph(golden_cloud("uniform_cube_d1_in_R60")[:, :1], 2)
    mu = graph.distances[:, 1] / graph.distances[:, 0]
    median, high = np.quantile(mu, [0.5, 0.95])
    dropped = mu >= median + 20 * (high - median)
    assert dropped.sum() > 0
    found = gride(graph, outliers="dadapy")
    assert (found.influence[dropped] == 0).all()
    assert found.value == pytest.approx(((~dropped).sum() - 1) / np.log(mu[~dropped]).sum())
    assert found.value > gride(graph).value


# ── the exact model ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("d", [1.0, 7.0])
def test_pareto_ratios_give_the_exact_law_of_the_maximum(d):
    """d (N-1)/D is Gamma(N)-distributed: unbiased, with SD d/sqrt(N-2)."""
    rng = np.random.default_rng(0)
    n = 50
    drawn = [ratio_likelihood(rng.exponential(1 / d, n), 1, 2)[0] for _ in range(2000)]
    law = stats.gamma(n)
    assert stats.kstest(d * (n - 1) / np.array(drawn), law.cdf).pvalue > 0.01
    assert np.mean(drawn) == pytest.approx(d, rel=3 / np.sqrt(2000 * n))


@pytest.mark.parametrize("n1", FISHER)
def test_fisher_error_on_the_exact_model(n1):
    graph = exact_model(5, 4000, 2 * n1)
    found = gride(graph, n1)
    log_mu = np.log(graph.distances[:, 2 * n1 - 1] / graph.distances[:, n1 - 1])
    ratio = fisher_error(found.value, log_mu, n1, 2 * n1) * np.sqrt(4000) / found.value
    assert ratio == pytest.approx(FISHER[n1], rel=0.02)
    assert found.value == pytest.approx(5, rel=4 * FISHER[n1] / np.sqrt(4000))
    independent = np.sqrt((found.influence**2).sum()) / 4000  # no shared neighbours
    assert independent == pytest.approx(fisher_error(found.value, log_mu, n1, 2 * n1), rel=0.06)


@pytest.mark.parametrize("method", ["ml", "linear", "censored"])
def test_influences_are_the_change_when_a_point_is_counted_twice(method):
    """psi_i is n times the derivative of the estimate with respect to the weight of point i."""
    n = 300
    distances = poisson_distances(np.random.default_rng(1), 4, n, 2)
    graph = NeighborGraph.from_arrays(distances, ring(n, 2), self_included=False)
    found = twonn(graph, method, None if method == "ml" else 0.9)
    jackknife = []
    for i in range(n):
        rest = NeighborGraph.from_arrays(
            np.delete(distances, i, axis=0), ring(n - 1, 2), self_included=False
        )
        jackknife.append(
            (n - 1) * (found.value - twonn(rest, method, found_fraction(method)).value)
        )
    jackknife = np.array(jackknife)
    jackknife -= jackknife.mean()
    assert np.corrcoef(jackknife, found.influence)[0, 1] > 0.98
    assert abs(found.influence.mean()) < 0.05 * found.influence.std()
    assert found.influence.std() == pytest.approx(jackknife.std(), rel=0.1)


def found_fraction(method):
    return None if method == "ml" else 0.9


# ── laws ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "estimate", [twonn, lambda g: twonn(g, "linear"), lambda g: gride(g, 4)], ids=str
)
def test_rotation_shift_and_scale_change_nothing(estimate):
    rotation = np.linalg.qr(np.random.default_rng(1).standard_normal((3, 3)))[0]
    value = estimate(GRAPH).value
    for moved in (X @ rotation, X + 100, X * 1e-7, X * 2.0**300, X[::-1]):
        assert estimate(neighbor_graph(moved, 8)).value == pytest.approx(value, rel=1e-9)


# ── what is refused, and what is said ─────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: twonn(GRAPH, "trimmed"), "method is 'trimmed'; it must be one of ml, linear"),
        (lambda: twonn(GRAPH, "ml", 0.9), "'ml' uses all points; use method='censored'"),
        (lambda: twonn(GRAPH, "linear", 0), r"must lie in \(0, 1\]"),
        (lambda: twonn(GRAPH, "linear", 1.5), r"must lie in \(0, 1\]"),
        (lambda: twonn(GRAPH, "linear", float("nan")), r"must lie in \(0, 1\]"),
        (lambda: gride(GRAPH, 0), "n1 must be at least 1"),
        (lambda: gride(GRAPH, 2, 2), "n2 must be at least 3"),
        (lambda: gride(GRAPH, 9), r"n2 = 18 exceeds the 16 neighbours .*k=18"),
        (lambda: gride(GRAPH, outliers="drop"), "must be 'keep' or 'dadapy'"),
    ],
)
def test_arguments_are_checked(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_a_fraction_that_leaves_one_ratio_is_refused():
    with pytest.raises(DegenerateError, match="only 1 of 400 ratios are left"):
        twonn(GRAPH, "linear", 1.5 / 400)


@pytest.mark.parametrize("method", ["ml", "linear", "censored"])
def test_lattices_are_undefined(method):
    lattice = np.stack(np.meshgrid(*[np.arange(6.0)] * 3), axis=-1).reshape(-1, 3)
    graph = neighbor_graph(lattice, 2)
    with (
        pytest.warns(GeometryWarning, match="tied neighbours"),
        pytest.raises(DegenerateError, match=r"ratios of neighbour distances are 1.* lattice"),
    ):
        twonn(graph, method)


def test_nearly_equal_ratios_have_no_maximum():
    distances = np.tile([1.0, 1.0 + 1e-9], (50, 1))
    graph = NeighborGraph.from_arrays(distances, ring(50, 2), self_included=False)
    with pytest.raises(DegenerateError, match=r"no maximum between 0\.001 and 1000"):
        twonn(graph)


def test_discrete_values_are_reported():
    steps = np.round(X * 4) / 4
    with pytest.warns(GeometryWarning) as said:
        twonn(neighbor_graph(steps, 2))
    text = " ".join(str(w.message) for w in said)
    assert "tied neighbours (mu = 1): the values are discrete" in text


def test_lower_bounds_are_flagged():
    """C-flag: above 0.8 log2 N every neighbour estimator is far below the truth."""
    rng = np.random.default_rng(0)
    assert twonn(neighbor_graph(ball(rng, 20, 1000), 2)).lower_bound
    assert not twonn(GRAPH).lower_bound
    assert GRAPH.n == twonn(GRAPH).n_points


def test_error_is_positive_and_repeats_have_no_influence():
    """M-err-twonn-nonzero."""
    doubled = np.vstack([X, X[:40]])
    with pytest.warns(GeometryWarning, match="40 of 440"):
        found = twonn(neighbor_graph(doubled, 16))
    assert found.error == pytest.approx(twonn(GRAPH).error, rel=1e-12)
    assert found.error > 0
    assert found.influence.shape == (440,)
    assert (found.influence[400:] == 0).all()


# ── scatter ───────────────────────────────────────────────────────────────────────────────────


def test_the_lowest_fifth_of_the_ratios_costs_twice_the_scatter():
    """Paper B's fit on the exact law: the mean of the fit at 0.9, 2.2 times its scatter."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(400):
        log_mu = rng.exponential(1 / 7, 1000)
        found.append([ratio_fit(log_mu, "linear", f)[0] for f in (0.2, 0.9)])
    few, most = np.array(found).T
    standard_error = few.std(ddof=1) / 20
    assert abs(few.mean() - 7) < 4 * standard_error + 0.05  # of the order 1/N of the fit itself
    assert few.std(ddof=1) / most.std(ddof=1) == pytest.approx(2.2, rel=0.15)
