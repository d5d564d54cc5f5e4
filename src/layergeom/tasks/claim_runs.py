"""The papers' claims, tested on the folders that runs left."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from layergeom import profiles
from layergeom.errors import InputError
from layergeom.profiles import FILE, Profile
from layergeom.reading.claims import Claim, claims
from layergeom.reading.landmarks import Evaluation
from layergeom.states.checkpoints import step_of
from layergeom.states.datafiles import read_data

CHECKPOINTS = "checkpoints"  # inside the folder of a dynamics run


def claims_of_runs(
    folders: Sequence[Path],
    *,
    training: Path | None = None,
    comparison: Path | None = None,
    variants: Sequence[Path] = (),
    evaluation: Path | None = None,
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
    evaluation : Path, optional
        Table with the columns ``layer``, ``value`` and ``error``; an unknown error is left empty.

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


def evaluation_of(path: Path) -> Evaluation:
    """Read a measure per layer from a table with the columns layer, value and error.

    Raises
    ------
    InputError
        If a column is missing or a value is no number.
    """
    table = read_data(path, lambda _: True)
    columns = [table.column(name) for name in ("layer", "value", "error")]
    return {
        str(layer): (_number(value, table.place(row)), _number(error, table.place(row)))
        for row, (layer, value, error) in enumerate(zip(*columns, strict=True))
    }


def _number(text: object, place: str) -> float:
    try:
        return float(str(text).strip() or "nan")
    except ValueError:
        raise InputError(f"{place}: {text!r} is no number; leave unknown errors empty.") from None
