"""The coverage of the standard errors, by Monte Carlo.

A set of points is drawn many times; of each draw every quantity is estimated with its error. How
often do value ± 1.96 errors hold the mean of the estimate over all draws, and how often the truth?

python -m calibration.coverage [--only TEXT] [--repetitions R]   # adds records, writes the page
python -m calibration.coverage --page                            # the page alone, from the records
"""

from __future__ import annotations

import argparse
import warnings
import zlib
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from benchmarks import records
from calibration.coverage_page import JOB, PAGE, RECORDS, page
from calibration.point_sets import COMPARED, LISTED, POINT_SETS, Layers, PointSet
from layergeom import geometry
from layergeom.arrays import FloatArray
from layergeom.errors import GeometryWarning
from layergeom.geometry import NeighborGraph
from layergeom.geometry.levina_bickel import levina_bickel
from layergeom.geometry.uncertainty import (
    Estimate,
    Joined,
    adjacency,
    cluster_error,
    covariance,
    row_adjacency,
)
from layergeom.layer import MeasuredLayer
from layergeom.layer.dimensions import measure_distances
from layergeom.layer.measuring import SPECTRAL

REPETITIONS = 1000
NORMAL = 1.96  # standard errors to either side, for 95 %
NEGLIGIBLE = 0.2  # of a standard error: with less bias the truth should be held as well
LABELLED = 10  # neighbours whose labels are compared
CONSTANT = 1e-9  # of the largest value: a smaller spread is rounding

Told: TypeAlias = tuple[float, float]  # value and standard error
Spread: TypeAlias = dict[str, FloatArray]  # of every quantity (repetitions, 2)


def told(point_set: PointSet, drawn: Layers) -> dict[str, Told]:
    """Return value and standard error of every quantity of one draw, by name."""
    a = point_set.graph(drawn.X, drawn.groups, LISTED)
    b = point_set.graph(drawn.Y, drawn.groups, COMPARED)
    near = [adjacency(graph, 2) for graph in (a, b)]  # held, or every estimate makes its own
    alike = [row_adjacency(graph, LABELLED) for graph in (a, b)]
    dimensions = [geometry.twonn(graph) for graph in (a, b)]
    labels = [geometry.label_overlap(graph, drawn.labels, LABELLED) for graph in (a, b)]
    estimates: dict[str, Estimate] = {
        "TwoNN": dimensions[0],
        **_dimensions(a, point_set.ranks),
        "overlap, k = 10": geometry.neighborhood_overlap(a, b, 10),
        "overlap, k = 30": geometry.neighborhood_overlap(a, b, 30),
        "label overlap, k = 10": labels[0],
        "linear CKA": geometry.linear_cka(drawn.X, drawn.Y, groups=drawn.groups),
    }
    return {
        **{name: (estimate.value, estimate.error) for name, estimate in estimates.items()},
        "TwoNN, mean of halves": _halves(a, drawn),
        "difference of TwoNN": _difference(dimensions, near),
        "difference of label overlap": _difference(labels, alike),
        **_spectrum(a, drawn),
        **_near(a, dimensions[0].value),
    }


def _dimensions(graph: NeighborGraph, ranks: Sequence[int]) -> dict[str, Estimate]:
    found: dict[str, Estimate] = {
        "TwoNN, linear .9": geometry.twonn(graph, "linear", 0.9),
        "TwoNN, linear .98": geometry.twonn(graph, "linear", 0.98),
        "TwoNN, censored .9": geometry.twonn(graph, "censored", 0.9),
        **{f"Gride, n1 = {n1}": geometry.gride(graph, n1) for n1 in ranks},
    }
    return found if graph.groups is not None else found | {"Levina–Bickel": levina_bickel(graph)}


def _halves(graph: NeighborGraph, drawn: Layers) -> Told:
    found = geometry.decimation(drawn.X, graph, (2,))
    return float(found.values[0]), float(found.errors[0])


def _difference(of: Sequence[Estimate], joined: Sequence[Joined]) -> Told:
    """First layer less second, with the error that the covariance of the layers gives."""
    V = covariance([estimate.influence for estimate in of], joined)
    variance = float(V[0, 0] + V[1, 1] - 2 * V[0, 1])
    return of[0].value - of[1].value, float(np.sqrt(variance)) if variance > 0 else float("nan")


def _spectrum(graph: NeighborGraph, drawn: Layers) -> dict[str, Told]:
    found = geometry.spectrum(drawn.X, graph.point)
    estimates = {name.replace("_", " "): getattr(found, name) for name in SPECTRAL}
    return {
        name: (e.value, cluster_error(e.influence, graph.point, graph.groups))
        for name, e in estimates.items()
    }


def _near(graph: NeighborGraph, dimension: float) -> dict[str, Told]:
    """Return what a profile says of the neighbour distances and of constant density."""
    layer = MeasuredLayer()
    measure_distances(layer, graph, adjacency(graph, 2))
    if graph.groups is None:
        found = geometry.local_homogeneity(graph, dimension)
        layer.numbers["homogeneity"] = (found.value, found.error)
    return layer.numbers


def repeated(point_set: PointSet, n: int, repetitions: int) -> Spread:
    """Return values and errors of every quantity over draws with fixed seeds."""
    seed = zlib.crc32(point_set.name.encode())
    rows = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GeometryWarning)
        for repetition in range(repetitions):
            rng = np.random.default_rng([seed, n, repetition])
            rows.append(told(point_set, point_set.draw(rng, n)))
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def covered(values: FloatArray, errors: FloatArray, centre: float) -> int:
    """Return how many intervals of 95 % hold ``centre``; one of an unknown error does not.

    Examples
    --------
    >>> covered(np.array([0.0, 1.9, 2.0, 0.0]), np.array([1.0, 1, 1, np.nan]), 0.0)
    2
    """
    return int(np.count_nonzero(np.abs(values - centre) <= NORMAL * errors))


def judged(pairs: FloatArray, truth: float | None) -> records.Record | None:
    """Return what repetitions say of an error; None of a quantity that is a constant.

    Parameters
    ----------
    pairs : ndarray, shape (repetitions, 2)
        Values and errors.
    truth : float or None
        What is estimated, where it is known.

    Returns
    -------
    dict or None
        Mean and standard deviation ``sd`` of the values; the mean of the ``error``; the number of
        intervals that hold the mean; ``unknown`` errors; the ``truth`` and the number that holds
        it, None unless the bias is below 0.2 errors.
    """
    values, errors = pairs.T
    mean, sd = float(values.mean()), float(values.std(ddof=1))
    if not sd > CONSTANT * np.abs(values).max():
        return None
    unknown = int(np.isnan(errors).sum())
    error = float(np.nanmean(errors)) if unknown < len(errors) else float("nan")
    near = truth is not None and abs(mean - truth) < NEGLIGIBLE * error
    return {
        "mean": mean,
        "sd": sd,
        "error": error,
        "mean_held": covered(values, errors, mean),
        "unknown": unknown,
        "truth": truth,
        "truth_held": covered(values, errors, truth) if truth is not None and near else None,
    }


def record(point_set: PointSet, n: int, spread: Spread) -> records.Record:
    """Return the record of a set of points."""
    all_judged = {name: judged(found, point_set.truth(name)) for name, found in spread.items()}
    return {
        "time": records.now(),
        "job": JOB,
        "case": {"name": point_set.name, "n": n},
        "repetitions": len(next(iter(spread.values()))),
        "seed": zlib.crc32(point_set.name.encode()),
        "quantities": {name: found for name, found in all_judged.items() if found is not None},
        "versions": records.versions(),
    }


def main() -> None:
    """Read the command line; draw and judge, then write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--page", action="store_true", help="the page alone")
    parser.add_argument("--only", default="", help="sets whose 'name, N = rows' holds this")
    parser.add_argument("--repetitions", type=int, default=REPETITIONS)
    given = parser.parse_args()
    runs = [] if given.page else [(one, n) for one in POINT_SETS for n in one.sizes]
    for point_set, n in sorted(runs, key=lambda run: run[1]):
        if given.only in f"{point_set.name}, N = {n}":
            print(f"{point_set.name}, N = {n}", flush=True)
            spread = repeated(point_set, n, given.repetitions)
            records.append(RECORDS, record(point_set, n, spread))
    PAGE.write_text(page(records.read([RECORDS])), encoding="utf-8")


if __name__ == "__main__":
    main()
