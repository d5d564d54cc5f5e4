"""The blocks of a network, found by what its parts are and never by a table of models."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from layergeom.errors import InputError

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, eq=False)
class Block:
    """One module of the main stack; a module that is called several times appears once.

    Parameters
    ----------
    path : str
        Dotted path inside the network.
    module : torch.nn.Module
        The module itself.
    """

    path: str
    module: nn.Module


def find_blocks(
    network: nn.Module, names: Sequence[str] | None = None, within: str = ""
) -> tuple[Block, ...]:
    """Find the modules of the main stack, in their order in the network.

    The rules, the first that finds something decides: (1) a list of transformers'
    ``GradientCheckpointingLayer``; (2) the modules that transformers records as
    ``hidden_states`` (shared layers, as in ALBERT, appear once and are called often); (3) a list of
    modules of one class. Among several lists the one as long as ``num_hidden_layers`` wins, then
    the longest.

    Parameters
    ----------
    network : torch.nn.Module
        The network without its head.
    names : sequence of str, optional
        Paths of the blocks inside the network, in the order of their calls; none is looked for.
    within : str
        Path of the only part that is looked through; "" for all.

    Returns
    -------
    tuple of Block
        At least one.

    Raises
    ------
    InputError
        If no rule finds a stack, or a name is that of no module.
    """
    if names is not None:
        return _named(network, names)
    prefix = f"{within}." if within else ""
    for rule in _RULES:
        if found := rule(network.get_submodule(within)):
            return tuple(Block(prefix + block.path, block.module) for block in found)
    raise InputError(
        f"No stack of blocks was found in a {type(network).__name__}; extract the states yourself "
        "and give them as arrays, one per layer."
    )


def depth(network: nn.Module) -> int | None:
    """Return the number of blocks that the configuration promises; None if it says nothing."""
    config = getattr(network, "config", None)
    if config is not None and hasattr(config, "get_text_config"):
        config = config.get_text_config()
    layers = getattr(config, "num_hidden_layers", None)
    return layers if isinstance(layers, int) else None


def _named(network: nn.Module, names: Sequence[str]) -> tuple[Block, ...]:
    modules = dict(network.named_modules())
    if absent := [name for name in names if name not in modules]:
        raise InputError(
            f"There is no module {absent[0]!r} in a {type(network).__name__}; blocks takes dotted "
            "paths as in named_modules()."
        )
    if not names:
        raise InputError("blocks names no module; name at least one, or leave blocks out.")
    return tuple(Block(name, modules[name]) for name in names)


def _checkpointing(network: nn.Module) -> tuple[Block, ...]:
    from transformers.modeling_layers import GradientCheckpointingLayer

    return _stack(
        network, lambda parts: all(isinstance(p, GradientCheckpointingLayer) for p in parts)
    )


def _recorded(network: nn.Module) -> tuple[Block, ...]:
    from torch import nn

    outputs: Any = getattr(network, "_can_record_outputs", None) or {}
    wanted = outputs.get("hidden_states")
    wanted = getattr(wanted, "target_class", wanted)
    if not (isinstance(wanted, type) and issubclass(wanted, nn.Module)):
        return ()
    return tuple(
        Block(path, part) for path, part in network.named_modules() if isinstance(part, wanted)
    )


def _alike(network: nn.Module) -> tuple[Block, ...]:
    return _stack(network, lambda parts: len({type(p) for p in parts}) == 1)


def _stack(network: nn.Module, fits: Callable[[list[nn.Module]], bool]) -> tuple[Block, ...]:
    """Choose the list of modules that fits: as long as the configuration says, else the longest."""
    stacks = [stack for stack in _lists(network) if fits([block.module for block in stack])]
    if not stacks:
        return ()
    promised = depth(network)
    return max(stacks, key=lambda stack: (len(stack) == promised, len(stack)))


def _lists(network: nn.Module) -> Iterator[tuple[Block, ...]]:
    from torch import nn

    for path, part in network.named_modules():
        if isinstance(part, nn.ModuleList) and len(part):
            prefix = f"{path}." if path else ""
            yield tuple(Block(f"{prefix}{name}", child) for name, child in part.named_children())


_RULES = (_checkpointing, _recorded, _alike)
