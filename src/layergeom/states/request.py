"""What is asked of an extraction, and the content key of its answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from layergeom.states.content import content_key
from layergeom.states.forward import Progress, Target
from layergeom.states.image_processing import as_model_sees, part_for, processing
from layergeom.states.inputs import Samples
from layergeom.states.loading import Part, dtype_name
from layergeom.states.models import LoadedModel, load_source
from layergeom.states.settings import Extraction, settings
from layergeom.states.sources import Source, identify
from layergeom.states.views import View

SCHEMA = 4  # counts up when the same settings give other numbers
Ready = Callable[[Sequence[Target]], None]


@dataclass(frozen=True, eq=False)
class Request:
    """A model, samples and every option settled; nothing is loaded yet."""

    model: Any
    samples: Samples
    progress: Progress | None
    options: Extraction  # of all views, but for pooling and hook point
    revision: str | None
    tokenizer: Any
    image_processor: Any
    dtype: Any
    device_map: Any
    part: Part | None
    blocks: Sequence[str] | None
    ready: Ready | None

    @cached_property
    def fed(self) -> Samples:
        """The samples as the model sees them."""
        return as_model_sees(self.samples, self.source, self.image_processor)

    @property
    def part_read(self) -> Part | None:
        """The part of the network that is read."""
        return self.part or part_for(self.fed)

    @cached_property
    def source(self) -> Source:
        """The model before its weights are read."""
        return identify(self.model, revision=self.revision, tokenizer=self.tokenizer)

    def of(self, view: View) -> Extraction:
        """Return the settings of one view."""
        return replace(self.options, pool=view.pool, hook_point=view.hook_point)

    def key(self, view: View) -> str:
        """Return the content key of one view's states."""
        stack = {
            "part": self.part_read,
            "blocks": None if self.blocks is None else list(self.blocks),
        }
        content = {**self.of(view).content, **stack, **processing(self.fed)}
        return content_key(
            "states", SCHEMA, self.source.identity, self.samples.fingerprint, content
        )

    def loaded(self) -> LoadedModel:
        """Load the network."""
        return load_source(
            self.source,
            dtype=self.dtype,
            device=self.options.device,
            device_map=self.device_map,
            tokenizer=self.tokenizer,
            part=self.part_read,
            blocks=self.blocks,
        )


def requested(
    model: Any,
    samples: Samples,
    progress: Progress | None,
    *,
    revision: str | None = None,
    tokenizer: Any = None,
    image_processor: Any = None,
    dtype: Any = None,
    device_map: Any = None,
    part: Part | None = None,
    blocks: Sequence[str] | None = None,
    ready: Ready | None = None,
    **options: Any,
) -> Request:
    """Settle the options of an extraction; one that does not exist is an InputError."""
    given = settings(dtype=None if dtype is None else dtype_name(dtype), **options)
    network = (revision, tokenizer, image_processor, dtype, device_map, part, blocks)
    return Request(model, samples, progress, given, *network, ready)
