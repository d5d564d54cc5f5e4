"""The groups that a profile was measured with, where its states may know none, or others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from layergeom.arrays import IntArray
from layergeom.errors import InputError
from layergeom.layer import Settings, listed_groups
from layergeom.measure import sampling_groups
from layergeom.profiles import Profile
from layergeom.states.hidden import HiddenStates


def with_groups_of(profile: Profile, states: HiddenStates) -> HiddenStates:
    """Return states with the groups that a profile of them was measured with, as far as is known.

    States that were kept before the groups were given do not know them, and of arrays nothing else
    is kept: the neighbour lists tell them.

    Parameters
    ----------
    profile : Profile
        Its provenance has the number of groups.
    states : HiddenStates
        What it was made of.

    Returns
    -------
    HiddenStates
        As they are, where the profile has no groups, or no list tells them.
    """
    facts = _facts(profile)
    listed = None if facts is None else listed_groups(states)
    if facts is None or listed is None or not _fits(facts, listed):
        return states
    digits = len(str(int(listed.max())))  # names are ordered as texts
    return replace(states, groups=tuple(f"{group:0{digits}}" for group in listed.tolist()))


def groups_of(profile: Profile, states: HiddenStates) -> IntArray | None:
    """Return the group of each row of a measured profile: (n,), None if each stands for itself.

    Raises
    ------
    InputError
        If the profile has groups and the states (see :func:`with_groups_of`) do not know them.
    """
    facts = _facts(profile)
    if facts is None:
        return None
    groups = sampling_groups(states, Settings(**profile.provenance["settings"]))
    if groups is None or not _fits(facts, groups):
        raise InputError(
            f"the profile was measured with {facts['groups']} groups, which are not known any "
            "more; measure it again, or give states that know their groups."
        )
    return groups


def _facts(profile: Profile) -> Mapping[str, int] | None:
    """Return the number of groups and the size of the largest; None if no two rows are of one."""
    facts: Mapping[str, int] | None = profile.provenance.get("groups")
    return None if facts is None or facts["largest"] == 1 else facts


def _fits(facts: Mapping[str, int], groups: IntArray) -> bool:
    sizes = np.bincount(groups)
    return (len(sizes), int(sizes.max())) == (facts["groups"], facts["largest"])
