"""What a profile's nulls say: where it differs from what reads the same without a finding."""

from __future__ import annotations

import numpy as np

from layergeom.arrays import BoolArray, FloatArray
from layergeom.profiles import Curve, Profile, layer_span
from layergeom.reading.several_layers import CORRECTED, above, apart
from layergeom.written import counted, minus

_MODELS = {"shuffled": "With shuffled tokens", "untrained": "With untrained weights"}
_WORDS = {"overlap_next": "overlap with the next layer", "label_overlap": "label overlap"}


def null_statements(profile: Profile) -> tuple[str, ...]:
    """Return a statement for each null that the profile has; () without nulls.

    Notes
    -----
    A layer counts at a level of 5 % for all layers of the curve together
    (:func:`layergeom.reading.several_layers.holm`): where no layer differs, one profile in twenty
    has a layer that does. Differences are in standard errors of both values added in squares; the
    two share their rows, which makes this too wide where they go together. Of permutations the
    mean and the standard deviation are used, and that their overlaps, means over many rows, are
    normal.
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
    levels = profile.nulls["permuted"]
    mean, upper = levels[name], levels[f"{name}_upper"].values
    spread = mean.errors * np.sqrt(profile.provenance["nulls"]["permuted"]["draws"])
    known, away = _away(profile.curves[name].values, mean.values, spread)
    if not known.any():
        return ""
    return (
        f"The {_WORDS[name]} exceeds what permutations reach (upper 95 % of one layer: "
        f"{minus(f'{upper[known].max():.3f}')} at most) at {_of(above(away), known, profile)}, "
        f"{CORRECTED}."
    )


def _gaussian(profile: Profile) -> str:
    own, null = profile.curves["dimension"], profile.nulls["gaussian"]["dimension"]
    known, away = _difference(own, null)
    if not known.any():
        return ""
    below = above(-away)
    rest = "" if below.sum() == known.sum() else "; elsewhere the spectrum alone reads as low"
    return (
        "The dimension lies below that of a Gaussian cloud with the same spectrum "
        f"({_span(null.values[known])}) at {_of(below, known, profile)}, {CORRECTED}{rest}."
    )


def _model(profile: Profile, kind: str) -> str:
    null = profile.nulls[kind]
    parts = []
    for name, words in (("dimension", "dimension"), ("label_overlap", _WORDS["label_overlap"])):
        if name in null and name in profile.curves:
            known, away = _difference(profile.curves[name], null[name])
            if known.any():
                differs = _of(apart(away), known, profile)
                span = _span(null[name].values[known])
                parts.append(f"the {words} reads {span} and differs at {differs}")
    return f"{_MODELS[kind]} {'; '.join(parts)}, {CORRECTED}." if parts else ""


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
        f"{profile.layers[at]}, the layer with the most, it is {own.values[at]:.3f}, "
        f"{minus(f'{rest:.3f}')} of its {excess:.3f} above chance remains at matched length."
    )


def _difference(own: Curve, null: Curve) -> tuple[BoolArray, FloatArray]:
    return _away(own.values, null.values, np.hypot(own.errors, null.errors))


def _away(own: FloatArray, null: FloatArray, error: FloatArray) -> tuple[BoolArray, FloatArray]:
    """Return where all are known, and the difference in errors, nan elsewhere."""
    known = np.isfinite(own) & np.isfinite(null) & np.isfinite(error)
    gap = np.where(known, own - null, np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        away = np.where(gap == 0, gap, gap / error)  # equal values, as where both errors are 0
    return known, np.asarray(away)


def _of(chosen: BoolArray, known: BoolArray, profile: Profile) -> str:
    keys = [key for key, yes in zip(profile.layers, chosen, strict=True) if yes]
    count = f"{len(keys)} of {counted(int(known.sum()), 'layer', 'layers')}"
    return count if not keys else f"{count} ({layer_span(keys, profile.layers)})"


def _span(values: FloatArray) -> str:
    return " to ".join(minus(f"{end:.3g}") for end in (values.min(), values.max()))
