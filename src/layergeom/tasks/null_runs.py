"""Nulls that need the model or the tokens of the rows, each in a folder of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from layergeom.layer import Settings
from layergeom.measure import Progress
from layergeom.profiles import STATES, Profile
from layergeom.states.extract import extract
from layergeom.states.hidden import HiddenStates
from layergeom.states.inputs import Samples
from layergeom.states.store import Store
from layergeom.tasks.length_controls import length_controls
from layergeom.tasks.null_models import null_inputs
from layergeom.tasks.nulls import Measured, NullCurves, null_of
from layergeom.tasks.preflight import check_room
from layergeom.tasks.row_tokens import row_tokens

Profiled = Callable[[HiddenStates, Path | None, Progress | None], Profile]


@dataclass(frozen=True, eq=False)
class NullRuns:
    """The run whose nulls are made, and how its states are profiled.

    Attributes
    ----------
    model, samples, options
        What :func:`layergeom.states.extract.extract` was given.
    profiled : callable(states, folder, progress)
        Measures states as the run's were.
    folder : Path or None
        Of the run; nulls are kept in ``null-<kind>`` inside it.
    progress : callable, optional
    """

    model: Any
    samples: Samples
    options: Mapping[str, Any]
    profiled: Profiled
    folder: Path | None = None
    progress: Progress | None = None

    def makers(self, profile: Profile, measured: Measured) -> dict[str, Callable[[], NullCurves]]:
        """Return what makes each null of the run, by kind."""
        layers, settings = measured.states.layers, measured.settings
        return {
            "shuffled": lambda: null_of(self.run("shuffled", settings), layers),
            "untrained": lambda: null_of(self.run("untrained", settings), layers),
            "length": lambda: self.controls(profile, measured),
        }

    def controls(self, profile: Profile, measured: Measured) -> NullCurves:
        """Return what lengths and tokens of the rows say by themselves.

        Raises
        ------
        InputError
            If the rows are images or single tokens.
        """
        tokens = row_tokens(self.model, self.samples, measured.states, self.options)
        return length_controls(profile, measured, tokens, self.progress)

    def run(self, kind: Literal["shuffled", "untrained"], settings: Settings) -> Profile:
        """Return the profile of one more forward pass, from its folder if it is there.

        Raises
        ------
        InputError
            As :func:`layergeom.tasks.null_models.null_inputs` does.
        """
        place = None if self.folder is None else self.folder / f"null-{kind}"
        store = None if place is None else Store(place / STATES)
        ready = partial(check_room, settings)
        with null_inputs(kind, self.model, self.samples, self.options, settings.seed) as fed:
            asked = {**fed.options, "ready": ready, "progress": self.progress}
            hidden = extract(fed.model, fed.samples, store=store, **asked)
        named = replace(hidden, provenance={**hidden.provenance, "model": fed.name})
        return self.profiled(named, place, self.progress)
