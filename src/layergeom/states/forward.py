"""One forward pass over all rows: every view takes what it needs as it comes by."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from layergeom.arrays import IntArray
from layergeom.errors import InputError
from layergeom.states.anatomy import call, device_of
from layergeom.states.batches import parts, planned
from layergeom.states.hidden import batches_of, layer_piece
from layergeom.states.hooks import untouched
from layergeom.states.models import LoadedModel
from layergeom.states.plans import Plan
from layergeom.states.reader import reading
from layergeom.states.rows import (
    Chosen,
    Outcome,
    PooledRows,
    Rows,
    TokenRows,
    WindowRows,
)
from layergeom.states.sequences import Sequences
from layergeom.states.store import Store
from layergeom.states.unfinished import Unfinished, plan_of

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

    def rows_of(self, fed: Sequence[IntArray]) -> IntArray:
        """Return the rows that the sequences of some batches become, ascending."""
        sequences = np.concatenate(fed)
        if self.chosen is not None:
            return np.flatnonzero(np.isin(self.chosen.sequences, sequences))
        return np.unique(self.sequences.places[sequences])

    def draft(self, todo: Sequence[Sequence[IntArray]], plan: Mapping[str, Any]) -> Unfinished:
        """Return what the layers are written to, part by part: the rows of these parts alone."""
        of_parts = [self.rows_of(part) for part in todo]
        rows = np.unique(np.concatenate(of_parts))
        pieces = {
            layer_piece(layer.name.key): {
                "states": ((len(rows), layer.width), np.float32),
                "token_norms": ((len(rows), 2), np.float32),
            }
            for layer in self.plan.layers
        }
        lines = [np.searchsorted(rows, part) for part in of_parts]
        return Unfinished(self.store, self.key, pieces, lines, plan)

    def rows(self, draft: Unfinished, todo: Sequence[Sequence[IntArray]]) -> Rows:
        """Return what makes the rows and writes them."""
        keys = [layer.name.key for layer in self.plan.layers]
        arrays = {key: draft.arrays[layer_piece(key)] for key in keys}
        lines = np.full(self.n, -1)
        written = self.rows_of([batch for part in todo for batch in part])
        lines[written] = np.arange(len(written))
        if self.chosen is not None:
            return TokenRows(self.chosen, arrays, lines)
        kind = WindowRows if self.sequences.windowed else PooledRows
        return kind(self.plan, self.sequences, arrays, lines)


@dataclass(frozen=True)
class Share:
    """A share of the batches of a pass: every ``of``-th, from the ``number``-th on (1 to ``of``).

    Parameters
    ----------
    number, of : int
        Which share, of how many.
    plan : mapping
        ``budget``, ``batch_size`` and ``even`` of all shares, whatever their devices (see
        `layergeom.states.batches.planned`).
    """

    number: int
    of: int
    plan: Mapping[str, Any]

    def parts(self, sequences: Sequences) -> list[list[IntArray]]:
        """Return the batches of every part of the share; none if there are more shares."""
        every = planned(sequences, **self.plan)
        return parts(sequences, every[self.number - 1 :: self.of])


def run(
    targets: Sequence[Target], batch_size: int | None = None, progress: Progress | None = None
) -> tuple[Outcome, ...]:
    """Do what `passing` does with all rows; the layers are stored when it returns."""
    with passing(targets, progress, Share(1, 1, batch_plan(targets, batch_size))) as outcomes:
        return outcomes


@contextmanager
def passing(
    targets: Sequence[Target], progress: Progress | None, share: Share
) -> Iterator[tuple[Outcome, ...]]:
    """Feed all rows once, and write ``states`` and ``token_norms`` of every view's layers.

    The layers are stored when the block ends: what it writes is there before they are, so that a
    run that is killed in between has not lost it.

    Parameters
    ----------
    targets : sequence of Target
        Views of one network that feed it the same; which tokens count may differ.
    progress : callable or None
        Called as ``progress(rows done, rows in all, "states")``.
    share : Share
        Which rows are fed and written, in ascending order, and by which batches.

    Yields
    ------
    tuple of Outcome
        For each view its token norms, and the rows that are not finite by layer.

    Raises
    ------
    InputError
        If a network that takes token ids is given images, or the other way round.

    Notes
    -----
    A pass that was broken off is gone on with, by the batches of the run that began.

    Memory: the states of one layer of one batch on top of what the network needs; files are
    written through memory maps. Blocks behind the last layer that any view needs are not run.
    """
    first = targets[0]
    _check_kind(first.plan.loaded, first.sequences)
    todo = share.parts(first.sequences)
    with ExitStack() as stack:
        drafts = [stack.enter_context(target.draft(todo, share.plan)) for target in targets]
        rows = [target.rows(draft, todo) for target, draft in zip(targets, drafts, strict=True)]
        plans, fed = [x.plan for x in targets], [x.sequences for x in targets]
        told = _Told(sum(len(batch) for part in todo for batch in part), progress)
        with reading(plans, fed, rows) as reader:
            for number, part in enumerate(todo):
                if all(number in draft.done for draft in drafts):
                    told.more(sum(map(len, part)))
                    continue
                for draft, view in zip(drafts, rows, strict=True):
                    view.outcome = Outcome()
                    if draft.resumed:
                        draft.clear(number)
                for batch in part:
                    split = reader.feed(batch)
                    told.more(len(batch))
                    for view in rows:
                        view.outcome.split += split
                for draft, view in zip(drafts, rows, strict=True):
                    draft.complete(number, view.outcome.facts)
        yield tuple(map(_outcome, targets, drafts))


def batch_plan(targets: Sequence[Target], batch_size: int | None) -> Mapping[str, Any]:
    """Return what makes the batches: of the run that began or ended, or of this device.

    Parameters
    ----------
    targets : sequence of Target
        As of `passing`.
    batch_size : int or None
        Rows per batch; None fills batches by their number of tokens.
    """
    known = (f(target.store, target.key) for f in (plan_of, batches_of) for target in targets)
    own = pass_plan(targets[0].plan.loaded, batch_size)
    return next((plan for plan in known if plan is not None), own)


def pass_plan(loaded: LoadedModel, batch_size: int | None) -> dict[str, Any]:
    """Return what makes the batches of a pass on the device of the network."""
    even = not loaded.anatomy.masks
    return {"budget": token_budget(loaded), "batch_size": batch_size, "even": even}


@dataclass
class _Told:
    """Counts what has been read, and tells it."""

    of: int
    progress: Progress | None
    done: int = 0

    def more(self, rows: int) -> None:
        self.done += rows
        if self.progress is not None:
            self.progress(self.done, self.of, "states")


def _outcome(target: Target, draft: Unfinished) -> Outcome:
    """Put together what was found in the parts, those of earlier runs too."""
    found = Outcome()
    for _, done in sorted(draft.done.items()):
        found.add(done.facts)
    for layer in target.plan.layers:
        key = layer.name.key
        found.norms[key] = np.array(draft.arrays[layer_piece(key)]["token_norms"])
    return found


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
