"""A network without its last blocks: its configuration, and the weights that remain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from layergeom.errors import InputError
from layergeom.states.hidden import block_number
from layergeom.states.loading import quiet
from layergeom.states.models import LoadedModel

if TYPE_CHECKING:
    import torch

# what a configuration works out anew from the number of its blocks
_DERIVED = ("stage_names", "out_features", "out_indices")
_NOT_OF_BLOCKS = ("architectures", "token_id")  # lists as long as the stack only by chance
_POOLER = "pooler."  # learnt on the last block's states


@dataclass(frozen=True, eq=False)
class Shortened:
    """A network cut behind block ``blocks``, ready to be written.

    Attributes
    ----------
    network : object
        A network of transformers with the shorter configuration; its weights have no values.
    weights : mapping of str to Tensor
        The weights that are written, as they are in memory; none is copied.
    left_out : tuple of str
        Weights besides the later blocks' that are not written, as no state depends on them:
        poolers and heads that were learnt on all blocks.
    blocks : int
        Blocks that remain.
    """

    network: Any
    weights: Mapping[str, torch.Tensor]
    left_out: tuple[str, ...]
    blocks: int

    def write(self, folder: Path) -> None:
        """Write ``config.json`` and the weights as safetensors, in their own dtype."""
        with quiet():
            self.network.save_pretrained(folder, state_dict=dict(self.weights))


def shortened(loaded: LoadedModel, blocks: int) -> Shortened:
    """Cut a network behind one of its blocks.

    Parameters
    ----------
    loaded : LoadedModel
        Left as it is.
    blocks : int
        Blocks that remain, from 1 to one less than there are.

    Returns
    -------
    Shortened
        Of the class that transformers' ``AutoModel`` (of an encoder–decoder's encoder:
        ``AutoModelForTextEncoding``) makes of the configuration.

    Raises
    ------
    InputError
        If there is no such class, as of a decoder that reads what an encoder says, or if the
        remaining weights do not fit the shorter configuration.

    Notes
    -----
    Shared blocks (ALBERT) stay as long as one call of them does. A final norm stays. The numbers of
    the cut network are not checked here (see :func:`layergeom.tasks.truncate.truncate`).
    """
    config = _short_config(loaded, blocks)
    network, prefix = _empty(loaded, config)
    weights = {prefix + name: tensor for name, tensor in _kept(loaded, blocks).items()}
    for copy, origin in _tied(network).items():
        if origin not in weights and copy in weights:
            weights[origin] = weights.pop(copy)
    wanted = network.state_dict()
    fitting = {
        name: tensor
        for name, tensor in weights.items()
        if name in wanted and wanted[name].shape == tensor.shape and not name.startswith(_POOLER)
    }
    heads = [name for name in weights if name in wanted and name not in fitting]
    lacking = set(wanted) - set(fitting) - set(heads) - set(_tied(network))
    if strange := sorted((set(weights) - set(wanted)) | lacking):
        raise InputError(
            f"A {type(loaded.module).__name__} cannot be cut to {blocks} blocks: its weight "
            f"{strange[0]!r} has no place in a shorter one; use embed(layer=…) instead."
        )
    return Shortened(network, fitting, tuple(heads), blocks)


def _short_config(loaded: LoadedModel, blocks: int) -> Any:
    """Return the configuration with fewer blocks, its lists of one entry per block cut too."""
    config = getattr(loaded.module, "config", None)
    there = depth(loaded)
    if getattr(config, "num_hidden_layers", None) != there or config is None:
        raise InputError(
            f"The configuration of a {type(loaded.module).__name__} does not name its {there} "
            "blocks as num_hidden_layers, so it cannot say that there are fewer; use "
            "embed(layer=…) instead."
        )
    content = config.to_dict()
    for name in _DERIVED:
        content.pop(name, None)
    for name, value in content.items():
        if isinstance(value, (list, tuple)) and len(value) == there:
            content[name] = value if name.endswith(_NOT_OF_BLOCKS) else list(value)[:blocks]
    content[type(config).attribute_map.get("num_hidden_layers", "num_hidden_layers")] = blocks
    return type(config).from_dict(content)


def depth(loaded: LoadedModel) -> int:
    """Return the number of blocks, a shared one counted as often as it is called."""
    return max(block_number(name.key) or 0 for name in loaded.anatomy.names)


def _kept(loaded: LoadedModel, blocks: int) -> dict[str, torch.Tensor]:
    """Return the weights that the first blocks and all that is no block have."""
    called = {name.module for name in loaded.anatomy.names[1 : blocks + 1]}
    gone = tuple(f"{block.path}." for block in loaded.blocks if block.path not in called)
    state: dict[str, torch.Tensor] = loaded.module.state_dict()
    return {name: tensor for name, tensor in state.items() if not name.startswith(gone)}


def _empty(loaded: LoadedModel, config: Any) -> tuple[Any, str]:
    """Return a network of this configuration without values, and where the given one sits in it."""
    import torch
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_TEXT_ENCODING_MAPPING,
        MODEL_MAPPING,
    )

    given = type(loaded.module)
    for mapping in (MODEL_MAPPING, MODEL_FOR_TEXT_ENCODING_MAPPING):
        known: Any = mapping.get(type(config), ())
        for kind in known if isinstance(known, tuple) else (known,):
            with torch.device("meta"):
                network = kind(config).to(getattr(torch, loaded.dtype))  # config.json says so
            if kind is given:
                return network, ""
            if mapping is MODEL_FOR_TEXT_ENCODING_MAPPING and _encodes_as(network, given):
                return network, f"{_path_of(network, network.get_encoder())}."
    raise InputError(
        f"A {given.__name__} is a part that transformers loads as no model of its own, so it "
        "cannot be cut; use embed(layer=…) instead."
    )


def _encodes_as(network: Any, given: type) -> bool:
    return hasattr(network, "get_encoder") and type(network.get_encoder()) is given


def _path_of(network: Any, part: Any) -> str:
    return str(next(path for path, found in network.named_modules() if found is part))


def _tied(network: Any) -> dict[str, str]:
    """Weights that are another one under a second name: copy to original."""
    return dict(getattr(network, "all_tied_weights_keys", None) or {})
