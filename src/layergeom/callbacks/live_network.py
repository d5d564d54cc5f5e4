"""A network in the middle of its training: found inside its wrappers, and left as it was found."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np

from layergeom.errors import InputError
from layergeom.states.anatomy import device_of

if TYPE_CHECKING:
    import torch
    from torch import nn

_WRAPPERS = ("_orig_mod", "module")  # of torch.compile; of DataParallel and its like
_SHARDED = ("DTensor", "FullyShardedDataParallel", "DeepSpeedEngine")


def bare(network: Any) -> nn.Module:
    """Return the network inside what ``torch.compile`` or data parallelism put around it.

    Raises
    ------
    InputError
        If its weights are spread over processes (FSDP, DeepSpeed ZeRO-3, tensor parallelism): one
        process alone cannot run it.
    """
    while True:
        _check_whole(network)
        inner = next((getattr(network, w) for w in _WRAPPERS if _wraps(network, w)), None)
        if inner is None:
            found: nn.Module = network
            return found
        network = inner


def _wraps(network: Any, attribute: str) -> bool:
    children = dict(network.named_children())
    return list(children) == [attribute]


def _check_whole(network: Any) -> None:
    parts = [type(part).__name__ for part in network.modules()]
    weights = [type(w).__name__ for w in network.parameters()]
    spread = any(hasattr(w, "ds_id") for w in network.parameters())
    if spread or set(_SHARDED) & {*parts, *weights}:
        raise InputError(
            "the weights of this network are spread over processes (FSDP, ZeRO-3 or tensor "
            "parallelism), and a measurement runs on one; leave the callback out and measure the "
            "saved checkpoints with layergeom.dynamics."
        )


@contextmanager
def left_as_found(network: nn.Module) -> Iterator[None]:
    """Run the block so that training goes on as if it had not been.

    Random numbers (torch's of the processor and of the network's GPUs, numpy's, Python's) and the
    network's buffers are put back; mixed precision is off meanwhile, so that numbers are those of
    the weights. Modes and hooks are the reading's business
    (:func:`layergeom.states.hooks.untouched`); gradients are never touched.
    """
    import torch

    gpus = sorted({t.device.index for t in _tensors(network) if t.device.type == "cuda"})
    buffers = [(b, b.detach().clone()) for b in network.buffers()]
    owners = [(part, dict(part._buffers)) for part in network.modules()]
    legacy, words = np.random.get_state(), random.getstate()  # noqa: NPY002  that of the training
    try:
        with torch.random.fork_rng(devices=gpus), _full_precision(device_of(network).type):
            yield
    finally:
        np.random.set_state(legacy)  # noqa: NPY002
        random.setstate(words)
        for part, held in owners:
            part._buffers.update(held)
        with torch.no_grad():
            for buffer, before in buffers:
                buffer.copy_(before)


def _full_precision(device: str) -> AbstractContextManager[Any]:
    import torch

    if not torch.amp.is_autocast_available(device):
        return nullcontext()
    return torch.autocast(device, enabled=False)


def _tensors(network: nn.Module) -> Iterator[torch.Tensor]:
    yield from network.parameters()
    yield from network.buffers()


def finish_queued(network: nn.Module) -> None:
    """Wait for what the training has queued on its GPU, so that it is not counted as measuring."""
    import torch

    device = device_of(network)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
