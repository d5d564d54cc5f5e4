"""One sequence at a time through a network: its token states at every layer, and its loss."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from layergeom.arrays import Float32Array
from layergeom.states.anatomy import call, device_of
from layergeom.states.batches import Batch, padded, planned
from layergeom.states.feeds import Feed
from layergeom.states.hooks import tapped, tensor_of, untouched

if TYPE_CHECKING:
    import torch
    from torch import nn

Receive = Callable[[str, Float32Array], None]


@dataclass(frozen=True)
class Passed:
    """A sequence that has gone through.

    Parameters
    ----------
    sequence : int
        Its number among those that are fed.
    tokens : int
        Tokens that count, the points of its clouds.
    loss : float
        Mean cross-entropy of the next token in nats, over the tokens that count and have one
        before them; nan without a head.
    """

    sequence: int
    tokens: int
    loss: float


def token_stream(
    feed: Feed, receive: Receive, head: nn.Module | None = None, skip: frozenset[int] = frozenset()
) -> Iterator[Passed]:
    """Feed sequences one by one and hand on the token states of each layer.

    Parameters
    ----------
    feed : Feed
        The network, made ready.
    receive : callable(layer, states)
        Takes the layer's key and the states (T, D) of the tokens that count, float32. They are
        dropped when it returns, so that one layer of one sequence is held at a time.
    head : torch.nn.Module, optional
        The network with its head, around the one that ``feed`` reads; gives the loss.
    skip : frozenset of int
        Sequences that are not fed.

    Yields
    ------
    Passed
        After each sequence, longest first.
    """
    loaded, counted = feed.plan.loaded, feed.sequences.counted
    owner = loaded.module if head is None else head
    device = device_of(owner)
    taken = _Taken(feed, receive)
    with untouched(owner), tapped(loaded.module, loaded.blocks, taken.block):
        loaded.module.register_forward_hook(taken.output)  # `untouched` removes it
        for rows in planned(feed.sequences, budget=1, batch_size=1):
            sequence = int(rows[0])
            if sequence in skip:
                continue
            batch = padded(feed.sequences, rows, pad=0)
            taken.mask = counted[sequence]
            output = call(owner, batch.ids.to(device), batch.attention.to(device))
            loss = float("nan") if head is None else _loss(output, batch, taken.mask)
            yield Passed(sequence, int(taken.mask.sum()), loss)


class _Taken:
    """Hands on the layers of one sequence."""

    def __init__(self, feed: Feed, receive: Receive) -> None:
        self._keys = [name.key for name in feed.plan.names]
        self._receive = receive
        self.mask: np.ndarray[Any, np.dtype[np.bool_]] = np.zeros(0, dtype=bool)

    def block(self, layer: int, states: torch.Tensor) -> None:
        self._receive(self._keys[layer], states[0].float().cpu().numpy()[self.mask])

    def output(self, network: nn.Module, _args: Any, output: Any) -> None:
        if self._keys[-1] == "final":
            self.block(len(self._keys) - 1, tensor_of(output, type(network).__name__))


def _loss(output: Any, batch: Batch, counted: np.ndarray[Any, np.dtype[np.bool_]]) -> float:
    import torch
    from torch.nn.functional import cross_entropy

    logits = output.logits[0, :-1].float()  # (T - 1, vocabulary)
    targets = batch.ids[0, 1:].to(logits.device)
    wanted = torch.from_numpy(counted[1:]).to(logits.device)
    # ImageGPT's start token is no class of its head; it stands first and is never a target
    return float(cross_entropy(logits[wanted], targets[wanted]))
