"""Geometry over training: one profile per checkpoint, and what changes between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from layergeom import geometry
from layergeom.arrays import FloatArray
from layergeom.errors import DegenerateError, InputError, StoreError
from layergeom.layer import Settings, layer_graph
from layergeom.measure import Progress, check_rows, measure_once
from layergeom.profiles import Curve, Profile
from layergeom.reading.turns import Differences, turning_points
from layergeom.states.checkpoints import Checkpoint, checkpoints
from layergeom.states.extract import extract
from layergeom.states.hidden import HiddenStates
from layergeom.states.inputs import Samples
from layergeom.states.store import Store


@dataclass(frozen=True, eq=False)
class Dynamics:
    """Profiles over the checkpoints of a training run.

    Attributes
    ----------
    checkpoints : tuple of str
        Names, in the order of training.
    steps : ndarray, shape (C,)
        Training steps; nan where a name holds no number.
    profiles : tuple of Profile
        One per checkpoint, of the same rows and layers.
    overlap_to_final : ndarray, shape (C, L)
        Neighbourhood overlap of each layer with the same layer at the last checkpoint.
    mean_dimension : Curve
        Mean dimension over the layers along the depth, per checkpoint, with its error.
    turning_point : str
        How the mean dimension moves over training, in a sentence.
    """

    checkpoints: tuple[str, ...]
    steps: FloatArray
    profiles: tuple[Profile, ...]
    overlap_to_final: FloatArray
    mean_dimension: Curve
    turning_point: str


def dynamics(
    model: str | Path,
    samples: Samples,
    revisions: str | Sequence[str] | None = None,
    *,
    settings: Settings | None = None,
    folder: Path | None = None,
    progress: Progress | None = None,
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
        Which checkpoints (see :func:`layergeom.states.checkpoints.checkpoints`).
    settings : Settings, optional
        Of the geometry.
    folder : Path, optional
        Keeps one store per checkpoint, so that the same call continues; temporary otherwise.
    progress : callable(done, total, what), optional
        Called as each checkpoint advances.
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
    their rows, but their errors are combined as if independent: conservative for differences.
    """
    settings = Settings() if settings is None else settings
    check_rows(len(samples), settings)
    found = checkpoints(model, revisions)
    if len(found) < 2:
        raise InputError(
            f"only one checkpoint was found ({found[0].name}); dynamics compares at least two."
        )
    states: list[HiddenStates] = []
    profiles: list[Profile] = []
    for done, checkpoint in enumerate(found):
        report = _named(progress, checkpoint, done, len(found))
        hidden = _states(checkpoint, samples, folder, report, extraction)
        _same_layers(states[0] if states else hidden, hidden, checkpoint)
        kept = rows_kept(samples, hidden)
        states.append(hidden)
        place = None if folder is None else folder / checkpoint.name
        profiles.append(measure_once(hidden, kept.labels, kept.exclude, settings, place))
    means = _mean_dimension(profiles)
    steps = np.array([c.step for c in found])
    return Dynamics(
        checkpoints=tuple(c.name for c in found),
        steps=steps,
        profiles=tuple(profiles),
        overlap_to_final=_overlap_to_final(states, profiles, settings),
        mean_dimension=means,
        turning_point=turning_point([c.name for c in found], means),
    )


def rows_kept(samples: Samples, hidden: HiddenStates) -> Samples:
    """Return the samples that became rows of ``hidden``, in their order."""
    return samples if hidden.rows is None else samples.take(hidden.rows)


def _named(
    progress: Progress | None, checkpoint: Checkpoint, done: int, total: int
) -> Progress | None:
    if progress is None:
        return None

    def report(rows: int, all_rows: int, _: str) -> None:
        progress(done * all_rows + rows, total * all_rows, f"checkpoint {checkpoint.name}")

    return report


def _states(
    checkpoint: Checkpoint,
    samples: Samples,
    folder: Path | None,
    progress: Progress | None,
    extraction: dict[str, Any],
) -> HiddenStates:
    store = Store.temporary() if folder is None else Store(folder / checkpoint.name)
    return extract(
        checkpoint.source,
        samples,
        revision=checkpoint.revision,
        store=store,
        progress=progress,
        **extraction,
    )


def _same_layers(first: HiddenStates, hidden: HiddenStates, checkpoint: Checkpoint) -> None:
    if first.layers != hidden.layers:
        raise InputError(
            f"checkpoint {checkpoint.name} has the layers {', '.join(hidden.layers)}, the first "
            f"{', '.join(first.layers)}; compare checkpoints of one model."
        )


def _overlap_to_final(
    states: list[HiddenStates], profiles: list[Profile], settings: Settings
) -> FloatArray:
    layers = states[0].layers
    overlaps = np.full((len(states), len(layers)), np.nan)
    for column, key in enumerate(layers):
        try:
            last = layer_graph(states[-1], key, states[-1][key], settings)
        except StoreError:
            raise
        except (InputError, DegenerateError):
            continue
        for row, hidden in enumerate(states):
            if key not in profiles[row].undefined:
                graph = layer_graph(hidden, key, hidden[key], settings)
                overlaps[row, column] = geometry.neighborhood_overlap(graph, last, settings.k).value
    return overlaps


def _mean_dimension(profiles: list[Profile]) -> Curve:
    """Mean over the layers that have a dimension at every checkpoint, with its error."""
    values = np.array([p.dimension.values for p in profiles])
    along = [i for i in profiles[0].blocks if np.isfinite(values[:, i]).all()]
    if not along:
        raise DegenerateError("no layer has a dimension at every checkpoint.")
    variances = [p.covariance["dimension"][np.ix_(along, along)].mean() for p in profiles]
    return Curve("mean_dimension", values[:, along].mean(axis=1), np.sqrt(variances))


def turning_point(names: Sequence[str], means: Curve) -> str:
    """Say how the layer-mean dimension moves over the checkpoints, beyond error.

    Examples
    --------
    >>> import numpy as np
    >>> up_down = Curve("mean_dimension", np.array([5.0, 9.0, 6.0]), np.full(3, 0.1))
    >>> turning_point(["step0", "step100", "step900"], up_down)
    'the layer-mean dimension starts at 5.00 ± 0.10 at step0, rises to 9.00 ± 0.10 at step100,
    then falls to 6.00 ± 0.10 at step900.'
    """
    differ = Differences.of(np.diag(means.errors**2))
    turns = turning_points(means.values, differ)
    if not turns:
        return "the layer-mean dimension does not move beyond its error over training."
    moves = [
        f"{'rises' if turn.kind == 'max' else 'falls'} to {_at(names, means, turn.at)}"
        for turn in turns[1:]
    ]
    start = _at(names, means, turns[0].at)
    return f"the layer-mean dimension starts at {start}, {', then '.join(moves)}."


def _at(names: Sequence[str], means: Curve, at: int) -> str:
    return f"{means.values[at]:.2f} ± {means.errors[at]:.2f} at {names[at]}"
