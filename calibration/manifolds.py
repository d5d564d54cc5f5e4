"""Bias, RMSE and coverage on scikit-dimension's benchmark manifolds, beside two libraries.

python -m calibration.manifolds --peers PYTHON [--repetitions R]  # all; PYTHON has the libraries
python -m calibration.manifolds --peers PYTHON --ours             # it draws the points only
python -m calibration.manifolds --page                            # the page, from the records
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

import layergeom as lg
from benchmarks import records
from calibration.manifold_page import JOB, PAGE, RECORDS, page
from layergeom.arrays import Points
from layergeom.errors import DegenerateError, GeometryWarning

SIZES = (2500, 1000)
REPETITIONS = 20
NEIGHBORS = 32
SCRIPT = Path(__file__).with_name("manifold_peers.py")
UNKNOWN = (None, None, None)
Answer = tuple[float | None, float | None, bool | None]  # value, error, flagged as a lower bound


def _estimate(read: Callable[[lg.NeighborGraph], lg.DimensionEstimate]) -> Callable[..., Answer]:
    def answer(X: Points, graph: lg.NeighborGraph) -> Answer:  # noqa: ARG001
        found = read(graph)
        return found.value, found.error, bool(found.lower_bound)

    return answer


def _plateau(X: Points, graph: lg.NeighborGraph) -> Answer:
    found = lg.scale_analysis(X, graph)
    return found.plateau_dimension, found.plateau_error, None


ESTIMATORS = MappingProxyType(
    {
        "TwoNN": _estimate(lg.twonn),
        "TwoNN, linear .9": _estimate(lambda graph: lg.twonn(graph, "linear", 0.9)),
        "Gride 4, 8": _estimate(lambda graph: lg.gride(graph, 4)),
        "Gride 16, 32": _estimate(lambda graph: lg.gride(graph, 16)),
        "Levina-Bickel": _estimate(lg.levina_bickel),
        "plateau": _plateau,
    }
)


def answers(points: Points) -> dict[str, dict[str, list[Any]]]:
    """Return values, errors and flags of this package over point sets.

    Parameters
    ----------
    points : ndarray, shape (repetitions, n, D)
        Draws of one manifold.

    Returns
    -------
    dict
        By estimator, lists over the draws: ``values``, ``errors``, ``lower_bound``; None where
        there is none.
    """
    rows = [_of_cloud(X) for X in points]
    return {name: _columns([row[name] for row in rows]) for name in ESTIMATORS}


def _columns(rows: Sequence[Answer]) -> dict[str, list[Any]]:
    names = ("values", "errors", "lower_bound")
    return {name: list(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}


def _of_cloud(X: Points) -> dict[str, Answer]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GeometryWarning)
        graph = lg.neighbor_graph(X, NEIGHBORS)
        return {name: _answer(ask, X, graph) for name, ask in ESTIMATORS.items()}


def _answer(ask: Callable[..., Answer], X: Points, graph: lg.NeighborGraph) -> Answer:
    try:
        value, error, flag = ask(X, graph)
    except DegenerateError:
        return UNKNOWN
    return _finite(value), _finite(error), flag


def _finite(number: float | None) -> float | None:
    known = number is not None and math.isfinite(number)
    return float(f"{number:.6g}") if known else None


def measured(python: Path, n: int, repetitions: int, ours: bool) -> Iterator[records.Record]:
    """Yield one record per manifold and library, as the other interpreter draws the points.

    Raises
    ------
    RuntimeError
        If that interpreter fails.
    """
    command = [str(python), str(SCRIPT), "FOLDER", str(n), str(repetitions)]
    with tempfile.TemporaryDirectory() as folder:
        command[2] = folder
        run = subprocess.Popen(  # noqa: S603
            command + ["--draw"] * ours, stdout=subprocess.PIPE, text=True, env=os.environ
        )
        for line in run.stdout or ():
            yield from _of_manifold(Path(folder) / line.strip(), repetitions)
        if run.wait():
            raise RuntimeError(f"{python} ended with exit status {run.returncode}")


def _of_manifold(stem: Path, repetitions: int) -> Iterator[records.Record]:
    place = stem.with_suffix(".npy")
    points = np.load(place, allow_pickle=False)
    place.unlink()
    told = json.loads(stem.with_suffix(".json").read_text(encoding="utf-8"))
    case = {
        "name": stem.name,
        "truth": told["truth"],
        "ambient": points.shape[2],
        "n": points.shape[1],
        "repetitions": repetitions,
    }
    versions = {"layergeom": records.versions(), **told["versions"]}
    for package, found in {"layergeom": answers(points), **told["answers"]}.items():
        yield {
            "time": records.now(),
            "job": JOB,
            "case": case,
            "package": package,
            "answers": found,
            "versions": versions[package],
        }


def main() -> None:
    """Read the command line; measure, then write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers", type=Path, help="interpreter with DADApy and scikit-dimension")
    parser.add_argument("--repetitions", type=int, default=REPETITIONS)
    parser.add_argument("--sizes", type=int, nargs="*", default=SIZES)
    parser.add_argument("--ours", action="store_true", help="estimate by this package alone")
    parser.add_argument("--page", action="store_true", help="the page alone (also without peers)")
    given = parser.parse_args()
    if given.peers and not given.page:
        for n in given.sizes:
            for record in measured(given.peers, n, given.repetitions, given.ours):
                records.append(RECORDS, record)
                print(n, record["case"]["name"], record["package"], flush=True)
    PAGE.write_text(page(records.read([RECORDS])), encoding="utf-8")


if __name__ == "__main__":
    main()
