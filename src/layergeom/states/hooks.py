"""Reading the stream between the blocks during a forward pass, and leaving no trace of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from layergeom.errors import InputError
from layergeom.states.patches import unmasked

if TYPE_CHECKING:
    import torch
    from torch import nn

    from layergeom.states.blocks import Block

Receive = Callable[[int, "torch.Tensor"], None]


@dataclass(frozen=True, eq=False)
class FirstNorms:
    """The first norm of every block, and who is told its output.

    Parameters
    ----------
    norms : tuple of (torch.nn.Module or None)
        One per block; None where the block's input itself is told.
    receive : callable
        Takes l and the output of the first norm of block l + 1, l = 0 … L - 1.
    """

    norms: tuple[nn.Module | None, ...]
    receive: Receive


_HOOKS = (
    "_forward_hooks",
    "_forward_hooks_with_kwargs",
    "_forward_hooks_always_called",
    "_forward_pre_hooks",
    "_forward_pre_hooks_with_kwargs",
)
# transformers marks a network whose own recording hooks are installed; they go, so goes the mark.
_MARK = "_output_capturing_hooks_installed"


@contextmanager
def untouched(network: nn.Module) -> Iterator[None]:
    """Put the network into evaluation mode and afterwards back as it was, also after an error.

    Training flags of every sub-module, hooks registered meanwhile (by anyone) and gradients mode
    are restored; parameters are not touched at all. A masked autoencoder hides nothing meanwhile.

    Parameters
    ----------
    network : torch.nn.Module
        The network to work with.
    """
    import torch

    before = [
        (part, part.training, _hooks(part), _MARK in vars(part)) for part in network.modules()
    ]
    network.eval()
    try:
        # no_grad, not inference_mode: a tensor cached by the network would be unusable in training
        with torch.no_grad(), unmasked(network):
            yield
    finally:
        for part, training, hooks, marked in before:
            part.training = training
            _restore(part, hooks)
            if not marked:
                vars(part).pop(_MARK, None)


@contextmanager
def tapped(
    network: nn.Module,
    blocks: Sequence[Block],
    receive: Receive,
    normed: FirstNorms | None = None,
) -> Iterator[None]:
    """Call ``receive(l, states)`` for the input of block 1 (l = 0) and every block's output.

    Blocks are counted by their calls, so a layer that is shared and called L times gives L
    outputs. ``states`` is the live tensor, shape (batch, T, D); whoever keeps it holds its memory.
    Positions that the network puts before the text's are taken off (see `lead_of`).

    Parameters
    ----------
    network : torch.nn.Module
        Each call of it starts the count anew.
    blocks : sequence of Block
        The modules of the main stack.
    receive : callable
        Takes the number of the layer and its states.
    normed : FirstNorms, optional
        Also listens to the first norm of every block.
    """
    calls = _Calls(receive, lead_of(network), normed)
    handles = [network.register_forward_pre_hook(calls.start)]
    try:
        for block in blocks:
            handles.append(block.module.register_forward_pre_hook(calls.enter, with_kwargs=True))
            handles.append(block.module.register_forward_hook(calls.leave))
        norms = set() if normed is None else {norm for norm in normed.norms if norm is not None}
        handles.extend(norm.register_forward_hook(calls.norm) for norm in norms)
        yield
    finally:
        for handle in handles:
            handle.remove()


def lead_of(network: nn.Module) -> int:
    """Positions that a network puts before those of its input: a decoder's start token."""
    from layergeom.states.decoders import Decoder

    return Decoder.lead if isinstance(network, Decoder) else 0


def tensor_of(output: Any, what: str) -> torch.Tensor:
    """Return a module's states: its output, the first entry or ``last_hidden_state``."""
    import torch

    if not isinstance(output, torch.Tensor):
        named = getattr(output, "last_hidden_state", None)
        output = named if named is not None else _first(output)
    if not isinstance(output, torch.Tensor):
        raise InputError(
            f"The output of {what} holds no tensor of states; give the states as arrays."
        )
    return output


def _first(output: Any) -> Any:
    return output[0] if isinstance(output, (tuple, list)) and output else None


class _Calls:
    """Counts the calls of the blocks within one forward pass."""

    def __init__(self, receive: Receive, lead: int, normed: FirstNorms | None) -> None:
        self._receive = receive
        self._lead = lead
        self._normed = normed
        self._count = 0
        self._awaits_norm = False

    def start(self, _module: nn.Module, _args: Any) -> None:
        self._count = 0
        self._awaits_norm = False

    def enter(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if self._count == 0:
            self._give(self._receive, input_of(module, args, kwargs))
        if self._normed is not None:
            self._awaits_norm = True
            if self._count == 0 and self._normed.norms[0] is None:
                self.norm(module, args, input_of(module, args, kwargs))

    def norm(self, module: nn.Module, _args: Any, output: Any) -> None:
        if self._awaits_norm and self._normed is not None:
            self._awaits_norm = False  # a norm that the block calls again is not the first
            self._give(self._normed.receive, tensor_of(output, type(module).__name__))

    def leave(self, module: nn.Module, _args: Any, output: Any) -> None:
        self._count += 1
        self._awaits_norm = False
        self._give(self._receive, tensor_of(output, type(module).__name__))

    def _give(self, receive: Receive, states: torch.Tensor) -> None:
        receive(self._count, states[:, self._lead :] if self._lead else states)


def input_of(module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> torch.Tensor:
    """Return the states that a block is called with: its first argument or ``hidden_states``."""
    return tensor_of(
        args[0] if args else kwargs.get("hidden_states"), f"the input of {type(module).__name__}"
    )


def _hooks(part: nn.Module) -> dict[str, set[int]]:
    return {name: set(getattr(part, name, ())) for name in _HOOKS}


def _restore(part: nn.Module, hooks: dict[str, set[int]]) -> None:
    for name, known in hooks.items():
        registered = getattr(part, name, {})
        for key in [key for key in registered if key not in known]:
            del registered[key]
