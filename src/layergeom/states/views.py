"""What is read off a network: how tokens are pooled, and where in a block they are taken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from layergeom.errors import InputError
from layergeom.states.pooling import Pooling, check_pooling

HookPoint: TypeAlias = Literal["residual", "first_norm", "final_norm"]


@dataclass(frozen=True)
class View:
    """One pooling at one hook point; several views are read in one forward pass.

    Parameters
    ----------
    pool : str
        As in `layergeom.states.settings.Extraction`.
    hook_point : {"residual", "first_norm", "final_norm"}
        ``residual``: the stream between the blocks. ``first_norm``: layer l is the output of the
        first norm of block l + 1, the last that of the final norm (Valeriani et al. 2023).
        ``final_norm``: the final norm applied to every layer, what a model cut there would give.

    Raises
    ------
    InputError
        For another pooling or hook point.

    Examples
    --------
    >>> View("last", "first_norm").name
    'last-first_norm'
    >>> View("mean").name
    'mean'
    """

    pool: Pooling
    hook_point: HookPoint = "residual"

    def __post_init__(self) -> None:
        check_pooling(self.pool)
        if self.hook_point not in get_args(HookPoint):
            raise InputError(
                f"hook_point must be one of {', '.join(get_args(HookPoint))} but is "
                f"{self.hook_point!r}."
            )

    @property
    def name(self) -> str:
        """The view as the name of a folder."""
        return self.pool if self.hook_point == "residual" else f"{self.pool}-{self.hook_point}"


def views_of(pools: Sequence[Pooling], hook_points: Sequence[HookPoint]) -> tuple[View, ...]:
    """Return every pooling at every hook point, each once.

    Raises
    ------
    InputError
        If there is none, or one of them does not exist.

    Examples
    --------
    >>> [view.name for view in views_of(["mean", "last"], ["residual", "final_norm"])]
    ['mean', 'mean-final_norm', 'last', 'last-final_norm']
    """
    for name, values in (("pools", pools), ("hook_points", hook_points)):
        if isinstance(values, str) or not values:
            raise InputError(f"{name} must be a list of at least one name but is {values!r}.")
    views = (View(pool, point) for pool in pools for point in hook_points)
    return tuple(dict.fromkeys(views))
