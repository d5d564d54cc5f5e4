"""The shallowest layer whose loss of retrieval stays within a limit, as far as the queries show.

Layers are tried from the deepest to the shallowest, each at the full level, and the first that is
not shown to stay within the limit ends the search. So the chance that a layer is named whose loss
exceeds the limit is at most 1 - confidence over all layers together, without a penalty for their
number: such a layer can only be named if the deepest of them passes, by chance (fixed-sequence
testing; Westfall and Krishen 2001). Taking the shallowest layer that passes by itself would not
have this bound, as every layer were another chance to err.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from layergeom.errors import InputError
from layergeom.states.hidden import block_number
from layergeom.tasks.retrieval_result import Losses, RetrievalEvaluation

METRIC = "ndcg@10"


@dataclass(frozen=True)
class TriedLayer:
    """One layer before the limit.

    Attributes
    ----------
    layer : str
        Its key.
    loss, error, bound : float
        What it loses against the full model, the standard error, and the one-sided bound; nan
        where they are not known.
    within : bool
        Whether the bound is within the limit.
    """

    layer: str
    loss: float
    error: float
    bound: float
    within: bool

    def words(self, metric: str) -> str:
        """Return the loss and its bound in words; a loss below 0 is a gain.

        Examples
        --------
        >>> TriedLayer("block_3", -0.1833, 0.02, 0.004, True).words("ndcg@10")
        'gains 0.1833 ± 0.0200 of ndcg@10, loses at most 0.0040'
        """
        if self.loss >= 0:
            return f"loses {self.loss:.4f} ± {self.error:.4f} of {metric}, at most {self.bound:.4f}"
        bound = "loses at most" if self.bound >= 0 else "at least"
        gain = f"gains {-self.loss:.4f} ± {self.error:.4f} of {metric}"
        return f"{gain}, {bound} {abs(self.bound):.4f}"


@dataclass(frozen=True)
class LayerWithinLimit:
    """The layer to cut behind, or that there is none.

    Attributes
    ----------
    layer : str or None
        The shallowest layer that passes with all deeper ones; None if there is none.
    metric : str
        Of the loss.
    limit : float
        The largest loss that is allowed, in points of the score.
    confidence : float
        Of the bounds, and of the answer as a whole.
    reference : str
        The full model's output, which losses are against.
    blocks : (int, int), or None
        Blocks of the shorter model and of the full one; None where there is no layer, or of
        stored arrays.
    tried : tuple of TriedLayer
        From the deepest to the shallowest, beyond the end of the search too.
    queries : int
        What the bounds rest on.
    truth : str
        What counts as relevant.
    """

    layer: str | None
    metric: str
    limit: float
    confidence: float
    reference: str
    blocks: tuple[int, int] | None
    tried: tuple[TriedLayer, ...]
    queries: int
    truth: str

    @property
    def alone(self) -> tuple[str, ...]:
        """Layers behind the end of the search that are within the limit by themselves."""
        passed = [x.within for x in self.tried]
        end = passed.index(False) if False in passed else len(passed)
        return tuple(x.layer for x in self.tried[end:] if x.within)

    def lines(self) -> list[str]:
        """Return the answer in sentences."""
        rests = (
            f"On {self.queries:,} queries, relevant by {self.truth}; {self.metric} against "
            f"{self.reference}."
        )
        return [*(self._none() if self.layer is None else self._found()), *self._alone(), rests]

    def _found(self) -> list[str]:
        found = next(x for x in self.tried if x.layer == self.layer)
        kept = "" if self.blocks is None else f", {self.blocks[0]} of {self.blocks[1]} blocks"
        lost = (
            f"{self.layer}{kept}: {found.words(self.metric)} with {100 * self.confidence:g} % "
            f"confidence (limit {self.limit:g})."
        )
        deeper = f"{self.layer} and all layers behind it stay within the limit; the confidence is "
        return [lost, f"{deeper}that of the whole search."]

    def _none(self) -> list[str]:
        lines = [f"No shorter model is shown to lose at most {self.limit:g} of {self.metric}."]
        if not self.tried:
            return lines
        least = self.tried[0]
        if not np.isfinite(least.bound):
            return [*lines, f"The loss of {least.layer} is not bounded by these queries."]
        close = least.loss <= self.limit
        rest = "more queries may narrow it" if close else "the loss itself exceeds the limit"
        bound = (
            f"The deepest, {least.layer}, {least.words(self.metric)} with "
            f"{100 * self.confidence:g} % confidence: allow that much, or keep the full model "
            f"({rest})."
        )
        return [*lines, bound]

    def _alone(self) -> list[str]:
        if not self.alone:
            return []
        alone = (
            f"By itself {', '.join(self.alone)} is within it, but a deeper layer is not; as one of "
            "several it may be so by chance. Score it on other queries."
        )
        return [alone]


def layer_within_limit(
    found: RetrievalEvaluation, limit: float, metric: str = METRIC
) -> LayerWithinLimit:
    """Return the shallowest layer whose loss against the full model stays within a limit.

    Parameters
    ----------
    found : RetrievalEvaluation
        What was measured.
    limit : float
        The largest loss that is allowed, in points of the score: 0.01 of an nDCG of 0.60 leaves
        0.59.
    metric : str
        Of the loss. Choose it, and the limit, before you look at the losses.

    Returns
    -------
    LayerWithinLimit

    Raises
    ------
    InputError
        If the score was not measured, or the limit is no number from 0 on.

    Notes
    -----
    A layer's bound is the one-sided bound of the paired studentised bootstrap over queries
    (:func:`layergeom.geometry.paired_bootstrap.mean_bounds`). A layer whose loss has no bound, as
    where all queries score the same, never passes.

    When it misleads: the queries must be drawn like those that will be asked, and the layer was
    chosen on them; a second set of queries says what it loses.
    """
    score = found.score(metric)
    if not 0 <= limit < np.inf:
        raise InputError(f"max_loss must be a number from 0 on but is {limit!r}.")
    tried = tuple(_tried(score.loss, at, found, limit) for at in shorter(found))
    passed = [x.within for x in tried]
    end = passed.index(False) if False in passed else len(passed)
    layer = tried[end - 1].layer if end else None
    return LayerWithinLimit(
        layer=layer,
        metric=metric,
        limit=limit,
        confidence=found.confidence,
        reference=found.reference,
        blocks=None if layer is None else _blocks(found, layer),
        tried=tried,
        queries=len(found.queries),
        truth=found.truth,
    )


def shorter(found: RetrievalEvaluation) -> list[int]:
    """Return the numbers of the layers that a model can be cut behind, the deepest first.

    Neither the embedding nor the last block, behind which there is nothing to cut; of arrays with
    names of their own all before the last.
    """
    depths = [
        block_number(key) or 0 if blocks is None else blocks
        for key, blocks in zip(found.layers, found.blocks, strict=True)
    ]
    named = [
        blocks is not None or key == "embedding" or block_number(key) is not None
        for key, blocks in zip(found.layers, found.blocks, strict=True)
    ]
    whole = max(depths)
    kept = [at for at in range(len(found.layers) - 1) if not named[at] or 0 < depths[at] < whole]
    return kept[::-1]


def _tried(losses: Losses, at: int, found: RetrievalEvaluation, limit: float) -> TriedLayer:
    bound = float(losses.bounds[at])
    return TriedLayer(
        found.layers[at],
        float(losses.values[at]),
        float(losses.errors[at]),
        bound,
        bound <= limit,
    )


def _blocks(found: RetrievalEvaluation, layer: str) -> tuple[int, int] | None:
    kept, whole = found.blocks[found.layers.index(layer)], found.blocks[-1]
    return None if kept is None or whole is None else (kept, whole)
