"""One vector per sequence from its token states: pure functions on (batch, T, D) and a mask.

The mask (batch, T) is True where a token counts; every row has at least one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from layergeom.errors import InputError

if TYPE_CHECKING:
    import torch

Mode: TypeAlias = Literal["mean", "last", "first", "max", "mean_sqrt_len", "weighted_mean"]
Pooling: TypeAlias = Literal[
    "auto", "mean", "last", "first", "max", "mean_sqrt_len", "weighted_mean", "token"
]

CLAMPED = 64_500.0  # transformers clamps float16 to its largest number less 1,000
WIDENED_ENTRIES = 1 << 18  # of token states that are float64 at a time: 2 MiB


def pool(states: torch.Tensor, mask: torch.Tensor, modes: Sequence[Mode]) -> torch.Tensor:
    """Pool token states into one vector per row; several modes are concatenated.

    Parameters
    ----------
    states : Tensor, shape (batch, T, D)
        float32 or float64 (see `widen`), zero where the mask is False.
    mask : Tensor of bool, shape (batch, T)
        The tokens that count, at least one per row.
    modes : sequence of str
        See the functions of this module.

    Returns
    -------
    Tensor, shape (batch, D · len(modes))
    """
    import torch

    parts = [_MODES[mode](states, mask) for mode in modes]
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=-1)


def widen(states: torch.Tensor, hidden: torch.Tensor | None) -> torch.Tensor:
    """Half precision becomes float32, and the tokens that do not count become zero.

    Without the second step an overflow on a padding position would reach the mean as 0 · inf. What
    a network has clamped below the largest float16 (T5, BART) has overflowed: it becomes infinite.

    Parameters
    ----------
    states : Tensor, shape (batch, T, D)
        Token states of any floating dtype; never changed in place.
    hidden : Tensor of bool, shape (batch, T), or None
        True where a token does not count; None if all count.

    Returns
    -------
    Tensor, shape (batch, T, D)
    """
    import torch

    if states.dtype == torch.float16:
        states = states.float()
        states = states.masked_fill(states.abs() > CLAMPED, float("inf"))
    elif states.dtype == torch.bfloat16:
        states = states.float()
    return states if hidden is None else states.masked_fill(hidden.unsqueeze(-1), 0.0)


def mean(states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Mean of the tokens that count, shape (batch, D)."""
    weights = mask.to(states.dtype)
    return _weighted_sum(states, weights / weights.sum(dim=1, keepdim=True))


def mean_sqrt_len(states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Sum of the tokens that count over the square root of their number, shape (batch, D)."""
    weights = mask.to(states.dtype)
    return _weighted_sum(states, weights / weights.sum(dim=1, keepdim=True).sqrt())


def weighted_mean(states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Mean weighted by the position, 1 for the first of the sequence (SGPT), shape (batch, D)."""
    import torch

    positions = torch.arange(1, mask.shape[1] + 1, device=mask.device, dtype=states.dtype)
    weights = mask.to(states.dtype) * positions
    return _weighted_sum(states, weights / weights.sum(dim=1, keepdim=True))


def last(states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """State of the last token that counts, shape (batch, D): never a padding position."""
    behind = mask.flip(1).long().argmax(dim=1)
    return _pick(states, mask.shape[1] - 1 - behind)


def first(states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """State of the first token that counts, shape (batch, D)."""
    return _pick(states, mask.long().argmax(dim=1))


def maximum(states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Largest value of each feature over the tokens that count, shape (batch, D)."""
    return states.masked_fill(~mask.unsqueeze(-1), float("-inf")).amax(dim=1)


def token_norms(states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Mean and maximum L2 norm of the tokens that count, shape (batch, 2)."""
    import torch

    norms = torch.linalg.vector_norm(states, dim=-1)  # (batch, T), zero where the mask is False
    return torch.stack([norms.sum(dim=1) / mask.sum(dim=1), norms.amax(dim=1)], dim=1)


def check_pooling(value: str) -> None:
    """Raise an InputError that lists the poolings, if ``value`` is none of them."""
    if value not in get_args(Pooling):
        raise InputError(f"pool must be one of {', '.join(get_args(Pooling))} but is {value!r}.")


def _weighted_sum(states: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Sum in float64: rows that hold the same tokens in another order become the same vector."""
    import torch

    exact = states.dtype if states.device.type == "mps" else torch.float64  # MPS has no float64
    rows = max(1, WIDENED_ENTRIES // states[0].numel())  # no (batch, T, D) temporary
    parts = [
        (w.to(exact).unsqueeze(1) @ x.to(exact)).squeeze(1)
        for w, x in zip(torch.split(weights, rows), torch.split(states, rows), strict=True)
    ]
    return torch.cat(parts).to(states.dtype)


def _pick(states: torch.Tensor, position: torch.Tensor) -> torch.Tensor:
    import torch

    return states[torch.arange(len(states), device=states.device), position]


_MODES: dict[Mode, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "mean": mean,
    "last": last,
    "first": first,
    "max": maximum,
    "mean_sqrt_len": mean_sqrt_len,
    "weighted_mean": weighted_mean,
}
