"""The checkpoints of one training run: sub-folders of a folder, or revisions of a hub id."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from layergeom.errors import InputError

_NUMBER = re.compile(r"(\d+(?:[._]\d+)?)\s*([kKmMbB]?)(?![a-zA-Z])")
_SCALE = {"": 1.0, "k": 1e3, "m": 1e6, "b": 1e9}
_STEP = re.compile(r"(?:step|checkpoint|ckpt|iter|global_step)[-_=]?", re.IGNORECASE)


@dataclass(frozen=True)
class Checkpoint:
    """One moment of a training run.

    Parameters
    ----------
    name : str
        Name of the sub-folder or revision, such as ``step512``.
    step : float
        The number in the name, the axis of the run; nan if there is none.
    source : str
        What to load: a folder or the hub id.
    revision : str or None
        The hub's revision; None for a folder.
    """

    name: str
    step: float
    source: str
    revision: str | None


def checkpoints(
    model: str | Path, revisions: str | Sequence[str] | None = None
) -> tuple[Checkpoint, ...]:
    """List the checkpoints of a training run in the order of their steps.

    Parameters
    ----------
    model : str or Path
        A folder with one sub-folder (each with its ``config.json``) per checkpoint, or a hub id.
    revisions : str or sequence of str, optional
        For a folder: names of sub-folders, or one pattern such as ``"step*"``; all by default.
        For a hub id: the names of its revisions, explicitly.

    Returns
    -------
    tuple of Checkpoint
        At least one; those without a number in the name come last, in the order given.

    Raises
    ------
    InputError
        If the folder holds no checkpoints, a name does not exist, two names give the same step,
        or a hub id comes without a list of revisions.

    Examples
    --------
    >>> [c.step for c in checkpoints("owner/model", ["step1000", "step16", "main"])]
    [16.0, 1000.0, nan]
    """
    folder = Path(model)
    found = _folders(folder, revisions) if folder.is_dir() else _revisions(str(model), revisions)
    _check_distinct(found)
    numbered = sorted((c for c in found if c.step == c.step), key=lambda c: c.step)
    return (*numbered, *(c for c in found if c.step != c.step))


def step_of(name: str) -> float:
    """Read the training step off a name: the number behind "step", else the last one.

    Parameters
    ----------
    name : str
        Such as ``step512``, ``checkpoint-1000``, ``step-50K-105b``, ``global_step1000``.

    Returns
    -------
    float
        nan if the name holds no number.

    Examples
    --------
    >>> step_of("checkpoint-1000"), step_of("intermediate-step-50k-105b"), step_of("main")
    (1000.0, 50000.0, nan)
    """
    word = _STEP.search(name)
    behind = _NUMBER.match(name, word.end()) if word else None
    numbers = [behind] if behind else list(_NUMBER.finditer(name))
    if not numbers:
        return float("nan")
    digits, scale = numbers[-1].groups()
    return float(digits.replace("_", "")) * _SCALE[scale.lower()]


def _folders(folder: Path, revisions: str | Sequence[str] | None) -> list[Checkpoint]:
    present = sorted(p.name for p in folder.iterdir() if (p / "config.json").is_file())
    if not present:
        raise InputError(
            f"Folder {str(folder)!r} holds no checkpoints: sub-folders with a config.json, such as "
            "step0, step1000."
        )
    names = _chosen(present, revisions, str(folder))
    return [Checkpoint(name, step_of(name), str(folder / name), None) for name in names]


def _chosen(
    present: list[str], revisions: str | Sequence[str] | None, folder: str
) -> Sequence[str]:
    if revisions is None:
        return present
    patterns = [revisions] if isinstance(revisions, str) else list(revisions)
    chosen: dict[str, None] = {}
    for pattern in patterns:
        matching = [name for name in present if fnmatchcase(name, pattern)]
        if not matching:
            raise InputError(
                f"Folder {folder!r} holds no checkpoint {pattern!r}; it holds "
                f"{', '.join(present[:8])}{' …' if len(present) > 8 else ''}."
            )
        chosen.update(dict.fromkeys(matching))
    return list(chosen)


def _revisions(model: str, revisions: str | Sequence[str] | None) -> list[Checkpoint]:
    if not revisions or isinstance(revisions, str) or any("*" in name for name in revisions):
        raise InputError(
            f"{model!r} is no local folder; name the revisions of a hub id one by one "
            "(revisions=['step0', 'step1000'])."
        )
    return [Checkpoint(name, step_of(name), model, name) for name in revisions]


def _check_distinct(found: Sequence[Checkpoint]) -> None:
    steps: dict[float, str] = {}
    for checkpoint in found:
        if checkpoint.step in steps:
            raise InputError(
                f"Checkpoints {steps[checkpoint.step]!r} and {checkpoint.name!r} are both at step "
                f"{checkpoint.step:g}; leave one out."
            )
        if checkpoint.step == checkpoint.step:
            steps[checkpoint.step] = checkpoint.name
