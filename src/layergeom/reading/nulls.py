"""What a profile's nulls say: where it differs from what reads the same without a finding."""

from __future__ import annotations

import numpy as np

from layergeom.arrays import BoolArray, FloatArray
from layergeom.profiles import Curve, Profile, layer_span

Z = 1.96  # standard errors of a difference, as the bands of all figures
_MODELS = {"shuffled": "With shuffled tokens", "untrained": "With untrained weights"}
_WORDS = {"overlap_next": "overlap with the next layer", "label_overlap": "label overlap"}


def null_statements(profile: Profile) -> tuple[str, ...]:
    """Return a statement for each null that the profile has; () without nulls.

    Notes
    -----
    A difference counts beyond 1.96 standard errors of both values added in squares; the two share
    their rows, which makes this too wide where they go together. One layer in twenty differs by
    accident.
    """
    levels = profile.nulls.get("permuted", {})
    dealt = [name for name in _WORDS if f"{name}_upper" in levels and name in profile.curves]
    said = [_permuted(profile, name) for name in dealt]
    if "gaussian" in profile.nulls:
        said.append(_gaussian(profile))
    said += [_model(profile, kind) for kind in _MODELS if kind in profile.nulls]
    if "label_overlap" in profile.nulls.get("length", {}):
        said.append(_length(profile))
    return tuple(text for text in said if text)


def _permuted(profile: Profile, name: str) -> str:
    curve, upper = profile.curves[name], profile.nulls["permuted"][f"{name}_upper"]
    known = np.isfinite(curve.values) & np.isfinite(upper.values)
    above = known & (curve.values > upper.values)
    if not known.any():
        return ""
    return (
        f"The {_WORDS[name]} exceeds the upper 95 % of permutations "
        f"({upper.values[known].max():.3f} at most) at {_of(above, known, profile)}."
    )


def _gaussian(profile: Profile) -> str:
    own, null = profile.curves["dimension"], profile.nulls["gaussian"]["dimension"]
    known, away = _away(own, null)
    if not known.any():
        return ""
    below = known & (away < -Z)
    rest = "" if below.sum() == known.sum() else "; elsewhere the spectrum alone reads as low"
    return (
        "The dimension lies below that of a Gaussian cloud with the same spectrum "
        f"({_span(null.values[known])}) at {_of(below, known, profile)}{rest}."
    )


def _model(profile: Profile, kind: str) -> str:
    null = profile.nulls[kind]
    parts = []
    for name, words in (("dimension", "dimension"), ("label_overlap", _WORDS["label_overlap"])):
        if name in null and name in profile.curves:
            known, away = _away(profile.curves[name], null[name])
            if known.any():
                differs = _of(known & (np.abs(away) > Z), known, profile)
                span = _span(null[name].values[known])
                parts.append(f"the {words} reads {span} and differs at {differs}")
    return f"{_MODELS[kind]} {'; '.join(parts)}." if parts else ""


def _length(profile: Profile) -> str:
    null, own = profile.nulls["length"], profile.curves["label_overlap"]
    if own.chance is None or not np.isfinite(own.values).any():
        return ""
    at = int(np.nanargmax(own.values))
    by = [f"{null[f'label_overlap_{name}'].values[at]:.3f}" for name in ("length", "tokens")]
    excess = own.values[at] - own.chance[at]
    rest = min(own.values[at] - null["label_overlap"].values[at], excess)
    return (
        f"Neighbours by length alone have a label overlap of {by[0]}, by bag of tokens {by[1]}; at "
        f"{profile.layers[at]}, the layer with the most, it is {own.values[at]:.3f}, {rest:.3f} of "
        f"its {excess:.3f} above chance remains at matched length."
    )


def _away(own: Curve, null: Curve) -> tuple[BoolArray, FloatArray]:
    """Return where both are known, and their difference in standard errors."""
    error = np.hypot(own.errors, null.errors)
    known = np.isfinite(own.values) & np.isfinite(null.values) & np.isfinite(error)
    with np.errstate(invalid="ignore", divide="ignore"):
        return known, np.asarray((own.values - null.values) / error)


def _of(chosen: BoolArray, known: BoolArray, profile: Profile) -> str:
    keys = [key for key, yes in zip(profile.layers, chosen, strict=True) if yes]
    count = f"{len(keys)} of {int(known.sum())} layers"
    return count if not keys else f"{count} ({layer_span(keys, profile.layers)})"


def _span(values: FloatArray) -> str:
    return f"{values.min():.3g} to {values.max():.3g}"
