"""The claims of both papers, tested on the user's own profiles.

Pure: profiles in, verdicts with their numbers out. Every rule stands in the docstring of its
function; a verdict is given only where the errors leave no doubt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from layergeom.errors import InputError
from layergeom.profiles import Profile
from layergeom.reading.claims_compared import exclusion_claim, sizes_claim, variants_claim
from layergeom.reading.claims_depth import (
    consecutive_overlap_claim,
    ends_claim,
    homogeneity_claim,
    phases_claim,
    scale_claim,
)
from layergeom.reading.claims_labels import (
    chosen_layer_claim,
    label_overlap_claim,
    retrieval_claim,
    text_labels_claim,
)
from layergeom.reading.claims_razzhigaev import course_claim, measures_claim, tokens_claim
from layergeom.reading.claims_training import (
    Training,
    anisotropy_growth_claim,
    mean_dimension_claim,
    peak_first_claim,
)
from layergeom.reading.landmarks import Evaluation
from layergeom.reading.verdicts import Claim

__all__ = ["Claim", "claims"]


def claims(
    profile: Profile | Sequence[Profile],
    *,
    dynamics: Training | None = None,
    comparison: Profile | None = None,
    evaluation: Evaluation | None = None,
    variants: Mapping[str, Profile] | None = None,
) -> tuple[Claim, ...]:
    """Test the claims A1–A13 and B1–B5.

    Parameters
    ----------
    profile : Profile or sequence of Profile
        Of one model; or of models of growing size, of which the last is the one that all claims
        but A2 are tested on.
    dynamics : sequence of (float, Profile), optional
        Training step and profile of the checkpoints of one run, in order (A7, B2, B3).
    comparison : Profile, optional
        The same rows with the other choice of excluded groups (A6).
    evaluation : mapping of str to (float, float), optional
        The user's own measure per layer and its standard error, larger is better (A5, A12).
    variants : mapping of str to Profile, optional
        The same run with another k, hook point or pooling, by name (A8).

    Returns
    -------
    tuple of Claim
        Eighteen, in the order of their names.

    Raises
    ------
    InputError
        If there is no profile, or the evaluation names none of its layers.

    Notes
    -----
    Single comparisons count beyond three standard errors, turning points at a simultaneous 95 %
    level (:mod:`layergeom.reading.turns`). Where many claims are tested at once, some verdicts
    are chance: three standard errors err about once in 370 comparisons of independent numbers.
    """
    profiles = [profile] if isinstance(profile, Profile) else list(profile)
    if not profiles:
        raise InputError("there is no profile to test the claims on; give at least one.")
    subject = profiles[-1]
    if evaluation is not None and not set(evaluation) & set(subject.layers):
        raise InputError(
            f"the evaluation names {', '.join(list(evaluation)[:3])} …, none of the layers "
            f"{', '.join(subject.layers)}."
        )
    return (
        phases_claim(subject),
        sizes_claim(profiles),
        consecutive_overlap_claim(subject),
        label_overlap_claim(subject),
        chosen_layer_claim(subject, evaluation),
        exclusion_claim(subject, comparison),
        peak_first_claim(dynamics),
        variants_claim(subject, variants),
        scale_claim(subject),
        homogeneity_claim(subject),
        ends_claim(subject),
        retrieval_claim(subject, evaluation),
        text_labels_claim(subject),
        course_claim(subject),
        anisotropy_growth_claim(dynamics),
        mean_dimension_claim(dynamics),
        measures_claim(subject),
        tokens_claim(subject),
    )
