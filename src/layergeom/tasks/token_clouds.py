"""One cloud of tokens per sequence: its dimension at every layer, and its loss beside it."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from scipy.stats import rankdata

from layergeom import geometry
from layergeom.arrays import Float32Array, FloatArray, count
from layergeom.errors import DegenerateError, GeometryWarning, InputError
from layergeom.geometry.matrix_entropy import matrix_entropy
from layergeom.measure import Progress
from layergeom.states.content import content_key
from layergeom.states.feeds import Feed, feeds
from layergeom.states.heads import read_causal
from layergeom.states.inputs import Samples, read_samples
from layergeom.states.models import load
from layergeom.states.settings import Extraction
from layergeom.states.sources import identify
from layergeom.states.token_stream import token_stream

FILE = "clouds.jsonl"
QUANTITIES = ("dimension", "dimension_error", "anisotropy", "prompt_entropy")
LEAST = 16  # tokens of a cloud; fewer have no dimension worth the name
RESAMPLES = 1_000
_SCHEMA = 2


@dataclass(frozen=True)
class Cloud:
    """The tokens of one sequence, seen at every layer.

    Attributes
    ----------
    id : str
        Of the sequence.
    tokens : int
        Points of the cloud: tokens that count.
    loss : float
        Mean cross-entropy of the next token in nats; nan where the model predicts none.
    dimension, dimension_error, anisotropy : tuple of float
        By layer: Gride at ranks n1 and 2 n1 (TwoNN at n1 = 1) with its error, and the share of the
        variance along the first direction. nan where the cloud is too small or degenerate.
    prompt_entropy : tuple of float
        By layer: the matrix-based entropy of the tokens in nats, at most the logarithm of their
        number (see :func:`layergeom.geometry.matrix_entropy.matrix_entropy`).
    """

    id: str
    tokens: int
    loss: float
    dimension: tuple[float, ...]
    dimension_error: tuple[float, ...]
    anisotropy: tuple[float, ...]
    prompt_entropy: tuple[float, ...]


@dataclass(frozen=True)
class Association:
    """Rank correlation of a cloud's quantity with its loss, over sequences.

    Attributes
    ----------
    layer : str
        Where.
    value, low, high : float
        Spearman's correlation, nan below four sequences, and a 95 % interval from resampled
        sequences, nan below ten.
    sequences : int
        Those that have both.
    """

    layer: str
    value: float
    low: float
    high: float
    sequences: int


@dataclass(frozen=True)
class TokenClouds:
    """Clouds of all sequences in the data's order.

    Attributes
    ----------
    layers : tuple of str
        Keys from the input to the output.
    clouds : tuple of Cloud
        One per sequence.
    warnings : tuple of str
        What was cut, left out or could not be measured.
    """

    layers: tuple[str, ...]
    clouds: tuple[Cloud, ...]
    warnings: tuple[str, ...]

    def association(
        self,
        quantity: Literal["dimension", "anisotropy", "prompt_entropy"] = "dimension",
        seed: int = 0,
    ) -> tuple[Association, ...]:
        """Return, by layer, how a quantity goes with the loss from sequence to sequence.

        Notes
        -----
        A correlation, not a cause: length, repetition and topic move both. Source: Viswanathan et
        al. 2025 (arXiv 2501.10573), who find higher dimension with higher loss.
        """
        loss = np.array([cloud.loss for cloud in self.clouds])
        table = np.array([getattr(cloud, quantity) for cloud in self.clouds])  # (S, L)
        rng = np.random.default_rng(seed)
        return tuple(
            _association(layer, column, loss, rng)
            for layer, column in zip(self.layers, table.T, strict=True)
        )

    def to_frame(self) -> Any:
        """Return a pandas data frame with one row per sequence and layer."""
        import pandas as pd

        return pd.DataFrame(
            [
                {"id": cloud.id, "tokens": cloud.tokens, "loss": cloud.loss, "layer": layer}
                | {name: getattr(cloud, name)[at] for name in QUANTITIES}
                for cloud in self.clouds
                for at, layer in enumerate(self.layers)
            ]
        )


def token_clouds(
    model: Any,
    data: Any,
    *,
    rank: int = 1,
    text_column: Any = None,
    max_samples: int | Literal["all"] | None = None,
    seed: int = 0,
    revision: str | None = None,
    tokenizer: Any = None,
    dtype: str = "float32",
    device: str = "auto",
    folder: Path | str | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> TokenClouds:
    """Measure the cloud of each sequence's tokens at every layer, with the sequence's loss.

    Parameters
    ----------
    model : str, Path or module
        Of a causal language model the head is loaded too and gives the loss.
    data, text_column, max_samples, seed
        As for :func:`layergeom.profile`.
    rank : int
        n1 of Gride: 1 is TwoNN; larger ranks look at larger distances.
    revision, tokenizer, dtype, device
        As for :func:`layergeom.extract`.
    folder : path, optional
        Every finished sequence is kept in ``clouds.jsonl`` there; the same call goes on behind the
        last one.
    progress : callable(done, total, what), optional
        Called after each sequence.
    **options
        ``max_length``, ``long`` ("truncate", "skip" or "error"), ``special_tokens``,
        ``max_unknown``.

    Returns
    -------
    TokenClouds

    Raises
    ------
    InputError
        For bad input, or a ``folder`` that holds the clouds of another call.

    Notes
    -----
    Cost: one forward pass per sequence and one neighbour search among its T tokens per layer; one
    layer of one sequence is in memory. Tokens of one sequence are no independent samples: the
    error is that of the cloud as it is, not of the text it is from.

    When it misleads: repeated tokens are one point at the embedding and near twins behind the first
    blocks, so that TwoNN reads 2 where larger ranks read more; compare several ranks.
    """
    count(rank, "rank", 1)
    samples = read_samples(data, text_column=text_column, max_samples=max_samples, seed=seed)
    told: list[str] = []
    source = identify(model, revision=revision, tokenizer=tokenizer)
    head = read_causal(source, dtype, told)
    if head is None and not told:
        told.append(f"{source.name} predicts no next token, so sequences have no loss.")
    loaded = load(
        model if head is None else head,
        revision=revision if head is None else None,
        dtype=dtype if head is None else None,
        device=device if head is None else "auto",
        tokenizer=_tokenizer(model, tokenizer, samples),
    )
    settings = Extraction(pool="token", max_tokens=None, device=device, dtype=dtype, **options)
    feed = feeds(loaded, samples, [settings])[0]
    key = content_key(
        "clouds", _SCHEMA, source.identity, samples.fingerprint, settings.content, rank
    )
    journal = None if folder is None else _Journal(Path(folder) / FILE, key)
    found = {} if journal is None else journal.read()
    for at, cloud in _measured(feed, samples, head, rank, frozenset(found)):
        found[at] = cloud
        if journal is not None:
            journal.add(at, cloud)
        if progress is not None:
            progress(len(found), len(feed.sequences.ids), "sequences measured")
    clouds = tuple(found[at] for at in sorted(found))
    lines = (*samples.notes, *loaded.warnings, *told, *feed.warnings, *_unmeasured(clouds))
    return TokenClouds(tuple(name.key for name in feed.plan.names), clouds, lines)


def _tokenizer(model: Any, given: Any, samples: Samples) -> Any:
    own = given is None and isinstance(model, (str, Path)) and samples.kind == "text"
    return model if own else given


def _measured(
    feed: Feed, samples: Samples, head: Any, rank: int, done: frozenset[int]
) -> Iterator[tuple[int, Cloud]]:
    places = {name.key: at for at, name in enumerate(feed.plan.names)}
    by_layer: dict[int, tuple[float, ...]] = {}

    def receive(layer: str, states: Float32Array) -> None:
        by_layer[places[layer]] = (*_geometry(states, rank), _entropy(states))

    for passed in token_stream(feed, receive, head, done):
        layers = [by_layer[at] for at in range(len(places))]
        by_layer.clear()
        name = samples.ids[feed.sequences.rows[passed.sequence]]
        columns = (tuple(column) for column in zip(*layers, strict=True))
        yield passed.sequence, Cloud(name, passed.tokens, passed.loss, *columns)


def _geometry(states: Float32Array, rank: int) -> tuple[float, float, float]:
    """Dimension, its error, and anisotropy of one cloud; nan where there is none."""
    nothing = (float("nan"),) * 3
    if len(states) < max(LEAST, 2 * rank + 1) or not np.isfinite(states).all():
        return nothing
    with warnings.catch_warnings():
        # repeated tokens are equal at the embedding, in every sequence: `distinct` is not news
        warnings.simplefilter("ignore", GeometryWarning)
        try:
            estimate = geometry.gride(geometry.neighbor_graph(states, 2 * rank), rank)
            return estimate.value, estimate.error, geometry.anisotropy(states).value
        except DegenerateError:
            return nothing


def _entropy(states: Float32Array) -> float:
    """Entropy of the tokens of one sequence, which takes repeated tokens as they are."""
    if len(states) < 2 or not np.isfinite(states).all():
        return float("nan")
    try:
        return matrix_entropy(states, errors=False).value
    except DegenerateError:  # all tokens are equal
        return float("nan")


def _unmeasured(clouds: Sequence[Cloud]) -> list[str]:
    bad = [cloud.id for cloud in clouds if not np.isfinite(cloud.dimension).all()]
    if not bad:
        return []
    shown = ", ".join(bad[:3]) + (" …" if len(bad) > 3 else "")
    line = f"{len(bad)} of {len(clouds)} sequences have no dimension at some layer (fewer than "
    return [f"{line}{LEAST} tokens, or too few that differ): {shown}."]


def _association(
    layer: str, values: FloatArray, loss: FloatArray, rng: np.random.Generator
) -> Association:
    both = np.isfinite(values) & np.isfinite(loss)
    values, loss = values[both], loss[both]
    n = len(values)
    if n < 4 or np.ptp(values) == 0 or np.ptp(loss) == 0:
        return Association(layer, np.nan, np.nan, np.nan, n)
    picks = np.vstack([np.arange(n), rng.integers(0, n, (RESAMPLES, n))])
    drawn = _rank_correlations(values[picks], loss[picks])
    low, high = (np.nan, np.nan) if n < 10 else np.nanquantile(drawn[1:], (0.025, 0.975))
    return Association(layer, float(drawn[0]), float(low), float(high), n)


def _rank_correlations(a: FloatArray, b: FloatArray) -> FloatArray:
    """Spearman's correlation of every row of two (m, n) arrays; nan where a row is constant."""
    a, b = (rankdata(x, axis=1) - (x.shape[1] + 1) / 2 for x in (a, b))
    with np.errstate(invalid="ignore"):
        found: FloatArray = (a * b).sum(axis=1) / np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    return found


class _Journal:
    """Finished sequences, one line each behind a line that says of which call they are."""

    def __init__(self, path: Path, key: str) -> None:
        self._path = path
        self._key = key

    def read(self) -> dict[int, Cloud]:
        """Return what is finished; a line that was cut off in writing is dropped."""
        if not self._path.is_file():
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.write_text(json.dumps({"key": self._key}) + "\n", encoding="utf-8")
            return {}
        lines = self._path.read_text(encoding="utf-8").split("\n")
        if json.loads(lines[0])["key"] != self._key:
            raise InputError(
                f"{self._path} holds clouds of another model, data or settings; choose another "
                "folder or remove the file."
            )
        whole = lines[1:-1]  # what stands behind the last line end is unfinished
        if lines[-1]:
            self._path.write_text("\n".join([lines[0], *whole]) + "\n", encoding="utf-8")
        return dict(_cloud(line) for line in whole)

    def add(self, at: int, cloud: Cloud) -> None:
        """Write one more, through to the disk."""
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"at": at, **asdict(cloud)}) + "\n")


def _cloud(line: str) -> tuple[int, Cloud]:
    content = json.loads(line)
    at = content.pop("at")
    values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in content.items()}
    return at, Cloud(**values)
