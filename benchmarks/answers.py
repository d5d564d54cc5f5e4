"""Whether an answer is right: a float64 reference of our own, and the comparison with it.

The reference is independent of the package: centred float64 products choose candidates, direct
float64 differences order them. Neighbour sets are compared up to exact ties through distances:
the pairs a peer names are measured again, and their sorted distances must be those of the truth.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Answer = tuple[npt.NDArray[np.floating], npt.NDArray[np.integer]]

ROWS = 2_000  # rows compared where N exceeds ALL_ROWS
ALL_ROWS = 10_000
SAME = 1e-12  # relative difference within which two float64 distances are an exact tie
SPARE = 32  # candidates beyond k
PAIRS = 4_000_000  # entries of one block of differences


@dataclass(frozen=True)
class Truth:
    """The exact distances of some rows, ascending."""

    X: npt.NDArray[np.float32]
    rows: Ints  # (r,)
    distances: Floats  # (r, k)


@dataclass(frozen=True)
class Agreement:
    """How an answer compares with the truth."""

    rows: int
    other_neighbors: int  # rows whose neighbours are not the k nearest, ties allowed
    recall: float  # mean share of the named neighbours that belong to the k nearest
    worst_distance: float  # largest relative error of a reported distance
    tolerance: float  # what worst_distance may be

    @property
    def agrees(self) -> bool:
        """Whether all neighbour sets are right and all distances within the tolerance."""
        return self.other_neighbors == 0 and self.worst_distance <= self.tolerance

    def record(self) -> dict[str, Any]:
        """Return the plain form that is written with the times."""
        return {"agrees": self.agrees, **asdict(self)}


def reference(X: npt.NDArray[np.float32], k: int) -> Truth:
    """Return the exact distances of every row, or of 2,000 seeded rows of a large cloud."""
    n = len(X)
    rows = np.arange(n)
    if n > ALL_ROWS:
        rows = np.sort(np.random.default_rng(0).choice(n, ROWS, replace=False))
    Y = X.astype(np.float64)
    Y -= Y.mean(axis=0)
    norms = np.einsum("ij,ij->i", Y, Y)
    size = max(1, PAIRS // n)
    blocks = [_nearest(X, Y, norms, rows[i : i + size], k) for i in range(0, len(rows), size)]
    return Truth(X, rows, np.concatenate(blocks))


def _nearest(X: npt.NDArray[np.float32], Y: Floats, norms: Floats, rows: Ints, k: int) -> Floats:
    squared = norms[rows][:, None] + norms - 2 * (Y[rows] @ Y.T)
    squared[np.arange(len(rows)), rows] = np.inf
    m = min(k + SPARE, len(X) - 1)
    order = np.argpartition(squared, m - 1, axis=1)[:, :m]
    exact = np.sort(direct(X, rows, order), axis=1)[:, :k]
    # Beyond the candidates everything is at least as far as the last of them, up to rounding.
    edge = np.take_along_axis(squared, order[:, -1:], axis=1)[:, 0]
    edge -= 1e-11 * (norms[rows] + norms.max())
    for place in np.flatnonzero(edge < exact[:, -1] ** 2):
        row = rows[place]
        others = np.delete(np.arange(len(X)), row)
        exact[place] = np.sort(direct(X, rows[place : place + 1], others[None, :])[0])[:k]
    return exact


def direct(X: npt.NDArray[np.float32], rows: Ints, others: npt.NDArray[np.integer]) -> Floats:
    """Float64 distances by direct differences from each row to its others: (r, m)."""
    out = np.empty(others.shape)
    size = max(1, PAIRS // (others.shape[1] * X.shape[1]))
    for i in range(0, len(rows), size):
        difference = X[others[i : i + size]].astype(np.float64)
        difference -= X[rows[i : i + size], None, :]
        out[i : i + size] = np.sqrt(np.einsum("rmd,rmd->rm", difference, difference))
    return out


def compare(truth: Truth, answer: Answer, tolerance: float) -> Agreement:
    """Compare an answer for all rows, self left out, with the truth.

    Parameters
    ----------
    truth : Truth
        Exact distances of the compared rows.
    answer : pair of ndarray, shape (n, k)
        Distances and indices.
    tolerance : float
        Largest relative error of a distance that still agrees; below a millionth of the median
        k-th distance the error is taken relative to that millionth.

    Raises
    ------
    ValueError
        If the answer has another shape or names rows that do not exist.
    """
    distances, indices = np.asarray(answer[0], float), np.asarray(answer[1], np.int64)
    n, k = len(truth.X), truth.distances.shape[1]
    if distances.shape != (n, k) or indices.shape != (n, k):
        raise ValueError(f"shapes {distances.shape} and {indices.shape} are not {(n, k)}.")
    if indices.min() < 0 or indices.max() >= n:
        raise ValueError(f"indices run from {indices.min()} to {indices.max()}, N is {n}.")
    named = indices[truth.rows]
    measured = direct(truth.X, truth.rows, named)
    measured[_unusable(named, truth.rows)] = np.inf
    measured.sort(axis=1)
    exact = truth.distances
    floor = 1e-6 * float(np.median(exact[:, -1])) or 1.0
    wrong = (measured > exact * (1 + SAME)).any(axis=1)
    members = measured <= exact[:, -1:] * (1 + SAME)
    error = np.abs(distances[truth.rows] - exact) / np.maximum(exact, floor)
    worst = float(error.max()) if np.isfinite(error).all() else float("inf")
    return Agreement(
        len(truth.rows), int(wrong.sum()), round(float(members.mean()), 6), worst, tolerance
    )


def _unusable(named: Ints, rows: Ints) -> npt.NDArray[np.bool_]:
    """Places that name the row itself or a row already named."""
    order = np.argsort(named, axis=1, kind="stable")
    ascending = np.take_along_axis(named, order, axis=1)
    repeated = np.zeros(named.shape, dtype=bool)
    again = np.zeros(named.shape, dtype=bool)
    again[:, 1:] = ascending[:, 1:] == ascending[:, :-1]
    np.put_along_axis(repeated, order, again, axis=1)
    return np.asarray(repeated | (named == rows[:, None]))
