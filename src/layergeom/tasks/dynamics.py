"""Geometry over training: one profile per checkpoint, and what changes between them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from layergeom import geometry
from layergeom.arrays import FloatArray
from layergeom.errors import DegenerateError, GeometryWarning, InputError
from layergeom.geometry import NeighborGraph
from layergeom.geometry.uncertainty import covariance
from layergeom.layer import Settings
from layergeom.measure import Progress, check_samples
from layergeom.profiles import Curve, Profile
from layergeom.reading.claims_training import layer_means, layers_along
from layergeom.states.checkpoints import Axis, Checkpoint, checkpoints
from layergeom.states.inputs import Samples
from layergeom.tasks.checkpoint_run import (
    CheckpointRun,
    Keep,
    measure_checkpoint,
    what_to_keep,
    workplace,
)
from layergeom.tasks.kept import Kept
from layergeom.tasks.training_course import TrainingCourse, training_course
from layergeom.tasks.turning_point import TurningPoint, maximum, turning_point
from layergeom.workers import Workers, shared_folder

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Dynamics", "Keep", "TrainingMap", "dynamics"]


@dataclass(frozen=True, eq=False)
class TrainingMap:
    """One quantity over checkpoint and layer.

    Attributes
    ----------
    name : str
        The quantity.
    values, errors : ndarray, shape (C, L)
        Values and standard errors; nan where undefined or not known.
    chance : ndarray, shape (C, L), or None
        The level that chance reaches, for overlaps.
    """

    name: str
    values: FloatArray
    errors: FloatArray
    chance: FloatArray | None = None

    def cell(self, checkpoint: int, layer: int) -> dict[str, float]:
        """Return the value at two places under ``name``, and its error under ``name_error``."""
        value, error = self.values[checkpoint, layer], self.errors[checkpoint, layer]
        return {self.name: float(value), f"{self.name}_error": float(error)}


@dataclass(frozen=True, eq=False)
class Dynamics:
    """Profiles over the checkpoints of a training run.

    Attributes
    ----------
    checkpoints : tuple of str
        Names, in the order of training.
    steps : ndarray, shape (C,)
        Training steps, or tokens; nan where a name holds no number.
    profiles : tuple of Profile
        One per checkpoint, of the same rows and layers.
    overlap_to_final : ndarray, shape (C, L)
        Neighbourhood overlap of each layer with the same layer at the last checkpoint.
    mean_dimension : Curve
        Mean dimension over the layers along the depth, per checkpoint, with its error.
    turning_point : str
        How the mean dimension moves over training, in a sentence.
    peak : TurningPoint or None
        Where the mean dimension is largest, with its interval.
    axis : {"step", "tokens"}
        What ``steps`` counts.
    overlap_error : ndarray, shape (C, L), or None
        Standard errors of ``overlap_to_final``; nan at the last checkpoint itself.
    mean_covariance : ndarray, shape (C, C), or None
        Covariance of the mean dimensions, which share their rows; None if it is not known.
    kept_bytes : int
        Disk that the neighbour lists and influences of all checkpoints take.
    warnings : tuple of str
        What was assumed on the way; each profile has its own.
    """

    checkpoints: tuple[str, ...]
    steps: FloatArray
    profiles: tuple[Profile, ...]
    overlap_to_final: FloatArray
    mean_dimension: Curve
    turning_point: str
    peak: TurningPoint | None = None
    axis: Axis = "step"
    overlap_error: FloatArray | None = None
    mean_covariance: FloatArray | None = None
    kept_bytes: int = 0
    warnings: tuple[str, ...] = ()

    @cached_property
    def maps(self) -> Mapping[str, TrainingMap]:
        """Every quantity that all profiles hold, over checkpoint and layer, by its name.

        ``dimension``, ``anisotropy``, ``label_overlap`` (with labels) and the other curves of a
        profile, and ``overlap_to_final`` where it is known.
        """
        names = [n for n in self.profiles[0].curves if all(n in p.curves for p in self.profiles)]
        known = np.isfinite(self.overlap_to_final).any()
        final = {"overlap_to_final": self._to_final()} if known else {}
        return {name: self._map(name) for name in names} | final

    @cached_property
    def course(self) -> TrainingCourse:
        """What changed beyond error: expansion and compression, and the layer to use."""
        return training_course(self.profiles, self.mean_dimension, self.mean_covariance)

    def rows(self) -> list[dict[str, Any]]:
        """Return one dict per checkpoint and layer: ``checkpoint``, ``step``, then the profile's.

        Those are ``layer``, the relative ``depth``, every quantity with its ``_error`` and, where
        it is known, ``_chance``, and ``undefined``, the reason why the layer has no dimension or
        "". Last comes ``overlap_to_final`` where it is known.
        """
        final = self.maps.get("overlap_to_final")
        table = []
        for at, (name, profile) in enumerate(zip(self.checkpoints, self.profiles, strict=True)):
            of_step = {"checkpoint": name, "step": float(self.steps[at])}
            for layer, row in enumerate(profile.rows()):
                table.append(of_step | row | ({} if final is None else final.cell(at, layer)))
        return table

    def to_frame(self) -> pd.DataFrame:
        """Return the table of :meth:`rows` as a DataFrame, indexed by checkpoint and layer."""
        import pandas as pd

        return pd.DataFrame(self.rows()).set_index(["checkpoint", "layer"])

    def _map(self, name: str) -> TrainingMap:
        curves = [profile.curves[name] for profile in self.profiles]
        levels = [c.chance for c in curves if c.chance is not None]
        return TrainingMap(
            name,
            np.array([c.values for c in curves], dtype=np.float64),
            np.array([c.errors for c in curves], dtype=np.float64),
            np.array(levels) if len(levels) == len(curves) else None,
        )

    def _to_final(self) -> TrainingMap:
        values = np.asarray(self.overlap_to_final, dtype=np.float64)
        unknown = np.full(values.shape, np.nan)
        errors = unknown if self.overlap_error is None else self.overlap_error
        return TrainingMap("overlap_to_final", values, errors)


def dynamics(
    model: str | Path,
    samples: Samples,
    revisions: str | Sequence[str] | None = None,
    *,
    axis: Axis = "step",
    max_checkpoints: int | None = None,
    settings: Settings | None = None,
    folder: Path | None = None,
    keep: Keep = "auto",
    progress: Progress | None = None,
    workers: Workers | None = None,
    **extraction: Any,
) -> Dynamics:
    """Profile the checkpoints of a training run on the same samples, one model at a time.

    Parameters
    ----------
    model : str or Path
        A folder with one sub-folder per checkpoint, or a hub id with ``revisions``.
    samples : Samples
        What every checkpoint is run on; labels are used where they are.
    revisions : str or sequence of str, optional
        Which checkpoints: names or patterns such as ``"step*"``
        (see :func:`layergeom.states.checkpoints.checkpoints`).
    axis : {"step", "tokens"}
        Which number of the names orders them.
    max_checkpoints : int, optional
        So many at most, spread evenly on the logarithm of the axis, both ends among them.
    settings : Settings, optional
        Of the geometry.
    folder : Path, optional
        Keeps one sub-folder per checkpoint, so that the same call continues; temporary otherwise.
    keep : {"auto", "profile", "states", "weights"}
        What is left of a measured checkpoint: its profile, neighbour lists and influences only;
        also its states; also weights that this run downloaded into the hub's cache. ``auto`` is
        ``states`` for a local folder and ``profile`` for a hub id. Nothing that was there before
        the run is removed.
    progress : callable(done, total, what), optional
        Called as each checkpoint advances.
    workers : Workers, optional
        Each takes one checkpoint after the other; ``folder`` must be one that all of them see.
    **extraction
        Settings of :func:`layergeom.states.extract.extract`.

    Returns
    -------
    Dynamics

    Raises
    ------
    InputError
        If there are fewer than two checkpoints, or they differ in their layers.
    DegenerateError
        If no checkpoint can be measured.

    Notes
    -----
    Razzhigaev et al. 2024, section 5, and Valeriani et al. 2023, section 3.4. Checkpoints share
    their rows: the mean dimensions' covariance has their errors on its diagonal and the
    correlations of the rows' influences, over the union of the layers' neighbour graphs.

    A checkpoint that was finished is not loaded again, with whatever ``keep``. Other labels, k or
    seed need its states: they are computed anew where ``keep="profile"`` left none. Disk beside
    the states: 5 k + 20 bytes per row, layer and checkpoint, about.
    """
    settings = Settings() if settings is None else settings
    of_rows = {name: extraction[name] for name in ("pool", "max_tokens") if name in extraction}
    check_samples(len(samples), settings, **of_rows)
    found, notes = _found(model, revisions, axis, max_checkpoints)
    folder = folder if workers is None else shared_folder(folder)
    with workplace(folder) as place:
        run = CheckpointRun(samples, settings, place, what_to_keep(keep, model, folder), extraction)
        measured: list[Kept] = []
        if workers is not None:
            pieces = [(run, checkpoint, len(found)) for checkpoint in found]
            workers.each(measure_checkpoint, pieces, _checkpoint_named, _counted(progress))
        for done, checkpoint in enumerate(found):
            report = _named(progress, checkpoint, done, len(found))
            measured.append(run.measured(checkpoint, len(found) - done, report, progress))
            _same_layers(measured[0].profile, measured[-1].profile, checkpoint)
        return _assembled(found, measured, settings, axis, notes)


def _checkpoint_named(_run: CheckpointRun, checkpoint: Checkpoint, _left: int) -> str:
    return f"checkpoint {checkpoint.name}"


def _counted(progress: Progress | None) -> Callable[[int, int], None] | None:
    return None if progress is None else lambda done, of: progress(done, of, "checkpoints")


def _found(
    model: str | Path,
    revisions: str | Sequence[str] | None,
    axis: Axis,
    max_checkpoints: int | None,
) -> tuple[tuple[Checkpoint, ...], tuple[str, ...]]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", GeometryWarning)
        found = checkpoints(model, revisions, axis=axis, max_checkpoints=max_checkpoints)
    if len(found) < 2:
        raise InputError(
            f"only one checkpoint was found ({found[0].name}); dynamics compares at least two."
        )
    for warning in caught:  # recorded, and told as ever
        warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
    told = [w for w in caught if issubclass(w.category, GeometryWarning)]
    return found, tuple(str(warning.message) for warning in told)


def _named(
    progress: Progress | None, checkpoint: Checkpoint, done: int, total: int
) -> Progress | None:
    if progress is None:
        return None

    def report(rows: int, all_rows: int, _: str) -> None:
        progress(done * all_rows + rows, total * all_rows, f"checkpoint {checkpoint.name}")

    return report


def _same_layers(first: Profile, profile: Profile, checkpoint: Checkpoint) -> None:
    if first.layers != profile.layers:
        raise InputError(
            f"checkpoint {checkpoint.name} has the layers {', '.join(profile.layers)}, the first "
            f"{', '.join(first.layers)}; compare checkpoints of one model."
        )


def _assembled(
    found: Sequence[Checkpoint],
    measured: list[Kept],
    settings: Settings,
    axis: Axis,
    notes: tuple[str, ...],
) -> Dynamics:
    profiles = tuple(one.profile for one in measured)
    names, steps = tuple(c.name for c in found), np.array([c.step for c in found])
    means = layer_means(profiles)
    if means is None:
        raise DegenerateError("no layer has a dimension at every checkpoint.")
    shared = _shared_errors(measured, means)
    values, errors = _overlap_to_final(measured, settings.k)
    return Dynamics(
        checkpoints=names,
        steps=steps,
        profiles=profiles,
        overlap_to_final=values,
        mean_dimension=means,
        turning_point=turning_point(names, means, shared),
        peak=maximum(names, steps, means, shared),
        axis=axis,
        overlap_error=errors,
        mean_covariance=shared,
        kept_bytes=sum(one.bytes for one in measured),
        warnings=notes,
    )


def _overlap_to_final(measured: list[Kept], k: int) -> tuple[FloatArray, FloatArray]:
    layers = measured[0].profile.layers
    values = np.full((len(measured), len(layers)), np.nan)
    errors = values.copy()
    for column, key in enumerate(layers):
        last = measured[-1].lists(key)
        for row, one in enumerate(measured):
            graph = None if key in one.profile.undefined else one.lists(key)
            if last is not None and graph is not None:
                values[row, column], errors[row, column] = _overlap(graph, last, k)
    return values, errors


def _overlap(graph: NeighborGraph, last: NeighborGraph, k: int) -> tuple[float, float]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", GeometryWarning)  # of rows: the profiles tell of them
            found = geometry.neighborhood_overlap(graph, last, k)
    except DegenerateError:
        return float("nan"), float("nan")
    return found.value, found.error


def _shared_errors(measured: list[Kept], means: Curve) -> FloatArray | None:
    """Return the covariance of the mean dimensions, None where the rows are not the same.

    The correlations come from the influences; the variances are those of the profiles.
    """
    if len({one.profile.counts["rows"] for one in measured}) > 1:
        return None
    layers = measured[0].profile.layers
    along = [layers[i] for i in layers_along([one.profile for one in measured])]
    V = covariance([one.influence(along) for one in measured], [one.joined for one in measured])
    scale = means.errors / np.sqrt(np.diag(V))
    return np.asarray(V * np.outer(scale, scale))
