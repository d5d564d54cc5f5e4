"""Rules that choose a layer from a profile's numbers, without labels.

The label-free rule of LOES (Batra et al., ICML 2026) takes the layer of the largest isotropy,
mean(λ) / sd(λ) over the eigenvalues of the centred covariance. With D of them, isotropy² =
p / (D − p) for the participation ratio p, so that it is the layer of the largest p.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from layergeom.profiles import Profile
from layergeom.reading import read
from layergeom.reading.recommend import makers_choice


def ours(profile: Profile) -> str:
    """Choose by the rule of this package; where it refuses, the makers' layer."""
    return read(profile).recommendation.layer


def makers(profile: Profile) -> str:
    """Choose what the model's makers use: what follows the last block, or the pipeline's end."""
    return makers_choice(profile)


def last(profile: Profile) -> str:
    """Choose the last block."""
    return profile.layers[profile.blocks[-1]]


def middle(profile: Profile) -> str:
    """Choose the layer nearest to relative depth one half."""
    return min(_along(profile), key=lambda key: abs(_depth(profile, key) - 0.5))


def dimension_minimum(profile: Profile) -> str:
    """Choose the smallest dimension, wherever it is."""
    return _extreme(profile, "dimension", np.nanargmin)


def dimension_peak(profile: Profile) -> str:
    """Choose the largest dimension (Cheng et al. 2024, for last-token states)."""
    return _extreme(profile, "dimension", np.nanargmax)


def minimum_behind_peak(profile: Profile) -> str:
    """Choose the smallest dimension behind the largest; the last block, if that is the largest."""
    blocks = np.array(profile.blocks)
    values = profile["dimension"].values[blocks]
    behind = np.flatnonzero(np.arange(len(blocks)) > np.nanargmax(values))
    known = behind[np.isfinite(values[behind])]
    at = int(known[values[known].argmin()]) if len(known) else -1
    return profile.layers[int(blocks[at])]


def effective_rank_minimum(profile: Profile) -> str:
    """Choose the lowest effective rank."""
    return _extreme(profile, "effective_rank", np.nanargmin)


def loes_label_free(profile: Profile) -> str:
    """Choose the most isotropic layer, as LOES does without labels."""
    return _extreme(profile, "participation_ratio", np.nanargmax)


def entropy_maximum(profile: Profile) -> str:
    """Choose the largest spectral entropy of the rows (dataset entropy, Skean et al. 2025)."""
    return _extreme(profile, "spectral_entropy_rank", np.nanargmax)


RULES: Mapping[str, Callable[[Profile], str]] = MappingProxyType(
    {
        "this package": ours,
        "makers' layer": makers,
        "last block": last,
        "middle": middle,
        "smallest ID": dimension_minimum,
        "smallest ID behind the largest": minimum_behind_peak,
        "largest ID": dimension_peak,
        "lowest effective rank": effective_rank_minimum,
        "LOES, label-free": loes_label_free,
        "largest entropy": entropy_maximum,
    }
)


def by_prompt_entropy(entropy: Mapping[str, float]) -> dict[str, str]:
    """Choose by the mean entropy of the tokens of a prompt (Skean et al. 2025), both ways.

    Which sign is the good one was not fixed beforehand. Nothing is chosen where it is unknown.
    """
    along = {layer: value for layer, value in entropy.items() if layer != "final"}
    if not along:
        return {}
    return {
        "largest prompt entropy": max(along, key=along.__getitem__),
        "smallest prompt entropy": min(along, key=along.__getitem__),
    }


def _along(profile: Profile) -> list[str]:
    return [profile.layers[i] for i in profile.blocks]


def _depth(profile: Profile, key: str) -> float:
    return float(profile.names[profile.layers.index(key)].depth)


def _extreme(profile: Profile, name: str, at: Callable[..., np.intp]) -> str:
    blocks = list(profile.blocks)
    return profile.layers[blocks[at(profile[name].values[blocks])]]
