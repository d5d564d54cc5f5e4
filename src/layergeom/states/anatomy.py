"""What each layer of a network is, found by one tiny forward pass instead of by its name."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from layergeom.errors import InputError
from layergeom.states.blocks import Block
from layergeom.states.hidden import LayerName
from layergeom.states.hooks import lead_of, tapped, tensor_of, untouched
from layergeom.states.patches import PIXELS, entrance, image_shape, in_order

if TYPE_CHECKING:
    import torch
    from torch import nn

_TOKENS = 6  # length of the trial sequences; long enough that no two layers agree by chance
_PADDING = 2  # masked tokens behind the trial sequences
_AGREE = 1e-5  # relative difference below which two tensors are the same state
_ROUNDINGS = 8  # of half precision, by which kernels of two widths may differ


@dataclass(frozen=True, eq=False)
class Anatomy:
    """The layers of a network.

    Parameters
    ----------
    names : tuple of LayerName
        ``embedding``, ``block_1`` … ``block_L`` and, where the network's output differs from its
        last block's, ``final``.
    widths : tuple of int
        Features of each layer.
    final_norm : str or None
        Path of the module that turns the last block's output into the network's output.
    causal : bool
        True if a token's states do not depend on later tokens (a decoder).
    positions : int or None
        Tokens per image; None if the network takes token ids.
    special : int
        Tokens before those of the patches (CLS, registers).
    masks : bool
        False if masked padding behind a row changes the row's states: only rows of one length may
        share a batch then.
    """

    names: tuple[LayerName, ...]
    widths: tuple[int, ...]
    final_norm: str | None
    causal: bool
    positions: int | None = None
    special: int = 0
    masks: bool = True


def dissect(network: nn.Module, blocks: tuple[Block, ...]) -> Anatomy:
    """Run two short sequences, or images, through the network and see what equals what.

    Parameters
    ----------
    network : torch.nn.Module
        Takes ``input_ids`` or ``pixel_values``; left exactly as it was.
    blocks : tuple of Block
        Its main stack.

    Returns
    -------
    Anatomy
        Indices into ``hidden_states`` are those whose tensor agreed to 1e-5; None where none did
        or the network gives none.

    Raises
    ------
    InputError
        If the network runs on neither, or its blocks do not give (batch, T, D) states.
    """
    trial = _trial(network, blocks)
    paths = _paths(trial, blocks)
    count = len(paths)
    names = [
        LayerName("embedding", 0.0, _index(trial, 0), trial.entry, 0, False),
        *(
            LayerName(f"block_{i}", i / count, _index(trial, i), paths[i - 1], i, False)
            for i in range(1, count + 1)
        ),
    ]
    states = [trial.states[i] for i in range(count + 1)]
    norm = None
    if not agree(states[-1], trial.output):
        norm = trial.norm
        at = _where(trial.hidden_states, trial.output, count)
        names.append(LayerName("final", 1.0, at, norm, count, True))
        states.append(trial.output)
    widths = tuple(tensor.shape[-1] for tensor in states)
    causal = _causal(network, trial)
    if entrance(network) != PIXELS:
        return Anatomy(tuple(names), widths, norm, causal, masks=_masks(network, trial))
    positions = states[0].shape[1]
    return Anatomy(tuple(names), widths, norm, causal, positions, positions - trial.patches)


def call(network: nn.Module, inputs: torch.Tensor, mask: torch.Tensor, **options: Any) -> Any:
    """Call the network with those of its arguments that it names, without a cache.

    Parameters
    ----------
    network : torch.nn.Module
        The network without its head.
    inputs : Tensor of int64, shape (batch, T), or of float, shape (batch, channels, h, w)
        Token ids, or pixels in place of them.
    mask : Tensor of int64, shape (batch, T)
        1 for real tokens; pixels need none.
    **options
        Further arguments, passed on in any case.

    Returns
    -------
    object
        What the network returns.
    """
    accepted = inspect.signature(network.forward).parameters
    name = entrance(network)
    if name not in accepted:
        return network(inputs, **options)
    wanted: dict[str, Any] = {"use_cache": False, "return_dict": True}
    if name != PIXELS:
        wanted["attention_mask"] = mask
    else:
        inputs = inputs.to(next(network.parameters()).dtype)
        wanted["noise"] = in_order(inputs, network.config)
    named = {key: value for key, value in wanted.items() if key in accepted}
    return network(**{name: inputs}, **named, **options)


def device_of(network: nn.Module, without: torch.device | None = None) -> torch.device:
    """Return the device that takes the token ids: that of the first parameter.

    Parameters
    ----------
    network : torch.nn.Module
        A parameter that accelerate keeps in memory or on the disk (a device map) counts as on the
        device to which its hook brings it for a call.
    without : torch.device, optional
        The answer for a network without parameters; the processor by default.
    """
    import torch

    first = next(network.parameters(), None)
    if first is None:
        return torch.device("cpu") if without is None else without
    return first.device if first.device.type != "meta" else _device_of_calls(network)


def _device_of_calls(network: nn.Module) -> torch.device:
    """Return the first device on which accelerate's hooks have a module run."""
    import torch

    hooks = (getattr(part, "_hf_hook", None) for part in network.modules())
    several = (getattr(hook, "hooks", (hook,)) for hook in hooks)
    found = (getattr(hook, "execution_device", None) for each in several for hook in each)
    return torch.device(next((device for device in found if device is not None), "cpu"))


@dataclass(frozen=True, eq=False)
class _Trial:
    states: Mapping[int, torch.Tensor]
    called: tuple[nn.Module, ...]
    output: torch.Tensor
    hidden_states: tuple[torch.Tensor, ...]
    entry: str | None
    norm: str | None
    patches: int


def trial_inputs(network: Any) -> torch.Tensor:
    """Return two short sequences of valid token ids, shape (2, T), or two images."""
    import torch

    if entrance(network) == PIXELS:
        shape = (2, *image_shape(network))
        first = next(network.parameters())
        waves = torch.sin(torch.arange(math.prod(shape)) * 0.7)
        return waves.reshape(shape).to(first.device, first.dtype)
    embeddings = (
        network.get_input_embeddings() if hasattr(network, "get_input_embeddings") else None
    )
    vocabulary = int(getattr(embeddings, "num_embeddings", 8))
    ids = torch.arange(2 * _TOKENS).reshape(2, _TOKENS) * 7 + 3
    return (ids % vocabulary).to(device_of(network))


def _trial(network: nn.Module, blocks: tuple[Block, ...]) -> _Trial:
    import torch

    ids = trial_inputs(network)
    states: dict[int, torch.Tensor] = {}
    called: list[nn.Module] = []
    after: list[tuple[str, torch.Tensor]] = []
    inner = {id(part) for block in blocks for part in block.module.modules()}

    def receive(layer: int, tensor: torch.Tensor) -> None:
        # a copy, as later blocks may add in place; a tensor without numbers is known by its place
        known = bool(_checked(tensor, ids).isfinite().any())
        states[layer] = tensor.clone() if known else tensor

    with untouched(network), ExitStack() as stack:
        stack.enter_context(tapped(network, blocks, receive))
        for block in blocks:
            block.module.register_forward_hook(lambda part, *_: called.append(part))
        for path, part in network.named_modules():
            if path and id(part) not in inner:
                part.register_forward_hook(_keep(path, after, lead_of(network)))
        try:
            output = call(network, ids, torch.ones_like(ids), **_asking(network))
        except (TypeError, ValueError, RuntimeError, IndexError) as error:
            raise InputError(
                f"A {type(network).__name__} does not run on {entrance(network)} alone ({error}); "
                "extract its states yourself and give them as arrays."
            ) from error
    hidden = getattr(output, "hidden_states", None) or ()
    final = tensor_of(output, type(network).__name__)
    norm = next((path for path, tensor in after if agree(tensor, final)), None)
    # the outermost module that gives the first block's input
    entry = next((path for path, tensor in reversed(after) if agree(tensor, states[0])), None)
    grids = (tensor.shape[-2] * tensor.shape[-1] for _, tensor in after if tensor.ndim == 4)
    patches = next(grids, final.shape[1])
    return _Trial(states, tuple(called), final, tuple(hidden), entry, norm, patches)


def _causal(network: nn.Module, trial: _Trial) -> bool:
    """See whether another last token changes the states of the tokens before it."""
    import torch

    ids = trial_inputs(network)
    ids[..., -1] = ids[..., 0]
    with untouched(network):
        output = tensor_of(call(network, ids, torch.ones_like(ids)), type(network).__name__)
    return agree(output[:, :-1], trial.output[:, :-1])


def _masks(network: nn.Module, trial: _Trial) -> bool:
    """See whether masked tokens behind a row leave its states as they are."""
    import torch
    from torch.nn.functional import pad

    ids = trial_inputs(network)
    mask = pad(torch.ones_like(ids), (0, _PADDING))
    with untouched(network):
        try:
            output = call(network, pad(ids, (0, _PADDING)), mask)
        except (ValueError, RuntimeError, IndexError):  # no room for so many
            return False
    padded = tensor_of(output, type(network).__name__)[:, :_TOKENS]
    exact = torch.finfo(padded.dtype).eps
    return agree(padded, trial.output, max(_AGREE, _ROUNDINGS * exact))


def _keep(path: str, after: list[tuple[str, torch.Tensor]], lead: int) -> Any:
    import torch

    def hook(_part: nn.Module, _args: Any, output: Any) -> None:
        if isinstance(output, torch.Tensor):
            after.append((path, output[:, lead:] if lead and output.ndim == 3 else output))

    return hook


def _asking(network: nn.Module) -> dict[str, Any]:
    """Ask for hidden_states, where the network is one of transformers'."""
    from transformers import PreTrainedModel

    from layergeom.states.decoders import Decoder

    known = isinstance(network, (PreTrainedModel, Decoder))
    return {"output_hidden_states": True} if known else {}


def _checked(tensor: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    shape = ids.shape if ids.ndim == 2 else ids.shape[:1]
    if tensor.ndim != 3 or tensor.shape[: len(shape)] != shape:
        raise InputError(
            f"The blocks give states of shape {tuple(tensor.shape)} for inputs of "
            f"{tuple(ids.shape)}, but (batch, tokens, features) is needed; extract the states "
            "yourself and give arrays."
        )
    return tensor


def _paths(trial: _Trial, blocks: tuple[Block, ...]) -> list[str]:
    """Return the path of every block in the order of the calls."""
    paths = {id(block.module): block.path for block in blocks}
    return [paths[id(part)] for part in trial.called]


def _index(trial: _Trial, layer: int) -> int | None:
    return _where(trial.hidden_states, trial.states[layer], layer)


def _where(hidden: tuple[torch.Tensor, ...], states: torch.Tensor, expected: int) -> int | None:
    """Index of the entry that equals ``states``; the expected one where several do."""
    order = sorted(range(len(hidden)), key=lambda i: (i != expected, i))
    return next((i for i in order if agree(hidden[i], states)), None)


def agree(a: torch.Tensor, b: torch.Tensor, tolerance: float = _AGREE) -> bool:
    """See whether two tensors are the same state, up to ``tolerance`` times the second's size."""
    if a.shape != b.shape:
        return False
    if not bool((a.isfinite() & b.to(a.device).isfinite()).any()):
        return a.data_ptr() == b.data_ptr()
    a, b = a.double().cpu(), b.double().cpu()
    if not bool((a.isfinite() == b.isfinite()).all()):
        return False
    gap, size = (a - b).abs(), b.abs()  # not finite at the same places: those say nothing
    return float(gap.nan_to_num(0.0, 0.0).max()) <= tolerance * float(
        size.nan_to_num(0.0, 0.0).max()
    )
