"""How well every layer retrieves, and what it loses against the full model: the result."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from layergeom.arrays import FloatArray
from layergeom.errors import InputError, StoreError
from layergeom.profiles import plain
from layergeom.states import durable

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = 1
FILE = "retrieval.json"


@dataclass(frozen=True, eq=False)
class Losses:
    """What each layer loses against one of them, on the same queries.

    Attributes
    ----------
    against : str
        That layer.
    values, errors : ndarray, shape (L,)
        Its score less the layer's, in points of the score (0.01 is one of a hundred), negative
        where the layer is better; and the standard error of this paired difference, nan where all
        queries agree (of the layer itself, too).
    low, high : ndarray, shape (L,)
        Two-sided interval of the paired bootstrap.
    bounds : ndarray, shape (L,)
        One-sided upper bound; inf where the queries do not bound it.
    """

    against: str
    values: FloatArray
    errors: FloatArray
    low: FloatArray
    high: FloatArray
    bounds: FloatArray


@dataclass(frozen=True, eq=False)
class RetrievalScore:
    """One score over the layers.

    Attributes
    ----------
    name : str
        ``ndcg@10``, ``mrr@10``, ``recall@100``, ``precision@10`` and their like.
    values, errors : ndarray, shape (L,)
        Mean over the queries, in [0, 1], and its standard error; nan where a layer has no score,
        or all queries agree.
    low, high : ndarray, shape (L,)
        Two-sided interval of the bootstrap over the queries.
    per_query : ndarray, shape (L, q)
        The score of each query.
    loss, loss_to_best : Losses
        Against the full model, and against the best layer, which is picked on the same queries, so
        that its losses are too large on average.
    """

    name: str
    values: FloatArray
    errors: FloatArray
    low: FloatArray
    high: FloatArray
    per_query: FloatArray
    loss: Losses
    loss_to_best: Losses


@dataclass(frozen=True, eq=False)
class RetrievalEvaluation:
    """Retrieval by every layer of one model.

    Attributes
    ----------
    layers : tuple of str
        From the input to the output; the last is the model's own output, which losses are against.
    blocks : tuple of int or None
        Blocks that a truncated model needs for each layer; None of stored arrays.
    scores : mapping of str to RetrievalScore
        By name.
    queries : tuple of q str
        Ids of the queries that are scored.
    ties : tuple of int
        By layer, queries whose list has documents of one cosine that are judged differently.
    truth : str
        What counts as relevant, in words.
    counts : mapping of str to int
        Queries, documents, judged pairs, and what was left out or missing.
    warnings : tuple of str
        What was assumed, left out or not defined.
    provenance : mapping
        States of both sides, prompts, settings, versions.
    """

    layers: tuple[str, ...]
    blocks: tuple[int | None, ...]
    scores: Mapping[str, RetrievalScore]
    queries: tuple[str, ...]
    ties: tuple[int, ...]
    truth: str
    counts: Mapping[str, int]
    warnings: tuple[str, ...]
    provenance: Mapping[str, Any]

    @property
    def reference(self) -> str:
        """The full model's own output."""
        return self.layers[-1]

    @property
    def confidence(self) -> float:
        """Of all intervals and bounds."""
        return float(self.provenance["settings"]["confidence"])

    def score(self, name: str) -> RetrievalScore:
        """Return one score; InputError lists those that there are."""
        if name not in self.scores:
            raise InputError(
                f"There is no score {name!r}; there are {', '.join(self.scores)} (evaluate again "
                f"with it among the metrics)."
            )
        return self.scores[name]

    def rows(self) -> list[dict[str, Any]]:
        """Return one dict per layer: each score with ``_error``, ``_loss`` and ``_loss_bound``."""
        columns = [
            (f"{name}{suffix}", values)
            for name, score in self.scores.items()
            for suffix, values in (
                ("", score.values),
                ("_error", score.errors),
                ("_low", score.low),
                ("_high", score.high),
                ("_loss", score.loss.values),
                ("_loss_error", score.loss.errors),
                ("_loss_bound", score.loss.bounds),
            )
        ]
        return [
            {"layer": layer} | {name: float(values[at]) for name, values in columns}
            for at, layer in enumerate(self.layers)
        ]

    def to_frame(self) -> pd.DataFrame:
        """Return the table of :meth:`rows` as a pandas DataFrame indexed by layer."""
        import pandas as pd

        return pd.DataFrame(self.rows()).set_index("layer")

    def facts(self) -> dict[str, Any]:
        """Return all but the single queries for JSON; null is not known, or no bound."""
        found = {
            "layers": self.rows(),
            "reference": self.reference,
            "best": {name: score.loss_to_best.against for name, score in self.scores.items()},
            "truth": self.truth,
            "counts": dict(self.counts),
            "ties": list(self.ties),
            "warnings": list(self.warnings),
            "provenance": dict(self.provenance),
        }
        return {name: plain(value) for name, value in found.items()}

    def save(self, folder: Path | str) -> Path:
        """Write ``retrieval.json``, the scores of single queries included.

        Raises
        ------
        StoreError
            If the folder cannot be written.
        """
        path = Path(folder) / FILE
        content = {"schema": SCHEMA} | {
            field.name: _plain(getattr(self, field.name)) for field in fields(self)
        }
        with durable.explained(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            durable.write(path, json.dumps(content, allow_nan=False).encode())
        return path


def load_retrieval(path: Path | str) -> RetrievalEvaluation:
    """Return what :meth:`RetrievalEvaluation.save` wrote.

    Parameters
    ----------
    path : path
        The folder, or its ``retrieval.json``.

    Raises
    ------
    InputError
        If there is none.
    StoreError
        If it is damaged, or newer than this version.
    """
    place = Path(path)
    file = place / FILE if place.is_dir() else place
    if not file.is_file():
        raise InputError(
            f"There is no {FILE} at {path}; layergeom evaluate MODEL CORPUS -o FOLDER writes it."
        )
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        if content["schema"] > SCHEMA:
            raise StoreError(
                f"{file} has schema {content['schema']}, newer than this version's {SCHEMA}; "
                "update layergeom."
            )
        return _checked(_evaluation(content))
    except StoreError:
        raise
    except (LookupError, TypeError, ValueError, OverflowError, AttributeError, RecursionError) as e:
        raise StoreError(
            f"{file} is no whole evaluation ({type(e).__name__}: {e}); evaluate again."
        ) from None


def _plain(value: Any) -> Any:
    """Return a value as JSON can hold it; an infinite bound is the text "inf"."""
    if isinstance(value, (Losses, RetrievalScore)):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, np.ndarray) and np.isinf(value).any():
        return ["inf" if x == np.inf else "-inf" if x == -np.inf else plain(x) for x in value]
    return plain(value)


def _evaluation(content: Mapping[str, Any]) -> RetrievalEvaluation:
    return RetrievalEvaluation(
        layers=tuple(content["layers"]),
        blocks=tuple(content["blocks"]),
        scores={name: _score(item) for name, item in content["scores"].items()},
        queries=tuple(content["queries"]),
        ties=tuple(content["ties"]),
        truth=content["truth"],
        counts=content["counts"],
        warnings=tuple(content["warnings"]),
        provenance=content["provenance"],
    )


def _score(content: Mapping[str, Any]) -> RetrievalScore:
    return RetrievalScore(
        name=content["name"],
        **{name: _floats(content[name]) for name in ("values", "errors", "low", "high")},
        per_query=_floats(content["per_query"]),
        loss=_losses(content["loss"]),
        loss_to_best=_losses(content["loss_to_best"]),
    )


def _losses(content: Mapping[str, Any]) -> Losses:
    names = ("values", "errors", "low", "high", "bounds")
    return Losses(content["against"], *(_floats(content[name]) for name in names))


def _floats(content: Any) -> FloatArray:
    return np.array(content, dtype=np.float64)  # None becomes nan


def _checked(found: RetrievalEvaluation) -> RetrievalEvaluation:
    """Refuse what JSON may hold and an evaluation does not."""
    size = len(found.layers)
    if len(found.blocks) != size or len(found.ties) != size or not found.scores:
        raise ValueError("layers, blocks, ties or scores are missing")
    texts = (*found.layers, *found.queries, *found.warnings, found.truth)
    if not all(isinstance(text, str) for text in texts):
        raise TypeError("layers, queries, warnings and truth are texts")
    numbers = (*found.ties, *found.counts.values(), found.counts["documents"])
    if not all(type(number) is int for number in numbers):
        raise TypeError("ties and counts are whole numbers")
    if not all(number is None or type(number) is int for number in found.blocks):
        raise TypeError("blocks are whole numbers or null")
    settings = found.provenance["settings"]
    if not (0 < settings["confidence"] < 1 and type(settings["draws"]) is int):
        raise ValueError("the settings hold no confidence or draws")
    for name, score in found.scores.items():
        _check_score(name, score, found)
    return found


def _check_score(name: str, score: RetrievalScore, found: RetrievalEvaluation) -> None:
    size = len(found.layers)
    if score.name != name or {score.loss.against, score.loss_to_best.against} - set(found.layers):
        raise ValueError(f"{name} is of no layer of these")
    lost = (score.loss, score.loss_to_best)
    unbounded = [x for y in lost for x in (y.low, y.high, y.bounds)]
    finite = [score.values, score.errors, *(x for y in lost for x in (y.values, y.errors))]
    for array in (*finite, score.low, score.high, *unbounded):
        if array.shape != (size,):
            raise ValueError(f"{name} has shape {array.shape} for {size} layers")
    if score.per_query.shape != (size, len(found.queries)):
        raise ValueError(f"{name} has queries of shape {score.per_query.shape}")
    if any(np.isinf(array).any() for array in (*finite, score.per_query)):
        raise ValueError(f"{name} has infinite values")
