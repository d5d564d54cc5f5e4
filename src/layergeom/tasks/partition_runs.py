"""Disjoint partitions of a corpus through a model, by the recipe of a paper."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal, get_args

from layergeom.arrays import count
from layergeom.errors import InputError
from layergeom.measure import Progress
from layergeom.profiles import STATES
from layergeom.states.content import content_key
from layergeom.states.extract import extract
from layergeom.states.hidden import HiddenStates
from layergeom.states.inputs import Samples, read_samples
from layergeom.states.settings import settings
from layergeom.states.sources import identify
from layergeom.states.store import Store
from layergeom.tasks import protocol_data
from layergeom.tasks.finished_lines import FinishedLines
from layergeom.tasks.null_models import null_inputs
from layergeom.tasks.partition_curves import PartitionCurves
from layergeom.tasks.partition_pieces import PartitionJob, measure_by
from layergeom.tasks.partitions import Corpus, Partitions, put_together
from layergeom.tasks.preflight import check_states
from layergeom.tasks.protocols import Protocol, departing, options, protocol, record_of
from layergeom.tasks.study_records import write_record
from layergeom.tasks.word_sequences import shuffled_words
from layergeom.tasks.worker_runs import extract_by
from layergeom.workers import Workers, shared_folder

USUAL: tuple[Corpus, ...] = ("intact", "shuffled")
FILE = "partitions.jsonl"
_SCHEMA = 1
_LOADING = ("revision", "tokenizer", "dtype", "device_map", "part", "blocks")


def partitions(
    model: Any,
    data: Any,
    recipe: Protocol | str = "cheng2025",
    *,
    corpora: Sequence[Corpus] = USUAL,
    number: int | None = None,
    rows: int | Literal["all"] | None = None,
    rank: int | None = None,
    k: int | None = None,
    queries: int | None = None,
    text_column: Any = None,
    seed: int = 0,
    folder: Path | str | None = None,
    progress: Progress | None = None,
    executor: Executor | Workers | None = None,
    **given: Any,
) -> Partitions:
    """Measure disjoint partitions of a corpus, by the recipe of Cheng et al. 2025.

    Parameters
    ----------
    model, text_column
        As for :func:`layergeom.profile`.
    data
        Texts, of which sequences of the recipe's length are cut; a raw file is one text.
    recipe : Protocol or str
        One of partitions.
    corpora : sequence of {"intact", "shuffled", "untrained"}
        ``intact`` always among them.
    number, rows, k
        Partitions, sequences of each ("all" deals what there is) and neighbours of the overlap,
        in place of the recipe's.
    rank : int, optional
        n1 at which the dimension of all layers is read, a power of two; by default where most of
        the intact layers are level (see :func:`layergeom.tasks.common_scale.common_scale`).
    queries : int, optional
        Rows of a partition whose neighbours are ranked for the information imbalances; all by
        default, which is the slowest part.
    seed : int
        Draws, deals and shuffles the sequences.
    folder : path, optional
        Keeps states, every finished partition, and ``study.json`` with the recipe, departures and
        claims; the same call goes on there.
    progress : callable(done, total, what), optional
        Called along the way.
    executor : concurrent.futures.Executor or Workers, optional
        Whose workers share the forward passes, but that of ``untrained``, and take one partition
        after the other; they read the model from its hub id or folder and must see ``folder``. The
        numbers are those of one process.
    **given
        Options of :func:`layergeom.extract` in place of the recipe's, recorded as departures.

    Returns
    -------
    Partitions

    Raises
    ------
    InputError
        For a recipe without partitions, an unknown corpus, a rank that was not measured, too
        little text, states that do not fit the disk, or a ``folder`` of another call; with
        ``executor`` also without a folder, or for a loaded module.
    WorkerError
        If a worker was lost for good; the same call goes on, and no finished partition is made
        again.

    Notes
    -----
    Every corpus is one forward pass; states of all partitions are kept until the end, 4 bytes x
    sequences x width x layers. A partition is one neighbour search per layer and the imbalances.
    Source: Cheng et al. 2025 (arXiv 2405.15471); what of it was verified stands in the remarks of
    the recipe.
    """
    chosen = protocol(recipe) if isinstance(recipe, str) else recipe
    _check(chosen, corpora)
    asked = {"number": number, "rows": rows, "seed": seed, "text_column": text_column}
    parts = protocol_data.partitions(chosen, data, **asked)
    changed = {"partitions": number, "partition_rows": rows, "rank": rank, "queries": queries}
    departures = _departures(chosen, {**changed, "k": k, **given})
    used = options(chosen) | given
    neighbors = count(used.pop("k") if k is None else k, "k", 1)
    used.pop("k", None)
    workers = None if executor is None else Workers.of(executor)
    folder = folder if workers is None else shared_folder(folder)
    job = _Job(model, parts, used, neighbors, queries, seed, folder, progress, workers)
    found = {corpus: job.measured(corpus) for corpus in corpora}
    notes = tuple(dict.fromkeys((*parts[0].notes, *job.told)))
    record = record_of(chosen, departures)
    study = put_together(found, job.layers, job.depths, rank, record, notes)
    if folder is not None:
        write_record(Path(folder), study.record, study.warnings, study.claims)
    return study


def _check(recipe: Protocol, corpora: Sequence[str]) -> None:
    if recipe.verb != "partitions":
        raise InputError(
            f"{recipe.name} has no partitions; use layergeom {recipe.verb} with it, or cheng2025."
        )
    unknown = [corpus for corpus in corpora if corpus not in get_args(Corpus)]
    if unknown or "intact" not in corpora:
        raise InputError(
            f"corpora are {', '.join(corpora)}; they must be of {', '.join(get_args(Corpus))}, "
            "with intact among them."
        )


def _departures(recipe: Protocol, given: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    numbers = ("partitions", "partition_rows", "rank")
    fixed = {name: getattr(recipe, name) for name in numbers} | {"queries": "all"}
    asked = {name: value for name, value in given.items() if value is not None}
    return departing({**options(recipe), **fixed}, asked)


@dataclass(eq=False)
class _Job:
    """One call: its partitions through the model, and what is finished of it."""

    model: Any
    parts: Sequence[Samples]
    options: Mapping[str, Any]
    k: int
    queries: int | None
    seed: int
    folder: Path | str | None
    progress: Progress | None
    workers: Workers | None
    layers: tuple[str, ...] = ()
    depths: tuple[float, ...] = ()
    told: list[str] = field(default_factory=list)

    @cached_property
    def samples(self) -> Samples:
        """All partitions one behind the other: one forward pass."""
        texts = [str(item) for part in self.parts for item in part.items]
        ids = [name for part in self.parts for name in part.ids]
        return read_samples({"id": ids, "text": texts}, max_samples="all")

    @cached_property
    def finished(self) -> dict[tuple[str, int], dict[str, Any]]:
        """Lines of earlier calls, by corpus and partition."""
        lines = [] if self.file is None else self.file.read()
        return {(line["corpus"], line["partition"]): line for line in lines}

    @cached_property
    def file(self) -> FinishedLines | None:
        """Where finished partitions are kept."""
        if self.folder is None:
            return None
        named = {n: self.options[n] for n in ("revision", "tokenizer") if n in self.options}
        plain = {n: v for n, v in self.options.items() if n not in _LOADING}
        parts = (self.k, self.queries, self.seed, len(self.parts))
        content = (
            settings(**plain).content,
            str(self.options.get("dtype")),
            self.samples.fingerprint,
        )
        key = content_key(
            "partitions", _SCHEMA, identify(self.model, **named).identity, *content, *parts
        )
        return FinishedLines(Path(self.folder) / FILE, key)

    def measured(self, corpus: Corpus) -> list[PartitionCurves]:
        """Measure the partitions of a corpus that are not finished."""
        names = [(corpus, at) for at in range(len(self.parts))]
        left = [at for _, at in names if (corpus, at) not in self.finished]
        if left:
            hidden = self._states(corpus)
            job = self._job(hidden)
            if self.workers is not None:
                measure_by(self.workers, job, left, partial(self._tell, corpus))
            for at in left:
                self._keep((corpus, at), hidden, job.measured(hidden, at))
                self._tell(corpus, at + 1, len(names))
            job.forget()
        lines = [self.finished[name] for name in names]
        self.layers, self.depths = tuple(lines[0]["layers"]), tuple(lines[0]["depths"])
        self.told += lines[0]["warnings"]
        return [_curves(line) for line in lines]

    def _tell(self, corpus: Corpus, done: int, total: int) -> None:
        if self.progress is not None:
            self.progress(done, total, f"partitions measured, {corpus}")

    def _job(self, hidden: HiddenStates) -> PartitionJob:
        store = None if self.folder is None else hidden.store
        place = None if store is None else store.folder
        sizes = (len(self.parts[0]), self.k, self.queries, self.seed)
        return PartitionJob(place, hidden.key, *sizes)

    def _keep(self, name: tuple[str, int], hidden: HiddenStates, found: PartitionCurves) -> None:
        line = {"corpus": name[0], "partition": name[1], "layers": list(hidden.layers)}
        line |= {"depths": [layer.depth for layer in hidden.names]}
        line |= {"warnings": list(hidden.warnings), **asdict(found)}
        self.finished[name] = line
        if self.file is not None:
            self.file.add(line)

    def _states(self, corpus: Corpus) -> HiddenStates:
        store = None if self.folder is None else Store(Path(self.folder) / corpus / STATES)
        watched: dict[str, Any] = {"progress": self.progress, "ready": partial(check_states, 1)}
        with self._fed(corpus) as (model, samples, used):
            if self.workers is not None and corpus != "untrained":
                place = Path(str(self.folder)) / corpus
                extract_by(self.workers, model, samples, place, progress=self.progress, **used)
            hidden = extract(model, samples, store=store, **watched, **used)
        if hidden.n != len(self.samples):
            raise InputError(
                f"{len(self.samples)} sequences gave {hidden.n} rows; partitions need one row of "
                "every sequence: leave out long='skip' and pool='token'."
            )
        return hidden

    @contextmanager
    def _fed(self, corpus: Corpus) -> Iterator[tuple[Any, Samples, Mapping[str, Any]]]:
        """Yield what runs on what: another text, or another network."""
        if corpus == "untrained":
            with null_inputs("untrained", self.model, self.samples, self.options, self.seed) as fed:
                yield fed.model, fed.samples, fed.options
        elif corpus == "shuffled":
            texts = tuple(shuffled_words(str(item), self.seed) for item in self.samples.items)
            yield self.model, replace(self.samples, items=texts), self.options
        else:
            yield self.model, self.samples, self.options


def _curves(line: Mapping[str, Any]) -> PartitionCurves:
    outside = ("corpus", "partition", "layers", "depths", "warnings")
    kept = {name: _frozen(value) for name, value in line.items() if name not in outside}
    return PartitionCurves(**kept)


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, (list, tuple)) else value
