from dataclasses import replace

import numpy as np
import pytest

from layergeom.errors import InputError, InputTypeError, StoreError, StoreWarning
from layergeom.states.hidden import (
    STATES,
    HiddenStates,
    LayerName,
    batches_of,
    block_number,
    layer_piece,
    open_states,
    write_facts,
)
from layergeom.states.store import Store

LAYERS = ("embedding", "block_1", "block_2", "final")
ARRAYS = {
    layer: np.random.default_rng(i).normal(size=(5, 3)).astype(np.float32)
    for i, layer in enumerate(LAYERS)
}
NORMS = np.arange(10, dtype=np.float32).reshape(5, 2)


def hidden(store, **changes):
    names = tuple(LayerName(key, i / 3, i, None, i, False) for i, key in enumerate(LAYERS))
    states = HiddenStates(
        layers=LAYERS,
        names=names,
        n=5,
        key="k1",
        provenance={"model": "tiny", "max_length": None},
        ids=("a", "b", "c", "ü", "e"),
        inputs=("h1", "h2", "h1", "h3", "h4"),
        counts={"rows": 5, "truncated": 1},
        warnings=("1 text was truncated.",),
        token_norms=dict.fromkeys(LAYERS, NORMS.astype(np.float64)),
        store=store,
    )
    return replace(states, **changes)


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path)
    for layer, array in ARRAYS.items():
        store.put(layer_piece(layer), {"states": array, "token_norms": NORMS}, "k1")
    return store


def test_what_was_written_is_opened_equal(store):
    written = hidden(store)
    write_facts(store, written)
    opened = open_states(Store(store.folder), "k1")
    for field in ("layers", "names", "n", "key", "provenance", "ids", "inputs", "counts"):
        assert getattr(opened, field) == getattr(written, field)
    assert opened.warnings == written.warnings
    assert tuple(opened.token_norms) == LAYERS
    for layer in LAYERS:
        assert opened[layer].tobytes() == ARRAYS[layer].tobytes() == written[layer].tobytes()
        np.testing.assert_array_equal(opened.token_norms[layer], NORMS)
        assert opened.token_norms[layer].dtype == np.float64


def test_unknown_inputs_and_no_norms_stay_so(store):
    write_facts(store, hidden(store, inputs=None, token_norms={}))
    opened = open_states(store)
    assert opened.inputs is None
    assert len(opened.token_norms) == 0
    with pytest.raises(KeyError):
        opened.token_norms["final"]


def test_absent_other_or_incomplete_states_are_none(store):
    assert open_states(store) is None
    write_facts(store, hidden(store))
    assert open_states(store, "k2") is None
    store.put(layer_piece("block_2"), {"states": ARRAYS["final"]}, "k2")
    assert open_states(store, "k1") is None


def test_a_damaged_layer_raises_when_read_and_is_none_when_discarded(store):
    write_facts(store, hidden(store))
    file = next(store.folder.glob("layers%2fblock_2*"))
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    opened = open_states(store)
    assert opened["block_1"].shape == (5, 3)
    with pytest.raises(StoreError, match=r"damaged"):
        opened["block_2"]
    with pytest.warns(StoreWarning, match=r"computed anew"):
        assert open_states(store, discard=True) is None


def test_a_piece_that_says_something_else_is_foreign(store):
    store.put("states", {"ids": NORMS}, "k1", {"layers": []})
    with pytest.raises(StoreError, match=r"'states' of .* is foreign"):
        open_states(store)


def test_a_layer_that_vanished_is_named(store):
    opened = hidden(store, key="k9")
    with pytest.raises(InputError, match=r"Layer block_1 is missing"):
        opened["block_1"]
    with pytest.raises(InputError, match=r"neither file nor store"):
        hidden(None)["block_1"]


@pytest.mark.parametrize("index", [0, 1, 2, np.int64(2)])
def test_integers_are_embedding_and_blocks(store, index):
    assert hidden(store)[index].tobytes() == ARRAYS[LAYERS[index]].tobytes()


@pytest.mark.parametrize("layer", [3, -1, "block_3", "", "Final"])
def test_an_unknown_layer_lists_the_layers(store, layer):
    with pytest.raises(InputError, match=r"the layers are embedding, block_1, block_2, final"):
        hidden(store)[layer]


@pytest.mark.parametrize("layer", [True, 1.0, None])
def test_a_layer_is_a_name_or_a_number(store, layer):
    with pytest.raises(InputTypeError, match=r"a name or a number"):
        hidden(store)[layer]


def test_among_some_blocks_a_number_means_the_block_not_the_position():
    states = hidden(None, layers=("block_2", "block_4"), load=lambda key: np.eye(5) * int(key[-1]))
    assert states[4][0, 0] == 4
    with pytest.raises(InputError, match=r"no layer 1"):
        states[1]


def test_names_of_the_users_own_go_by_position():
    states = hidden(None, layers=("in", "out"), load=lambda key: np.eye(5) * len(key))
    assert states[1][0, 0] == 3
    for number in (2, -1):
        with pytest.raises(InputError, match=r"the layers are in, out"):
            states[number]


def test_a_layer_that_overflows_is_named_with_its_rows():
    X = np.ones((5, 3))
    X[3, 1] = np.inf
    with pytest.raises(InputError, match=r"Layer final has inf .* in 1 of 5 rows \(first: row 3\)"):
        hidden(None, load=lambda _: X)["final"]


@pytest.mark.parametrize(
    ("key", "number"),
    [("block_1", 1), ("block_12", 12), ("block_0", None), ("block_01", None), ("block_", None),
     ("block_²", None), ("xblock_1", None), ("final", None)],
)  # fmt: skip
def test_block_number(key, number):
    assert block_number(key) == number


@pytest.mark.parametrize(
    ("provenance", "wanted"),
    [
        ({"batches": {"budget": 9, "batch_size": 8, "even": False}}, 8),
        ({"batches": {"budget": 9}}, None),
        ({"batches": "all"}, None),
        ({}, None),
        ("by hand", None),
        (None, None),
    ],
)
def test_the_plan_of_the_batches_is_read_where_it_is_one(tmp_path, provenance, wanted):
    store = Store(tmp_path)
    store.put(STATES, {"ids": np.zeros(1)}, "key", {"provenance": provenance})
    plan = batches_of(store, "key")
    assert (None if plan is None else plan["batch_size"]) == wanted
    assert batches_of(store, "another") is None
