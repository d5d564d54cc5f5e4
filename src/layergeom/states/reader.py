"""Feeds a network batch by batch, and hands what comes by to the views."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from layergeom.arrays import BoolArray, IntArray
from layergeom.errors import InputError
from layergeom.states.anatomy import call, device_of
from layergeom.states.batches import Batch, padded
from layergeom.states.hooks import FirstNorms, tapped, tensor_of, untouched
from layergeom.states.models import LoadedModel
from layergeom.states.plans import Layer, Plan, Tap
from layergeom.states.rows import Rows, Tokens
from layergeom.states.sequences import Sequences

if TYPE_CHECKING:
    import torch


@contextmanager
def reading(
    plans: Sequence[Plan], sequences: Sequence[Sequences], rows: Sequence[Rows]
) -> Iterator[Reader]:
    """Listen to the network, which is left as it was.

    Parameters
    ----------
    plans, sequences, rows : sequences, one entry per view
        What each view keeps, which tokens count for it, and what takes them.
    """
    loaded = plans[0].loaded
    taken = _Stream(plans, [each.counted for each in sequences], rows)
    with (
        untouched(loaded.module),
        tapped(loaded.module, loaded.blocks, taken.residual, taken.first_norms),
    ):
        yield Reader(loaded, sequences[0], taken)


class Reader:
    """Feeds batches to the network, and halves those for which the device has no memory."""

    def __init__(self, loaded: LoadedModel, sequences: Sequences, stream: _Stream) -> None:
        self._pad = getattr(loaded.tokenizer, "pad_token_id", None) or 0
        self._network = loaded.module
        self._sequences = sequences
        self._stream = stream

    def feed(self, rows: IntArray) -> int:
        """Feed some sequences as one batch; returns how often it was halved."""
        batch = padded(self._sequences, rows, self._pad)
        try:
            self._pass(batch)
            return 0
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            if len(rows) == 1:
                raise InputError(self._too_long(batch)) from error
        _free(device_of(self._network))
        middle = len(rows) // 2
        return 1 + self.feed(rows[:middle]) + self.feed(rows[middle:])

    def _pass(self, batch: Batch) -> None:
        device = device_of(self._network)
        self._stream.begin(batch)
        with suppress(_EnoughError):
            output = call(self._network, batch.ids.to(device), batch.attention.to(device))
            self._stream.output(tensor_of(output, type(self._network).__name__))
        self._stream.end()

    def _too_long(self, batch: Batch) -> str:
        row = self._sequences.rows[int(batch.rows[0])]
        return (
            f"row {row} with {int(batch.attention.sum())} tokens does not fit the memory of "
            f"{device_of(self._network)}, alone in its batch; give a smaller max_length, a half "
            "precision dtype or another device."
        )


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether a device, or the machine, has run out of memory."""
    import torch

    kinds = (MemoryError, torch.cuda.OutOfMemoryError)
    words = ("out of memory", "can't allocate memory", "not enough memory")
    said = isinstance(error, RuntimeError) and any(word in str(error) for word in words)
    return isinstance(error, kinds) or said


def _free(device: torch.device) -> None:
    """Give back what the device's allocator keeps for later."""
    import torch

    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()


class _EnoughError(Exception):
    """Ends a forward pass behind the last layer that is needed."""


class _Stream:
    """Hands what comes by in a forward pass to the views; keeps no token states."""

    def __init__(
        self,
        plans: Sequence[Plan],
        counted: Sequence[Sequence[BoolArray]],
        rows: Sequence[Rows],
    ) -> None:
        self._blocks = plans[0].blocks
        self._loaded = plans[0].loaded
        self._rows = rows
        self._takers: dict[Tap, list[tuple[int, Layer]]] = {}
        for number, plan in enumerate(plans):
            for layer in plan.layers:
                self._takers.setdefault(layer.tap, []).append((number, layer))
        self._counted = counted
        self.first_norms = self._listening()

    def begin(self, batch: Batch) -> None:
        self._batch = batch
        self._awaited = set(self._takers)
        self._masks: dict[tuple[int, torch.device], tuple[torch.Tensor, torch.Tensor | None]] = {}
        for rows in self._rows:
            rows.begin(batch)

    def end(self) -> None:
        for rows in self._rows:
            rows.end()

    def residual(self, layer: int, states: torch.Tensor) -> None:
        self._hand(Tap("residual", layer), states)
        normed = Tap("final_norm", layer)
        if normed in self._takers:
            self._hand(normed, self._final_norm(states))
        self._stop(layer)

    def normed(self, layer: int, states: torch.Tensor) -> None:
        self._hand(Tap("first_norm", layer), states)
        self._stop(layer)

    def output(self, states: torch.Tensor) -> None:
        self._hand(Tap("output", self._blocks), states)

    def _stop(self, layer: int) -> None:
        if not self._awaited and layer < self._blocks:
            raise _EnoughError

    def _listening(self) -> FirstNorms | None:
        if not any(tap.kind == "first_norm" for tap in self._takers):
            return None
        paths = self._loaded.norms.first or {}
        part = self._loaded.module.get_submodule
        chosen = (paths[block.path] for block in self._loaded.blocks)
        norms = tuple(None if path is None else part(path) for path in chosen)
        return FirstNorms(norms, self.normed)

    def _final_norm(self, states: torch.Tensor) -> torch.Tensor:
        norm: Any = self._loaded.module.get_submodule(str(self._loaded.norms.final))
        device = device_of(norm, without=states.device)
        normed: torch.Tensor = norm.forward(states.to(device))  # no one else's hooks are called
        return normed

    def _hand(self, tap: Tap, states: torch.Tensor) -> None:
        self._awaited.discard(tap)
        tokens: dict[int, Tokens] = {}
        for number, layer in self._takers.get(tap, ()):
            counted = id(self._counted[number])
            if counted not in tokens:
                tokens[counted] = Tokens(states, *self._mask(number, states))
            self._rows[number].take(layer, tokens[counted])

    def _mask(self, number: int, states: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return the tokens that count, and those that do not, once per device and kind."""
        shape = self._batch.attention.shape
        if states.shape[:2] != shape:
            raise InputError(
                f"A block gives states of shape {tuple(states.shape)} for {tuple(shape)} tokens; "
                "extract the states yourself and give arrays."
            )
        counted = self._counted[number]
        place = (id(counted), states.device)
        if place not in self._masks:
            mask = self._batch.mask(counted)
            hidden = None if bool(mask.all()) else ~mask.to(states.device)
            self._masks[place] = (mask.to(states.device), hidden)
        return self._masks[place]
