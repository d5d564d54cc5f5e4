"""Short neighbour lists give the overlaps of the whole graphs, ties and repeats included."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from layergeom import geometry
from layergeom.errors import DegenerateError
from layergeom.geometry.uncertainty import adjacency
from layergeom.layer import Settings
from layergeom.measure import measure
from layergeom.states.store import Store
from layergeom.states.stored import stored_states
from layergeom.tasks import kept

K = 7
N = 120


@pytest.fixture(scope="module")
def clouds() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    plain = rng.standard_normal((N, 6))
    lattice = rng.integers(0, 4, (N, 3)).astype(float)  # ties and repeats everywhere
    repeated = np.vstack([plain[:90], plain[:30]]) + 5
    return {"plain": plain, "lattice": lattice, "repeated": repeated, "flat": np.ones((N, 2))}


@pytest.fixture(scope="module")
def written(clouds: dict[str, np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> kept.Kept:
    folder = tmp_path_factory.mktemp("kept")
    hidden = stored_states(clouds, Store(folder / "states"))
    profile = measure(hidden, settings=Settings(k=K))
    profile.save(folder)
    first = kept.write(folder, "key", hidden, profile, Settings(k=K))
    again = kept.read(folder, "key")
    assert again is not None
    assert again.bytes == first.bytes
    assert kept.read(folder, "other key") is None
    assert kept.read(folder.parent, "key") is None
    return again


@pytest.mark.parametrize("a", ["plain", "lattice", "repeated"])
@pytest.mark.parametrize("b", ["plain", "lattice", "repeated"])
def test_overlaps_are_those_of_the_whole_graphs(
    written: kept.Kept, clouds: dict[str, np.ndarray], a: str, b: str
) -> None:
    whole = [geometry.neighbor_graph(clouds[name], 64) for name in (a, b)]
    short = [written.lists(name) for name in (a, b)]
    expected = geometry.neighborhood_overlap(*whole, K)
    found = geometry.neighborhood_overlap(*short, K)  # type: ignore[arg-type]
    assert found.value == expected.value
    np.testing.assert_equal(found.error, expected.error)


def test_a_layer_without_neighbours_has_no_lists(written: kept.Kept) -> None:
    assert "flat" in written.profile.undefined
    assert written.lists("flat") is None


@pytest.mark.filterwarnings("ignore:30 of 120 rows repeat")
def test_influences_and_joined_rows(written: kept.Kept, clouds: dict[str, np.ndarray]) -> None:
    graphs = [geometry.neighbor_graph(clouds[name], 64) for name in ("plain", "repeated")]
    expected = np.mean([geometry.twonn(graph).influence for graph in graphs], axis=0)
    found = written.influence(["plain", "repeated"])
    np.testing.assert_allclose(found, expected, rtol=1e-6)  # kept in float32
    everyone = [geometry.neighbor_graph(clouds[n], 64) for n in ("plain", "lattice", "repeated")]
    known = [g for g, n in zip(everyone, ("plain", "lattice", "repeated"), strict=True)
             if n not in written.profile.undefined]  # fmt: skip
    union = sum(adjacency(graph, 2).pairs.toarray() for graph in known) > 0
    np.testing.assert_array_equal(written.joined.pairs.toarray(), union)


def test_lists_are_short(written: kept.Kept) -> None:
    lists = [x for name, x in written.arrays.items() if name.endswith(("indices", "levels"))]
    assert sum(x.nbytes for x in lists if x.ndim == 2) == 3 * N * K * 5


def test_no_dimension_is_read_off_levels(written: kept.Kept) -> None:
    graph = written.lists("plain")
    assert graph is not None
    with pytest.raises(DegenerateError):
        geometry.twonn(graph)


def test_many_neighbours_need_wider_levels(tmp_path: Path) -> None:
    X = np.random.default_rng(0).standard_normal((400, 3))
    hidden = stored_states({"a": X}, Store(tmp_path / "states"))
    settings = Settings(k=300, ranks=300)
    profile = measure(hidden, settings=settings)
    profile.save(tmp_path)
    graph = kept.write(tmp_path, "key", hidden, profile, settings).lists("a")
    assert graph is not None
    assert graph.distances.max() == 299


def test_lists_of_grouped_rows_are_those_of_other_groups_without_a_new_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(2)
    family = np.repeat(np.arange(30), 4)
    centres = rng.standard_normal((30, 5))[family]
    layers = {name: centres + 0.1 * rng.standard_normal((N, 5)) for name in "ab"}
    named = tuple(f"family {i}" for i in family)
    hidden = replace(stored_states(layers, Store(tmp_path / "states")), groups=named)
    profile = measure(hidden, settings=Settings(k=K))
    profile.save(tmp_path)
    whole = [geometry.neighbor_graph(X, 64, groups=family) for X in layers.values()]
    monkeypatch.setattr(geometry, "neighbor_graph", None)  # all is stored
    written = kept.write(tmp_path, "key", hidden, profile, Settings(k=K))
    short = [written.lists(name) for name in layers]
    expected = geometry.neighborhood_overlap(*whole, K)
    found = geometry.neighborhood_overlap(*short, K)  # type: ignore[arg-type]
    assert (found.value, found.error) == (expected.value, expected.error)
    assert found.value == profile.overlap.values[0, 1]
    influence = np.mean([geometry.twonn(graph).influence for graph in whole], axis=0)
    np.testing.assert_allclose(written.influence(["a", "b"]), influence, rtol=1e-6)  # float32
