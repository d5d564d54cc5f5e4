"""A network that measures sequences as clouds: read once, with its head where it has one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from layergeom.arrays import Float32Array
from layergeom.measure import Progress
from layergeom.states.content import content_key
from layergeom.states.feeds import Feed, feeds
from layergeom.states.heads import read_causal
from layergeom.states.inputs import Samples
from layergeom.states.models import LoadedModel, load
from layergeom.states.settings import Extraction
from layergeom.states.sources import Source, identify
from layergeom.states.token_stream import token_stream
from layergeom.tasks.cloud_quantities import Cloud, LayerCloud, cloud_of, layer_cloud
from layergeom.tasks.finished_lines import FinishedLines

if TYPE_CHECKING:
    from torch import nn

_SCHEMA = 3


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
    """

    source: Source
    loaded: LoadedModel
    head: nn.Module | None
    told: tuple[str, ...]

    def clouds(
        self,
        samples: Samples,
        settings: Extraction,
        rank: int,
        k: int,
        file: Path | None = None,
        progress: Progress | None = None,
    ) -> tuple[tuple[str, ...], tuple[Cloud, ...], tuple[str, ...]]:
        """Measure the cloud of every sequence.

        Parameters
        ----------
        samples : Samples
        settings : Extraction
            With ``pool="token"``.
        rank, k : int
            n1 of Gride, and neighbours compared by the overlap.
        file : Path, optional
            Keeps every finished sequence; the same call goes on behind the last one.
        progress : callable(done, total, what), optional
            Called after each sequence.

        Returns
        -------
        tuple
            Layer keys, clouds in the data's order, and what was cut or left out.
        """
        feed = feeds(self.loaded, samples, [settings])[0]
        key = content_key(
            "clouds", _SCHEMA, self.source.identity, samples.fingerprint, settings.content, rank, k
        )
        lines = None if file is None else FinishedLines(file, key)
        found = {} if lines is None else dict(map(_cloud, lines.read()))
        for at, cloud in self._measured(feed, samples, (rank, k), frozenset(found)):
            found[at] = cloud
            if lines is not None:
                lines.add({"at": at, **asdict(cloud)})
            if progress is not None:
                progress(len(found), len(feed.sequences.ids), "sequences measured")
        layers = tuple(name.key for name in feed.plan.names)
        return layers, tuple(found[at] for at in sorted(found)), feed.warnings

    def _measured(
        self, feed: Feed, samples: Samples, sizes: tuple[int, int], done: frozenset[int]
    ) -> Iterator[tuple[int, Cloud]]:
        by_layer: dict[str, LayerCloud] = {}

        def receive(layer: str, states: Float32Array) -> None:
            by_layer[layer] = layer_cloud(states, *sizes)

        for passed in token_stream(feed, receive, self.head, done):
            layers = [by_layer.pop(name.key) for name in feed.plan.names]
            name = samples.ids[feed.sequences.rows[passed.sequence]]
            yield passed.sequence, cloud_of(name, passed.tokens, passed.loss, layers, sizes[1])


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
    own = tokenizer is None and isinstance(model, (str, Path)) and kind == "text"
    loaded = load(
        model if head is None else head,
        revision=revision if head is None else None,
        dtype=dtype if head is None else None,
        device=device if head is None else "auto",
        tokenizer=model if own else tokenizer,
    )
    return CloudNetwork(source, loaded, head, (*loaded.warnings, *told))


def _cloud(line: Mapping[str, Any]) -> tuple[int, Cloud]:
    values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in line.items()}
    at = int(values.pop("at"))
    return at, Cloud(**values)
