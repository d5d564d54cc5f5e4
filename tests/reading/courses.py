"""Profiles with a course of one's choosing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from layergeom.profiles import Curve, Profile, ScaleCurve
from layergeom.states.hidden import LayerName

NAN = float("nan")


def correlated(errors: np.ndarray, correlation: float) -> np.ndarray:
    """Covariance of layers whose errors all share one part."""
    same = np.full((len(errors), len(errors)), correlation)
    np.fill_diagonal(same, 1)
    return same * np.outer(errors, errors)


def layer_keys(size: int, final: bool = False) -> tuple[str, ...]:
    blocks = size - 1 - final
    return ("embedding", *(f"block_{i + 1}" for i in range(blocks)), *(["final"] * final))


def _name(key: str, at: int, blocks: int) -> LayerName:
    if key == "final":
        return LayerName(key, 1.0, blocks, "ln_f", blocks, True)
    hidden = at if at < blocks else None  # the last entry of hidden_states is after the norm
    return LayerName(key, at / blocks, hidden, f"h.{at - 1}" if at else "wte", at, False)


def profile_of(
    dimension: Sequence[float],
    error: float | Sequence[float] = 0.1,
    *,
    correlation: float = 0.0,
    final: bool = False,
    labels: Sequence[float] | None = None,
    label_error: float = 0.01,
    label_correlation: float = 0.0,
    anisotropy: Sequence[float] | None = None,
    anisotropy_error: float = 0.01,
    scales: dict[str, ScaleCurve] | None = None,
    states: dict[str, Any] | None = None,
    rows: int = 1000,
    sampled_from: int | None = None,
) -> Profile:
    """A profile with these dimensions; nan marks an undefined layer."""
    values = np.array(dimension, dtype=float)
    size = len(values)
    errors = np.where(np.isnan(values), NAN, np.broadcast_to(np.array(error, float), size))
    keys = layer_keys(size, final)
    curves = {"dimension": Curve("dimension", values, errors)}
    covariance = {"dimension": correlated(errors, correlation)}
    course = np.full(size, 0.2) if anisotropy is None else np.array(anisotropy, float)
    curves["anisotropy"] = Curve("anisotropy", course, np.full(size, anisotropy_error))
    if labels is not None:
        spread = np.full(size, label_error)
        curves["label_overlap"] = Curve(
            "label_overlap", np.array(labels, float), spread, np.full(size, 0.05)
        )
        covariance["label_overlap"] = correlated(spread, label_correlation)
    return Profile(
        layers=keys,
        names=tuple(_name(key, at, size - 1 - final) for at, key in enumerate(keys)),
        curves=curves,
        maps={},
        scales={} if scales is None else scales,
        decimation={},
        covariance=covariance,
        undefined={key: "7 distinct points" for key, v in zip(keys, values, strict=True) if v != v},
        counts={"rows": rows, "layers": size}
        | ({} if sampled_from is None else {"sampled_from": sampled_from}),
        warnings=(),
        provenance={"states": {"model": "gpt2", "data": "0f3a"} if states is None else states},
    )


DEEP = (8, 14, 20, 21, 15, 9, 6, 6.1, 6.05, 7.5, 9, 12)  # peak, plateau, final ascent
HUNCHBACK = (8, 12, 17, 20, 18, 13, 9, 6)
RISING = (4, 6, 8, 10, 12, 14)
FALLING = (14, 12, 10, 8, 6, 4)
FLAT = (10, 10.1, 9.9, 10.05, 10, 9.95)
DIGITS = (12, 7, 6, 7, 9, 11)  # falls, then rises: no peak comes before the minimum
TWO_PEAKS = (6, 12, 20, 12, 8, 13, 17, 11, 7)
