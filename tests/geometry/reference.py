"""Slow and obvious references: loops, sorting, long doubles, singular values."""

import numpy as np
from scipy.optimize import minimize_scalar


def distances_from(X, i):
    """Distances of row i to all rows by direct differences, in long double."""
    wide = X.astype(np.longdouble)
    return np.sqrt(((wide - wide[i]) ** 2).sum(axis=1))


def neighbors(X, k, groups=None):
    """The k nearest other rows by full sorting: distances, indices, and all members of ties."""
    n = len(X)
    distances, indices, ties = np.full((n, k), np.inf), np.full((n, k), -1), {}
    for i in range(n):
        d = distances_from(X, i)
        allowed = [j for j in range(n) if j != i and (groups is None or groups[i] != groups[j])]
        order = sorted(allowed, key=lambda j, d=d: (d[j], j))
        for place, j in enumerate(order[:k]):
            distances[i, place], indices[i, place] = d[j], j
        further = [j for j in order[k:] if d[j] == d[order[k - 1]]]
        if further:
            ties[i] = further
    return distances, indices, ties


def assert_exact(graph, X, groups=None, rtol=1e-12):
    """Every row of the graph lists nearest other rows, at their true distances."""
    n, k = graph.indices.shape
    for i in range(n):
        d = distances_from(X, i)
        allowed = np.ones(n, dtype=bool) if groups is None else groups != groups[i]
        allowed[i] = False
        nearest = np.sort(d[allowed])[:k]
        m = len(nearest)
        listed = graph.indices[i, :m]
        assert len(set(listed.tolist())) == m, i
        assert allowed[listed].all(), i
        assert (graph.indices[i, m:] == -1).all(), i
        assert (graph.distances[i, m:] == np.inf).all(), i
        assert np.all(np.abs(graph.distances[i, :m] - nearest) <= rtol * nearest), i
        assert np.all(np.abs(d[listed] - nearest) <= rtol * nearest), i


def memberships(X, k, groups=None):
    """Share of each row in each k-neighbourhood, (n, n); a boundary tie shares what is left."""
    n = len(X)
    W = np.zeros((n, n))
    for i in range(n):
        d = distances_from(X, i).astype(float)
        allowed = [j for j in range(n) if j != i and (groups is None or groups[i] != groups[j])]
        if len(allowed) < k:
            continue
        kth = sorted(d[allowed])[k - 1]
        nearer = [j for j in allowed if d[j] < kth]
        tied = [j for j in allowed if d[j] == kth]
        W[i, nearer] = 1
        W[i, tied] = (k - len(nearer)) / len(tied)
    return W


def overlap(X, Y, k):
    return np.minimum(memberships(X, k), memberships(Y, k)).sum(axis=1).mean() / k


def label_overlap(X, labels, k, groups=None, weighting="row", fraction=None):
    """Value, chance and number of rows that count, row by row."""
    n = len(X)
    values, chances, classes = [], [], []
    for i in range(n):
        if labels[i] is None:
            continue
        size = sum(label == labels[i] for label in labels)
        wanted = k if fraction is None else max(1, int(fraction * size))
        others = [
            j
            for j in range(n)
            if j != i and (groups is None or groups[i] is None or groups[i] != groups[j])
        ]
        matching = [j for j in others if labels[j] == labels[i]]
        if not matching or len(others) < wanted:
            continue
        d = distances_from(X, i)
        nearest = sorted(others, key=lambda j, d=d: (d[j], j))[:wanted]
        values.append(sum(labels[j] == labels[i] for j in nearest) / wanted)
        chances.append(len(matching) / len(others))
        classes.append(labels[i])
    weights = np.ones(len(values))
    if weighting == "class":
        weights = np.array([1 / classes.count(c) for c in classes])
    weights /= weights.sum()
    return weights @ values, weights @ chances, len(values)


def ratios(X, n1=1, n2=2):
    d = neighbors(X, n2)[0]
    return np.log(d[:, n2 - 1] / d[:, n1 - 1])


def twonn(X):
    log_mu = ratios(X)
    return (len(X) - 1) / log_mu.sum()


def linear_fit(log_mu, fraction):
    n = len(log_mu)
    kept = int(n * fraction)
    x = np.sort(log_mu)[:kept]
    y = np.array([-np.log(1 - i / n) for i in range(1, kept + 1)])
    return (x * y).sum() / (x * x).sum()


def censored_fit(log_mu, fraction):
    n = len(log_mu)
    kept = int(n * fraction)
    x = np.sort(log_mu)
    return (kept - 1) / (x[:kept].sum() + (n - kept) * x[kept - 1])


def gride(log_mu, n1, n2):
    """Maximum of the likelihood of Denti et al., found without its derivative."""

    def loss(log_d):
        d = np.exp(log_d)
        between = (n2 - n1 - 1) * np.log(np.expm1(d * log_mu)).sum()
        return -((len(log_mu) - 1) * log_d + between - (n2 - 1) * d * log_mu.sum())

    return float(np.exp(minimize_scalar(loss, bounds=(-6, 6), options={"xatol": 1e-10}).x))


def anisotropy(X, centre=True):
    wide = X.astype(np.float64)
    sigma = np.linalg.svd(wide - wide.mean(axis=0) * centre, compute_uv=False)
    return sigma[0] ** 2 / (sigma**2).sum()


def mean_cosine(X):
    units = X / np.linalg.norm(X, axis=1, keepdims=True)
    pairs = [units[i] @ units[j] for i in range(len(X)) for j in range(len(X)) if i != j]
    return np.mean(pairs)


def standard_error(influence, joined):
    """Square root of the double sum over joined pairs, over n."""
    n = len(influence)
    total = sum(
        influence[i] * influence[j] for i in range(n) for j in range(n) if i == j or joined(i, j)
    )
    return np.sqrt(total) / n
