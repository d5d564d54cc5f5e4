import numpy as np
import pytest
import scipy.sparse
import torch
from safetensors.torch import save_file

from layergeom.errors import InputError, InputTypeError, StoreError
from layergeom.states.hidden import layer_piece, write_facts
from layergeom.states.store import Store
from layergeom.states.stored import stored_states

rng = np.random.default_rng(0)
X = rng.normal(size=(6, 3)).astype(np.float32)
Y = rng.normal(size=(6, 4)).astype(np.float32)


def test_layers_with_our_names_come_in_our_order():
    states = stored_states({"final": X, "block_10": X, "embedding": Y, "block_2": X})
    assert states.layers == ("embedding", "block_2", "block_10", "final")
    assert [name.depth for name in states.names] == [0.0, 0.2, 1.0, 1.0]
    assert [name.final_norm for name in states.names] == [False, False, False, True]
    assert states[0].shape == (6, 4)
    assert states[2].shape == (6, 3)


def test_layers_with_names_of_their_own_keep_the_given_order():
    states = stored_states({"h10": X, "h2": Y, "out": X})
    assert states.layers == ("h10", "h2", "out")
    assert [name.depth for name in states.names] == [0.0, 0.5, 1.0]
    assert states[1].tobytes() == Y.tobytes()


def test_what_is_known_about_arrays():
    states = stored_states([X, Y])
    assert (states.n, states.layers) == (6, ("layer_0", "layer_1"))
    assert states.ids == tuple("012345")
    assert (states.inputs, states.store, dict(states.token_norms)) == (None, None, {})
    assert states.counts == {"rows": 6}
    name = states.names[0]
    assert (name.hidden_states, name.module, name.blocks) == (None, None, None)


def test_one_array_of_two_or_three_dimensions():
    assert stored_states(X).layers == ("layer_0",)
    assert stored_states(X).names[0].depth == 1.0
    states = stored_states(np.stack([X, X + 1]))
    assert states.layers == ("layer_0", "layer_1")
    np.testing.assert_array_equal(states[1], X + 1)


def test_every_kind_of_array_gives_the_same_numbers():
    for array in (X.tolist(), torch.tensor(X), scipy.sparse.csr_matrix(X), np.asfortranarray(X)):
        np.testing.assert_array_equal(stored_states({"a": array})["a"], X)
    half = torch.tensor(X).to(torch.bfloat16)
    np.testing.assert_array_equal(stored_states({"a": half})["a"], half.float().numpy())


def test_hidden_states_are_returned():
    states = stored_states([X])
    assert stored_states(states) is states


def test_the_key_is_of_names_and_content_wherever_they_come_from(tmp_path):
    np.savez(tmp_path / "x.npz", a=X, b=Y)
    torch.save({"a": torch.tensor(X), "b": torch.tensor(Y)}, tmp_path / "x.pt")
    key = stored_states({"a": X, "b": Y}).key
    assert key == stored_states(tmp_path / "x.npz").key == stored_states(tmp_path / "x.pt").key
    changed = X.copy()
    changed[0, 0] = np.nextafter(X[0, 0], 1)
    others = [{"a": X, "c": Y}, {"a": changed, "b": Y}, {"b": Y, "a": X}, {"a": X[::-1], "b": Y}]
    assert key not in {stored_states(other).key for other in others}


def test_a_folder_has_a_layer_per_file_in_natural_order(tmp_path):
    for i in (10, 2, 1):
        np.save(tmp_path / f"layer_{i}.npy", X + i)
    (tmp_path / "README.md").touch()
    states = stored_states(tmp_path)
    assert states.layers == ("layer_1", "layer_2", "layer_10")
    np.testing.assert_array_equal(states["layer_10"], X + 10)
    assert states.warnings == (f"1 other entries of {tmp_path.name} were left out.",)


def test_a_folder_with_one_file_of_layers(tmp_path):
    save_file({"block_1": torch.tensor(X).bfloat16(), "embedding": torch.tensor(X)},
              tmp_path / "states.safetensors")  # fmt: skip
    states = stored_states(str(tmp_path))
    assert states.layers == ("embedding", "block_1")
    np.testing.assert_array_equal(states["block_1"], torch.tensor(X).bfloat16().float().numpy())


def test_npy_layers_are_read_when_asked_for(tmp_path):
    np.save(tmp_path / "a.npy", X)
    states = stored_states(tmp_path / "a.npy")
    assert isinstance(states["a"].base, np.memmap) or isinstance(states["a"], np.memmap)


def test_the_folder_of_a_store(tmp_path):
    store = Store(tmp_path)
    made = stored_states({"embedding": X}, store=store)
    store.put(layer_piece("embedding"), {"states": X}, made.key)
    with pytest.raises(StoreError, match=r"no complete hidden states"):
        stored_states(tmp_path)
    write_facts(store, made)
    opened = stored_states(tmp_path)
    assert opened.key == made.key
    assert opened[0].tobytes() == X.tobytes()


def test_nan_is_found_when_the_layer_is_read_and_other_layers_stay():
    bad = X.copy()
    bad[2, 1] = np.nan
    for array in (bad, torch.tensor(bad)):
        states = stored_states({"a": X, "b": array})
        assert states["a"].shape == (6, 3)
        with pytest.raises(InputError, match=r"Layer b has NaN values in 1 of 6 rows"):
            states["b"]


def test_ids():
    assert stored_states(X, ids=range(6)).ids == tuple("012345")
    with pytest.raises(InputError, match=r"ids have length 2 but the states have 6 rows"):
        stored_states(X, ids=["a", "b"])


@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        ({"a": X, "b": Y[:4]}, InputError, "Layer b has 4 rows but layer a has 6"),
        ({"a": X[0]}, InputError, r"Layer a must have 2 dimensions .* shape \(3,\)"),
        ({"a": np.stack([X, X])}, InputError, "Pool over the sequence positions first"),
        ({}, InputError, "no layers"),
        ([], InputError, "no layers"),
        ({1: X, "1": X, "layer_1": X}, InputError, "same name"),
        ({"a": X.astype(complex)}, InputTypeError, "complex"),
        ({"a": np.full((3, 2), None)}, InputTypeError, "object"),
        ({"a": np.ma.masked_invalid(X)}, InputTypeError, "masked"),
        (3, InputTypeError, "cannot be read from int"),
        ("nowhere", InputError, "There is no file or folder nowhere"),
    ],
)
def test_bad_states_are_one_sentence(source, error, message):
    with pytest.raises(error, match=message):
        stored_states(source)


def test_bad_folders_are_one_sentence(tmp_path):
    with pytest.raises(InputError, match=r"holds no states; they are read from"):
        stored_states(tmp_path)
    np.save(tmp_path / "a.npy", X)
    np.savez(tmp_path / "b.npz", x=X, y=X)
    with pytest.raises(InputError, match=r"b.npz holds 2 arrays; a folder must have one layer"):
        stored_states(tmp_path)
    np.save(tmp_path / "b.npy", X)
    (tmp_path / "b.npz").unlink()
    torch.save(torch.tensor(X), tmp_path / "a.pt")
    with pytest.raises(InputError, match=r"Two layers are named 'a'"):
        stored_states(tmp_path)
