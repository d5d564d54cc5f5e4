"""The papers' claims, tested on the folders that runs left."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from layergeom import profiles
from layergeom.errors import InputError
from layergeom.profiles import CHECKPOINTS, FILE, Profile
from layergeom.reading.claims import Claim, claims
from layergeom.reading.landmarks import Evaluation
from layergeom.states.checkpoints import step_of
from layergeom.states.datafiles import read_data
from layergeom.states.labels import path_and_column
from layergeom.states.lines import suffix
from layergeom.states.tables import Table, from_columns


def claims_of_runs(
    folders: Sequence[Path],
    *,
    training: Path | None = None,
    comparison: Path | None = None,
    variants: Sequence[Path] = (),
    evaluation: Path | str | None = None,
) -> tuple[Claim, ...]:
    """Test the claims of both papers on the profiles of finished runs.

    Parameters
    ----------
    folders : sequence of Path
        Run folders (or their ``profile.json``) of models of growing size; the last one is the one
        that most claims are tested on.
    training : Path, optional
        Folder of a ``layergeom dynamics`` run; that of the last folder, if it is one.
    comparison : Path, optional
        The same run with the other choice of excluded groups.
    variants : sequence of Path
        The same run with other settings.
    evaluation : Path or "file:score", optional
        As of :func:`evaluation_of`; an unknown error is left empty.

    Raises
    ------
    InputError
        If a folder holds no profile, or the table cannot be used.
    StoreError
        If a profile is damaged.
    """
    if not folders:
        raise InputError("give at least one run folder.")
    followed = folders[-1] if training is None else training
    if training is not None and not (training / CHECKPOINTS).is_dir():
        raise InputError(f"{training} holds no checkpoints; give the folder of layergeom dynamics.")
    return claims(
        [profiles.load(folder) for folder in folders],
        dynamics=checkpoint_profiles(followed),
        comparison=None if comparison is None else profiles.load(comparison),
        variants={str(folder): profiles.load(folder) for folder in variants},
        evaluation=None if evaluation is None else evaluation_of(evaluation),
    )


def checkpoint_profiles(folder: Path) -> list[tuple[float, Profile]] | None:
    """Return step and profile of every checkpoint of a dynamics run in order, None if it is none.

    Checkpoints without a step in their name are left out.
    """
    places = sorted((folder / CHECKPOINTS).glob(f"*/{FILE}"))
    found = [(step_of(place.parent.name), place) for place in places]
    numbered = sorted((step, place) for step, place in found if step == step)
    return [(step, profiles.load(place)) for step, place in numbered] or None


def evaluation_of(source: Path | str) -> Evaluation:
    """Read a measure per layer from a table, or from the scores of ``layergeom evaluate``.

    Parameters
    ----------
    source : path, or "file:score"
        A table with the columns ``layer``, ``value`` and ``error``; or what ``evaluate --json``
        printed, or a table of its scores (``layer``, ``knn``, ``knn_error``, …). Where there are
        several scores, the one that is meant is named: ``"scores.json:retrieval"``.

    Raises
    ------
    InputError
        If a column is missing, a value is no number, or it is not said which score is meant.
    """
    path, score = path_and_column(str(source))
    table = _scores(path) if suffix(path) == ".json" else read_data(path, lambda _: True)
    columns = [table.column(name) for name in ("layer", *_measure(table, score))]
    return {
        str(layer): (_number(value, table.place(row)), _number(error, table.place(row)))
        for row, (layer, value, error) in enumerate(zip(*columns, strict=True))
    }


def _scores(path: Path) -> Table:
    """Read the layers of what ``layergeom evaluate --json`` printed."""
    try:
        layers = json.loads(path.read_text("utf-8"))["layers"]
        columns = {name: [layer[name] for layer in layers] for name in layers[0]}
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}).") from None
    except (ValueError, KeyError, TypeError, IndexError):
        raise InputError(
            f"{path} holds no scores by layer; give what layergeom evaluate --json printed, or a "
            "table with the columns layer, value and error."
        ) from None
    return from_columns(columns, path.name)


def _measure(table: Table, score: str | None) -> tuple[str, str]:
    """Return the columns of the measure and of its error."""
    if score is None and "value" not in table.columns:
        known = [name for name in table.columns if f"{name}_error" in table.columns]
        plain = [name for name in known if not name.endswith("_macro")]
        if len(plain) > 1:
            raise InputError(
                f"{table.source} has several scores ({', '.join(known)}); name the one that is "
                f"meant, as in {table.source}:{plain[-1]}."
            )
        score = plain[0] if plain else None
    return ("value", "error") if score is None else (score, f"{score}_error")


def _number(value: object, place: str) -> float:
    try:
        return float("nan" if value is None else str(value).strip() or "nan")
    except ValueError:
        raise InputError(f"{place}: {value!r} is no number; leave unknown errors empty.") from None
