"""One checkpoint after the other: one model at a time, in memory and on disk.

Each checkpoint has a folder: ``states`` (a store), ``profile.json`` and ``kept`` (what outlives
the states). ``kept`` is written last, so a run that was stopped goes on at the first checkpoint
without it.
"""

from __future__ import annotations

import gc
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from layergeom.errors import InputError
from layergeom.layer import SCHEMA as LAYER_SCHEMA
from layergeom.layer import Settings
from layergeom.measure import Progress, measure_once
from layergeom.profiles import STATES
from layergeom.states.checkpoints import Checkpoint
from layergeom.states.content import content_key
from layergeom.states.extract import Extraction, extract
from layergeom.states.hidden import HiddenStates
from layergeom.states.hub import cached_weights, remove_weights
from layergeom.states.inputs import Samples
from layergeom.states.loading import dtype_name
from layergeom.states.manifest import MANIFEST, encoded
from layergeom.states.request import SCHEMA as STATES_SCHEMA
from layergeom.states.sources import identify
from layergeom.states.store import Store
from layergeom.tasks import kept
from layergeom.tasks.kept import Kept
from layergeom.tasks.preflight import check_series

Keep: TypeAlias = Literal["auto", "profile", "states", "weights"]

# Arguments of an extraction that change no number, or enter by the identity of the model.
_OUTSIDE = ("device", "device_map", "batch_size", "max_unknown", "tokenizer")


@dataclass(frozen=True, eq=False)
class CheckpointRun:
    """What is done with every checkpoint of a training run.

    Attributes
    ----------
    samples : Samples
        What every checkpoint is run on.
    settings : Settings
        Of the geometry.
    folder : Path
        With one sub-folder per checkpoint.
    keep : {"profile", "states", "weights"}
        What is left of a measured checkpoint.
    extraction : mapping
        Arguments of :func:`layergeom.states.extract.extract`.
    """

    samples: Samples
    settings: Settings
    folder: Path
    keep: Keep
    extraction: Mapping[str, Any]

    def measured(
        self,
        checkpoint: Checkpoint,
        left: int,
        reading: Progress | None = None,
        measuring: Progress | None = None,
    ) -> Kept:
        """Return a checkpoint's numbers: those of an earlier run, or measured now.

        Parameters
        ----------
        checkpoint : Checkpoint
            Which.
        left : int
            Checkpoints from this one on, for which the disk must suffice.
        reading, measuring : callable(done, total, what), optional
            Called after each batch, and after each layer and within its search.

        Raises
        ------
        InputError
            If the model or the data cannot be used.
        DegenerateError
            If no layer can be measured.
        """
        place = self.folder / encoded(checkpoint.name)
        found = self._finished(checkpoint, place)
        if found is None:
            found = self._measured(checkpoint, place, left, reading, measuring)
        if self.keep == "profile":
            _drop(place / STATES)
        return found

    def _finished(self, checkpoint: Checkpoint, place: Path) -> Kept | None:
        if not kept.may_be_there(place):
            return None
        source = identify(
            checkpoint.source,
            revision=checkpoint.revision,
            tokenizer=self.extraction.get("tokenizer"),
        )
        return kept.read(place, self._key(source.identity))

    def _measured(
        self,
        checkpoint: Checkpoint,
        place: Path,
        left: int,
        reading: Progress | None,
        measuring: Progress | None,
    ) -> Kept:
        hidden = self._states(checkpoint, place, left, reading)
        rows = rows_kept(self.samples, hidden)
        profile = measure_once(hidden, rows.labels, rows.exclude, self.settings, place, measuring)
        key = self._key(str(hidden.provenance["model_hash"]))
        return kept.write(place, key, hidden, profile, self.settings)

    def _states(
        self, checkpoint: Checkpoint, place: Path, left: int, progress: Progress | None
    ) -> HiddenStates:
        """Run the model; weights that came into the hub's cache for it leave it again."""
        passing = checkpoint.revision is not None and self.keep != "weights"
        before = cached_weights(checkpoint.source) if passing else frozenset()
        hidden = extract(
            checkpoint.source,
            self.samples,
            revision=checkpoint.revision,
            store=Store(place / STATES),
            progress=progress,
            ready=partial(check_series, self.settings, left, self.keep != "profile"),
            **self.extraction,
        )
        gc.collect()  # of a network that refers to itself, before the next one is read
        if passing:
            remove_weights(checkpoint.source, str(hidden.provenance["commit"]), before)
        return hidden

    def _key(self, identity: str) -> str:
        """Return the content key of all that determines the numbers of a checkpoint."""
        given = {k: v for k, v in self.extraction.items() if k not in _OUTSIDE}
        if given.get("dtype") is not None:
            given["dtype"] = dtype_name(given["dtype"])
        if given.get("image_processor") is not None:
            given["image_processor"] = str(given["image_processor"])  # its settings as JSON
        rows = (self.samples.labels, self.samples.exclude, self.samples.groups)
        return content_key(
            "checkpoint",
            (STATES_SCHEMA, LAYER_SCHEMA, kept.SCHEMA),
            (identity, self.samples.fingerprint, *rows),
            self.settings.content,
            {**Extraction().content, **given},
        )


def measure_checkpoint(run: CheckpointRun, checkpoint: Checkpoint, left: int) -> None:
    """Measure one checkpoint, for a run that finds it afterwards: what a worker does."""
    run.measured(checkpoint, left)


def rows_kept(samples: Samples, hidden: HiddenStates) -> Samples:
    """Return the samples that became rows of ``hidden``, in their order."""
    return samples if hidden.rows is None else samples.take(hidden.rows)


def what_to_keep(keep: Keep, model: str | Path, folder: Path | None) -> Keep:
    """Decide what ``auto`` means, and that a temporary folder keeps nothing.

    Raises
    ------
    InputError
        If ``keep`` is none of its values.
    """
    if keep not in get_args(Keep):
        raise InputError(f"keep must be one of {', '.join(get_args(Keep))} but is {keep!r}.")
    if folder is None and keep != "weights":
        return "profile"
    if keep == "auto":
        return "states" if Path(model).is_dir() else "profile"
    return keep


@contextmanager
def workplace(folder: Path | None) -> Iterator[Path]:
    """Return the folder of the run; without one, a temporary one that is removed at the end."""
    if folder is not None:
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="layergeom-", ignore_cleanup_errors=True) as place:
        yield Path(place)


def _drop(states: Path) -> None:
    if (states / MANIFEST).is_file():  # a store, and not something else of that name
        shutil.rmtree(states)
