"""Lists to DADApy and back; its numbers were made with DADApy 0.3.4 from these very lists."""

import numpy as np
import pytest

import layergeom as lg
from layergeom.errors import DegenerateError, InputError
from layergeom.geometry.dimension import fisher_error
from layergeom.geometry.peer_lists import dadapy_lists

rng = np.random.default_rng(0)
CLOUD = np.tanh(rng.standard_normal((300, 3)) @ rng.standard_normal((3, 8)))

# of Data(distances=…, maxk=20) with the lists of a graph of CLOUD
TWONN_ML = 2.9418309207427433  # compute_id_2NN(algorithm="ml", mu_fraction=1.0)
TWONN_BASE = 2.876050365135225  # compute_id_2NN()
DISTANCE = 0.3868869204590992
GRIDE = [2.941830947881244, 2.9432373599778217, 2.8542040004082665, 2.5054880151504477]
GRIDE_ERRORS = [0.1698466889669608, 0.12237885979575336, 0.08418070684041853, 0.05228002310528714]
GRIDE_DISTANCES = [0.38688692045909917, 0.5103903841402755, 0.6617045710512178, 0.8648099704413262]

# of Data(SMALL, maxk=4), whose rows 0 and 5 are equal
SMALL = [[0, 0], [1, 0], [0, 2], [3, 1], [4, 4], [0, 0], [5, 1], [2, 5]]
SMALL_DISTANCES = np.sqrt(
    [
        [0, 0, 1, 4, 10],
        [0, 1, 1, 5, 5],
        [0, 4, 4, 5, 10],
        [0, 4, 5, 10, 10],
        [0, 5, 10, 10, 20],
        [0, 0, 1, 4, 10],
        [0, 4, 10, 17, 25],
        [0, 5, 13, 17, 25],
    ]
)
SMALL_INDICES = np.array(
    [
        [0, 5, 1, 2, 3],
        [1, 0, 5, 3, 2],
        [2, 0, 5, 1, 3],
        [3, 6, 1, 2, 0],
        [4, 7, 3, 6, 2],
        [0, 5, 1, 2, 3],  # column 0 is not the row itself
        [6, 3, 4, 1, 7],
        [7, 4, 2, 3, 6],
    ]
)


def test_dadapy_reads_from_our_lists_what_we_do():
    graph = lg.neighbor_graph(CLOUD, k=20)
    distances, indices = dadapy_lists(graph)
    mu = distances[:, 2] / distances[:, 1]  # what compute_id_2NN takes
    assert (len(mu) - 1) / np.log(mu).sum() == pytest.approx(TWONN_ML, rel=1e-12)
    assert lg.twonn(graph).value == pytest.approx(TWONN_ML, rel=1e-12)
    assert lg.twonn(graph, "linear", 0.9).value == pytest.approx(TWONN_BASE, rel=1e-9)
    assert lg.twonn(graph).distance == pytest.approx(DISTANCE, rel=1e-12)
    assert (indices[:, 0] == np.arange(300)).all()


def test_dadapys_gride_is_ours_but_for_its_error():
    graph = lg.neighbor_graph(CLOUD, k=20)
    for at, n1 in enumerate([1, 2, 4, 8]):
        found = lg.gride(graph, n1, outliers="dadapy")
        ratios = np.log(graph.distances[:, 2 * n1 - 1] / graph.distances[:, n1 - 1])
        assert found.value == pytest.approx(GRIDE[at], rel=1e-7)  # its search stops at 1e-7
        assert found.distance == pytest.approx(GRIDE_DISTANCES[at], rel=1e-12)
        of_fisher = fisher_error(found.value, ratios, n1, 2 * n1)
        assert of_fisher == pytest.approx(GRIDE_ERRORS[at], rel=1e-6)
        assert found.error > of_fisher


def test_there_and_back():
    graph = lg.neighbor_graph(CLOUD, k=20)
    again = lg.NeighborGraph.from_arrays(*dadapy_lists(graph), self_included=True)
    np.testing.assert_array_equal(again.distances, graph.distances)
    np.testing.assert_array_equal(again.indices, graph.indices)
    assert lg.twonn(again).error == lg.twonn(graph).error


def test_dadapys_lists_with_a_repeated_row_are_read():
    graph = lg.NeighborGraph.from_arrays(SMALL_DISTANCES, SMALL_INDICES, self_included=True)
    own = lg.neighbor_graph(SMALL, k=4)
    np.testing.assert_allclose(graph.distances, own.distances, rtol=1e-15)
    assert graph.indices[5].tolist() == own.indices[5].tolist() == [0, 1, 2, 3]
    assert graph.n_distinct == own.n_distinct == 7


def test_distinct_points_are_lists_of_their_own():
    graph = lg.neighbor_graph(SMALL, k=4)
    distances, indices = dadapy_lists(graph, distinct=True)
    rows = graph.representatives
    assert rows.tolist() == [0, 1, 2, 3, 4, 6, 7]
    assert (distances[:, 1] > 0).all()
    X = np.array(SMALL, dtype=float)[rows]
    np.testing.assert_allclose(distances, np.linalg.norm(X[:, None] - X[indices], axis=2))


def test_gaps_are_refused():
    graph = lg.neighbor_graph(SMALL, k=4, groups=[0, 0, 0, 0, 1, 1, 1, 2])
    short = lg.neighbor_graph(SMALL, k=4, exclude=[0, 0, 0, 0, 0, 1, 1, 2])
    assert dadapy_lists(graph)[1].shape == (8, 5)
    with pytest.raises(InputError, match="row 0 has fewer than 4 neighbours"):
        dadapy_lists(short)
    with pytest.raises(DegenerateError, match="without exclude"):
        dadapy_lists(short, distinct=True)
    with pytest.raises(InputError, match="must be a NeighborGraph"):
        dadapy_lists(SMALL)


def test_scikit_dimensions_lists_are_the_graphs_own():
    graph = lg.neighbor_graph(CLOUD, k=20)
    again = lg.NeighborGraph.from_arrays(graph.distances, graph.indices, self_included=False)
    # of skdim.id.MLE (0.5.0) with these lists as precomputed_knn_arrays
    assert lg.levina_bickel(again, 20, 20).value == pytest.approx(2.618349324069867, rel=1e-12)
