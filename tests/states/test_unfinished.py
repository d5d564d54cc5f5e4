"""Runs that are broken off go on where they were, and end as if nothing had happened."""

import hashlib
import json

import pytest
import torch
from tiny import folder, network, texts, tokenizer

from layergeom.errors import StoreWarning
from layergeom.states import batches
from layergeom.states.extract import extract
from layergeom.states.inputs import read_samples
from layergeom.states.store import Store
from layergeom.states.unfinished import DRAFT, read_journal

torch.set_num_threads(1)

VIEWS = [
    {"pool": "mean"},
    {"pool": "token", "max_tokens": 60},
    {"pool": "mean", "long": "window", "max_length": 8, "special_tokens": True},
]
LINES = texts(40, longest=30)


@pytest.fixture(autouse=True)
def short_parts(monkeypatch):
    monkeypatch.setattr(batches, "PART_TOKENS", 100)
    monkeypatch.setattr("layergeom.states.forward.token_budget", lambda _: 60)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return folder(tmp_path_factory.mktemp("model"))


def files(place):
    """The content of every piece that a store lists, by name."""
    store = Store(place)
    return {
        name: store.facts(name, store.key(name)) | digests(store, name) for name in store.names()
    }


def digests(store, name):
    arrays = store.get(name, store.key(name))
    return {label: hashlib.sha256(array.tobytes()).hexdigest() for label, array in arrays.items()}


class Counted:
    """Counts the rows that pass through a network."""

    def __init__(self, monkeypatch):
        self.rows = 0
        monkeypatch.setattr("layergeom.states.reader.call", self.call)

    def call(self, network, ids, attention):
        self.rows += len(ids)
        return network(input_ids=ids, attention_mask=attention)


def broken_off(after):
    """Progress that ends the run when so many sequences are read."""

    def progress(done, of, what):
        if done >= after:
            raise KeyboardInterrupt

    return progress


@pytest.mark.parametrize("view", VIEWS, ids=["mean", "token", "window"])
@pytest.mark.parametrize("after", [1, 15, 33])
def test_a_resumed_run_equals_an_uninterrupted_one_byte_for_byte(model, view, after, tmp_path):
    samples = read_samples(LINES)
    extract(model, samples, store=Store(tmp_path / "whole"), **view)
    with pytest.raises(KeyboardInterrupt):
        extract(model, samples, store=Store(tmp_path / "cut"), progress=broken_off(after), **view)
    assert not Store(tmp_path / "cut").names()
    extract(model, samples, store=Store(tmp_path / "cut"), **view)
    assert files(tmp_path / "cut") == files(tmp_path / "whole")
    assert sorted(p.name for p in (tmp_path / "cut").iterdir()) == sorted(
        p.name for p in (tmp_path / "whole").iterdir()
    )


def test_what_is_done_is_not_read_again(model, monkeypatch, tmp_path):
    samples, store = read_samples(LINES), Store(tmp_path / "store")
    with pytest.raises(KeyboardInterrupt):
        extract(model, samples, store=store, progress=broken_off(30))
    [journal] = store.folder.glob(f"{DRAFT}*.json")
    kept = read_journal(journal)
    assert len(kept["parts"]) >= 2
    counted = Counted(monkeypatch)
    extract(model, samples, store=store)
    assert 0 < counted.rows < 30


def test_the_batches_are_those_of_the_run_that_began(model, monkeypatch, tmp_path):
    samples, store = read_samples(LINES), Store(tmp_path / "store")
    extract(model, samples, store=Store(tmp_path / "whole"))
    with pytest.raises(KeyboardInterrupt):
        extract(model, samples, store=store, progress=broken_off(20))
    monkeypatch.setattr("layergeom.states.forward.token_budget", lambda _: 25)  # another device
    extract(model, samples, store=store)
    assert files(store.folder) == files(tmp_path / "whole")


def test_a_damaged_part_is_read_again_and_no_other(model, monkeypatch, tmp_path):
    samples, store = read_samples(LINES), Store(tmp_path / "store")
    extract(model, samples, store=Store(tmp_path / "whole"))
    with pytest.raises(KeyboardInterrupt):
        extract(model, samples, store=store, progress=broken_off(33))
    draft = next(p for p in sorted(store.folder.glob(f"{DRAFT}*")) if p.suffix != ".json")
    data = bytearray(draft.read_bytes())
    longest = max(range(len(LINES)), key=lambda row: len(LINES[row].split()))  # read first
    head = 8 + int.from_bytes(data[:8], "little")
    data[head + longest * 16 * 4 + 5] ^= 1  # 16 float32 values per row
    draft.write_bytes(data)
    counted = Counted(monkeypatch)
    with pytest.warns(StoreWarning, match=r"part \d of the unfinished states .* is damaged"):
        extract(model, samples, store=store)
    assert counted.rows < len(LINES)
    assert files(store.folder) == files(tmp_path / "whole")


@pytest.mark.parametrize("harm", [b"", b"{", b'{"format": "layergeom journal 1"}', b"[" * 10_000])
def test_a_damaged_journal_is_no_journal(model, harm, tmp_path):
    samples, store = read_samples(LINES), Store(tmp_path / "store")
    with pytest.raises(KeyboardInterrupt):
        extract(model, samples, store=store, progress=broken_off(30))
    [journal] = store.folder.glob(f"{DRAFT}*.json")
    journal.write_bytes(harm)
    assert read_journal(journal) is None
    extract(model, samples, store=store)
    extract(model, samples, store=Store(tmp_path / "whole"))
    assert files(store.folder) == files(tmp_path / "whole")


def test_drafts_of_other_states_go(model, tmp_path):
    samples, store = read_samples(LINES), Store(tmp_path / "store")
    with pytest.raises(KeyboardInterrupt):
        extract(model, samples, store=store, progress=broken_off(30))
    extract(model, read_samples(LINES[::-1]), store=store)
    assert not list(store.folder.glob(f"{DRAFT}*"))


def test_a_short_run_leaves_nothing_behind(model, monkeypatch, tmp_path):
    monkeypatch.setattr(batches, "PART_TOKENS", 1 << 18)
    store = Store(tmp_path / "store")
    with pytest.raises(KeyboardInterrupt):
        extract(model, read_samples(LINES), store=store, batch_size=4, progress=broken_off(20))
    assert not list(store.folder.iterdir())


def test_what_is_not_finite_is_told_of_parts_of_former_runs_too(tmp_path):
    module = network("GPT2")
    with torch.no_grad():
        module.wte.weight[30] = float("inf")  # whoever holds this word overflows
    words = tokenizer(special=False)
    lines = [f"w26 {line}" for line in LINES[:10]] + LINES[10:]  # w26 is token 30
    samples = read_samples(lines)
    whole = extract(module, samples, tokenizer=words)
    options = {"tokenizer": words, "store": Store(tmp_path / "store")}
    with pytest.raises(KeyboardInterrupt):
        extract(module, samples, progress=broken_off(33), **options)
    resumed = extract(module, samples, **options)
    assert whole.provenance["invalid"]
    assert resumed.provenance["invalid"] == whole.provenance["invalid"]


def test_the_journal_holds_plan_and_sums(model, tmp_path):
    store = Store(tmp_path / "store")
    with pytest.raises(KeyboardInterrupt):
        extract(model, read_samples(LINES), store=store, progress=broken_off(30))
    [journal] = store.folder.glob(f"{DRAFT}*.json")
    told = json.loads(journal.read_bytes())
    assert told["plan"] == {"budget": 60, "batch_size": None, "even": False}
    assert set(told["parts"]["0"]["sums"]) == {
        "layers/embedding", "layers/block_1", "layers/block_2", "layers/block_3",
    }  # fmt: skip
