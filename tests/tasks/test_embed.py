"""One layer for every row, keyed by the user's ids, without running the blocks behind it."""

import json
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch

from layergeom.errors import InputError, StoreError
from layergeom.states.extract import extract
from layergeom.states.inputs import read_samples
from layergeom.tasks import chosen_layer as choosing
from layergeom.tasks import embedding_files
from layergeom.tasks.embed import Embeddings, embed, layer_key
from layergeom.tasks.embedding_files import file_format
from states.tiny import folder, network, texts, token_rows, tokenizer

torch.set_num_threads(1)
LINES = texts(7)
IDS = ["z/1", "b", "a", "b2", "ä", "0", "last"]


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    return folder(tmp_path_factory.mktemp("embed"))


@pytest.fixture
def data():
    return {"id": IDS, "text": LINES}


@pytest.mark.parametrize("layer", ["embedding", "block_1", 2, "block_3"])
def test_vectors_are_those_of_a_whole_extraction(bert, data, layer):
    found = embed(bert, data, layer=layer)
    whole = extract(bert, read_samples(data))
    assert found.ids == tuple(IDS)
    assert found.array.dtype == np.float32
    np.testing.assert_array_equal(found.array, whole[layer])
    assert found.layer == found.provenance["layer"] == layer_key(layer)


@pytest.mark.parametrize(("layer", "calls"), [("embedding", 0), (1, 1), (2, 2), ("block_3", 3)])
def test_later_blocks_are_not_run(layer, calls):
    module, counted = network("GPT2"), []
    for block in module.h:
        block.mlp.register_forward_hook(lambda *_: counted.append(1))
    tokens = token_rows(5)
    whole = extract(module, read_samples(tokens))
    trial = len(counted)
    counted.clear()
    found = embed(module, tokens, layer=layer, batch_size=5)
    # learning the layers takes as many calls as before; the pass itself one per block that is run
    assert len(counted) == trial - 3 + calls
    np.testing.assert_array_equal(found.array, whole[layer])


def test_all_rows_and_few_rows(bert):
    many = texts(23)
    assert embed(bert, many, layer=1).ids == tuple(str(row) for row in range(23))
    assert embed(bert, many, layer=1, max_samples=4).array.shape == (4, 16)
    one = embed(bert, many[:1], layer=1)  # geometry would ask for three
    assert len(one) == 1
    np.testing.assert_allclose(one.array, embed(bert, many, layer=1).array[:1], atol=1e-5)


def test_rows_that_are_skipped_are_not_among_the_ids(bert, data):
    data = {**data, "text": ["w1 " * 30, *LINES[1:]]}
    found = embed(bert, data, layer=1, long="skip", max_length=25)
    assert found.ids == tuple(IDS[1:])
    assert found.array.shape == (6, 16)
    assert any("z/1" in line for line in found.warnings)


def test_npz_and_safetensors_hold_ids_vectors_and_provenance(bert, data, tmp_path):
    from safetensors import safe_open

    found = embed(bert, data, layer=2, output=tmp_path / "new" / "e.npz")
    found.save(tmp_path / "e.safetensors")
    with np.load(tmp_path / "new" / "e.npz") as file:  # objects would need allow_pickle
        assert file["ids"].tolist() == IDS
        np.testing.assert_array_equal(file["embeddings"], found.array)
        facts = json.loads(str(file["provenance"]))
    with safe_open(tmp_path / "e.safetensors", "numpy") as file:
        assert json.loads(file.metadata()["ids"]) == IDS
        np.testing.assert_array_equal(file.get_tensor("embeddings"), found.array)
        assert json.loads(file.metadata()["provenance"]) == facts
    assert facts["model_hash"] == found.provenance["model_hash"]
    assert {"layer", "pooling", "versions", "commit", "dtype", "data"} <= set(facts)
    assert {"layergeom", "torch", "transformers"} <= set(facts["versions"])


def test_hdf5_holds_one_dataset_per_id(bert, data, tmp_path):
    h5py = pytest.importorskip("h5py")
    found = embed(bert, data, layer=2, output=tmp_path / "e.h5")
    with h5py.File(tmp_path / "e.h5") as file:
        assert list(file) == ["z_1", *IDS[1:]]
        assert [file[name].attrs["original_id"] for name in file] == IDS
        np.testing.assert_array_equal(np.stack([file[name][:] for name in file]), found.array)
        assert json.loads(file.attrs["provenance"])["layer"] == "block_2"


def test_parquet_holds_a_column_of_lists(bert, data, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    found = embed(bert, data, layer=2, output=tmp_path / "e.parquet")
    table = parquet.read_table(tmp_path / "e.parquet")
    assert table["id"].to_pylist() == IDS
    np.testing.assert_array_equal(np.array(table["embedding"].to_pylist()), found.array)
    assert json.loads(table.schema.metadata[b"provenance"])["layer"] == "block_2"


def test_a_format_is_known_before_the_model_is_read(tmp_path, monkeypatch):
    with pytest.raises(InputError, match=r"not as '.csv'"):
        embed("no/such/model", ["w1"], layer=1, output=tmp_path / "e.csv")
    with pytest.raises(InputError, match="not as 'pt'"):
        embed("no/such/model", ["w1"], layer=1, output=tmp_path / "e.npz", format="pt")
    monkeypatch.setattr(embedding_files, "find_spec", lambda _: None)
    for name, library, extra in (("e.h5", "h5py", "hdf5"), ("e.parquet", "pyarrow", "parquet")):
        remedy = rf"need {library}: pip install 'layergeom\[{extra}\]'"
        with pytest.raises(InputError, match=remedy):
            embed("no/such/model", ["w1"], layer=1, output=tmp_path / name)


def test_the_extras_that_messages_name_exist():
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))
    extras = project["project"]["optional-dependencies"]
    for library, package in embedding_files._LIBRARIES.values():
        assert extras[package.removeprefix("'layergeom[").removesuffix("]'")][0].startswith(library)


@pytest.mark.parametrize("ids", [["a", "b", "a"], ["a/1", "b", "a_1"], ["a", ".", "b"]])
def test_ids_that_hdf5_cannot_tell_apart(ids, tmp_path, monkeypatch):
    monkeypatch.setattr(embedding_files, "find_spec", lambda _: True)
    with pytest.raises(InputError, match="HDF5 needs a name of its own"):
        embed("no/such/model", {"id": ids, "text": LINES[:3]}, layer=1, output=tmp_path / "e.h5")


def test_other_formats_keep_repeated_ids(bert, tmp_path):
    data = {"id": ["a", "b", "a"], "text": LINES[:3]}
    embed(bert, data, layer=1, output=tmp_path / "e.bin", format="npz")
    with np.load(tmp_path / "e.bin") as file:
        assert file["ids"].tolist() == ["a", "b", "a"]


def test_a_failed_write_leaves_the_former_file(tmp_path, monkeypatch):
    vectors = Embeddings(("a",), np.ones((1, 2), np.float32), "block_1", {}, ())
    vectors.save(tmp_path / "e.npz")
    before = (tmp_path / "e.npz").read_bytes()

    def full(path, *_):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setitem(embedding_files._WRITERS, "npz", full)
    with pytest.raises(StoreError, match="No space left"):
        vectors.save(tmp_path / "e.npz")
    assert (tmp_path / "e.npz").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["e.npz"]


def test_formats_by_suffix():
    assert file_format(Path("E.NPZ")) == "npz"
    assert file_format(Path("e.txt"), "safetensors") == "safetensors"


@pytest.mark.parametrize("layer", ["block_9", "nonsense", 9])
def test_an_unknown_layer_is_named(bert, layer):
    with pytest.raises(InputError, match="block_3"):
        embed(bert, LINES, layer=layer)


@pytest.mark.parametrize("layer", [-1, 1.5, True])
def test_a_layer_is_a_key_or_a_number(bert, layer):
    with pytest.raises(InputError, match="a key such as"):
        embed(bert, LINES, layer=layer)


def test_states_that_overflow_are_no_embeddings():
    module = network("Bert")
    with torch.no_grad():
        module.encoder.layer[1].output.dense.weight.fill_(float("nan"))
    with pytest.raises(InputError, match="block_2 cannot be embedded"):
        embed(module, LINES, layer=2, tokenizer=tokenizer())


# ── the recommendation of a run ───────────────────────────────────────────────────────────────


@pytest.fixture
def recommending(bert, tmp_path, monkeypatch):
    """A real run whose reading is told to find block_2, or nothing."""
    import layergeom as lg

    def run(found):
        lg.profile(bert, texts(60, longest=15), k=5, folder=tmp_path, pool="mean")
        made = choosing.read

        def reading(profile):
            from dataclasses import replace

            known = made(profile)
            return replace(
                known,
                recommendation=replace(
                    known.recommendation, found=found, layer="block_2", failed="the profile is flat"
                ),
            )

        monkeypatch.setattr(choosing, "read", reading)
        return tmp_path

    return run


def test_the_recommended_layer_of_a_run(bert, recommending):
    run = recommending(True)
    found = embed(bert, LINES, layer="recommended", run=run, pool="mean")
    assert (found.layer, found.warnings) == ("block_2", ())
    other = embed(bert, LINES, layer="recommended", run=run, pool="first")
    assert [line for line in other.warnings if "another pooling" in line]
    assert not [line for line in other.warnings if "another model" in line]


def test_a_run_that_recommends_nothing_and_runs_without_need(bert, recommending):
    run = recommending(False)
    with pytest.raises(InputError, match=r"recommends no layer \(the profile is flat\)"):
        embed(bert, LINES, layer="recommended", run=run)
    with pytest.raises(InputError, match="needs the run"):
        embed(bert, LINES, layer="recommended")
    with pytest.raises(InputError, match="leave one out"):
        embed(bert, LINES, layer=1, run=run)
