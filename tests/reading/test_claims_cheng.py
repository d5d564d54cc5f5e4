"""Claims C1 to C4 on courses of one's choosing."""

from __future__ import annotations

import numpy as np
import pytest

from layergeom.reading.claims_cheng import cheng_claims
from layergeom.reading.repeated import RepeatedCurve, Repeats

DEPTHS = tuple(np.linspace(0, 1, 7).tolist())
LAYERS = ("embedding", *(f"block_{i}" for i in range(1, 7)))
HILL, LOW, FLAT = [5, 5, 9, 14, 11, 8, 6], [5, 5, 7, 9, 8, 7, 6], [5] * 7
LOST = [0.5, 0.01, 0.3, 0.8, 0.9, 0.9, 0.95]  # Δ(layer → first): most of it by the peak


def repeats(
    dimension: list[float], first: list[float] | None = None, noise: float = 0.1
) -> Repeats:
    rng = np.random.default_rng(0)
    shape = (5, len(LAYERS))
    curves = {"dimension": RepeatedCurve(dimension + noise * rng.standard_normal(shape))}
    if first is not None:
        curves["imbalance_first"] = RepeatedCurve(first + 0.005 * rng.standard_normal(shape))
    return Repeats(LAYERS, DEPTHS, curves)


def verdicts(*found: Repeats | None) -> list[str]:
    return [claim.verdict for claim in cheng_claims(*found)]  # type: ignore[arg-type]


def test_a_network_as_in_the_paper() -> None:
    claims = cheng_claims(repeats(HILL, LOST), repeats(LOW), repeats(FLAT))
    assert [claim.name for claim in claims] == ["C1", "C2", "C3", "C4"]
    assert [claim.verdict for claim in claims] == ["holds"] * 4
    assert "at block_3, onset at depth 0.3" in claims[0].evidence
    assert "lower by 5.0" in claims[1].evidence
    assert all(claim.needs == "" for claim in claims)


def test_the_opposite_does_not_hold() -> None:
    late = [0.5, 0.01, 0.02, 0.1, 0.5, 0.9, 0.95]
    found = verdicts(repeats(HILL, late), repeats([*HILL[:3], 20, *HILL[4:]]), repeats(HILL))
    assert found == ["holds", "does not hold", "does not hold", "does not hold"]


def test_without_a_peak_only_that_can_be_told() -> None:
    claims = cheng_claims(repeats([5, 6, 7, 8, 9, 10, 11], LOST), repeats(LOW))
    assert [c.verdict for c in claims] == ["does not hold", *["cannot be told"] * 3]
    assert "no interior maximum beyond error" in claims[0].evidence
    assert claims[1].needs == "a peak of the intact sequences"


def test_noise_decides_nothing() -> None:
    found = (repeats(HILL, LOST, noise=30), repeats(LOW, noise=30), repeats(FLAT, noise=30))
    assert set(verdicts(*found)) == {"cannot be told"}


def test_a_peak_below_an_end_is_not_above_both() -> None:
    claim = cheng_claims(repeats([30, 5, 9, 14, 11, 8, 6]))[0]
    assert claim.verdict == "does not hold"
    assert "−16" in claim.evidence


@pytest.mark.parametrize(("place", "needs"), [(1, "shuffled control"), (2, "untrained network")])
def test_what_was_not_run_is_named(place: int, needs: str) -> None:
    claim = cheng_claims(repeats(HILL))[place]
    assert (claim.verdict, claim.evidence) == ("cannot be told", "")
    assert needs in claim.needs
