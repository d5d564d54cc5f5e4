"""Images as a model is fed them: resized, normalised or turned into tokens by its own processor."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterable
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, Any

import numpy as np

from layergeom.arrays import Float32Array
from layergeom.errors import InputError
from layergeom.states.anatomy import call, device_of
from layergeom.states.content import content_key
from layergeom.states.hooks import tensor_of, untouched
from layergeom.states.images import Images
from layergeom.states.inputs import Samples
from layergeom.states.loading import Part, quiet
from layergeom.states.patches import image_shape, palette_tokens
from layergeom.states.sequences import Sequences

if TYPE_CHECKING:
    from layergeom.states.models import LoadedModel
    from layergeom.states.sources import Source

PROCESSOR_FILES = ("preprocessor_config.json", "processor_config.json")


class ModelImages(Images):
    """Images that a model's image processor prepares one at a time, when they are asked for.

    Parameters
    ----------
    images : Images
        As they are stored.
    processor : object
        One of transformers'; one with ``clusters`` (ImageGPT) gives tokens in place of pixels.

    Notes
    -----
    An item is a float32 array (channels, height, width), or int64 token ids (T,): the start token
    and the nearest colours of the palette without the last pixel's. As images are prepared singly,
    an image gives the same numbers in any batch.
    """

    def __init__(self, images: Images, processor: Any) -> None:
        super().__init__(images.stored, images.source, images.rows)
        self.images, self.processor = images, processor
        self.palette: Any = getattr(processor, "clusters", None)

    def __getitem__(self, row: Any) -> Any:
        """Return what the model is fed of one image."""
        if isinstance(row, slice):
            return self.take(range(len(self))[row])
        prepared = self._prepared(row)
        if prepared.shape != self.shape:
            raise InputError(
                f"{self.place(row)}: the image processor gives the shape {prepared.shape}, but "
                f"{self.shape} for the first image; all must have one size."
            )
        return prepared

    def take(self, rows: Iterable[int]) -> ModelImages:
        """Return the images of these rows."""
        return ModelImages(self.images.take(rows), self.processor)

    @property
    def digests(self) -> tuple[str, ...]:
        """Hash of each image as it is stored."""
        return self.images.digests

    @property
    def gives_tokens(self) -> bool:
        """True if the model reads tokens of a palette, not pixels."""
        return self.palette is not None

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """Shape of what is fed of each image."""
        return tuple(self._prepared(0).shape)

    @cached_property
    def settings(self) -> dict[str, Any]:
        """All settings of the processor as plain JSON; of a palette its hash."""
        settings: dict[str, Any] = json.loads(self.processor.to_json_string())
        if self.palette is not None:
            settings["clusters"] = content_key(np.asarray(self.palette, dtype=np.float64))
        return settings

    def _prepared(self, row: int) -> Any:
        pixels = self._pixels(row)
        if self.palette is None:
            return pixels
        return palette_tokens(pixels.transpose(1, 2, 0)[None], self.palette)[0]

    def _pixels(self, row: int) -> Float32Array:
        options = {} if self.palette is None else {"do_color_quantize": False}
        image = self.images[row]
        with self.named(row):
            found = self.processor(images=image, return_tensors="np", **options)["pixel_values"][0]
        pixels = np.asarray(found, dtype=np.float32)
        if pixels.ndim != 3:
            raise InputError(
                f"{self.place(row)}: the image processor gives an array of shape {pixels.shape}, "
                "but (channels, height, width) is needed; extract the states yourself."
            )
        return pixels


class ImageSequences(Sequences):
    """Images in place of rows of token ids; equal files are equal inputs."""

    @property
    def hashes(self) -> tuple[str, ...]:
        """Hash of each image as it is stored, so that none is decoded for it."""
        images: Any = self.ids
        return tuple(images.digests)


def as_model_sees(samples: Samples, source: Source, processor: Any = None) -> Samples:
    """Return samples whose images are prepared for a model; others as they are.

    Parameters
    ----------
    samples : Samples
        Of any kind.
    source : Source
        The model.
    processor : object, optional
        See `image_processor`.

    Raises
    ------
    InputError
        As `image_processor`.
    """
    if not isinstance(samples.items, Images):
        return samples
    return replace(samples, items=ModelImages(samples.items, image_processor(source, processor)))


def part_for(samples: Samples) -> Part | None:
    """Return the part of a model that reads the samples, where only one can: of images, vision."""
    pixels = isinstance(samples.items, ModelImages) and not samples.items.gives_tokens
    return "vision" if pixels else None


def processing(samples: Samples) -> dict[str, Any]:
    """Return how images are prepared, as plain JSON for keys and provenance; {} for others."""
    images = samples.items
    return {"image_processor": images.settings} if isinstance(images, ModelImages) else {}


def image_processor(source: Source, given: Any = None) -> Any:
    """Return the image processor that belongs to a model.

    Parameters
    ----------
    source : Source
        The model.
    given : object, optional
        An image processor in place of the model's own; needed with a loaded module.

    Raises
    ------
    InputError
        If there is none, or it cannot be read.

    Notes
    -----
    transformers' processors are used with Pillow, whether torchvision is there or not: the two
    resize with slightly different numbers.
    """
    if given is not None:
        return given
    if source.folder is None:
        raise InputError(
            "A loaded module does not say how its images are prepared; give the model's image "
            "processor with image_processor=, or the model's folder."
        )
    if not any((source.folder / name).is_file() for name in PROCESSOR_FILES):
        raise InputError(
            f"The model {source.name!r} has no {PROCESSOR_FILES[0]}, so how its images are "
            "resized and normalised is unknown; add the model's own file, or give "
            "image_processor=."
        )
    return _read(source.folder, source.name)


def image_sequences(
    images: ModelImages, loaded: LoadedModel, special: bool, length: int | None = None
) -> Sequences:
    """Feed images to a network, each decoded when its batch comes.

    Parameters
    ----------
    images : ModelImages
        One per row.
    loaded : LoadedModel
        The network.
    special : bool
        CLS and register tokens enter the pooling; always, where there is nothing else. The start
        token of a palette model always does.
    length : int, optional
        Tokens per image at most.

    Returns
    -------
    Sequences
        ``ids`` are the images; all rows have as many tokens.

    Raises
    ------
    InputError
        If the network does not take what the processor gives, or it is more than ``length``.
    """
    if images.gives_tokens == (loaded.anatomy.positions is not None):
        fed, taken = ("token ids", "pixels") if images.gives_tokens else ("pixels", "token ids")
        raise InputError(
            f"The image processor gives {fed}, but the model {loaded.source.name!r} takes {taken}; "
            "use the processor, and the part of the model, that belong together."
        )
    tokens = _tokens(images, loaded)
    if length is not None and tokens > length:
        raise InputError(
            f"An image has {tokens} tokens, more than max_length={length}; leave max_length out, "
            "as images are not cut."
        )
    counted = np.ones(tokens, dtype=bool)
    if not special and not images.gives_tokens:
        counted[: loaded.anatomy.special] = False
    rows = tuple(range(len(images)))
    lazily: Any = images
    return ImageSequences(lazily, (counted,) * len(rows), rows)


def _tokens(images: ModelImages, loaded: LoadedModel) -> int:
    """Return the tokens per image."""
    if images.gives_tokens:
        return _palette_tokens(images, loaded)
    if images.shape == image_shape(loaded.module):
        return int(loaded.anatomy.positions or 0)
    return _tried(images, loaded)


def _palette_tokens(images: ModelImages, loaded: LoadedModel) -> int:
    tokens, colours = images.shape[0], len(images.palette)
    most, known = loaded.positions, loaded.vocabulary
    if most is not None and tokens > most:
        raise InputError(
            f"The image processor gives {tokens} pixels, but {loaded.source.name!r} takes {most}; "
            "use the processor that belongs to the model."
        )
    if known is not None and known <= colours:
        raise InputError(
            f"The palette has {colours} colours, but {loaded.source.name!r} knows "
            f"{known} tokens with the start token; use the processor that belongs to the model."
        )
    return tokens


def _tried(images: ModelImages, loaded: LoadedModel) -> int:
    """Feed the first image: a model may take other sizes than its configuration names."""
    import torch

    network = loaded.module
    pixels = torch.from_numpy(images[0])[None].to(device_of(network))
    try:
        with untouched(network), quiet():
            output = tensor_of(call(network, pixels, pixels), loaded.source.name)
    except (TypeError, ValueError, RuntimeError, IndexError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(
            f"The image processor gives images of shape {images.shape}, which the model "
            f"{loaded.source.name!r} does not take ({reason}); use the processor that belongs to "
            "the model."
        ) from error
    return int(output.shape[1])


def _read(folder: Path, name: str) -> Any:
    from transformers import AutoImageProcessor

    # before version 5 the choice had another name
    known = importlib.util.find_spec("transformers.image_processing_backends") is not None
    with_pillow: dict[str, Any] = {"backend": "pil"} if known else {"use_fast": False}
    try:
        with quiet():
            return AutoImageProcessor.from_pretrained(
                str(folder), trust_remote_code=False, local_files_only=True, **with_pillow
            )
    except Exception as error:  # damaged files raise anything
        reason = shorten(str(error) or type(error).__name__, 160, placeholder=" …")
        raise InputError(
            f"The image processor of {name!r} cannot be loaded ({reason}); mend "
            f"{PROCESSOR_FILES[0]}, or give a processor with image_processor=."
        ) from error
