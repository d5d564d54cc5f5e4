"""Watching a training: when a measurement is made, what it gives, and what is kept of it."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import numpy as np

from layergeom.arrays import count
from layergeom.callbacks.budget import Budget
from layergeom.callbacks.live_network import bare, finish_queued, left_as_found
from layergeom.callbacks.probe import Probe, prepared
from layergeom.callbacks.quick_profile import Former, quick_profile
from layergeom.callbacks.record import Record
from layergeom.errors import GeometryWarning, InputError, StoreError
from layergeom.layer import Settings
from layergeom.profiles import Profile
from layergeom.states.inputs import read_samples

if TYPE_CHECKING:
    import pandas as pd

OnError: TypeAlias = Literal["warn", "raise"]
PREFIX = "geometry"
MAX_SAMPLES = 512


@dataclass(frozen=True, eq=False)
class Measurement:
    """What one measurement gave.

    Attributes
    ----------
    step : int
        Optimizer steps done.
    seconds : float
        What it took.
    share : float
        All measuring by the wall time of the training so far.
    values : mapping of str to float
        What is logged: ``geometry/<quantity>/<layer>``, ``geometry/seconds``, ``geometry/share``.
    profile : Profile or None
        None if it failed.
    error : str
        Why it failed; "" if it did not.
    """

    step: int
    seconds: float
    share: float
    values: Mapping[str, float]
    profile: Profile | None = None
    error: str = ""


class Watch:
    """Measures a probe set on a network in training; what the callbacks have in common.

    For a training loop of your own: ``begin`` before the first step, ``look`` after each.

    Parameters
    ----------
    data : path, list or dataset
        The probe set, as :func:`layergeom.profile` reads it. At best not part of the training
        data, and always the same: only then can steps be compared.
    every : int
        Steps between measurements, at least.
    max_share : float in (0, 1], or None
        Measuring time by wall time of the training, at most (default 0.05); where measuring is
        dearer, due steps are passed over until it fits. The first measurement is exempt, and what
        it took is waited for. None sets no limit.
    labels, groups, text_column, split, max_samples, seed
        As for :func:`layergeom.profile`; 512 rows unless ``max_samples`` says otherwise.
    k : int
        Neighbours compared by the overlaps.
    errors : bool
        Whether standard errors are logged too, as ``geometry/<quantity>_error/<layer>``.
    on_error : {"warn", "raise"}
        What happens if a measurement fails (weights that are not finite, memory): a warning, once,
        and an entry in the record; or the training ends with the error.
    folder : path, optional
        Where the record is kept; by default ``geometry`` in the folder of the training.
    save : bool
        Whether a record is kept at all.
    tokenizer, image_processor : object, optional
        By default that of the trainer.
    **options
        Of :func:`layergeom.extract`: ``pool``, ``layers``, ``max_length``, ``batch_size`` ….

    Raises
    ------
    InputError
        For a value out of its range, or data that cannot be read. Whether the network can be read
        is found out by ``begin``, before the first step.
    """

    def __init__(
        self,
        data: Any,
        *,
        every: int = 100,
        max_share: float | None = 0.05,
        labels: Any = None,
        groups: Any = None,
        text_column: Any = None,
        split: str | None = None,
        max_samples: int | Literal["all"] = MAX_SAMPLES,
        seed: int = 0,
        k: int = 30,
        errors: bool = False,
        on_error: OnError = "warn",
        folder: Path | str | None = None,
        save: bool = True,
        tokenizer: Any = None,
        image_processor: Any = None,
        **options: Any,
    ) -> None:
        if on_error not in get_args(OnError):
            raise InputError(f"on_error is {on_error!r}; it must be 'warn' or 'raise'.")
        self.every = count(every, "every", 1)
        self.budget = Budget(max_share)
        self.settings = Settings(k=k, ranks=max(2, k))
        self.errors, self.on_error = errors, on_error
        self.samples = read_samples(
            data,
            labels=labels,
            groups=groups,
            text_column=text_column,
            split=split,
            max_samples=max_samples,
            seed=seed,
        )
        self.folder = None if folder is None else Path(folder)
        self.save = save
        self.measurements: list[Measurement] = []
        self.passed_over = 0
        self._given = {"tokenizer": tokenizer, "image_processor": image_processor}
        self._options = options
        self._record: Record | None = None
        self._probe: Probe | None = None
        self._network: Any = None
        self._former: Former | None = None
        self._last: int | None = None
        self._warned = False

    def begin(
        self, network: Any, step: int = 0, folder: Path | None = None, processor: Any = None
    ) -> None:
        """Make ready for a training of ``network`` that begins, or goes on, at ``step``.

        Parameters
        ----------
        network : torch.nn.Module
        step : int
            Steps done; entries of the record from this step on are dropped, they are made anew.
        folder : path, optional
            Where the record is kept unless the watch was given one.
        processor : object, optional
            Tokenizer or image processor unless the watch was given one.

        Raises
        ------
        InputError
            If the network or the probe set cannot be used; nothing has been trained then.
        """
        self.budget.start()
        self._former, self._last, self._warned, self.passed_over = None, None, False, 0
        self.measurements = []
        place = self.folder or folder
        self._record = Record.opened(place, step) if self.save and place is not None else None
        with self.budget.spending(counts=False):
            self._prepare(bare(network), processor)

    def _prepare(self, network: Any, processor: Any) -> None:
        given = dict(self._given)
        kind = "image_processor" if self.samples.kind == "image" else "tokenizer"
        if given[kind] is None:
            given[kind] = processor
        with left_as_found(network):
            self._network = network
            self._probe = prepared(network, self.samples, self.settings, **given, **self._options)

    def look(self, network: Any, step: int) -> Measurement | None:
        """Measure if ``step`` is due and the budget allows it; None otherwise."""
        if step % self.every or step == self._last:
            return None
        self._last = step
        if not self.budget.allows():
            self.passed_over += 1
            return None
        return self.measure(network, step)

    def measure(self, network: Any, step: int) -> Measurement:
        """Measure now, whatever the step and the budget.

        Raises
        ------
        InputError
            If ``begin`` was not called.
        """
        network, profile, trouble = bare(network), None, None
        if self._probe is None or network is not self._network:
            raise InputError(
                "the watch has not begun with this network; call begin(network) before its first "
                "step."
            )
        finish_queued(network)
        with self.budget.spending():
            try:
                with left_as_found(network):
                    profile = self._measured(self._probe, step)
            except Exception as error:  # noqa: BLE001  whatever it is, the training goes on
                trouble = error
        found = self._made(step, profile, trouble)
        self.measurements.append(found)
        trouble = self._written(found) or trouble
        if trouble is not None:
            self._tell(step, trouble)
        return found

    def _written(self, found: Measurement) -> Exception | None:
        """Add a line to the record; return what prevented it, such as a full disk."""
        if self._record is None:
            return None
        try:
            self._record.add(found.step, found.seconds, found.share, found.values, found.error)
        except StoreError as error:
            return error
        return None

    def to_frame(self) -> pd.DataFrame:
        """Return all that was logged as a pandas DataFrame with a row per measured step."""
        import pandas as pd

        steps = pd.Index([found.step for found in self.measurements], name="step")
        return pd.DataFrame([dict(found.values) for found in self.measurements], index=steps)

    def _measured(self, probe: Probe, step: int) -> Profile:
        hidden = probe.states(step)
        profile, graphs = quick_profile(
            hidden, probe.codes, probe.groups, self.settings, self._former
        )
        start = graphs if self._former is None else self._former.start
        self._former = Former(start, graphs)
        if self._record is not None:
            self._record.keep(step, profile)
        return profile

    def _made(self, step: int, profile: Profile | None, trouble: Exception | None) -> Measurement:
        seconds, share = self.budget.last, self.budget.share()
        values = {} if profile is None else logged(profile, errors=self.errors)
        values |= {f"{PREFIX}/seconds": seconds, f"{PREFIX}/share": share}
        error = "" if trouble is None else f"{type(trouble).__name__}: {trouble}"
        return Measurement(step, seconds, share, values, profile, error)

    def _tell(self, step: int, trouble: Exception) -> None:
        if self.on_error == "raise":
            raise trouble
        if not self._warned:
            self._warned = True
            warnings.warn(
                f"the geometry at step {step} could not be measured or kept "
                f"({type(trouble).__name__}: {trouble}); training goes on, and further failures "
                "are only recorded.",
                GeometryWarning,
                stacklevel=3,
            )


def logged(profile: Profile, *, errors: bool) -> dict[str, float]:
    """Return the numbers of a profile by the names under which they are logged.

    Only finite ones: trackers draw no gaps.
    """
    values: dict[str, float] = {}
    for name, curve in profile.curves.items():
        for layer, value, error in zip(profile.layers, curve.values, curve.errors, strict=True):
            values[f"{PREFIX}/{name}/{layer}"] = float(value)
            if errors:
                values[f"{PREFIX}/{name}_error/{layer}"] = float(error)
    return {name: value for name, value in values.items() if np.isfinite(value)}
