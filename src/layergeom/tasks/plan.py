"""What a run will take and can tell, before it begins: bytes, disk, memory, errors, time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from layergeom.arrays import count
from layergeom.errors import InputError
from layergeom.layer import Settings
from layergeom.reading.turns import MIN_CHANGE
from layergeom.states.checkpoints import Axis, Checkpoint, checkpoints
from layergeom.states.forward import processor_budget
from layergeom.states.hub import cached_bytes, needed_files, remote
from layergeom.states.inputs import Samples, read_samples
from layergeom.states.loading import dtype_name
from layergeom.states.room import free_disk, gigabytes, machine_memory
from layergeom.states.sampling import MAX_SAMPLES
from layergeom.states.sources import identify, weight_files
from layergeom.tasks.checkpoint_run import Keep, what_to_keep
from layergeom.tasks.cluster_plan import ClusterPlan, cluster_plan, measured_pace
from layergeom.tasks.geometry_sizes import GeometrySizes
from layergeom.tasks.timing import Timing, timing

USUAL_LENGTH = 512  # tokens of a sequence where nobody says
_ITEM = {"float64": 8, "float32": 4, "float16": 2, "bfloat16": 2, "auto": 4}
# times 1/√rows; medians over models, of benchmarks/records/sizes.jsonl (how_many_samples.md)
ERROR_FACTOR = 1.3  # relative standard error of a layer's dimension
DIFFERENCE_FACTOR = 3.2  # relative difference that two layers' errors ask for


@dataclass(frozen=True)
class Plan:
    """What a run takes, in bytes unless it says otherwise, and how fine its answer can be.

    Attributes
    ----------
    model : str
        Hub id or folder.
    checkpoints : tuple of str
        Names in the order of training; empty for a single model.
    weights : tuple of int
        Weight files of each checkpoint.
    download : tuple of int
        What of each checkpoint is not on this machine yet, small files included.
    rows : int
        Rows that are run, at most.
    dimension_error : float
        Standard error of a layer's dimension to be expected, as a share of it.
    smallest_difference : float
        Share of the dimension by which two layers must differ to count, to be expected: a smaller
        dip is not found.
    layers, width : int
        Embedding, blocks and a final norm; features of a layer.
    parameters : int
        Of the network.
    states : int
        Disk of the hidden states of one checkpoint: rows · (4 · width + 8) · layers.
    lists : int
        Disk of the neighbour lists beside them, while a checkpoint is measured.
    kept : int
        Disk of what outlives the states, for each checkpoint.
    disk : int
        At the end, in all.
    peak_disk : int
        At most on the way, downloads included.
    memory_weights, memory_batch, memory_search : int
        The network; what one batch holds in a block; the geometry: a layer, its neighbour search
        and the lists of all layers.
    memory : int
        The larger of running the model (weights and batch) and of the geometry: the network is
        gone by then.
    keep : str
        What is left of a checkpoint (see :func:`layergeom.dynamics`).
    timing : Timing or None
        Seconds of one checkpoint; None where it was not measured.
    cluster : ClusterPlan or None
        Stages of a run by several workers; None for one, or where no time was measured.
    shortfalls : tuple of str
        What does not fit this machine; a run would be refused.
    """

    model: str
    checkpoints: tuple[str, ...]
    weights: tuple[int, ...]
    download: tuple[int, ...]
    rows: int
    dimension_error: float
    smallest_difference: float
    layers: int
    width: int
    parameters: int
    states: int
    lists: int
    kept: int
    disk: int
    peak_disk: int
    memory_weights: int
    memory_batch: int
    memory_search: int
    memory: int
    keep: Keep
    timing: Timing | None = None
    cluster: ClusterPlan | None = None
    shortfalls: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Network:
    blocks: int
    width: int
    inner: int
    heads: int
    parameters: int

    @property
    def layers(self) -> int:
        """Embedding, blocks and a final norm, which most networks have."""
        return self.blocks + 2

    def memory(self, dtype: Any, max_length: int | None) -> tuple[int, int]:
        """Return the bytes of the weights, and of what one batch holds in a block."""
        item = _ITEM[dtype_name(dtype)]
        tokens = processor_budget(self.width)
        length = min(max_length or USUAL_LENGTH, tokens)
        features = 2 * self.inner + 8 * self.width + self.heads * length
        return self.parameters * item, tokens * features * item


def plan(
    model: str | Path,
    data: Any = None,
    *,
    revisions: str | Sequence[str] | None = None,
    axis: Axis = "step",
    max_checkpoints: int | None = None,
    text_column: Any = None,
    max_samples: int | Literal["all"] | None = None,
    k: int = 30,
    keep: Keep = "auto",
    dtype: Any = None,
    max_length: int | None = None,
    part: str | None = None,
    device: str = "auto",
    timed: bool = True,
    workers: int = 1,
    folder: Path | str = ".",
) -> Plan:
    """Say what a run of :func:`layergeom.profile` or :func:`layergeom.dynamics` will take.

    Parameters
    ----------
    model : str or Path
        Hub id, folder of a model, or folder of checkpoints.
    data : path, list, dataset, Samples or int, optional
        What the model is run on, or its number of rows; 20,000 rows by default.
    revisions, axis, max_checkpoints, keep
        As of :func:`layergeom.dynamics`.
    text_column, max_samples
        How data are read.
    k : int
        Neighbours compared by the overlaps.
    dtype, max_length, part, device
        As of the extraction.
    timed : bool
        Feed a few batches of the data to the last checkpoint, and measure a small geometry, to say
        how long the run will take; only where data are given and all weights are on this machine.
    workers : int
        Machines like this one that share the run; several are planned stage by stage (see
        :mod:`layergeom.tasks.cluster_plan`).
    folder : path
        Where the run will be written, to see whether its disk suffices.

    Returns
    -------
    Plan

    Raises
    ------
    InputError
        If the model or the data cannot be found, its configuration names neither layers nor width,
        or the hub is out of reach.

    Notes
    -----
    All but the time is from configuration and file sizes only: a few kB are downloaded, no weights.
    The network is built without memory to count its parameters; other checkpoints are taken to
    have the shape of the last. Memory is an estimate for a processor: Python and its libraries
    (0.5 to 1 GB) are not in it, attention is counted as if it were held in full, and sequences as
    512 tokens long unless ``max_length`` says otherwise. Of the time, see
    :func:`layergeom.tasks.timing.timing`.
    """
    found = _checkpoints(model, revisions, axis, max_checkpoints)
    network = _network(found[-1], part)
    samples = _samples(data, text_column, max_samples)
    rows = samples if isinstance(samples, int) else len(samples)
    geometry = GeometrySizes(rows, network.layers, network.width, Settings(k=k))
    sizes = [_sizes(checkpoint) for checkpoint in found]
    what = what_to_keep(keep, model, Path()) if len(found) > 1 else "weights"
    disk, peak = _disk([missing for _, missing in sizes], geometry, what)
    weights, batch = network.memory(dtype, max_length)
    memory = max(weights + batch, geometry.memory)
    took = shared = None
    if timed and not isinstance(samples, int) and not sizes[-1][1]:
        given = {"dtype": dtype, "max_length": max_length, "device": device}
        took = timing(found[-1].source, samples, geometry.settings, part, **given)
    if took is not None and workers > 1:
        pace = measured_pace(geometry, Path(folder), took.forward / rows)
        shared = cluster_plan(geometry, pace, workers, len(found), weights + batch)
    return Plan(
        model=str(model),
        checkpoints=tuple(c.name for c in found if c.name),
        weights=tuple(size for size, _ in sizes),
        download=tuple(missing for _, missing in sizes),
        rows=rows,
        dimension_error=dimension_error(rows),
        smallest_difference=smallest_difference(rows),
        layers=network.layers,
        width=network.width,
        parameters=network.parameters,
        states=geometry.states,
        lists=geometry.lists,
        kept=geometry.kept if len(found) > 1 else 0,
        disk=disk,
        peak_disk=peak,
        memory_weights=weights,
        memory_batch=batch,
        memory_search=geometry.memory,
        memory=memory,
        keep=what,
        timing=took,
        cluster=shared,
        shortfalls=_shortfalls(memory, peak, Path(folder)),
    )


def dimension_error(rows: int) -> float:
    """Return the relative standard error of a layer's dimension to be expected of so many rows.

    Notes
    -----
    ``ERROR_FACTOR`` / √rows. The dimension by maximum likelihood would have 1 / √rows if no two
    rows shared neighbours (Denti et al. 2022, Fisher information at n1 = 1); the factor was
    measured on trained models, where it lay between 1.1 (proteins) and 1.9 (texts). It misleads
    for rows that repeat or belong together, which count for fewer.

    Examples
    --------
    >>> dimension_error(400) == 2 * dimension_error(1600)
    True
    """
    return ERROR_FACTOR / math.sqrt(rows)


def smallest_difference(rows: int) -> float:
    """Return by what share two layers' dimensions must differ to count, to be expected.

    Notes
    -----
    What the errors ask for at the simultaneous 95 % level of :mod:`layergeom.reading.turns`,
    ``DIFFERENCE_FACTOR`` / √rows, and at least the 5 % that no number of rows goes below.

    Examples
    --------
    >>> smallest_difference(1_000_000)
    0.05
    """
    return max(DIFFERENCE_FACTOR / math.sqrt(rows), MIN_CHANGE)


def _disk(missing: list[int], geometry: GeometrySizes, keep: Keep) -> tuple[int, int]:
    """Return what is left on the disk, and the most that is there on the way."""
    working = geometry.states + geometry.lists
    kept = geometry.kept if len(missing) > 1 else 0
    left = kept + (0 if keep == "profile" else working)
    stays = sum(missing) if keep == "weights" else 0
    disk = left * len(missing) + stays
    # Weights leave the cache before a checkpoint is measured, so they do not meet its lists.
    passing = max(max(missing) + geometry.states, working + kept) - left
    return disk, disk + max(passing if keep != "weights" else working + kept - left, 0)


def _shortfalls(memory: int, disk: int, folder: Path) -> tuple[str, ...]:
    there, (place, free) = machine_memory(), free_disk(folder)
    short = []
    if there is not None and memory > there:
        short.append(f"memory: {gigabytes(memory)} of {gigabytes(there)}")
    if disk > free:
        short.append(f"disk: {gigabytes(disk)} of {gigabytes(free)} free at {place}")
    return tuple(short)


def _samples(
    data: Any, text_column: Any, max_samples: int | Literal["all"] | None
) -> Samples | int:
    """Return the rows, or how many they are where nothing more is known."""
    if data is None:
        return max_samples if isinstance(max_samples, int) else MAX_SAMPLES
    if isinstance(data, int):
        return count(data, "data", 1)
    if isinstance(data, Samples):
        return data
    return read_samples(data, text_column=text_column, max_samples=max_samples)


def _checkpoints(
    model: str | Path,
    revisions: str | Sequence[str] | None,
    axis: Axis,
    max_checkpoints: int | None,
) -> tuple[Checkpoint, ...]:
    folder = Path(model)
    single = (folder / "config.json").is_file() if folder.is_dir() else revisions is None
    if single:
        return (Checkpoint("", float("nan"), str(model), None),)
    return checkpoints(model, revisions, axis=axis, max_checkpoints=max_checkpoints)


def _sizes(checkpoint: Checkpoint) -> tuple[int, int]:
    """Return the bytes of a checkpoint's weights, and those that are still to be downloaded."""
    folder = Path(checkpoint.source)
    if folder.is_dir():
        return sum(path.stat().st_size for path in weight_files(folder)), 0
    there = remote(checkpoint.source, checkpoint.revision)
    needed = needed_files(there.sizes)
    wanted = {name: there.sizes[name] for name in (*needed.small, *needed.weights)}
    missing = sum(wanted.values()) - cached_bytes(checkpoint.source, there.commit, wanted)
    return sum(there.sizes[name] for name in needed.weights), missing


def _network(checkpoint: Checkpoint, part: str | None) -> _Network:
    """Read the shape of a network off its configuration, without weights."""
    config = _config(checkpoint)
    own = getattr(config, f"{part}_config", None) or config
    shape = [_number(own, name) for name in ("num_hidden_layers", "hidden_size")]
    if None in shape:
        raise InputError(
            f"The configuration of {checkpoint.source!r} does not say how many layers of which "
            "width the network has (num_hidden_layers, hidden_size), so nothing can be planned."
        )
    blocks, width = (int(number or 0) for number in shape)
    inner = _number(own, "intermediate_size") or _number(own, "n_inner") or 4 * width
    heads = _number(own, "num_attention_heads") or 1
    return _Network(blocks, width, inner, heads, _parameters(config))


def _number(config: Any, name: str) -> int | None:
    value = getattr(config, name, None)
    return value if isinstance(value, int) else None


def _config(checkpoint: Checkpoint) -> Any:
    from transformers import AutoConfig

    source = checkpoint.source
    folder = (
        Path(source)
        if Path(source).is_dir()
        else identify(source, revision=checkpoint.revision).folder
    )
    try:
        return AutoConfig.from_pretrained(str(folder), trust_remote_code=False)
    except (OSError, ValueError, KeyError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(
            f"The configuration of {source!r} cannot be read ({reason}); give a model that needs "
            "no code of its own."
        ) from error


def _parameters(config: Any) -> int:
    import torch
    from transformers import AutoModel

    from layergeom.states.loading import quiet

    with torch.device("meta"), quiet():
        network = AutoModel.from_config(config, trust_remote_code=False)
    return sum(parameter.numel() for parameter in network.parameters())
