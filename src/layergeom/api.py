"""The public doors: profile, extract, dynamics, load."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from concurrent.futures import Executor
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from layergeom import profiles
from layergeom.errors import GeometryWarning
from layergeom.geometry import _compiled, neighbor_way
from layergeom.geometry.scale_names import NEAREST
from layergeom.layer import Settings
from layergeom.measure import Progress
from layergeom.profile_result import ProfileResult
from layergeom.profiles import CHECKPOINTS, Profile
from layergeom.states.hidden import HiddenStates
from layergeom.states.inputs import Samples, read_samples
from layergeom.states.pooling import Pooling
from layergeom.states.store import Store
from layergeom.states.views import HookPoint, View
from layergeom.workers import Workers, shared_folder

if TYPE_CHECKING:
    from layergeom.tasks.dynamics import Dynamics

MISSED_FROM = 5_000  # rows: below, the search is quick without the kernel too
# The command line says it in a line of its own.
warnings.filterwarnings("ignore", "neighbours: ", GeometryWarning, module=r"layergeom\.cli\.")


def extract(
    model: Any,
    data: Any,
    *,
    text_column: Any = None,
    groups: Any = None,
    split: str | None = None,
    max_samples: int | Literal["all"] | None = None,
    seed: int = 0,
    folder: Path | str | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> HiddenStates:
    """Run a transformer over data once and keep one pooled vector per row and layer.

    Parameters
    ----------
    model : str, Path or module
        Hub id, local folder, or loaded module (with ``tokenizer=`` for texts).
    data : path, list or dataset
        Texts, token ids or images (see :func:`layergeom.states.inputs.read_samples`).
    text_column, groups, split, max_samples, seed
        How the data are read and sampled.
    folder : path, optional
        Where the states are kept; the same call is then answered from there.
    progress : callable(done, total, what), optional
        Called after each batch.
    **options
        ``revision``, ``tokenizer``, ``image_processor``, ``dtype``, ``device_map``; the fields of
        :class:`layergeom.states.extract.Extraction`: ``pool``, ``max_length``, ``long``,
        ``batch_size``, ``device``, ``special_tokens``, ``max_unknown``.

    Returns
    -------
    HiddenStates
        Read one layer at a time.

    Raises
    ------
    InputError
        With the place and the remedy.
    """
    samples = read_samples(
        data,
        text_column=text_column,
        groups=groups,
        split=split,
        max_samples=max_samples,
        seed=seed,
    )
    return _extracted(model, samples, folder, progress, options)


def _extracted(
    model: Any,
    samples: Samples,
    folder: Path | str | None,
    progress: Progress | None,
    options: dict[str, Any],
) -> HiddenStates:
    from layergeom.states.extract import extract as run

    store = None if folder is None else Store(Path(folder))
    return run(model, samples, store=store, progress=progress, **options)


def profile(
    model: Any,
    data: Any = None,
    *,
    labels: Any = None,
    label_type: Literal["class", "number", "multi"] | None = None,
    exclude: Any = None,
    groups: Any = None,
    split: str | None = None,
    text_column: Any = None,
    max_samples: int | Literal["all"] | None = None,
    protocol: str | None = None,
    k: int | None = None,
    scale: str | None = None,
    seed: int = 0,
    quantities: Any = None,
    nulls: str | Sequence[str] | None = None,
    neighbors: Literal["exact", "approximate"] = "exact",
    folder: Path | str | None = None,
    progress: Progress | None = None,
    executor: Executor | Workers | None = None,
    **options: Any,
) -> ProfileResult:
    """Return the geometry of every layer of a transformer on a dataset, or of stored states.

    Parameters
    ----------
    model : object
        With ``data``: hub id, local folder or loaded module. Without: the states themselves, a
        mapping from layer to (n, D) array, a list of arrays, or a file or folder of them.
    data : path, list or dataset, optional
        What the model is run on.
    labels, exclude : column name, file, "file:column" or sequence, optional
        Class of each row for the label overlap, or a number (curve ``label_agreement``), or several
        labels (``label_jaccard``); finer groups whose members are no neighbours. Of SCOPe or CATH
        codes a level: ``labels="superfamily", exclude="family"``; ``":topic"`` is the data's own
        column.
    label_type : {"class", "number", "multi"}, optional
        What the labels are; inferred unless given, and then said in the warnings
        (docs/how-to/numeric_and_several_labels.md).
    groups : as labels, optional
        Rows that are no independent samples of each other, such as the members of a cluster: they
        are no neighbours, and errors take the group as the unit.
    split : str, optional
        Only these rows of the data: a value of the column ``split``, or ``"column:value"``.
    text_column, max_samples, seed
        How data are read and sampled; at most 20,000 rows unless ``max_samples`` says otherwise.
    k : int
        Neighbours compared by the overlaps.
    scale : str, optional
        Where the curve ``dimension`` is read: ``nearest`` (TwoNN of all points, the default),
        ``gride-<n1>``, or ``decimated-<factor>``; every profile has the dimension at all scales.
    quantities : callable, estimator, str, or a list of them; optional
        Further curves: functions of (points, graph) that return a number or (value, error), where
        ``points`` are a layer's distinct points; estimators with ``fit`` and ``dimension_``, such
        as scikit-dimension's; names (``dimension_levina_bickel``, ``rankme``,
        ``dataset_entropy``, ``linearity``). One that fails at a layer is a warning. See
        docs/how-to/add_a_quantity.md.
    nulls : str or list of str, optional
        What the curves read where there is nothing to find, kept in ``nulls``: ``permuted``,
        ``gaussian``, ``shuffled``, ``untrained``, ``length`` (docs/explanation/nulls.md).
    neighbors : {"exact", "approximate"}
        ``approximate`` may miss some, and says how many
        (docs/explanation/approximate_neighbors.md).
    folder : path, optional
        Keeps states and neighbour lists; a second call computes nothing that is there.
    progress : callable(done, total, what), optional
        Called along the way.
    executor : concurrent.futures.Executor or Workers, optional
        Processes, of a cluster too, that share the forward pass and the layers;
        they must see ``folder``. The numbers are those of one process
        (docs/how-to/run_on_a_cluster.md).
    **options
        Of :func:`extract`. ``device`` is also where neighbours are searched, of stored states too;
        by default where the model ran. If it fails there, the CPU does it and a warning says so.

    Returns
    -------
    ProfileResult
        Every quantity with its error, phases, recommendation, ``plot()`` and ``report()``.

    Raises
    ------
    InputError
        With the place and the remedy.
    DegenerateError
        If no layer can be measured.

    Warns
    -----
    GeometryWarning
        Once per process, if neighbours of 5,000 rows or more were searched without the compiled
        kernel; ``provenance["estimators"]["neighbours"]`` has the way of every run.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((200, 3))
    >>> p = profile({"embedding": X, "block_1": X @ rng.standard_normal((3, 8))}, k=10)
    >>> p.layers
    ('embedding', 'block_1')
    >>> bool(p.overlap.values[0, 1] > 0.3)
    True
    """
    place = None if folder is None else Path(folder)
    reading = {
        "labels": labels,
        "label_type": label_type,
        "exclude": exclude,
        "groups": groups,
        "split": split,
        "text_column": text_column,
        "max_samples": max_samples,
    }
    if data is None:
        from layergeom.tasks.given_states import given_states
        from layergeom.tasks.measured_states import measured_states
        from layergeom.tasks.nulls import checked_nulls, nulls_of_states

        device = options.pop("device", None)
        hidden, rows = given_states(model, protocol, reading, place, options)
        where = None if device == "auto" else device
        settings = Settings(
            k=Settings.k if k is None else k,
            scale=scale or NEAREST,
            seed=seed,
            neighbors=neighbors,
        )
        kinds = checked_nulls(nulls, of_states=True)
        if executor is not None:
            from layergeom.tasks.worker_runs import measure_by

            shared_folder(place)
            measure_by(Workers.of(executor), hidden, settings, progress)
        found = measured_states(hidden, rows, settings, place, progress, where, quantities)
        found = nulls_of_states(found, kinds, hidden, rows, settings, place, progress, where)
    else:
        from layergeom.tasks.protocol_runs import profile_by

        options |= {**reading, "k": k, "scale": scale, "seed": seed}
        options |= {"quantities": quantities, "nulls": nulls}
        if neighbors != "exact":
            options["neighbors"] = neighbors
        if executor is not None:
            from layergeom.tasks.worker_runs import prepare_by

            prepare_by(Workers.of(executor), protocol, model, data, place, progress, **options)
        found = profile_by(protocol, model, data, folder=place, progress=progress, **options)
    _tell_plain_search(found)
    return ProfileResult.of(found, place)


def profile_views(
    model: Any,
    data: Any,
    *,
    pools: Sequence[Pooling] | None = None,
    hook_points: Sequence[HookPoint] | None = None,
    protocol: str | None = None,
    folder: Path | str | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> dict[View, ProfileResult]:
    """Return one profile for every pooling at every hook point, from one forward pass.

    Parameters
    ----------
    pools, hook_points : sequence of str, optional
        By default the protocol's, else ``auto`` and ``residual``.
    folder : path, optional
        Keeps one run folder per view, named by it (``last-first_norm``).
    model, data, protocol, progress, **options
        As :func:`profile`; each profile is what it gives for that view alone.
    """
    from layergeom.tasks.protocol_runs import profiles_by

    options |= {"folder": None if folder is None else Path(folder), "progress": progress}
    found = profiles_by(protocol, model, data, pools=pools, hook_points=hook_points, **options)
    place = options["folder"]
    return {
        view: ProfileResult.of(profile, place and place / view.name)
        for view, profile in found.items()
    }


def _tell_plain_search(found: Profile) -> None:
    """Warn once if a kernel would have shortened the search and is not here."""
    n, way = found.counts["rows"], found.provenance["estimators"].get("neighbours")
    if _compiled.kernel() is None and n >= MISSED_FROM and way == neighbor_way(n):
        _warn_once()


@cache
def _warn_once() -> None:
    from layergeom.tasks.environment import kernel_line

    warnings.warn(f"neighbours: {kernel_line()}.", GeometryWarning, stacklevel=4)


def dynamics(
    model: str | Path,
    data: Any,
    *,
    revisions: str | Sequence[str] | None = None,
    axis: Literal["step", "tokens"] = "step",
    max_checkpoints: int | None = None,
    keep: Literal["auto", "profile", "states", "weights"] = "auto",
    labels: Any = None,
    label_type: Literal["class", "number", "multi"] | None = None,
    exclude: Any = None,
    groups: Any = None,
    split: str | None = None,
    text_column: Any = None,
    max_samples: int | Literal["all"] | None = None,
    protocol: str | None = None,
    k: int | None = None,
    seed: int = 0,
    folder: Path | str | None = None,
    progress: Progress | None = None,
    executor: Executor | Workers | None = None,
    **options: Any,
) -> Dynamics:
    """Return the profiles of a training run's checkpoints on the same data.

    Parameters
    ----------
    model : str or Path
        A folder with one sub-folder per checkpoint, or a hub id.
    revisions : str or sequence of str, optional
        Names or patterns ("step*", "stage1-step*-tokens*B") of sub-folders, or of the hub's
        branches and tags.
    axis, max_checkpoints
        Order by the steps or the tokens in the names; keep so many, spread on their logarithm.
    keep : str
        What is left of a measured checkpoint: its profile, also its states, also weights that this
        run downloaded. ``auto``: states for a local folder, the profile for a hub id.
    data, labels, label_type, exclude, groups, split, text_column, max_samples, protocol, k, seed
        As :func:`profile`.
    folder, progress
        As :func:`profile`.
    executor : concurrent.futures.Executor or Workers, optional
        Processes, of a cluster too, that each measure one checkpoint after the other; they must
        see ``folder``.
    **options
        As :func:`profile`.

    Returns
    -------
    Dynamics
        Profiles by checkpoint, ``maps`` over layer and step, overlap of each layer with its final
        state, layer-mean dimension and the steps between which it is largest (``peak``).

    Raises
    ------
    InputError
        If there are fewer than two checkpoints, or they differ in their layers.
    """
    from layergeom.tasks.protocol_runs import dynamics_by

    found = dynamics_by(
        protocol,
        model,
        data,
        revisions,
        axis=axis,
        max_checkpoints=max_checkpoints,
        keep=keep,
        labels=labels,
        label_type=label_type,
        exclude=exclude,
        groups=groups,
        split=split,
        text_column=text_column,
        max_samples=max_samples,
        k=k,
        seed=seed,
        folder=None if folder is None else Path(folder) / CHECKPOINTS,
        progress=progress,
        workers=None if executor is None else Workers.of(executor),
        **options,
    )
    _tell_plain_search(found.profiles[-1])
    return found


def load(path: Path | str) -> ProfileResult:
    """Return a saved profile (``profile.json``, or the folder of a run) with its views.

    Raises
    ------
    InputError
        If there is none.
    StoreError
        If it is damaged or newer than this version.
    """
    return ProfileResult.of(profiles.load(path), path)
