"""The exact order of cosines, whatever the blocks; rows without a direction; a query's own name."""

import numpy as np
import pytest

from layergeom.errors import InputError
from layergeom.geometry.cosine_search import ranked_by_cosine


def cosines(queries, documents):
    unit = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in (queries, documents)]
    return unit[0] @ unit[1].T


def brute(table, k):
    """Largest first, equal ones by lower row."""
    return np.argsort(-table, axis=1, kind="stable")[:, :k]


@pytest.fixture(scope="module")
def sides():
    rng = np.random.default_rng(0)
    scales = np.exp(rng.standard_normal((300, 1)))
    return rng.standard_normal((40, 12)) + 1, (rng.standard_normal((300, 12)) + 1) * scales


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_against_all_cosines(sides, dtype):
    queries, documents = (x.astype(dtype) for x in sides)
    table = cosines(*(x.astype(np.float64) for x in (queries, documents)))
    found = ranked_by_cosine(queries, documents, 25)
    np.testing.assert_array_equal(found.documents, brute(table, 25))
    expected = np.take_along_axis(table, found.documents, axis=1)
    np.testing.assert_allclose(found.cosines, expected, atol=1e-12)
    assert found.directionless == (0, 0)


@pytest.mark.parametrize("rows", [20, 7, 1000])
def test_blocks_of_documents_do_not_show(sides, rows):
    whole = ranked_by_cosine(*sides, 30)
    found = ranked_by_cosine(*sides, 30, unit_bytes=rows * 8 * 12)
    np.testing.assert_array_equal(found.documents, whole.documents)
    # the search of fewer than 50 rows adds squares in another order: the last bit may differ
    np.testing.assert_allclose(found.cosines, whole.cosines, rtol=0, atol=1e-15)


def test_equal_documents_are_listed_by_their_rows_across_blocks(sides):
    queries, documents = sides
    again = np.concatenate([documents[:50], documents[:50], documents[:50]])
    found = ranked_by_cosine(queries, again, 3, unit_bytes=40 * 8 * 12)
    nearest = cosines(queries, documents[:50]).argmax(axis=1)
    np.testing.assert_array_equal(found.documents, nearest[:, None] + [0, 50, 100])
    assert (np.diff(found.cosines, axis=1) == 0).all()


def test_rows_of_zeros_are_never_found_and_find_nothing(sides):
    queries, documents = sides[0].copy(), sides[1].copy()
    queries[3], documents[[5, 9]] = 0, 0
    found = ranked_by_cosine(queries, documents, 300)
    assert found.directionless == (1, 2)
    assert (found.documents[3] == -1).all()
    assert np.isnan(found.cosines[3]).all()
    others = np.delete(found.documents, 3, axis=0)
    assert not np.isin(others, [5, 9]).any()
    assert ((others == -1).sum(axis=1) == 2).all()


def test_the_document_of_the_own_name_is_left_out(sides):
    documents = sides[1][:60]
    names = np.arange(60)
    found = ranked_by_cosine(documents, documents, 5, query_names=names, names=names)
    table = cosines(documents, documents)
    np.fill_diagonal(table, -2)
    np.testing.assert_array_equal(found.documents, brute(table, 5))


def test_copies_have_the_vector_of_the_first(sides):
    queries, documents = sides
    again = np.concatenate([documents[:100], documents[:100] + 1e-3, np.zeros((1, 12))])
    first = np.concatenate([np.arange(100), np.arange(100), [4]])
    found = ranked_by_cosine(queries, again, 6, stand_ins=first)
    wanted = ranked_by_cosine(queries, again[first], 6)
    np.testing.assert_array_equal(found.documents, wanted.documents)
    np.testing.assert_array_equal(found.cosines, wanted.cosines)


def test_memory_is_bounded_however_many_documents():
    import tracemalloc

    from layergeom.geometry import search_memory

    rng = np.random.default_rng(0)
    documents = rng.standard_normal((60_000, 32)).astype(np.float32)
    size, q, k = 1 << 20, 200, 20
    stated = 4 * size + search_memory(size // 256, 32, k, q) + 48 * q * k + 24 * len(documents)
    tracemalloc.start()
    try:
        ranked_by_cosine(documents[:q], documents, k, unit_bytes=size)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert documents.size * 8 > 1.5 * stated  # the unit vectors of all would not fit
    assert peak < stated


def test_more_places_than_documents(sides):
    assert ranked_by_cosine(sides[0], sides[1][:4], 10).documents.shape == (40, 4)


def test_another_width_is_refused(sides):
    with pytest.raises(InputError, match="12 features but documents have 11"):
        ranked_by_cosine(sides[0], sides[1][:, :11], 3)
