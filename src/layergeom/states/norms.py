"""The norms of a pre-norm network, found by what they do in one tiny forward pass."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from layergeom.errors import InputError
from layergeom.states.anatomy import agree, call, trial_inputs
from layergeom.states.blocks import Block
from layergeom.states.hooks import input_of, tensor_of, untouched
from layergeom.states.views import HookPoint

if TYPE_CHECKING:
    import torch
    from torch import nn

_SIZE = 4.0  # of the trial tokens' entries; large against any epsilon
_LARGER = 8.0  # a power of two, so that half precision scales exactly
_INVARIANT = 1e-2  # relative difference below which a module does not see the factor


@dataclass(frozen=True)
class Norms:
    """Where a network normalises its stream.

    Parameters
    ----------
    network : str
        Its class, for messages.
    first : mapping of str to (str or None), or None
        By path of a block that of the first norm which takes the block's input; None for a first
        block whose input is normalised already (ModernBERT). None in place of all: not pre-norm.
    final : str or None
        Path of the norm behind the last block. Some networks norm only what they pool there
        (CLIP's and BEiT's for images); it is that norm then.
    """

    network: str
    first: Mapping[str, str | None] | None
    final: str | None

    def check(self, point: HookPoint) -> None:
        """Raise an InputError if the network has no such hook point."""
        if point == "first_norm" and self.first is None:
            raise InputError(
                f"A {self.network} is not pre-norm: no norm takes what enters its blocks, so it "
                "has no hook_point='first_norm'; choose hook_point='residual'."
            )
        if point != "residual" and self.final is None:
            raise InputError(
                f"A {self.network} has no norm behind its last block, which hook_point={point!r} "
                "needs; choose hook_point='residual'."
            )


def find_norms(network: nn.Module, blocks: tuple[Block, ...]) -> Norms:
    """Run two short sequences, or images, and see which modules normalise the stream.

    A norm is a module that gives the same for its input and for eight times its input. The first
    norm of a block is the first to end that took the block's input (of two beside each other, as
    in GPT-NeoX and Falcon, the first that is called).

    Parameters
    ----------
    network : torch.nn.Module
        Left exactly as it was.
    blocks : tuple of Block
        Its main stack.

    Returns
    -------
    Norms
    """
    import torch

    search = _Search()
    blocks_of = {id(block.module): block.path for block in blocks}
    inputs = trial_inputs(network)
    with untouched(network):
        for path, part in network.named_modules():
            if id(part) in blocks_of:
                part.register_forward_pre_hook(search.enter(blocks_of[id(part)]), with_kwargs=True)
                part.register_forward_hook(search.leave)
            elif path:
                part.register_forward_hook(search.look(path))
        call(network, inputs, torch.ones_like(inputs))
    first = {block.path: search.first.get(block.path) for block in blocks}
    by_themselves = blocks[1:] if search.entry_normed and len(blocks) > 1 else blocks
    complete = all(first[block.path] is not None for block in by_themselves)
    return Norms(type(network).__name__, first if complete else None, search.final)


class _Search:
    """Follows one forward pass and remembers the norms that it meets."""

    def __init__(self) -> None:
        self.first: dict[str, str] = {}
        self.final: str | None = None
        self.entry_normed = False
        self._block: str | None = None
        self._input: Any = None  # of the block that runs
        self._last: torch.Tensor | None = None  # what the last block gave
        self._entry: torch.Tensor | None = None  # what the last norm before the blocks gave
        self._probing = False

    def enter(self, path: str) -> Any:
        def hook(part: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            states = input_of(part, args, kwargs)
            if self._last is None and self._entry is not None:
                self.entry_normed = agree(self._entry, states)
            self._block, self._input, self.final = path, states.clone(), None

        return hook

    def leave(self, part: nn.Module, _args: Any, output: Any) -> None:
        self._block, self._last = None, tensor_of(output, type(part).__name__).clone()

    def look(self, path: str) -> Any:
        def hook(part: nn.Module, args: tuple[Any, ...], output: Any) -> None:
            if not self._probing and args and _alike(args[0], output):
                self._judge(path, part, args[0], output)

        return hook

    def _judge(self, path: str, part: nn.Module, states: torch.Tensor, output: Any) -> None:
        if self._block is not None:
            new = self._block not in self.first and agree(states, self._input)
            if new and self._normalises(part, states):
                self.first[self._block] = path
        elif self._last is None:
            if self._normalises(part, states):
                self._entry = output
        elif self.final is None and _stands_for(states, self._last):
            self.final = path if self._normalises(part, states) else None

    def _normalises(self, part: Any, states: torch.Tensor) -> bool:
        """See whether a module takes no notice of how large its input is, but of what it is."""
        trial = _waves(states)
        self._probing = True
        try:
            small, large = part.forward(trial), part.forward(_LARGER * trial)
        except (TypeError, ValueError, RuntimeError, IndexError, AttributeError):
            return False  # it takes more than states
        finally:
            self._probing = False
        if not _alike(states, small):
            return False
        constant = small[..., :1, :].expand_as(small)
        return agree(large, small, _INVARIANT) and not agree(constant, small, _INVARIANT)


def _alike(states: Any, output: Any) -> bool:
    """See whether both are states of one shape, as of a norm's input and output."""
    import torch

    if not (isinstance(states, torch.Tensor) and isinstance(output, torch.Tensor)):
        return False
    return states.is_floating_point() and states.ndim > 1 and states.shape == output.shape


def _waves(states: torch.Tensor) -> torch.Tensor:
    """Return tokens of the same shape and dtype that differ from each other."""
    import torch

    steps = torch.arange(states.numel(), device=states.device, dtype=torch.float32)
    return (_SIZE * torch.sin(0.7 * steps)).reshape(states.shape).to(states.dtype)


def _stands_for(states: torch.Tensor, last: torch.Tensor) -> bool:
    """See whether these are the last block's states, or what is pooled of them."""
    return any(agree(states, summary) for summary in _summaries(last))


def _summaries(last: torch.Tensor) -> Iterator[torch.Tensor]:
    yield from (last, last[:, 0], last[:, -1], last.mean(dim=1), last[:, 1:].mean(dim=1))
