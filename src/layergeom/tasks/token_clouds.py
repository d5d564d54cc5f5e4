"""One cloud of tokens per sequence: its geometry at every layer, and its loss beside it."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from layergeom.arrays import count
from layergeom.measure import Progress
from layergeom.reading.associations import Association, Kind, associations
from layergeom.reading.repeated import RepeatedCurve, Repeats
from layergeom.states.inputs import read_samples
from layergeom.states.settings import Extraction
from layergeom.tasks.cloud_networks import cloud_network
from layergeom.tasks.cloud_quantities import LEAST, QUANTITIES, Cloud
from layergeom.tasks.cloud_runs import clouds
from layergeom.workers import Workers

__all__ = ["FILE", "Association", "Cloud", "TokenClouds", "token_clouds"]

FILE = "clouds.jsonl"
Quantity = Literal["dimension", "anisotropy", "prompt_entropy", "mean_cosine", "overlap_next"]


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
        self, quantity: Quantity = "dimension", seed: int = 0, kind: Kind = "spearman"
    ) -> tuple[Association, ...]:
        """Return, by layer, how a quantity goes with the loss from sequence to sequence.

        Parameters
        ----------
        quantity : str
        seed : int
            Of the resampled sequences.
        kind : {"spearman", "pearson"}
            Rank correlation, or Pearson's of the loss with the logarithm of the quantity.

        Notes
        -----
        A correlation, not a cause: length, repetition and topic move both. Source: Viswanathan et
        al. 2025 (arXiv 2501.10573), who find higher dimension with higher loss.
        """
        loss = np.array([cloud.loss for cloud in self.clouds])
        table = np.array([getattr(cloud, quantity) for cloud in self.clouds])  # (S, L)
        if kind == "pearson":
            with np.errstate(divide="ignore", invalid="ignore"):
                table = np.log(table)
        return associations(self.layers, table, loss, kind, seed)

    def repeats(self, ids: Sequence[str] | None = None) -> Repeats:
        """Return all quantities as curves of which every sequence is a repeat.

        Parameters
        ----------
        ids : sequence of str, optional
            Of the sequences that are taken, in this order; all by default.
        """
        by_id = {cloud.id: cloud for cloud in self.clouds}
        taken = self.clouds if ids is None else [by_id[name] for name in ids]
        depth = max(1, sum(layer.startswith("block_") for layer in self.layers))
        curves = {
            name: RepeatedCurve(np.array([getattr(cloud, name) for cloud in taken]))
            for name in QUANTITIES
        }
        depths = tuple(min(at / depth, 1.0) for at in range(len(self.layers)))
        return Repeats(self.layers, depths, curves)

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
    k: int = 30,
    text_column: Any = None,
    max_samples: int | Literal["all"] | None = None,
    seed: int = 0,
    revision: str | None = None,
    tokenizer: Any = None,
    dtype: str = "float32",
    device: str = "auto",
    folder: Path | str | None = None,
    progress: Progress | None = None,
    executor: Executor | Workers | None = None,
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
    k : int
        Neighbours compared by the overlap with the next layer.
    revision, tokenizer, dtype, device
        As for :func:`layergeom.extract`.
    folder : path, optional
        Every finished sequence is kept in ``clouds.jsonl`` there; the same call goes on behind the
        last one.
    progress : callable(done, total, what), optional
        Called after each sequence, or each range of sequences of a worker.
    executor : concurrent.futures.Executor or Workers, optional
        Whose workers measure one range of sequences after the other; they read the model from its
        hub id or folder and must see ``folder``. The numbers are those of one process.
    **options
        ``max_length``, ``long`` ("truncate", "skip" or "error"), ``special_tokens``,
        ``max_unknown``.

    Returns
    -------
    TokenClouds

    Raises
    ------
    InputError
        For bad input, or a ``folder`` that holds the clouds of another call; with ``executor``
        also without a folder, or for a loaded module, which other processes do not see.
    WorkerError
        If a worker was lost for good; the same call goes on, and no finished range is made again.

    Notes
    -----
    Cost: one forward pass per sequence and one neighbour search among its T tokens per layer; one
    layer of one sequence is in memory. Tokens of one sequence are no independent samples: the
    error is that of the cloud as it is, not of the text it is from.

    When it misleads: repeated tokens are one point at the embedding and near twins behind the first
    blocks, so that TwoNN reads 2 where larger ranks read more; compare several ranks.
    """
    count(rank, "rank", 1)
    count(k, "k", 1)
    samples = read_samples(data, text_column=text_column, max_samples=max_samples, seed=seed)
    network = cloud_network(
        model, samples.kind, revision=revision, tokenizer=tokenizer, dtype=dtype, device=device
    )
    settings = Extraction(pool="token", max_tokens=None, device=device, dtype=dtype, **options)
    file = None if folder is None else Path(folder) / FILE
    workers = None if executor is None else Workers.of(executor)
    layers, found, cut = clouds(network, samples, settings, rank, k, file, progress, workers)
    lines = (*samples.notes, *network.told, *cut, *unmeasured(found))
    return TokenClouds(layers, found, lines)


def unmeasured(clouds: Sequence[Cloud]) -> list[str]:
    """Return a line that names the sequences without a dimension at some layer, if there are."""
    bad = [cloud.id for cloud in clouds if not np.isfinite(cloud.dimension).all()]
    if not bad:
        return []
    shown = ", ".join(bad[:3]) + (" …" if len(bad) > 3 else "")
    line = f"{len(bad)} of {len(clouds)} sequences have no dimension at some layer (fewer than "
    return [f"{line}{LEAST} tokens, or too few that differ): {shown}."]
