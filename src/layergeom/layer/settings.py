"""What a profile is made with."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias, get_args

from layergeom.arrays import count
from layergeom.errors import InputError
from layergeom.geometry.dimension import Fit, check_fit
from layergeom.geometry.scale_names import NEAREST, farthest_rank, scale_name

Search: TypeAlias = Literal["exact", "approximate"]


@dataclass(frozen=True)
class Settings:
    """What a profile is made with; part of its key and its provenance.

    Attributes
    ----------
    k : int
        Neighbours compared by the overlaps.
    ranks : int
        Neighbours listed per row; Gride reaches n1 = ranks / 2 on all points.
    decimation : tuple of int
        Factors by which the points are thinned for dimension against sample size.
    scale : str
        Where the curve ``dimension`` is read, on which phases and layer rest: ``nearest`` (TwoNN
        of all points), ``gride-<n1>`` or ``decimated-<factor>`` (see
        :func:`layergeom.geometry.dimension_at`).
    seed : int
        Splits subsets and samples query points.
    fit, fraction : str and float, optional
        With a fit, the curve ``dimension_protocol`` is TwoNN by it (see
        :func:`layergeom.geometry.twonn`).
    thinning : int
        That curve is the mean over ``thinning`` disjoint subsets, and its error their standard
        error; of all points, with the neighbour-graph-robust error, if 1.
    lone_rows : bool
        Every row stands for itself, whatever groups the states know, as paper B's tokens do.
    neighbors : {"exact", "approximate"}
        How neighbours are searched. ``approximate`` may miss some, which every layer says with the
        recall measured on rows of its own (docs/explanation/approximate_neighbors.md).

    Raises
    ------
    InputError
        If one of them is not a whole number in its range, there is no such scale or search, or the
        fit and fraction do not go together.
    """

    k: int = 30
    ranks: int = 64
    decimation: tuple[int, ...] = (1, 2, 4, 8)
    scale: str = NEAREST
    seed: int = 0
    fit: Fit | None = None
    fraction: float | None = None
    thinning: int = 1
    lone_rows: bool = False
    neighbors: Search = "exact"

    def __post_init__(self) -> None:
        for name, low in (("k", 1), ("ranks", 2), ("seed", 0), ("thinning", 1)):
            # 30.0 is accepted and kept as 30: the settings are also a key
            object.__setattr__(self, name, count(getattr(self, name), name, low))
        if self.neighbors not in get_args(Search):
            raise InputError(
                f"neighbors is {self.neighbors!r}; it must be one of {', '.join(get_args(Search))}."
            )
        if farthest_rank(scale_name(self.scale)) > self.ranks:
            raise InputError(
                f"scale {self.scale} needs {farthest_rank(self.scale)} listed neighbours but ranks "
                f"is {self.ranks}; give a larger ranks or a smaller n1."
            )
        if self.fit is not None:
            check_fit(self.fit, self.fraction)
        elif self.fraction is not None or self.thinning != 1:
            raise InputError("fraction and thinning belong to a fit; give fit='linear' with them.")

    @property
    def content(self) -> dict[str, Any]:
        """What a content key holds of the settings.

        An exact search goes unsaid, as it did before there was another: profiles made then are
        found, not made again.
        """
        said = asdict(self)
        if self.neighbors == "exact":
            del said["neighbors"]
        return said
