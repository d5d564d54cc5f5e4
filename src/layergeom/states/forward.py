"""One forward pass over all rows: every layer is pooled in a hook and written to the store."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from layergeom.arrays import Float32Array
from layergeom.errors import InputError
from layergeom.states.anatomy import call, device_of
from layergeom.states.batches import Batch, Sequences, batches
from layergeom.states.hidden import LayerName
from layergeom.states.hooks import tapped, tensor_of, untouched
from layergeom.states.models import LoadedModel
from layergeom.states.pipelines import Pipeline
from layergeom.states.pooling import Mode, pool, token_norms, widen
from layergeom.states.store import PieceWriter, Store

if TYPE_CHECKING:
    import torch

Progress = Callable[[int, int, str], None]

# Tokens per batch: on a processor larger batches leave the cache (narrow networks fit more of
# them), a GPU wants to be filled.
_BUDGET_CPU = 2048
_USUAL_WIDTH = 384
_BUDGET_GPU = 32_768


@dataclass(frozen=True, eq=False)
class Plan:
    """What the forward pass does with every layer.

    Parameters
    ----------
    loaded : LoadedModel
        The network and its layers.
    modes : tuple of str
        Poolings whose results are concatenated.
    pipeline : Pipeline or None
        Its steps make the layer ``final``; None for the network alone.
    batch_size : int or None
        Rows per batch, in place of a budget of tokens.
    """

    loaded: LoadedModel
    modes: tuple[Mode, ...]
    pipeline: Pipeline | None
    batch_size: int | None

    @property
    def names(self) -> tuple[LayerName, ...]:
        """The layers that are written, from the input to the output."""
        names = self.loaded.anatomy.names
        if not self._has_head:
            return names
        if names[-1].key == "final":
            return (*names[:-1], replace(names[-1], hidden_states=None, module=None))
        return (*names, LayerName("final", 1.0, None, None, names[-1].blocks, True))

    @property
    def widths(self) -> tuple[int, ...]:
        """Features of each layer after the pooling."""
        import torch

        widths = [width * len(self.modes) for width in self.loaded.anatomy.widths]
        if self.pipeline is not None and self._has_head:
            widths = widths[: len(self.names) - 1]
            widths.append(self.finish(torch.zeros(1, widths[-1])).shape[-1])
        return tuple(widths)

    @property
    def normed(self) -> bool:
        """True if the network's output differs from its last block's."""
        return self.loaded.anatomy.names[-1].key == "final"

    def finish(self, pooled: torch.Tensor) -> torch.Tensor:
        """Apply the pipeline's steps after the pooling."""
        return pooled if self.pipeline is None else self.pipeline.finish(pooled)

    @property
    def _has_head(self) -> bool:
        return self.pipeline is not None and bool(self.pipeline.steps)


@dataclass(eq=False)
class Outcome:
    """What the pass found out, besides the states themselves."""

    norms: dict[str, Float32Array] = field(default_factory=dict)
    broken: dict[str, int] = field(default_factory=dict)
    broken_row: int | None = None


def run(
    plan: Plan, sequences: Sequences, store: Store, key: str, progress: Progress | None
) -> Outcome:
    """Feed all rows, and write ``states`` and ``token_norms`` of every layer to the store.

    Parameters
    ----------
    plan : Plan
        Network, pooling, batch size.
    sequences : Sequences
        The rows.
    store : Store
        Gets one piece per layer, complete or not at all.
    key : str
        Content key of the pieces.
    progress : callable or None
        Called as ``progress(rows done, rows in all, "states")``.

    Returns
    -------
    Outcome
        Token norms, and the number of rows that are not finite by layer.

    Raises
    ------
    InputError
        If a network that takes token ids is given images, or the other way round.

    Notes
    -----
    Memory: the states of one layer of one batch on top of what the network needs; files are
    written through memory maps.
    """
    _check_kind(plan.loaded, sequences)
    outcome = Outcome()
    n = len(sequences.ids)
    done = 0
    with _writers(plan, n, store, key) as writers:
        for batch, pooled in _passes(plan, sequences):
            for name, (states, norms) in pooled.items():
                writers[name]["states"][batch.rows] = states
                writers[name]["token_norms"][batch.rows] = norms
                _note_broken(outcome, name, states, batch)
            done += len(batch.rows)
            if progress is not None:
                progress(done, n, "states")
        for name, writer in writers.items():
            outcome.norms[name] = np.array(writer["token_norms"])
    return outcome


def first_broken_module(loaded: LoadedModel, ids: np.ndarray[Any, Any]) -> str:
    """Path of the first module whose output is not finite for this row; "" if there is none."""
    import torch

    found: list[str] = []

    def hook(path: str) -> Callable[..., None]:
        def look(_part: Any, _args: Any, output: Any) -> None:
            tensor = output[0] if isinstance(output, (tuple, list)) and output else output
            if isinstance(tensor, torch.Tensor) and not bool(tensor.isfinite().all()):
                found.append(path)

        return look

    network = loaded.module
    row = torch.from_numpy(ids)[None].to(device_of(network))
    with untouched(network):
        for path, part in network.named_modules():
            part.register_forward_hook(hook(path or type(network).__name__))
        call(network, row, torch.ones_like(row))
    return found[0] if found else ""


def _check_kind(loaded: LoadedModel, sequences: Sequences) -> None:
    """Images are for networks that take pixels, token ids for the others."""
    pixels = sequences.ids[0].ndim > 1
    if pixels != (loaded.anatomy.positions is not None):
        fed, taken = ("images", "token ids") if pixels else ("token ids", "images")
        raise InputError(f"The model {loaded.source.name!r} takes {taken}, but {fed} were given.")


@contextmanager
def _writers(plan: Plan, n: int, store: Store, key: str) -> Iterator[dict[str, PieceWriter]]:
    with ExitStack() as stack:
        yield {
            name.key: stack.enter_context(
                store.open(
                    f"layers/{name.key}",
                    {"states": ((n, width), np.float32), "token_norms": ((n, 2), np.float32)},
                    key,
                )
            )
            for name, width in zip(plan.names, plan.widths, strict=True)
        }


Pooled = Mapping[str, tuple[Float32Array, Float32Array]]


def _passes(plan: Plan, sequences: Sequences) -> Iterator[tuple[Batch, Pooled]]:
    network = plan.loaded.module
    device = device_of(network)
    narrow = min(4, max(1, _USUAL_WIDTH // plan.loaded.width))
    budget = _BUDGET_CPU * narrow if device.type == "cpu" else _BUDGET_GPU
    pad = getattr(plan.loaded.tokenizer, "pad_token_id", None) or 0
    taken = _Layers(plan)
    with untouched(network), tapped(network, plan.loaded.blocks, taken.receive):
        for batch in batches(sequences, pad, budget, plan.batch_size):
            taken.begin(batch)
            output = call(network, batch.ids.to(device), batch.attention.to(device))
            yield batch, taken.finish(tensor_of(output, type(network).__name__))


class _Layers:
    """Pools the states of one batch as they come by; holds no token states."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._keys = [name.key for name in plan.loaded.anatomy.names]
        self._masks: dict[torch.device, tuple[torch.Tensor, torch.Tensor | None]] = {}
        self._pooled: dict[str, tuple[torch.Tensor, torch.Tensor]] = {}

    def begin(self, batch: Batch) -> None:
        self._pooled = {}
        self._counted = batch.counted
        self._whole = bool(batch.counted.all())
        self._masks = {}

    def receive(self, layer: int, states: torch.Tensor) -> None:
        key = self._keys[layer]
        mask, hidden = self._mask(states)
        states = widen(states, hidden)
        self._pooled[key] = (pool(states, mask, self._plan.modes), token_norms(states, mask))

    def finish(self, output: torch.Tensor) -> Pooled:
        """Return all layers of the batch, the output and the pipeline's steps included."""
        if self._plan.normed:
            self.receive(len(self._keys) - 1, output)
        final, norms = self._pooled[self._keys[-1]]
        if len(self._plan.names) > len(self._keys) or self._plan.pipeline is not None:
            self._pooled[self._plan.names[-1].key] = (self._plan.finish(final.cpu().float()), norms)
        return {key: (_numpy(a), _numpy(b)) for key, (a, b) in self._pooled.items()}

    def _mask(self, states: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return the tokens that count, once per device that a layer lies on."""
        if states.shape[:2] != self._counted.shape:
            raise InputError(
                f"A block gives states of shape {tuple(states.shape)} for "
                f"{tuple(self._counted.shape)} tokens; extract the states yourself and give arrays."
            )
        if states.device not in self._masks:
            mask = self._counted.to(states.device)
            self._masks[states.device] = (mask, None if self._whole else ~mask)
        return self._masks[states.device]


def _numpy(tensor: torch.Tensor) -> Float32Array:
    array: Float32Array = tensor.float().cpu().numpy()
    return array


def _note_broken(outcome: Outcome, name: str, states: Float32Array, batch: Batch) -> None:
    if np.isfinite(states.sum()):
        return
    bad = ~np.isfinite(states).all(axis=1)
    if bad.any():
        outcome.broken[name] = outcome.broken.get(name, 0) + int(bad.sum())
        if outcome.broken_row is None:
            outcome.broken_row = int(batch.rows[np.flatnonzero(bad)[0]])
