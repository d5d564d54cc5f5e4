"""Claims V1 to V5 on prompts of one's choosing."""

from __future__ import annotations

import numpy as np
import pytest

from layergeom.reading.associations import Association, associations
from layergeom.reading.claims_viswanathan import loss_claim, viswanathan_claims
from layergeom.reading.repeated import RepeatedCurve, Repeats

LAYERS = tuple(f"block_{i}" for i in range(1, 8))
DEPTHS = tuple(np.linspace(1 / 7, 1, 7).tolist())
EARLY, LATE = np.array([5.0, 9, 14, 11, 9, 8, 6]), np.array([5.0, 6, 6, 7, 9, 14, 6])


def prompts(dimension: np.ndarray, overlap: float, cosine: float, seed: int = 0) -> Repeats:
    rng = np.random.default_rng(seed)
    noise = 0.2 * rng.standard_normal((60, 7))
    courses = {"dimension": dimension, "overlap_next": overlap, "mean_cosine": cosine}
    curves = {name: RepeatedCurve(course + noise / 10) for name, course in courses.items()}
    return Repeats(LAYERS, DEPTHS, curves)


INTACT = prompts(EARLY, 0.8, 0.3)


def told(low: float, high: float, layers: int) -> list[Association]:
    return [Association(f"block_{i}", (low + high) / 2, low, high, 60) for i in range(layers)]


def test_prompts_as_in_the_paper() -> None:
    shuffled = prompts(EARLY + 3, 0.7, 0.35, seed=1)
    claims = viswanathan_claims(INTACT, (INTACT, shuffled), told(0.2, 0.5, 7))
    assert [claim.name for claim in claims] == ["V1", "V2", "V3", "V4", "V5"]
    assert [claim.verdict for claim in claims] == ["holds"] * 5
    assert "at the peak, block_3" in claims[1].evidence


def test_the_opposite_does_not_hold() -> None:
    late = prompts(LATE, 0.8, 0.3)
    shuffled = prompts(LATE - 3, 0.9, 0.2, seed=1)
    claims = viswanathan_claims(late, (late, shuffled), told(-0.5, -0.2, 7))
    assert [claim.verdict for claim in claims] == ["does not hold"] * 5


def test_without_a_peak_the_largest_dimension_stands_for_it_and_is_named() -> None:
    rising = prompts(np.arange(5.0, 12), 0.8, 0.3)
    claims = viswanathan_claims(rising, (rising, prompts(np.arange(6.0, 13), 0.8, 0.3, 1)), [])
    assert [claim.verdict for claim in claims[:2]] == ["does not hold", "holds"]
    assert "at block_7, the largest of a course without a peak" in claims[1].evidence


def test_what_was_not_run_is_named() -> None:
    claims = viswanathan_claims(INTACT, None, [])
    assert [claim.verdict for claim in claims] == ["holds", *["cannot be told"] * 4]
    assert claims[1].needs == "the shuffled prompts"
    assert "a model with a head" in claims[4].needs


def test_an_overlap_that_is_unknown_decides_nothing() -> None:
    shuffled = prompts(EARLY, np.nan, 0.3)
    claim = viswanathan_claims(INTACT, (INTACT, shuffled), [])[2]
    assert (claim.verdict, claim.evidence) == ("cannot be told", "")


@pytest.mark.parametrize(
    ("up", "down", "open_", "verdict"),
    [(4, 0, 3, "holds"), (0, 4, 3, "does not hold"), (3, 0, 4, "cannot be told")],
)
def test_most_layers_decide_on_the_loss(up: int, down: int, open_: int, verdict: str) -> None:
    found = told(0.1, 0.4, up) + told(-0.4, -0.1, down) + told(-0.2, 0.3, open_)
    assert loss_claim(found).verdict == verdict
    assert f"above 0 at {up} and below at {down} of 7 layers" in loss_claim(found).evidence


def test_pearson_and_spearman_part_on_a_bent_relation() -> None:
    loss = np.linspace(1, 3, 40)
    values = np.exp(6 * loss)[:, None]
    [rank], [line] = (associations(["a"], values, loss, kind) for kind in ("spearman", "pearson"))
    assert rank.value == pytest.approx(1)
    assert line.value == pytest.approx(np.corrcoef(values[:, 0], loss)[0, 1])
    assert line.value < 0.9
