"""What scores are made with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from layergeom.arrays import count
from layergeom.errors import InputError

Metric: TypeAlias = Literal["knn", "linear_probe", "retrieval"]
METRICS: tuple[Metric, ...] = get_args(Metric)


@dataclass(frozen=True)
class EvaluationSettings:
    """What scores are made with: metrics, neighbours, folds and the seed of the folds."""

    metrics: tuple[Metric, ...] = METRICS
    k: int = 10
    folds: int = 5
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.metrics or set(self.metrics) - set(METRICS):
            raise InputError(
                f"metrics must be among {', '.join(METRICS)} but are {', '.join(self.metrics)!r}."
            )
        for name, low in (("k", 1), ("folds", 2), ("seed", 0)):
            object.__setattr__(self, name, count(getattr(self, name), name, low))

    @property
    def neighbors(self) -> bool:
        """Whether a score looks at neighbours."""
        return bool({"knn", "retrieval"} & set(self.metrics))
