"""What a watched training leaves on disk, and reading it again.

``record.jsonl`` has a line for every measurement (step, seconds, share, values, error),
``checkpoints/step<N>/profile.json`` the profile of each, ``profile.json`` the latest.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from layergeom.errors import DegenerateError, InputError
from layergeom.profile_result import ProfileResult
from layergeom.profiles import CHECKPOINTS, FILE, Profile, load, plain
from layergeom.reading.claims_training import layer_means
from layergeom.states import durable
from layergeom.tasks.dynamics import Dynamics
from layergeom.tasks.turning_point import maximum, turning_point

LINES = "record.jsonl"
STEP = "step"


@dataclass(frozen=True)
class Record:
    """The folder of a watched training."""

    folder: Path

    @classmethod
    def opened(cls, folder: Path, step: int) -> Record:
        """Open or make the folder; what it holds from ``step`` on is dropped.

        A training that starts anew starts its record anew, and one that was resumed goes on.
        """
        record = cls(folder)
        kept = [line for line in record.lines() if line["step"] < step]
        for file in folder.glob(f"{CHECKPOINTS}/{STEP}*/{FILE}"):
            if _step(file) >= step:
                file.unlink()
                file.parent.rmdir()
        text = "".join(json.dumps(line) + "\n" for line in kept)
        with durable.explained(folder / LINES):
            durable.write(folder / LINES, text.encode())
        return record

    def lines(self) -> list[dict[str, Any]]:
        """Return all measurements, those that failed too; not what a killed process left half."""
        file = self.folder / LINES
        if not file.is_file():
            return []
        found = (_line(text) for text in file.read_text(encoding="utf-8").splitlines())
        return [line for line in found if line is not None]

    def add(
        self, step: int, seconds: float, share: float, values: Mapping[str, float], error: str
    ) -> None:
        """Add a line."""
        entry = {"step": step, "seconds": seconds, "share": share, "error": error}
        with durable.explained(self.folder / LINES), (self.folder / LINES).open("a") as file:
            file.write(json.dumps(entry | {"values": plain(values)}) + "\n")

    def keep(self, step: int, profile: Profile) -> None:
        """Write a profile."""
        profile.save(self.folder / CHECKPOINTS / f"{STEP}{step}")
        profile.save(self.folder)


def _line(text: str) -> dict[str, Any] | None:
    try:
        line = json.loads(text)
    except ValueError:
        return None
    return line if isinstance(line, dict) and isinstance(line.get("step"), int) else None


def _step(file: Path) -> int:
    return int(file.parent.name.removeprefix(STEP))


def training_record(folder: Path | str) -> Dynamics:
    """Return what a callback recorded, as :func:`layergeom.dynamics` would of checkpoints.

    Parameters
    ----------
    folder : path
        ``geometry`` in the folder of the training.

    Returns
    -------
    Dynamics
        ``overlap_to_final`` is nan and no map, as neighbours of every step are not kept: see the
        map ``overlap_start``. The mean dimensions are taken as independent.

    Raises
    ------
    InputError
        If there are fewer than two profiles.
    DegenerateError
        If no layer has a dimension at every step.
    """
    files = sorted(Path(folder).glob(f"{CHECKPOINTS}/{STEP}*/{FILE}"), key=_step)
    if len(files) < 2:
        raise InputError(f"{folder} holds {len(files)} profiles of a training; two are needed.")
    profiles = tuple(load(file) for file in files)
    names, steps = tuple(f.parent.name for f in files), np.array([float(_step(f)) for f in files])
    means = layer_means(profiles)
    if means is None:
        raise DegenerateError("no layer has a dimension at every step.")
    return Dynamics(
        checkpoints=names,
        steps=steps,
        profiles=profiles,
        overlap_to_final=np.full((len(profiles), len(profiles[0].layers)), np.nan),
        mean_dimension=means,
        turning_point=turning_point(names, means),
        peak=maximum(names, steps, means),
        warnings=("measured during the training: overlap_to_final is not known.",),
    )


def training_report(folder: Path | str) -> Path:
    """Write the report of a watched training into its folder, and return the file.

    Raises
    ------
    InputError, DegenerateError
        As :func:`training_record`.
    """
    from layergeom.show.run_folder import write_run

    dynamics = training_record(folder)
    last = ProfileResult.of(dynamics.profiles[-1])
    return write_run(folder, last, last.reading, dynamics)[0]
