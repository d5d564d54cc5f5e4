"""Finished runs: how far a profile of dimensions is that of its spectra and distances."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from benchmarks import records
from layergeom.arrays import FloatArray
from layergeom.geometry.dimension import LOWER_BOUND_SLOPE
from layergeom.profiles import CHECKPOINTS, FILE, STATES, Profile
from layergeom.tasks.finished_runs import FinishedRun, finished_run
from layergeom.tasks.nulls import Measured, gaussian

BESIDE = ("log r1", "relative r1", "effective rank", "participation ratio", "Gaussian null")


def folders(place: Path) -> list[Path]:
    """Return the finished runs at or below a folder that kept their states."""
    found = sorted(file.parent for file in place.rglob(FILE))
    return [folder for folder in found if (folder / STATES).is_dir()]


def measured(place: Path) -> Iterator[records.Record]:
    """Yield one record per finished run that kept its states and can be measured throughout."""
    for folder in folders(place):
        run = finished_run(folder, _name(folder))
        if run.states is not None and not run.profile.undefined:
            yield of_run(run)


def of_run(run: FinishedRun) -> records.Record:
    """Return a run's curves along the depth, and the Gaussian null's."""
    return {
        "time": records.now(),
        "job": "doubt-run",
        "case": {"name": run.name, "rows": run.profile.counts["rows"]},
        "layers": list(run.profile.layers),
        "curves": {name: np.round(curve, 5).tolist() for name, curve in curves(run).items()},
        "lower_bounds": _lower_bounds(run.profile),
        "against_n": against_n(run.profile),
        "versions": records.versions(),
    }


def curves(run: FinishedRun) -> dict[str, FloatArray]:
    """Return the dimension of each layer, and what it may follow, all of shape (L,).

    Raises
    ------
    ValueError
        If the run did not keep its states.
    """
    profile, hidden = run.profile, run.states
    if hidden is None:
        raise ValueError(f"{run.name} kept no states")
    r1, null = profile["r1"].values, gaussian(profile, Measured.of(hidden, run.settings))
    return {
        "dimension": profile.dimension.values,
        "error": profile.dimension.errors,
        "log r1": np.log(r1),
        "relative r1": r1 / [_spread(hidden[key]) for key in hidden.layers],
        "effective rank": profile["effective_rank"].values,
        "participation ratio": profile["participation_ratio"].values,
        "Gaussian null": null.curves["dimension"].values,
    }


def against_n(profile: Profile) -> dict[str, int]:
    """Return at how many layers the dimension rises and falls with the number of points.

    From the smallest subsets to all points, by more than twice the error of the difference (which
    takes the two as independent: too cautious).
    """
    told = {"rising": 0, "falling": 0}
    for found in profile.decimation.values():
        rise = found["values"][0] - found["values"][-1]
        if abs(rise) > 2 * np.hypot(found["errors"][0], found["errors"][-1]):
            told["rising" if rise > 0 else "falling"] += 1
    return told


def _spread(X: Any) -> float:
    """Return the root mean square distance of two rows."""
    return float(np.sqrt(2 * np.asarray(X, dtype=np.float64).var(axis=0).sum()))


def _lower_bounds(profile: Profile) -> int:
    bound = LOWER_BOUND_SLOPE * np.log2(profile["distinct_points"].values)
    return int((profile.dimension.values > bound).sum())


def _name(folder: Path) -> str:
    of_training = folder.parent.name == CHECKPOINTS
    return f"{folder.parent.parent.name}-{folder.name}" if of_training else folder.name


def ranks(record: Mapping[str, Any]) -> dict[str, float]:
    """Return the rank correlation over the layers of the dimension with each curve beside it."""
    own = np.array(record["curves"]["dimension"], dtype=float)
    return {
        name: float(spearmanr(own, np.array(record["curves"][name], dtype=float)).statistic)
        for name in BESIDE
    }


def left(record: Mapping[str, Any], first: int = 0) -> tuple[float, float]:
    """Return which share of the profile's variation the Gaussian null leaves.

    Parameters
    ----------
    record : mapping
        Of :func:`of_run`.
    first : int
        Layers before this one are left out: the embedding alone can carry all of the variation.

    Returns
    -------
    ratio : float
        Variance over the layers of log(ID / null), over that of log ID; above 1 where the null
        varies more than the profile, or against it.
    line : float
        What the best straight line in log null leaves of it, in [0, 1].

    Examples
    --------
    >>> curves = {"dimension": [8, 16, 4], "Gaussian null": [16, 32, 8]}  # half of it throughout
    >>> left({"curves": curves})
    (0.0, 0.0)
    """
    own, null = (
        np.log(np.array(record["curves"][name], dtype=float))[first:]
        for name in ("dimension", "Gaussian null")
    )
    line = 1 - float(np.corrcoef(own, null)[0, 1]) ** 2
    return round(float((own - null).var() / own.var()), 9), round(line, 9)
