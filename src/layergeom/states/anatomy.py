"""What each layer of a network is, found by one tiny forward pass instead of by its name."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from layergeom.errors import InputError
from layergeom.states.blocks import Block
from layergeom.states.hidden import LayerName
from layergeom.states.hooks import tapped, tensor_of, untouched

if TYPE_CHECKING:
    import torch
    from torch import nn

_TOKENS = 6  # length of the trial sequences; long enough that no two layers agree by chance
_AGREE = 1e-5  # relative difference below which two tensors are the same state


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
    """

    names: tuple[LayerName, ...]
    widths: tuple[int, ...]
    final_norm: str | None
    causal: bool


def dissect(network: nn.Module, blocks: tuple[Block, ...]) -> Anatomy:
    """Run two short sequences through the network and see what equals what.

    Parameters
    ----------
    network : torch.nn.Module
        Takes ``input_ids``; left exactly as it was.
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
        If the network does not take token ids, or its blocks do not give (batch, T, D) states.
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
    if not _same(states[-1], trial.output):
        norm = trial.norm
        at = _where(trial.hidden_states, trial.output, count)
        names.append(LayerName("final", 1.0, at, norm, count, True))
        states.append(trial.output)
    widths = tuple(tensor.shape[-1] for tensor in states)
    return Anatomy(tuple(names), widths, norm, _causal(network, trial))


def call(network: nn.Module, ids: torch.Tensor, mask: torch.Tensor, **options: Any) -> Any:
    """Call the network with those of its arguments that it names, without a cache.

    Parameters
    ----------
    network : torch.nn.Module
        The network without its head.
    ids : Tensor of int64, shape (batch, T)
        Token ids.
    mask : Tensor of int64, shape (batch, T)
        1 for real tokens.
    **options
        Further arguments, passed on in any case.

    Returns
    -------
    object
        What the network returns.
    """
    accepted = inspect.signature(network.forward).parameters
    if "input_ids" not in accepted:
        return network(ids, **options)
    wanted = {"attention_mask": mask, "use_cache": False, "return_dict": True}
    named = {name: value for name, value in wanted.items() if name in accepted}
    return network(input_ids=ids, **named, **options)


def device_of(network: nn.Module) -> torch.device:
    """Return the device that takes the token ids: that of the first parameter."""
    import torch

    return next((p.device for p in network.parameters()), torch.device("cpu"))


@dataclass(frozen=True, eq=False)
class _Trial:
    states: Mapping[int, torch.Tensor]
    called: tuple[nn.Module, ...]
    output: torch.Tensor
    hidden_states: tuple[torch.Tensor, ...]
    entry: str | None
    norm: str | None


def trial_ids(network: Any) -> torch.Tensor:
    """Return two short sequences of valid token ids, shape (2, T)."""
    import torch

    embeddings = (
        network.get_input_embeddings() if hasattr(network, "get_input_embeddings") else None
    )
    vocabulary = int(getattr(embeddings, "num_embeddings", 8))
    ids = torch.arange(2 * _TOKENS).reshape(2, _TOKENS) * 7 + 3
    return (ids % vocabulary).to(device_of(network))


def _trial(network: nn.Module, blocks: tuple[Block, ...]) -> _Trial:
    import torch

    ids = trial_ids(network)
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
                part.register_forward_hook(_keep(path, after))
        try:
            output = call(network, ids, torch.ones_like(ids), **_asking(network))
        except (TypeError, ValueError, RuntimeError, IndexError) as error:
            raise InputError(
                f"A {type(network).__name__} does not run on token ids alone ({error}); extract "
                "its states yourself and give them as arrays."
            ) from error
    hidden = getattr(output, "hidden_states", None) or ()
    final = tensor_of(output, type(network).__name__)
    norm = next((path for path, tensor in after if _same(tensor, final)), None)
    # the outermost module that gives the first block's input
    entry = next((path for path, tensor in reversed(after) if _same(tensor, states[0])), None)
    return _Trial(states, tuple(called), final, tuple(hidden), entry, norm)


def _causal(network: nn.Module, trial: _Trial) -> bool:
    """See whether another last token changes the states of the tokens before it."""
    import torch

    ids = trial_ids(network)
    ids[:, -1] = ids[:, 0]
    with untouched(network):
        output = tensor_of(call(network, ids, torch.ones_like(ids)), type(network).__name__)
    return _same(output[:, :-1], trial.output[:, :-1])


def _keep(path: str, after: list[tuple[str, torch.Tensor]]) -> Any:
    import torch

    def hook(_part: nn.Module, _args: Any, output: Any) -> None:
        if isinstance(output, torch.Tensor):
            after.append((path, output))

    return hook


def _asking(network: nn.Module) -> dict[str, Any]:
    """Ask for hidden_states, where the network is one of transformers'."""
    from transformers import PreTrainedModel

    return {"output_hidden_states": True} if isinstance(network, PreTrainedModel) else {}


def _checked(tensor: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    if tensor.ndim != 3 or tensor.shape[:2] != ids.shape:
        raise InputError(
            f"The blocks give states of shape {tuple(tensor.shape)} for {tuple(ids.shape)} tokens, "
            "but (batch, tokens, features) is needed; extract the states yourself and give arrays."
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
    return next((i for i in order if _same(hidden[i], states)), None)


def _same(a: torch.Tensor, b: torch.Tensor) -> bool:
    if a.shape != b.shape:
        return False
    if not bool((a.isfinite() & b.to(a.device).isfinite()).any()):
        return a.data_ptr() == b.data_ptr()
    a, b = a.double().cpu(), b.double().cpu()
    if not bool((a.isfinite() == b.isfinite()).all()):
        return False
    gap, size = (a - b).abs(), b.abs()  # not finite at the same places: those say nothing
    return float(gap.nan_to_num(0.0, 0.0).max()) <= _AGREE * float(size.nan_to_num(0.0, 0.0).max())
