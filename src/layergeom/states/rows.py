"""How the tokens of a batch become rows of a layer: pooled, single, or put together of windows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from layergeom.arrays import Float32Array, IntArray
from layergeom.states.batches import Batch
from layergeom.states.plans import Layer, Plan
from layergeom.states.pooling import pool, token_norms, widen
from layergeom.states.sequences import Sequences

if TYPE_CHECKING:
    import torch

Arrays = Mapping[str, Any]  # "states" (n, D) and "token_norms" (n, 2) of one layer, writable


class Tokens:
    """Token states of one layer of one batch, widened, zero where a token does not count."""

    def __init__(self, states: torch.Tensor, mask: torch.Tensor, hidden: torch.Tensor | None):
        self.states = widen(states, hidden)
        self.mask = mask

    @cached_property
    def norms(self) -> torch.Tensor:
        """Mean and maximum L2 norm of the tokens that count, shape (batch, 2)."""
        return token_norms(self.states, self.mask)


@dataclass(eq=False)
class Outcome:
    """What the pass found out, besides the states themselves.

    Parameters
    ----------
    norms : dict of str to float32 array, shape (n, 2)
        Mean and maximum token norm by layer.
    broken : dict of str to set of int
        Rows that are not finite, by layer.
    broken_sequence : int or None
        One of the sequences that gave such a row.
    split : int
        Batches that were halved because the memory of the device did not suffice.
    """

    norms: dict[str, Float32Array] = field(default_factory=dict)
    broken: dict[str, set[int]] = field(default_factory=dict)
    broken_sequence: int | None = None
    split: int = 0

    @property
    def facts(self) -> dict[str, Any]:
        """What a journal keeps of it: all but the norms, as plain JSON."""
        broken = {layer: sorted(rows) for layer, rows in self.broken.items()}
        return {"broken": broken, "broken_sequence": self.broken_sequence, "split": self.split}

    def add(self, facts: Mapping[str, Any]) -> None:
        """Add what was kept of a part."""
        for layer, rows in facts["broken"].items():
            self.broken.setdefault(layer, set()).update(rows)
        if self.broken_sequence is None:
            self.broken_sequence = facts["broken_sequence"]
        self.split += facts["split"]

    def note(self, layer: str, states: Float32Array, rows: IntArray, sequences: IntArray) -> None:
        """Remember the rows that are not finite."""
        if np.isfinite(states.sum()):
            return
        bad = np.flatnonzero(~np.isfinite(states).all(axis=1))
        if len(bad):
            self.broken.setdefault(layer, set()).update(rows[bad].tolist())
            if self.broken_sequence is None:
                self.broken_sequence = int(sequences[bad[0]])


class Rows(Protocol):
    """Makes the rows of one view of what comes by, batch after batch."""

    outcome: Outcome

    def begin(self, batch: Batch) -> None:
        """Make ready for another batch."""

    def take(self, layer: Layer, tokens: Tokens) -> None:
        """Take what is wanted of one layer's states."""

    def end(self) -> None:
        """Write what is left of the batch."""


class PooledRows:
    """One row per sequence; waits for the accelerator once per batch.

    Parameters
    ----------
    plan : Plan
        How tokens are pooled.
    sequences : Sequences
        What is fed.
    arrays : mapping of str to arrays
        By layer, what is written to.
    lines : int64 array, shape (n,)
        The line of the arrays that each row is written to.
    """

    def __init__(
        self, plan: Plan, sequences: Sequences, arrays: Mapping[str, Arrays], lines: IntArray
    ) -> None:
        self.outcome = Outcome()
        self._plan = plan
        self._places = sequences.places
        self._arrays = arrays
        self._lines = lines
        self._held: dict[str, tuple[torch.Tensor, torch.Tensor]] = {}

    def begin(self, batch: Batch) -> None:
        """Another batch is fed."""
        self._batch = batch
        self._held = {}

    def take(self, layer: Layer, tokens: Tokens) -> None:
        """Pool one layer."""
        pooled = pool(tokens.states, tokens.mask, self._plan.modes)
        if layer.head:
            pooled = self._plan.finish(pooled.cpu().float())
        self._held[layer.name.key] = (pooled, tokens.norms)

    def end(self) -> None:
        """Write all layers of the batch."""
        sequences = self._batch.rows
        rows = self._places[sequences]
        for key, held in self._held.items():
            states, norms = (_numpy(tensor) for tensor in held)
            self.outcome.note(key, states, rows, sequences)
            self._put(self._arrays[key], sequences, states, norms)

    def _put(
        self, arrays: Arrays, sequences: IntArray, states: Float32Array, norms: Float32Array
    ) -> None:
        lines = self._lines[self._places[sequences]]
        arrays["states"][lines] = states
        arrays["token_norms"][lines] = norms


class WindowRows(PooledRows):
    """One row per sample: the mean of its windows' means, weighted by the tokens that count.

    So every token counts as often as it is in a window.
    """

    def __init__(
        self, plan: Plan, sequences: Sequences, arrays: Mapping[str, Arrays], lines: IntArray
    ) -> None:
        super().__init__(plan, sequences, arrays, lines)
        tokens = np.array([mask.sum() for mask in sequences.counted], dtype=np.float64)
        whole = np.bincount(self._places, weights=tokens)
        self._weights = (tokens / whole[self._places]).astype(np.float32)[:, None]

    def _put(
        self, arrays: Arrays, sequences: IntArray, states: Float32Array, norms: Float32Array
    ) -> None:
        lines, weights = self._lines[self._places[sequences]], self._weights[sequences]
        with np.errstate(invalid="ignore"):  # what is not finite is noted, and stays so
            np.add.at(arrays["states"], lines, weights * states)
            np.add.at(arrays["token_norms"][:, 0], lines, weights[:, 0] * norms[:, 0])
            np.maximum.at(arrays["token_norms"][:, 1], lines, norms[:, 1])


@dataclass(frozen=True, eq=False)
class Chosen:
    """The tokens that become rows, in the order of the data.

    Parameters
    ----------
    sequences, positions : int64 array, shape (n,)
        Which sequence, and where in it as it is fed, special tokens included.
    of : int
        Tokens to choose from.
    """

    sequences: IntArray
    positions: IntArray
    of: int


class TokenRows:
    """One row per chosen token; hands each layer on at once, as there are many.

    Parameters
    ----------
    chosen : Chosen
        The tokens.
    arrays : mapping of str to arrays
        By layer, what is written to.
    lines : int64 array, shape (n,)
        The line of the arrays that each row is written to.
    """

    def __init__(self, chosen: Chosen, arrays: Mapping[str, Arrays], lines: IntArray) -> None:
        self.outcome = Outcome()
        self._chosen = chosen
        self._arrays = arrays
        self._lines = lines

    def begin(self, batch: Batch) -> None:
        """Look up which of the batch's tokens are wanted."""
        first, end = (
            np.searchsorted(self._chosen.sequences, batch.rows, side=side)
            for side in ("left", "right")
        )
        spans = [np.arange(a, b) for a, b in zip(first, end, strict=True)]
        self._rows = np.concatenate(spans)
        self._holders = np.repeat(np.arange(len(batch.rows)), end - first)

    def take(self, layer: Layer, tokens: Tokens) -> None:
        """Write the chosen tokens of one layer."""
        import torch

        if not len(self._rows):
            return
        device = tokens.states.device
        where = (self._holders, self._chosen.positions[self._rows])
        holders, positions = (torch.from_numpy(index).to(device) for index in where)
        states = tokens.states[holders, positions]
        norms = torch.linalg.vector_norm(states, dim=-1)
        arrays, found = self._arrays[layer.name.key], _numpy(states)
        self.outcome.note(layer.name.key, found, self._rows, self._chosen.sequences[self._rows])
        lines = self._lines[self._rows]
        arrays["states"][lines] = found
        arrays["token_norms"][lines] = _numpy(norms)[:, None]

    def end(self) -> None:
        """Nothing is left to write."""


def _numpy(tensor: torch.Tensor) -> Float32Array:
    array: Float32Array = tensor.float().cpu().numpy()
    return array
