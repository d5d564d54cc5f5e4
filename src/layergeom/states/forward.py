"""One forward pass over all rows: every view takes what it needs as it comes by."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from layergeom.errors import InputError
from layergeom.states.anatomy import call, device_of
from layergeom.states.batches import Batch, batches
from layergeom.states.hidden import layer_piece
from layergeom.states.hooks import FirstNorms, tapped, tensor_of, untouched
from layergeom.states.models import LoadedModel
from layergeom.states.plans import Layer, Plan, Tap
from layergeom.states.rows import (
    Arrays,
    Chosen,
    Outcome,
    PooledRows,
    Rows,
    TokenRows,
    Tokens,
    WindowRows,
)
from layergeom.states.sequences import Sequences
from layergeom.states.store import Store

if TYPE_CHECKING:
    import torch

Progress = Callable[[int, int, str], None]

# Tokens per batch: on a processor larger batches leave the cache (narrow networks fit more of
# them), a GPU wants to be filled.
_BUDGET_CPU = 2048
_USUAL_WIDTH = 384
_BUDGET_GPU = 32_768


@dataclass(frozen=True, eq=False)
class Target:
    """One view of the pass, and where it goes.

    Parameters
    ----------
    plan : Plan
        Network, layers and pooling.
    sequences : Sequences
        What is fed, and which tokens count.
    store : Store
        Gets one piece per layer, complete or not at all.
    key : str
        Content key of the pieces.
    chosen : Chosen or None
        The tokens that become rows; None to pool.
    """

    plan: Plan
    sequences: Sequences
    store: Store
    key: str
    chosen: Chosen | None = None

    @property
    def n(self) -> int:
        """Rows of every layer."""
        return len(self.sequences.kept if self.chosen is None else self.chosen.positions)

    def rows(self, arrays: Mapping[str, Arrays]) -> Rows:
        """Return what makes the rows and writes them."""
        if self.chosen is not None:
            return TokenRows(self.chosen, arrays)
        kind = WindowRows if self.sequences.windowed else PooledRows
        return kind(self.plan, self.sequences, arrays)


def run(
    targets: Sequence[Target], batch_size: int | None = None, progress: Progress | None = None
) -> tuple[Outcome, ...]:
    """Feed all rows once, and write ``states`` and ``token_norms`` of every view's layers.

    Parameters
    ----------
    targets : sequence of Target
        Views of one network that feed it the same; which tokens count may differ.
    batch_size : int or None
        Rows per batch; None fills batches by their number of tokens.
    progress : callable or None
        Called as ``progress(rows done, rows in all, "states")``.

    Returns
    -------
    tuple of Outcome
        For each view its token norms, and the rows that are not finite by layer.

    Raises
    ------
    InputError
        If a network that takes token ids is given images, or the other way round.

    Notes
    -----
    Memory: the states of one layer of one batch on top of what the network needs; files are
    written through memory maps. Blocks behind the last layer that any view needs are not run.
    """
    first = targets[0]
    _check_kind(first.plan.loaded, first.sequences)
    n, done = len(first.sequences.ids), 0
    with ExitStack() as stack:
        written = [stack.enter_context(_writers(target)) for target in targets]
        rows = [target.rows(arrays) for target, arrays in zip(targets, written, strict=True)]
        for batch in _passes(targets, rows, batch_size):
            done += len(batch.rows)
            if progress is not None:
                progress(done, n, "states")
        for view, arrays in zip(rows, written, strict=True):
            view.outcome.norms = {key: np.array(a["token_norms"]) for key, a in arrays.items()}
    return tuple(view.outcome for view in rows)


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
def _writers(target: Target) -> Iterator[dict[str, Any]]:
    n, store = target.n, target.store
    with ExitStack() as stack:
        yield {
            layer.name.key: stack.enter_context(
                store.open(
                    layer_piece(layer.name.key),
                    {"states": ((n, layer.width), np.float32), "token_norms": ((n, 2), np.float32)},
                    target.key,
                )
            )
            for layer in target.plan.layers
        }


def _passes(
    targets: Sequence[Target], rows: Sequence[Rows], batch_size: int | None
) -> Iterator[Batch]:
    loaded, sequences = targets[0].plan.loaded, targets[0].sequences
    network, device = loaded.module, device_of(loaded.module)
    budget = token_budget(loaded)
    pad = getattr(loaded.tokenizer, "pad_token_id", None) or 0
    taken = _Stream(targets, rows)
    with untouched(network), tapped(network, loaded.blocks, taken.residual, taken.first_norms):
        for batch in batches(sequences, pad, budget, batch_size):
            taken.begin(batch)
            with suppress(_EnoughError):
                output = call(network, batch.ids.to(device), batch.attention.to(device))
                taken.output(tensor_of(output, type(network).__name__))
            taken.end()
            yield batch


def token_budget(loaded: LoadedModel) -> int:
    """Return the tokens of a batch on the device of the network."""
    if device_of(loaded.module).type != "cpu":
        return _BUDGET_GPU
    return processor_budget(loaded.width)


def processor_budget(width: int) -> int:
    """Return the tokens of a batch on a processor, of a network of this width.

    Examples
    --------
    >>> processor_budget(1024), processor_budget(128)
    (2048, 6144)
    """
    return _BUDGET_CPU * min(4, max(1, _USUAL_WIDTH // width))


class _EnoughError(Exception):
    """Ends a forward pass behind the last layer that is needed."""


class _Stream:
    """Hands what comes by in a forward pass to the views; keeps no token states."""

    def __init__(self, targets: Sequence[Target], rows: Sequence[Rows]) -> None:
        plan = targets[0].plan
        self._blocks = plan.blocks
        self._loaded = plan.loaded
        self._rows = rows
        self._takers: dict[Tap, list[tuple[int, Layer]]] = {}
        for number, target in enumerate(targets):
            for layer in target.plan.layers:
                self._takers.setdefault(layer.tap, []).append((number, layer))
        self._counted = [target.sequences.counted for target in targets]
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
        device = next((p.device for p in norm.parameters()), states.device)
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
