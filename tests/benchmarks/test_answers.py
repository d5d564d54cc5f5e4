from __future__ import annotations

import numpy as np
import pytest

from benchmarks import answers
from benchmarks.answers import Truth
from benchmarks.cases import Case

K = 10


@pytest.fixture(scope="module", params=["low_id", "duplicates", "massive", "clustered"])
def cloud(request) -> np.ndarray:
    return Case("c", request.param, 600, 24, K).points()


def brute(X: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the nearest by all direct differences, ties by the stable sort."""
    Z = X.astype(np.float64)
    distances = np.array([np.sqrt(((Z - z) ** 2).sum(axis=1)) for z in Z])
    np.fill_diagonal(distances, np.inf)
    order = np.argsort(distances, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(distances, order, axis=1), order


def truth_and_answer(cloud: np.ndarray) -> tuple[Truth, np.ndarray, np.ndarray]:
    distances, indices = brute(cloud, K)
    return answers.reference(cloud, K), distances, indices


def test_reference_is_that_of_all_direct_differences(cloud) -> None:
    truth, distances, _ = truth_and_answer(cloud)
    np.testing.assert_allclose(truth.distances, distances, rtol=1e-13, atol=0)


def test_reference_holds_where_ties_outnumber_its_candidates() -> None:
    X = np.repeat(np.random.default_rng(0).standard_normal((6, 8)), 100, axis=0)
    X = X.astype(np.float32)
    truth = answers.reference(X, 120)
    assert (truth.distances[:, :99] == 0).all()
    np.testing.assert_allclose(truth.distances, brute(X, 120)[0], rtol=1e-13, atol=0)


def test_the_right_answer_agrees(cloud) -> None:
    truth, distances, indices = truth_and_answer(cloud)
    found = answers.compare(truth, (distances, indices), 1e-12)
    assert found.agrees
    assert found.recall == 1


def test_another_member_of_a_tie_is_right() -> None:
    X = np.repeat(np.random.default_rng(1).standard_normal((300, 8)), 2, axis=0).astype(np.float32)
    truth = answers.reference(X, 2)
    distances, indices = brute(X, 2)
    twins = indices.copy()
    twins[:, 1] ^= 1  # the other copy of the second neighbour
    assert (twins != indices).any()
    assert answers.compare(truth, (distances, twins), 1e-12).agrees


@pytest.mark.parametrize("row", [0, 317, 599])
def test_one_wrong_neighbor_in_one_row_is_caught(cloud, row) -> None:
    truth, distances, indices = truth_and_answer(cloud)
    farthest = int(np.argmax(((cloud - cloud[row]) ** 2).sum(axis=1)))
    indices[row, K - 1] = farthest
    found = answers.compare(truth, (distances, indices), 1e-12)
    assert not found.agrees
    assert found.other_neighbors == 1
    assert found.recall < 1


def test_the_next_nearest_in_place_of_the_last_is_caught() -> None:
    X = Case("c", "gaussian", 600, 24, K).points()
    distances, indices = brute(X, K + 1)
    wrong = np.delete(indices, K - 1, axis=1)
    found = answers.compare(answers.reference(X, K), (distances[:, :K], wrong), 1e-12)
    assert found.other_neighbors == 600


def test_self_and_repeated_indices_are_caught(cloud) -> None:
    truth, distances, indices = truth_and_answer(cloud)
    own, twice = indices.copy(), indices.copy()
    own[5, 0] = 5
    twice[7, 1] = twice[7, 0]
    assert answers.compare(truth, (distances, own), 1e-12).other_neighbors == 1
    assert answers.compare(truth, (distances, twice), 1e-12).other_neighbors == 1


def test_wrong_distances_with_right_neighbors_are_caught(cloud) -> None:
    truth, distances, indices = truth_and_answer(cloud)
    distances[3, 4:] *= 1 + 1e-8
    found = answers.compare(truth, (distances, indices), 1e-12)
    assert found.other_neighbors == 0
    assert not found.agrees
    assert found.worst_distance == pytest.approx(1e-8, rel=1e-3)
    assert answers.compare(truth, (distances, indices), 1e-6).agrees


def test_distances_that_are_no_numbers_are_caught(cloud) -> None:
    truth, distances, indices = truth_and_answer(cloud)
    distances[0, 0] = np.nan
    assert not answers.compare(truth, (distances, indices), 1e-2).agrees


def test_answers_of_another_shape_are_refused(cloud) -> None:
    truth, distances, indices = truth_and_answer(cloud)
    with pytest.raises(ValueError, match="shapes"):
        answers.compare(truth, (distances[:, 1:], indices[:, 1:]), 1e-12)
    indices[0, 0] = -1
    with pytest.raises(ValueError, match="indices run from -1"):
        answers.compare(truth, (distances, indices), 1e-12)
