"""Shares of one extraction, put together, are what one process would have written."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from tiny import folder, network, texts, tokenizer

from layergeom.errors import InputError, StoreError, StoreWarning
from layergeom.states.extract import _stored, extract, extract_shard
from layergeom.states.hidden import layer_piece
from layergeom.states.inputs import read_samples
from layergeom.states.locks import locked
from layergeom.states.shards import (
    FOLDER,
    PLAN,
    Shard,
    merge,
    unfinished_shards,
    write_shard,
)
from layergeom.states.store import Store
from layergeom.states.unfinished import LOCK

torch.set_num_threads(1)

LINES = texts(40, longest=30)
SAMPLES = read_samples(LINES)
BATCHES = {"batch_size": 3}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return folder(tmp_path_factory.mktemp("model"))


def sharded(model, place, of, samples=SAMPLES, **options):
    """Extract every shard, the last one first, and merge."""
    rows = [
        extract_shard(model, samples, Shard(i, of), Store(place), **BATCHES | options).rows
        for i in range(of, 0, -1)
    ]
    return merge(Store(place)), rows


def same(a, b, exact=True):
    assert a.layers == b.layers
    assert (a.key, a.ids, a.inputs, a.rows) == (b.key, b.ids, b.inputs, b.rows)
    for layer in a.layers:
        one, other = np.asarray(a[layer]), np.asarray(b[layer])
        if exact:
            np.testing.assert_array_equal(one, other)
            np.testing.assert_array_equal(a.token_norms[layer], b.token_norms[layer])
        else:
            np.testing.assert_allclose(one, other, rtol=0, atol=1e-6 * np.abs(other).max())


@pytest.mark.parametrize("of", [1, 2, 5])
@pytest.mark.parametrize("view", [{"pool": "mean"}, {"pool": "token", "max_tokens": 200}])
def test_merged_shards_are_the_whole_bit_by_bit(model, of, view, tmp_path):
    whole = extract(model, SAMPLES, store=Store(tmp_path / "whole"), **BATCHES | view)
    found, rows = sharded(model, tmp_path / "shards", of, **view)
    same(found, whole)
    assert sum(rows) == whole.n
    assert found.provenance["invalid"] == {}
    assert not (tmp_path / "shards" / FOLDER).exists()
    assert Store(tmp_path / "shards").check() == ()


def test_windows_in_several_shards_are_added(model, tmp_path):
    view = {"pool": "mean", "long": "window", "max_length": 8, "special_tokens": True}
    whole = extract(model, SAMPLES, store=Store(tmp_path / "whole"), **BATCHES | view)
    found, rows = sharded(model, tmp_path / "shards", 3, **view)
    assert sum(rows) > whole.n  # some rows are begun in one shard and ended in another
    same(found, whole, exact=False)
    for layer in whole.layers:
        np.testing.assert_allclose(found.token_norms[layer], whole.token_norms[layer], rtol=1e-5)


def test_the_merged_states_answer_for_the_model(model, monkeypatch, tmp_path):
    found, _ = sharded(model, tmp_path, 2)
    monkeypatch.setattr("layergeom.states.request.load_source", None)  # nothing is run again
    same(extract(model, SAMPLES, store=Store(tmp_path), **BATCHES), found)


def test_a_finished_shard_is_not_read_again_and_a_broken_one_goes_on(model, monkeypatch, tmp_path):
    store = Store(tmp_path)

    def stop(done, of, what):
        if done >= 12:
            raise KeyboardInterrupt

    monkeypatch.setattr("layergeom.states.batches.PART_TOKENS", 60)
    with pytest.raises(KeyboardInterrupt):
        extract_shard(model, SAMPLES, Shard(1, 2), store, progress=stop, **BATCHES)
    held = extract_shard(model, SAMPLES, Shard(1, 2), store, **BATCHES)
    extract_shard(model, SAMPLES, Shard(2, 2), store, **BATCHES)
    monkeypatch.setattr("layergeom.states.extract.passing", None)
    assert extract_shard(model, SAMPLES, Shard(1, 2), store, **BATCHES) == held
    same(merge(store), extract(model, SAMPLES, store=Store(tmp_path), **BATCHES))


def test_the_plan_of_the_first_shard_is_that_of_all(model, monkeypatch, tmp_path):
    budget = "layergeom.states.forward.token_budget"
    monkeypatch.setattr(budget, lambda _: 60)
    whole = extract(model, SAMPLES, store=Store(tmp_path / "whole"))
    for number in (2, 1, 3):
        extract_shard(model, SAMPLES, Shard(number, 3), Store(tmp_path / "shards"))
        monkeypatch.setattr(budget, lambda _: 4096)  # another device
    same(merge(Store(tmp_path / "shards")), whole)


def test_what_is_missing_is_named(model, tmp_path):
    store = Store(tmp_path)
    with pytest.raises(InputError, match="has no shards"):
        merge(store)
    for number in (1, 4):
        extract_shard(model, SAMPLES, Shard(number, 4), store, **BATCHES)
    with pytest.raises(InputError, match=r"lacks 2/4, 3/4; run the same command with --shard 2/4"):
        merge(store)


def test_shards_that_do_not_belong_together_are_refused(model, tmp_path):
    store = Store(tmp_path)
    extract_shard(model, SAMPLES, Shard(1, 2), store, **BATCHES)
    with pytest.raises(InputError, match="holds shards of 2 in all but shard 1 of 3"):
        extract_shard(model, SAMPLES, Shard(1, 3), store, **BATCHES)
    with pytest.raises(InputError, match="holds shards of other states"):
        extract_shard(model, read_samples(LINES[::-1]), Shard(2, 2), store, **BATCHES)


def test_shards_beyond_the_batches_hold_nothing(model, tmp_path):
    store = Store(tmp_path)
    held = [
        extract_shard(model, SAMPLES, Shard(i, 16), store, **BATCHES).rows for i in range(1, 17)
    ]
    assert (held[13] > 0, held[14:]) == (True, [0, 0])  # there are 14 batches
    merged, alone = merge(store), extract(model, SAMPLES, **BATCHES)
    for layer in alone.layers:
        assert merged[layer].tobytes() == alone[layer].tobytes()


@pytest.mark.parametrize("text", ["0/4", "5/4", "1", "1/0", "a/b", "1/4/2", "-1/4", ""])
def test_a_shard_is_i_of_n(text):
    with pytest.raises(InputError, match="give i/n with 1 <= i <= n"):
        Shard.of_text(text)


@pytest.mark.parametrize("harm", [b"", b"{}", b"[]", b"{" * 5000])
def test_a_damaged_plan_is_told(model, harm, tmp_path):
    store = Store(tmp_path)
    extract_shard(model, SAMPLES, Shard(1, 2), store, **BATCHES)
    (tmp_path / FOLDER / PLAN).write_bytes(harm)
    with pytest.raises(StoreError, match="is damaged; delete"):
        extract_shard(model, SAMPLES, Shard(2, 2), store, **BATCHES)
    with pytest.raises(StoreError, match="is damaged; delete"):
        merge(store)


def test_a_shard_whose_layers_are_still_written_is_not_finished(model, monkeypatch, tmp_path):
    store, seen = Store(tmp_path), []
    extract_shard(model, SAMPLES, Shard(1, 2), store, **BATCHES)

    def look(*given):
        write_shard(*given)  # the layers are published behind it
        seen.append(unfinished_shards(store))

    monkeypatch.setattr("layergeom.states.extract.write_shard", look)
    extract_shard(model, SAMPLES, Shard(2, 2), store, **BATCHES)
    assert seen == [("2/2",)]
    assert unfinished_shards(store) == ()


def test_merging_waits_for_who_still_holds_a_shard(model, monkeypatch, tmp_path):
    store = Store(tmp_path)
    for number in (1, 2):
        extract_shard(model, SAMPLES, Shard(number, 2), store, **BATCHES)
    monkeypatch.setattr("layergeom.states.shards.PATIENCE", 0.05)
    holder = locked(Shard(2, 2).store(store).folder / LOCK)
    with holder, pytest.raises(StoreError, match="is being written by process"):
        merge(store)
    same(merge(store), extract(model, SAMPLES, store=Store(tmp_path), **BATCHES))


def test_a_process_that_comes_when_all_is_merged_finds_the_whole(model, monkeypatch, tmp_path):
    store = Store(tmp_path)
    for number in (1, 2):
        extract_shard(model, SAMPLES, Shard(number, 2), store, **BATCHES)
    opened = []

    def merged_meanwhile(place, key):
        opened.append(place.folder.name)
        if len(opened) == 2:  # behind the look at the whole, before that at the own share
            merge(store)
        return _stored(place, key)

    monkeypatch.setattr("layergeom.states.extract._stored", merged_meanwhile)
    held = extract_shard(model, SAMPLES, Shard(2, 2), store, **BATCHES)
    assert (held.rows, held.whole) == (len(LINES), True)
    assert opened == [tmp_path.name, "2-of-2", tmp_path.name]
    assert not (tmp_path / FOLDER).exists()


def test_a_damaged_shard_is_found_before_anything_is_merged(model, tmp_path):
    store = Store(tmp_path)
    for number in (1, 2):
        extract_shard(model, SAMPLES, Shard(number, 2), store, **BATCHES)
    own = Shard(2, 2).store(store)
    file = next(own.folder.glob("layers%2fblock_2*"))
    data = bytearray(file.read_bytes())
    data[-3] ^= 4
    file.write_bytes(data)
    with pytest.raises(StoreError, match="damaged"):
        merge(store)
    with pytest.warns(StoreWarning, match="It is computed anew"):
        extract_shard(model, SAMPLES, Shard(2, 2), store, **BATCHES)
    whole = extract(model, SAMPLES, store=Store(tmp_path / "whole"), **BATCHES)
    same(merge(store), whole)


def test_rows_that_are_not_finite_are_told_of_all_shards(tmp_path):
    module = network("GPT2")
    with torch.no_grad():
        module.wte.weight[30] = float("inf")
    samples = read_samples([f"w26 {line}" for line in LINES[:10]] + LINES[10:])
    options = {"tokenizer": tokenizer(special=False)}
    whole = extract(module, samples, **BATCHES | options)
    found, _ = sharded(module, tmp_path, 4, samples, **options)
    assert whole.provenance["invalid"]
    assert found.provenance["invalid"] == whole.provenance["invalid"]
    assert [w for w in found.warnings if "finite" in w] == [
        w for w in whole.warnings if "finite" in w
    ]


RUN = """
import sys, torch
torch.set_num_threads(1)
from layergeom.states.extract import extract_shard
from layergeom.states.inputs import read_samples
from layergeom.states.shards import Shard
from layergeom.states.store import Store
samples = read_samples(open(sys.argv[2]).read().split("\\n"))
extract_shard(sys.argv[1], samples, Shard.of_text(sys.argv[4]), Store(sys.argv[3]), batch_size=3)
"""


def test_processes_write_their_shards_at_once(model, tmp_path):
    (tmp_path / "lines").write_text("\n".join(LINES))
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", RUN, model, tmp_path / "lines", tmp_path / "store", f"{i}/3"]
        )
        for i in (1, 2, 3)
    ]
    assert [worker.wait() for worker in workers] == [0, 0, 0]
    assert json.loads((tmp_path / "store" / FOLDER / PLAN).read_text())["of"] == 3
    found = merge(Store(tmp_path / "store"))
    same(found, extract(model, SAMPLES, **BATCHES))
    assert set(Store(tmp_path / "store").names()) == {
        "states", *(layer_piece(layer) for layer in found.layers),
    }  # fmt: skip
    shutil.rmtree(tmp_path / "store")
