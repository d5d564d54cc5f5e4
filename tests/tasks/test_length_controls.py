"""Controls of length and tokens: planted truths, and slow references."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import layergeom as lg
from layergeom.geometry import label_overlap, neighbor_graph
from layergeom.layer import Labels, Settings
from layergeom.measure import measure
from layergeom.states.stored import stored_states
from layergeom.tasks.length_controls import length_controls
from layergeom.tasks.matched_lengths import length_strata, matched_overlap
from layergeom.tasks.nulls import Measured
from layergeom.tasks.token_neighbors import length_neighbors, token_neighbors
from states.tiny import WORDS

N, K = 240, 8
RNG = np.random.default_rng(4)
LENGTHS = RNG.integers(3, 40, N)
FAMILY = RNG.integers(0, 90, N)


# ── neighbours ────────────────────────────────────────────────────────────────────────────────


def test_neighbours_by_length_are_the_nearest_on_the_logarithm() -> None:
    graph = length_neighbors(LENGTHS, K)
    away = np.abs(np.log(LENGTHS)[:, None] - np.log(LENGTHS))
    np.fill_diagonal(away, np.inf)
    reached = np.take_along_axis(away, graph.indices, axis=1)
    assert np.allclose(reached, np.sort(away, axis=1)[:, :K], atol=1e-8)
    assert (graph.indices != np.arange(N)[:, None]).all()
    assert (np.diff(graph.distances, axis=1) >= 0).all()


def test_neighbours_by_tokens_have_the_largest_cosines() -> None:
    tokens = [RNG.integers(0, 30, n) for n in LENGTHS]
    counts = np.array([np.bincount(row, minlength=30) for row in tokens], dtype=float)
    unit = counts / np.linalg.norm(counts, axis=1, keepdims=True)
    cosine = unit @ unit.T
    np.fill_diagonal(cosine, -1)
    graph = token_neighbors([row + 5_000_000 for row in tokens], K)  # ids are names
    assert np.allclose(
        np.take_along_axis(cosine, graph.indices, axis=1), -np.sort(-cosine, axis=1)[:, :K]
    )


def test_ties_are_drawn_and_not_listed_by_row() -> None:
    graph = length_neighbors(np.full(400, 7), 10)
    assert abs(graph.indices.mean() - 200) < 4 * 400 / np.sqrt(12 * 4000)


def test_rows_of_the_own_class_are_no_neighbours_and_gaps_are_marked() -> None:
    own = np.array([0] * 6 + [1, 2])
    graph = length_neighbors(np.arange(8) + 1, 3, [own])
    assert [sorted(row) for row in graph.indices[:6]] == [[-1, 6, 7]] * 6
    assert np.isinf(graph.distances[:6, 2]).all()


# ── matched lengths ───────────────────────────────────────────────────────────────────────────


def test_strata_are_of_rising_length_and_part_no_length() -> None:
    strata = length_strata(LENGTHS, K)
    assert len(set(strata)) == N // 20
    order = np.argsort(LENGTHS, kind="stable")
    assert (np.diff(strata[order]) >= 0).all()
    assert all(len(set(strata[length == LENGTHS])) == 1 for length in set(LENGTHS))
    assert set(length_strata(np.full(N, 5), K)) == {0}


@pytest.mark.parametrize("groups", [None, FAMILY])
@pytest.mark.parametrize("exclude", [None, RNG.integers(0, 100, N)])
def test_matched_overlap_is_the_mean_over_other_admissible_rows_of_the_stratum(
    groups, exclude
) -> None:
    X, codes = RNG.standard_normal((N, 3)), RNG.integers(-1, 3, N)
    graph = neighbor_graph(X, K, groups=groups, exclude=exclude)
    strata = length_strata(LENGTHS, K)
    value, error = matched_overlap(graph, Labels(codes, exclude), strata, K)
    shares = []
    for i in np.flatnonzero(codes >= 0):
        free = np.arange(N) != i
        for partition in (groups, exclude):
            if partition is not None:
                free &= partition != partition[i]
        free_of = [free & (strata == strata[j]) & (np.arange(N) != j) for j in graph.indices[i]]
        among = [np.flatnonzero(others) for others in free_of]
        shares.append(np.mean([np.mean(codes[rows] == codes[i]) for rows in among]))
    assert value == pytest.approx(np.mean(shares))
    assert 0.2 < error / (np.std(shares) / np.sqrt(len(shares))) < 5


def test_with_one_stratum_it_is_chance_but_for_one_row() -> None:
    codes = RNG.integers(0, 3, N)
    graph = neighbor_graph(RNG.standard_normal((N, 3)) + 3 * codes[:, None], K)
    found = label_overlap(graph, codes, K)
    value, _ = matched_overlap(graph, Labels(codes), np.zeros(N, dtype=int), K)
    less = (found.value - found.chance) / (N - 2)
    assert value == pytest.approx(found.chance - less, abs=1e-12)


# ── planted truths ────────────────────────────────────────────────────────────────────────────


def controls(layer: np.ndarray, classes: np.ndarray, lengths: np.ndarray):
    states, settings = stored_states({"a": layer, "b": layer[:, ::-1]}), Settings(k=K)
    profile = measure(states, classes, settings=settings)
    tokens = [np.arange(n) for n in lengths]
    return profile, length_controls(profile, Measured.of(states, settings, classes), tokens)


def planted(by_length: float, by_class: float, lengths: np.ndarray, classes: np.ndarray):
    noise = np.random.default_rng(1).standard_normal((len(lengths), 4))
    noise[:, 0] += by_length * np.log(lengths)
    noise[:, 1] += by_class * classes
    return noise


def test_labels_that_are_lengths_are_explained_by_length() -> None:
    lengths = np.random.default_rng(0).integers(3, 40, 600)
    classes = np.digitize(lengths, [8, 20])
    profile, null = controls(planted(4, 0, lengths, classes), classes, lengths)
    own, matched = profile.label_overlap, null.curves["label_overlap"]
    assert (own.values - own.chance > 0.15).all()
    assert (own.values - matched.values < 0.2 * (own.values - own.chance)).all()
    assert len(null.warnings) == 1
    assert null.warnings[0].startswith("a to b: length explains most of the label overlap;")
    assert null.curves["label_overlap_length"].values == pytest.approx(0.99, abs=0.02)


def test_labels_that_are_not_lengths_are_not() -> None:
    lengths = np.random.default_rng(0).integers(3, 40, 600)
    classes = np.arange(600) % 3
    profile, null = controls(planted(4, 4, lengths, classes), classes, lengths)
    own, matched = profile.label_overlap, null.curves["label_overlap"]
    assert (own.values - own.chance > 0.15).all()
    assert matched.values == pytest.approx(own.chance, abs=0.01)
    assert null.warnings == ()
    for name in ("label_overlap_length", "label_overlap_tokens"):
        curve = null.curves[name]
        assert (np.abs(curve.values - curve.chance) < 4 * curve.errors).all()


def test_layers_that_follow_length_share_its_neighbours() -> None:
    lengths = np.random.default_rng(0).integers(3, 400, 600)
    classes = np.arange(600) % 3
    follow = controls(planted(40, 0, lengths, classes), classes, lengths)[1]
    apart = controls(planted(0, 4, lengths, classes), classes, lengths)[1]
    shared, alone = (null.curves["overlap_length"] for null in (follow, apart))
    assert (shared.values > 5 * shared.chance).all()
    assert (np.abs(alone.values - alone.chance) < 4 * alone.errors).all()


def test_without_labels_there_are_overlaps_only() -> None:
    states, settings = stored_states({"a": RNG.standard_normal((N, 3))}), Settings(k=K)
    profile = measure(states, settings=settings)
    found = length_controls(profile, Measured.of(states, settings), [np.arange(n) for n in LENGTHS])
    assert set(found.curves) == {"overlap_length", "overlap_tokens"}
    assert found.warnings == ()


# ── with a model ──────────────────────────────────────────────────────────────────────────────


def sentences(classes: np.ndarray, by_length: bool) -> list[str]:
    """Words at random: rows of a class have its length, or its words."""
    rng = np.random.default_rng(2)
    rows = []
    for c in classes:
        words = WORDS if by_length else WORDS[20 * c : 20 * c + 20]
        count = (2, 8, 30)[c] + rng.integers(0, 2) if by_length else rng.integers(3, 30)
        rows.append(" ".join(rng.choice(words, count)))
    return rows


@pytest.mark.parametrize("by_length", [True, False])
def test_a_run_warns_where_lengths_are_the_labels(bert_folder: Path, by_length: bool) -> None:
    classes = np.arange(180) % 3
    rows = sentences(classes, by_length)
    found = lg.profile(bert_folder, rows, labels=classes.tolist(), k=8, nulls="length")
    warned = [text for text in found.warnings if "length explains most" in text]
    assert bool(warned) is by_length
    null, own = found.nulls["length"], found.label_overlap
    assert own.values[0] - own.chance[0] > 0.2
    assert any("Neighbours by length alone" in text for text in found.reading.statements)
    if not by_length:
        assert null["label_overlap_tokens"].values[0] > 0.9
        assert null["label_overlap"].values == pytest.approx(own.chance, abs=0.05)
    assert found.provenance["nulls"]["length"]["told"] == warned
