"""The checkpoints of one training run: sub-folders of a folder, or revisions of a hub id."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal, TypeAlias, get_args

import numpy as np

from layergeom.arrays import count
from layergeom.errors import GeometryWarning, InputError
from layergeom.states.hub import UnreachableError, cached_revisions, hub_revisions

Axis: TypeAlias = Literal["step", "tokens"]

_NUMBER = re.compile(r"(\d+(?:[._]\d+)?)\s*([kKmMbBtT]?)(?![a-zA-Z])")
_SCALE = {"": 1.0, "k": 1e3, "m": 1e6, "b": 1e9, "t": 1e12}
_STEP = re.compile(r"(?:step|checkpoint|ckpt|iter|global_step)[-_=]?", re.IGNORECASE)
_TOKENS = re.compile(r"tokens?[-_=]?", re.IGNORECASE)
_WILD = re.compile(r"[*?\[]")


@dataclass(frozen=True)
class Checkpoint:
    """One moment of a training run.

    Parameters
    ----------
    name : str
        Name of the sub-folder or revision, such as ``step512``.
    step : float
        Where it stands on the run's axis: the number of steps, or of tokens, that the name holds;
        nan if it holds none.
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
    model: str | Path,
    revisions: str | Sequence[str] | None = None,
    *,
    axis: Axis = "step",
    max_checkpoints: int | None = None,
) -> tuple[Checkpoint, ...]:
    """List the checkpoints of a training run in the order of their steps.

    Parameters
    ----------
    model : str or Path
        A folder with one sub-folder (each with its ``config.json``) per checkpoint, or a hub id.
    revisions : str or sequence of str, optional
        Names or patterns such as ``"step*"`` or ``"stage1-step*-tokens*B"``, of sub-folders or of
        the hub's branches and tags. All sub-folders by default; a hub id needs them.
    axis : {"step", "tokens"}
        Which number of the names orders them.
    max_checkpoints : int, optional
        Keep so many at most, spread evenly on the logarithm of the axis, the first and the last
        always among them.

    Returns
    -------
    tuple of Checkpoint
        At least one; those without a number in the name come last, in the order given.

    Raises
    ------
    InputError
        If the folder holds no checkpoints, a name does not exist, two names give the same step, a
        name holds no number of tokens though these are the axis, a hub id comes without revisions,
        or a pattern cannot be looked up because the hub is out of reach and its cache empty.

    Warns
    -----
    GeometryWarning
        If the hub is out of reach and a pattern was looked up among the cached revisions.

    Examples
    --------
    >>> [c.step for c in checkpoints("owner/model", ["step1000", "step16", "main"])]
    [16.0, 1000.0, nan]
    """
    if axis not in get_args(Axis):
        raise InputError(f"axis must be one of {', '.join(get_args(Axis))} but is {axis!r}.")
    folder = Path(model)
    local = folder.is_dir()
    names = _folders(folder, revisions) if local else _revisions(str(model), revisions)
    found = [
        Checkpoint(name, _place(name, axis), str(folder / name) if local else str(model),
                   None if local else name)
        for name in names
    ]  # fmt: skip
    _check_distinct(found, axis)
    numbered = sorted((c for c in found if c.step == c.step), key=lambda c: c.step)
    others = [c for c in found if c.step != c.step]
    if max_checkpoints is not None:
        numbered = _thinned(numbered, others, max_checkpoints)
    return (*numbered, *others)


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
    return _value(numbers[-1]) if numbers else float("nan")


def tokens_of(name: str) -> float:
    """Read the tokens seen off a name: the number at "tokens", else one with a unit after the step.

    Parameters
    ----------
    name : str
        Such as ``stage1-step1000-tokens3B``, ``step-50K-105b``, ``intermediate-step-1431k-3T``.

    Returns
    -------
    float
        nan if the name holds no number of tokens.

    Examples
    --------
    >>> tokens_of("step1000-tokens4B"), tokens_of("step-50K-105b"), tokens_of("step1000")
    (4000000000.0, 105000000000.0, nan)
    """
    word = _TOKENS.search(name)
    if word and (behind := _NUMBER.match(name, word.end())):
        return _value(behind)
    step = _STEP.search(name)
    first = _NUMBER.match(name, step.end()) if step else None
    numbers = _NUMBER.finditer(name, first.end() if first else 0)
    with_unit = [number for number in numbers if number[2]]
    return _value(with_unit[-1]) if with_unit else float("nan")


def spread(steps: Sequence[float], most: int) -> list[int]:
    """Choose at most ``most`` of ascending steps, evenly on their logarithm, with both ends.

    Parameters
    ----------
    steps : sequence of float, ascending, at least 0
        The logarithm is that of 1 + step / s, where s is the first step above 0.
    most : int, at least 2
        How many to choose.

    Returns
    -------
    list of int
        Ascending positions.

    Examples
    --------
    >>> steps = [0, *(2**i for i in range(10)), *range(1000, 9000, 1000)]
    >>> [steps[i] for i in spread(steps, 6)]
    [0, 4, 32, 256, 1000, 8000]
    """
    if len(steps) <= most:
        return list(range(len(steps)))
    unit = next(step for step in steps if step > 0)
    at = np.log1p(np.array(steps) / unit)
    free = set(range(1, len(steps) - 1))
    chosen = [0, len(steps) - 1]
    for target in np.linspace(at[0], at[-1], most)[1:-1]:
        nearest = min(free, key=lambda i, target=target: abs(at[i] - target))  # type: ignore[misc]
        free.remove(nearest)
        chosen.append(nearest)
    return sorted(chosen)


def _value(number: re.Match[str]) -> float:
    digits, scale = number.groups()
    return float(digits.replace("_", "")) * _SCALE[scale.lower()]


def _place(name: str, axis: Axis) -> float:
    if axis == "step":
        return step_of(name)
    tokens = tokens_of(name)
    if math.isnan(tokens):
        raise InputError(
            f"Checkpoint {name!r} holds no number of tokens (as in step1000-tokens4B); choose "
            "axis='step' or other revisions."
        )
    return tokens


def _thinned(numbered: list[Checkpoint], others: list[Checkpoint], most: int) -> list[Checkpoint]:
    most = count(most, "max_checkpoints", 2) - len(others)
    if most < min(2, len(numbered)):
        raise InputError(
            f"max_checkpoints leaves no room beside the {len(others)} checkpoints without a "
            f"number ({', '.join(c.name for c in others[:4])}); leave these out."
        )
    return [numbered[i] for i in spread([c.step for c in numbered], most)]


def _folders(folder: Path, revisions: str | Sequence[str] | None) -> Sequence[str]:
    present = sorted(p.name for p in folder.iterdir() if (p / "config.json").is_file())
    if not present:
        raise InputError(
            f"Folder {str(folder)!r} holds no checkpoints: sub-folders with a config.json, such as "
            "step0, step1000."
        )
    if revisions is None:
        return present
    return _chosen(present, _patterns(revisions), f"Folder {str(folder)!r} holds")


def _patterns(revisions: str | Sequence[str]) -> list[str]:
    return [revisions] if isinstance(revisions, str) else list(revisions)


def _chosen(present: Sequence[str], patterns: Sequence[str], holder: str) -> Sequence[str]:
    chosen: dict[str, None] = {}
    for pattern in patterns:
        matching = [name for name in present if fnmatchcase(name, pattern)]
        if not matching:
            raise InputError(
                f"{holder} no checkpoint {pattern!r}; it holds "
                f"{', '.join(present[:8]) or 'none'}{' …' if len(present) > 8 else ''}."
            )
        chosen.update(dict.fromkeys(matching))
    return list(chosen)


def _revisions(model: str, revisions: str | Sequence[str] | None) -> Sequence[str]:
    if not revisions:
        raise InputError(
            f"{model!r} is no local folder; name the revisions of a hub id, or give a pattern "
            "(revisions=['step0', 'step1000'] or revisions='step*')."
        )
    patterns = _patterns(revisions)
    if not any(_WILD.search(pattern) for pattern in patterns):
        return list(dict.fromkeys(patterns))
    return _chosen(_present(model), patterns, f"Model {model!r} has")


def _present(model: str) -> tuple[str, ...]:
    """Ask the hub for the names of the revisions, or the cache where the hub is out of reach."""
    try:
        return hub_revisions(model)
    except UnreachableError:
        cached = cached_revisions(model)
        if not cached:
            raise
        warnings.warn(
            f"The hub is out of reach: patterns are looked up among the {len(cached)} revisions "
            f"of {model} in the local cache.",
            GeometryWarning,
            stacklevel=4,
        )
        return cached


def _check_distinct(found: Sequence[Checkpoint], axis: Axis) -> None:
    steps: dict[float, str] = {}
    for checkpoint in found:
        if checkpoint.step in steps:
            where = f"step {checkpoint.step:g}" if axis == "step" else f"{checkpoint.step:g} tokens"
            raise InputError(
                f"Checkpoints {steps[checkpoint.step]!r} and {checkpoint.name!r} are both at "
                f"{where}; leave one out."
            )
        if checkpoint.step == checkpoint.step:
            steps[checkpoint.step] = checkpoint.name
