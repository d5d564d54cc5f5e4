"""Draw scikit-dimension's manifolds and let it and DADApy estimate their dimension.

    python manifold_peers.py FOLDER N REPETITIONS [--draw]

Runs where the two libraries are installed, and imports nothing of this project. Per manifold it
writes NAME.npy (repetitions, n, D), drawn with seeds 0, 1, …, and NAME.json with the answers, then
prints NAME. With ``--draw`` the points are drawn and nothing is estimated.
"""

from __future__ import annotations

import json
import math
import sys
import warnings
from contextlib import redirect_stdout
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

MAX_RANK = 32  # DADApy's ratios of ranks 1 to 2, 2 to 4, … 16 to 32
DADAPY = {"Gride 1, 2": 0, "Gride 4, 8": 2, "Gride 16, 32": 4}  # place among these ratios
VERSIONS = {"dadapy": "dadapy", "skdim": "scikit-dimension"}


def draws(name: str, n: int, repetitions: int) -> tuple[int, Any]:
    """Return the true dimension of a manifold and its point sets, (repetitions, n, D)."""
    from skdim.datasets import BenchmarkManifolds

    drawn = []
    for seed in range(repetitions):
        manifolds = BenchmarkManifolds(random_state=seed)
        truth, ambient = manifolds.truth.loc[name].iloc[:2]
        drawn.append(manifolds.generate(name, n=n, d=int(truth), dim=int(ambient)))
    return int(truth), np.array(drawn)


def dadapy_answers(X: Any) -> dict[str, tuple[float, float | None]]:
    """Return the value and the error that DADApy reports, by estimator."""
    from dadapy import Data

    data = Data(X, verbose=False)
    data.compute_distances(maxk=2 * MAX_RANK)
    value, error, _ = data.compute_id_2NN()
    values, errors, _ = data.return_id_scaling_gride(range_max=MAX_RANK)
    gride = {name: (float(values[at]), float(errors[at])) for name, at in DADAPY.items()}
    return {"TwoNN": (float(value), float(error)), **gride}


def skdim_answers(X: Any) -> dict[str, tuple[float, float | None]]:
    """Return what scikit-dimension's estimators give with their defaults; they have no errors."""
    from skdim import id as estimators

    fits = {
        "TwoNN": estimators.TwoNN(),
        "MLE": estimators.MLE(),
        "CorrInt": estimators.CorrInt(),
        "lPCA": estimators.lPCA(verbose=False),
        "FisherS": estimators.FisherS(),
    }
    return {name: (float(fit.fit(X).dimension_), None) for name, fit in fits.items()}


def answers(points: Any) -> dict[str, Any]:
    """Return values and errors of both libraries over the point sets of a manifold."""
    found = {}
    for package, ask in {"dadapy": dadapy_answers, "skdim": skdim_answers}.items():
        rows = [ask(X) for X in points]
        found[package] = {
            name: {
                "values": [_finite(row[name][0]) for row in rows],
                "errors": [_finite(row[name][1]) for row in rows],
            }
            for name in rows[0]
        }
    return found


def _finite(number: float | None) -> float | None:
    known = number is not None and math.isfinite(number)
    return float(f"{number:.6g}") if known else None


def main(place: str, n: int, repetitions: int, draw: bool) -> None:
    """Draw and answer for every manifold."""
    from skdim.datasets import BenchmarkManifolds

    warnings.simplefilter("ignore")
    for name in BenchmarkManifolds(random_state=0).truth.index:
        with redirect_stdout(sys.stderr):
            truth, points = draws(name, n, repetitions)
            told = {} if draw else answers(points)
        np.save(Path(place) / f"{name}.npy", points)
        content = {
            "truth": truth,
            "answers": told,
            "versions": {key: metadata.version(VERSIONS[key]) for key in VERSIONS},
        }
        (Path(place) / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
        print(name, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), "--draw" in sys.argv)
