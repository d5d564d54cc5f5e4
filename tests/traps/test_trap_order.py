"""Neither the order of the data nor the batches reach a number."""

from dataclasses import replace

import numpy as np
import pytest
from trap_cases import (
    SMALL,
    network,
    profile,
    quick,
    ready,
    rows_of,
    some,
    together,
    token_ids,
    worst,
)

from layergeom.measure import measure
from layergeom.states.extract import extract
from layergeom.states.inputs import read_samples
from layergeom.states.sequences import Sequences
from states.tiny_families import FAMILIES, VOCABULARY, fed, states

SOME = some("gpt2", "llama", "bert", "esm2", "t5", "t5_decoder", "mamba")
POOLS = ["token", "max", "last", "mean", "first", "weighted_mean"]
CURVES = (
    "dimension", "dimension_linear_90", "anisotropy", "mean_cosine", "effective_rank", "r1", "r2",
    "distinct_points", "token_norm_mean", "overlap_next",
)  # fmt: skip


@pytest.mark.parametrize("case", FAMILIES, ids=str)
def test_T_batch_order_invariance(case):
    rows, order = rows_of(case), [3, 0, 4, 1, 2]
    for size in (1, 2, 3):
        found = states(case, ready(case), [rows[i] for i in order], batch_size=size)
        for key, wanted in together(case).items():
            assert worst(found[key], wanted[order]) <= 1e-5, key


@pytest.mark.parametrize("case", quick(2, SOME), ids=str)
def test_T_batch_order_invariance__profile(case):
    rows, order = token_ids(60, seed=3), np.random.default_rng(0).permutation(60)
    one = profile(network(case), rows, part=case.part, batch_size=1)
    other = profile(network(case), [rows[i] for i in order], part=case.part, batch_size=13)
    for name in CURVES:
        np.testing.assert_allclose(other[name].values, one[name].values, rtol=1e-3, err_msg=name)
    np.testing.assert_allclose(other.maps["overlap"].values, one.maps["overlap"].values, atol=1e-3)


@pytest.mark.parametrize("case", quick(2, SOME), ids=str)
def test_T_duplicate_inputs(case):
    unique = token_ids(120, seed=4, shortest=4)
    again = [unique[i] for i in np.random.default_rng(1).choice(120, 12, replace=False)]
    mixed = read_samples([*unique, *again])
    hidden = extract(network(case), mixed, part=case.part, batch_size=7)
    assert len(set(hidden.inputs)) == 120
    twice, once = measure(hidden, settings=SMALL), profile(network(case), unique, part=case.part)
    np.testing.assert_allclose(twice["dimension"].values, once["dimension"].values, rtol=0.1)
    assert twice["distinct_points"].values[1:].tolist() == [120] * (len(hidden.layers) - 1)
    assert "12 of 132" in " ".join(twice.warnings)


def test_T_duplicate_inputs__are_counted_from_the_inputs_and_not_from_the_states():
    """Repeats that a batch has moved by more than any rounding floor."""
    unique = token_ids(60, seed=4, shortest=4)
    hidden = extract(network(SOME[0]), read_samples([*unique, *unique[:6]]))
    moved = {key: np.array(hidden[key]) for key in hidden.layers}
    for states_ in moved.values():
        states_[60:] *= 1.001
    load = moved.__getitem__
    told = replace(hidden, load=load, store=None)
    assert measure(told, settings=SMALL)["distinct_points"].values[-1] == 60
    unknown = replace(told, inputs=None)
    assert measure(unknown, settings=SMALL)["distinct_points"].values[-1] == 66


@pytest.mark.parametrize("case", [*SOME, *some("vit", "clip_vision")], ids=str)
def test_T_row_order(case):
    """The hash of each row's input stands where its states do, whatever the lengths."""
    rows = rows_of(case) if case.part == "vision" else token_ids(31, seed=5)
    forth, back = (_by_hash(case, kept) for kept in (rows, rows[::-1]))
    assert list(back) == list(forth)[::-1]
    for digest, wanted in forth.items():
        assert worst(back[digest], wanted) <= 1e-5


def _by_hash(case, rows):
    found = states(case, ready(case), rows, batch_size=4)
    digests = fed(case, ready(case), rows).hashes
    layer = list(found)[-1]
    return dict(zip(digests, found[layer], strict=True))


@pytest.mark.parametrize("case", quick(2, SOME), ids=str)
def test_T_row_order__of_an_extraction(case):
    rows = token_ids(31, seed=5)
    hidden = extract(network(case), read_samples(rows), part=case.part, batch_size=4)
    one_by_one = [Sequences((row,), (row > -1,), (0,)).hashes[0] for row in rows]
    assert hidden.inputs == tuple(one_by_one)
    assert hidden.ids == tuple(map(str, range(31)))
    back = extract(network(case), read_samples(rows[::-1]), part=case.part, batch_size=9)
    assert back.inputs == hidden.inputs[::-1]
    for key in hidden.layers:
        assert worst(np.asarray(back[key])[::-1], hidden[key]) <= 1e-5


@pytest.mark.parametrize("pool", quick(3, POOLS))
def test_T_plus_views_in_any_batch(pool):
    """Every pooling, and the token norms with it, is that of a batch of one."""
    rows = token_ids(12, seed=6)
    one, many = (
        extract(network(SOME[0]), read_samples(rows), pool=pool, batch_size=size)
        for size in (1, 12)
    )
    assert (one.key, one.ids) == (many.key, many.ids)
    for key in one.layers:
        assert worst(many[key], one[key]) <= 1e-5
        np.testing.assert_allclose(many.token_norms[key], one.token_norms[key], rtol=1e-5)


def test_T_plus_a_row_among_much_longer_ones():
    """One short row in a batch that is nearly all padding."""
    case = SOME[2]
    long = [np.resize(np.arange(4, VOCABULARY), 39)] * 7
    short = np.array([9])
    found = states(case, ready(case), [*long, short])
    own = states(case, ready(case), [short])
    for key, wanted in own.items():
        assert worst(found[key][-1:], wanted) <= 1e-5
