"""Networks that read images as patches: what they are fed, and what they must not do at random."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from layergeom.arrays import Float32Array, IntArray
from layergeom.errors import InputError
from layergeom.states.sequences import Sequences

if TYPE_CHECKING:
    import torch
    from torch import nn

    from layergeom.states.anatomy import Anatomy

PIXELS = "pixel_values"


def entrance(network: Any) -> str:
    """Name of the argument that takes the inputs, such as ``input_ids``."""
    return str(getattr(network, "main_input_name", "input_ids"))


def image_shape(network: Any) -> tuple[int, int, int]:
    """Channels, height and width of the images that a network takes.

    Raises
    ------
    InputError
        If the configuration does not say.
    """
    size = getattr(network.config, "image_size", None)
    if size is None:
        raise InputError(
            f"The configuration of a {type(network).__name__} has no image_size; extract the "
            "states yourself and give them as arrays."
        )
    height, width = (size, size) if isinstance(size, int) else size
    return (int(getattr(network.config, "num_channels", 3)), int(height), int(width))


def check_pixels(
    items: Sequence[Any], names: Sequence[str], loaded: Any, special: bool
) -> Sequences:
    """Take images as the network's own preprocessing gives them.

    Parameters
    ----------
    items : sequence of arrays, each of shape (channels, height, width)
        Preprocessed images.
    names : sequence of str
        Ids of the rows, for messages.
    loaded : LoadedModel
        A network that takes pixels.
    special : bool
        CLS and register tokens enter the pooling; always, where there is nothing else.

    Returns
    -------
    Sequences
        ``ids`` holds the float32 images; the mask counts one token per patch.

    Raises
    ------
    InputError
        For an image of another shape, or with values that are not finite.
    """
    anatomy: Anatomy = loaded.anatomy
    wanted = image_shape(loaded.module)
    images = [_image(item, name, wanted) for item, name in zip(items, names, strict=True)]
    counted = np.ones(anatomy.positions or 0, dtype=bool)
    counted[: 0 if special else anatomy.special] = False
    return Sequences(tuple(images), (counted,) * len(images), tuple(range(len(images))))


def palette_tokens(images: Float32Array, palette: Float32Array) -> IntArray:
    """Turn images into ImageGPT's token ids: its start token, then the nearest colours in rows.

    The last pixel is left out, as in training: it would only be predicted.

    Parameters
    ----------
    images : float32 array, shape (n, height, width, channels)
        In the palette's units (ImageGPT: -1 to 1).
    palette : float32 array, shape (colours, channels)
        ``clusters`` of the model's ``preprocessor_config.json``.

    Returns
    -------
    int64 array, shape (n, height · width)
        The start token's id is the number of colours.

    Raises
    ------
    InputError
        If the shapes do not fit, or a value is not finite.

    Notes
    -----
    Cost: the squared distances of one image to all colours at a time. Source: Chen et al. 2020,
    *Generative pretraining from pixels*, section 3.
    """
    images, palette = np.asarray(images, np.float32), np.asarray(palette, np.float32)
    if images.ndim != 4 or palette.ndim != 2 or images.shape[3] != palette.shape[1]:
        raise InputError(
            "palette_tokens takes images (n, height, width, channels) and colours (number, "
            f"channels) but got {images.shape} and {palette.shape}."
        )
    if not (np.isfinite(images).all() and np.isfinite(palette).all()):
        raise InputError("The images or the palette hold values that are not finite; mend them.")
    pixels = images.reshape(len(images), -1, images.shape[3])[:, :-1]
    ids = np.full((len(images), pixels.shape[1] + 1), len(palette), dtype=np.int64)
    for row, image in enumerate(pixels):
        ids[row, 1:] = ((image[:, None] - palette) ** 2).sum(axis=2).argmin(axis=1)
    return ids


def in_order(pixels: torch.Tensor, config: Any) -> torch.Tensor:
    """Return the noise that leaves the patches where they are, shape (batch, patches)."""
    import torch

    patch = config.patch_size
    down, across = (patch, patch) if isinstance(patch, int) else patch
    count = (pixels.shape[2] // down) * (pixels.shape[3] // across)
    return torch.arange(count, device=pixels.device).expand(len(pixels), count)


@contextmanager
def unmasked(network: nn.Module) -> Iterator[None]:
    """Keep a masked autoencoder from hiding patches, and afterwards let it again.

    MAE hides patches at random whenever it is called, not in training alone.
    """
    configs = {id(c): c for part in network.modules() if (c := getattr(part, "config", None))}
    masking = [(c, c.mask_ratio) for c in configs.values() if hasattr(c, "mask_ratio")]
    for config, _ in masking:
        config.mask_ratio = 0.0
    try:
        yield
    finally:
        for config, ratio in masking:
            config.mask_ratio = ratio


def _image(item: Any, name: str, wanted: tuple[int, int, int]) -> Float32Array:
    image = np.asarray(item, dtype=np.float32)
    if image.shape != wanted:
        raise InputError(
            f"Image {name!r} has shape {image.shape}, but the model takes (channels, height, "
            f"width) = {wanted}; run the model's image processor first."
        )
    if not np.isfinite(image).all():
        raise InputError(f"Image {name!r} holds values that are not finite; mend or remove it.")
    return image
