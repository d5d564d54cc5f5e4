"""A network that measures sequences as clouds: read once, with its head where it has one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from layergeom.arrays import Float32Array
from layergeom.states.feeds import Feed, feeds
from layergeom.states.heads import read_causal
from layergeom.states.inputs import Samples
from layergeom.states.loading import pick_device
from layergeom.states.models import LoadedModel, load
from layergeom.states.settings import Extraction
from layergeom.states.sources import Source, identify
from layergeom.states.token_stream import token_stream
from layergeom.tasks.cloud_quantities import Cloud, LayerCloud, cloud_of, layer_cloud

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, eq=False)
class CloudNetwork:
    """A network made ready for clouds.

    Attributes
    ----------
    source : Source
        What it is.
    loaded : LoadedModel
        The network without its head, with its tokenizer.
    head : torch.nn.Module or None
        The network with the head that predicts the next token, around the same weights.
    told : tuple of str
        What was assumed; why sequences have no loss.
    dtype, device : str
        As asked for.
    """

    source: Source
    loaded: LoadedModel
    head: nn.Module | None
    told: tuple[str, ...]
    dtype: str = "float32"
    device: str = "auto"

    def feed(self, samples: Samples, settings: Extraction) -> Feed:
        """Make samples ready for this network; ``pool`` of the settings is "token"."""
        return feeds(self.loaded, samples, [settings])[0]

    def measured(
        self, feed: Feed, rank: int, k: int, done: frozenset[int] = frozenset()
    ) -> Iterator[tuple[int, Cloud]]:
        """Measure the cloud of every sequence that is not done.

        Parameters
        ----------
        feed : Feed
            The sequences.
        rank, k : int
            n1 of Gride, and neighbours compared by the overlap.
        done : frozenset of int
            Numbers of sequences that are passed over.

        Yields
        ------
        tuple
            The number of a sequence and its cloud, without a name; longest first.
        """
        by_layer: dict[str, LayerCloud] = {}

        def receive(layer: str, states: Float32Array) -> None:
            by_layer[layer] = layer_cloud(states, rank, k)

        for passed in token_stream(feed, receive, self.head, done):
            layers = [by_layer.pop(name.key) for name in feed.plan.names]
            yield passed.sequence, cloud_of("", passed.tokens, passed.loss, layers, k)


def cloud_network(
    model: Any,
    kind: str,
    *,
    revision: str | None = None,
    tokenizer: Any = None,
    dtype: str = "float32",
    device: str = "auto",
) -> CloudNetwork:
    """Read a network for clouds, with the head of the checkpoint where it has one.

    Parameters
    ----------
    model, revision, tokenizer, dtype, device
        As for :func:`layergeom.extract`.
    kind : {"text", "tokens", "image"}
        Of the samples: texts need the model's own tokenizer, if none is given.
    """
    told: list[str] = []
    source = identify(model, revision=revision, tokenizer=tokenizer)
    head = read_causal(source, dtype, told)
    if head is None and not told:
        told.append(f"{source.name} predicts no next token, so sequences have no loss.")
    if head is not None and source.kind != "module":
        head = head.to(pick_device(device))
    own = tokenizer is None and isinstance(model, (str, Path)) and kind == "text"
    loaded = load(
        model if head is None else head,
        revision=revision if head is None else None,
        dtype=dtype if head is None else None,
        device=device,
        tokenizer=model if own else tokenizer,
    )
    return CloudNetwork(source, loaded, head, (*loaded.warnings, *told), dtype, device)
