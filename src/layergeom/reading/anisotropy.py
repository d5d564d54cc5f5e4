"""The course of anisotropy over the depth: where it is largest, and whether it is a bell."""

from __future__ import annotations

import numpy as np

from layergeom.profiles import Profile

BELL_SHARE = 0.75  # both ends of a bell lie below this share of its maximum
FLAT_SHARE = 0.25  # a flat course varies by less than this share of its maximum
SIGMAS = 3.0  # standard errors by which maximum and ends must differ


def anisotropy_course(profile: Profile) -> str:
    """Say where the centred spectral anisotropy is largest and whether its course is a bell.

    Razzhigaev et al. 2024 report a bell over the depth of decoders and a flat course in encoders.
    A bell: the maximum is interior and exceeds both ends by three standard errors and so far that
    they lie below 75 % of it. Flat: the whole range is below 25 % of the maximum.
    """
    at = [i for i in profile.blocks if np.isfinite(profile.anisotropy.values[i])]
    if len(at) < 3:
        return "anisotropy is known for fewer than three layers."
    values, errors = profile.anisotropy.values[at], profile.anisotropy.errors[at]
    top = int(np.argmax(values))
    name = profile.names[at[top]]
    return (
        f"anisotropy is largest at {name.key} (depth {name.depth:.2f}), {values[top]:.3f} ± "
        f"{errors[top]:.3f}, from {values[0]:.3f} at {profile.layers[at[0]]} to {values[-1]:.3f} "
        f"at {profile.layers[at[-1]]}: {_course(values, errors, top)}."
    )


def _course(
    values: np.ndarray[tuple[int], np.dtype[np.float64]],
    errors: np.ndarray[tuple[int], np.dtype[np.float64]],
    top: int,
) -> str:
    ends = np.array([0, -1])
    gap = values[top] - values[ends]
    sure = bool((gap > SIGMAS * np.hypot(errors[top], errors[ends])).all())
    if 0 < top < len(values) - 1 and sure and (values[ends] < BELL_SHARE * values[top]).all():
        return "a bell"
    if values.max() - values.min() < FLAT_SHARE * values.max():
        return "flat"
    return "neither a bell nor flat"
