"""Several poolings and hook points of one forward pass."""

import numpy as np
import pytest
import torch
from tiny import BLOCKS, folder, network, texts, token_rows
from tiny_families import FAMILIES

from layergeom.errors import InputError
from layergeom.states.extract import View, extract, extract_views
from layergeom.states.inputs import read_samples
from layergeom.states.store import Store

torch.set_num_threads(1)

POOLS = ["auto", "mean", "last", "first", "max", "weighted_mean", "token"]
POINTS = ["residual", "first_norm", "final_norm"]


def counted(module):
    """Count the calls of a network from now on."""
    calls = []
    module.register_forward_hook(lambda *_: calls.append(1))
    return calls


def same(found, wanted):
    assert found.key == wanted.key
    assert found.layers == wanted.layers
    for layer in wanted.layers:
        np.testing.assert_array_equal(found[layer], wanted[layer])
        np.testing.assert_array_equal(found.token_norms[layer], wanted.token_norms[layer])
    for name in ("n", "names", "ids", "inputs", "rows", "groups", "warnings"):
        assert getattr(found, name) == getattr(wanted, name), name
    assert dict(found.counts) == dict(wanted.counts)
    assert dict(found.provenance) == dict(wanted.provenance)


@pytest.mark.parametrize(
    ("name", "pools", "points"),
    [
        ("t5_decoder", ["mean", "token"], POINTS),
        ("mamba", ["last"], POINTS),
        ("gpt2", POOLS, ["residual"]),
    ],
)
def test_views_are_bit_by_bit_the_single_extractions(name, pools, points):
    case = next(case for case in FAMILIES if case.name == name)
    module, samples = case.build(), read_samples(token_rows())
    options = {"part": case.part, "batch_size": 3, "max_tokens": 20}
    views = extract_views(module, samples, pools=pools, hook_points=points, **options)
    assert list(views) == [View(pool, point) for pool in pools for point in points]
    for view, found in views.items():
        pool, point = view.pool, view.hook_point
        same(found, extract(module, samples, pool=pool, hook_point=point, **options))


def test_the_network_is_called_once_per_batch():
    module, samples = network("Llama"), read_samples(token_rows(8))
    extract(module, samples)
    with_trials = counted(module)
    extract(module, samples, batch_size=3)
    trials = len(with_trials) - 3
    with_trials.clear()
    extract_views(module, samples, pools=POOLS, batch_size=3)
    assert len(with_trials) == trials + 3
    with_trials.clear()
    extract_views(module, samples, pools=POOLS, hook_points=POINTS, batch_size=3)
    assert len(with_trials) == trials + 1 + 3  # the norms are looked for once


def test_texts_count_other_tokens_in_the_same_pass(tmp_path):
    path, samples = folder(tmp_path / "model"), read_samples(texts())
    for special in (False, True):
        views = extract_views(path, samples, pools=["mean", "last"], special_tokens=special)
        for view, found in views.items():
            same(found, extract(path, samples, pool=view.pool, special_tokens=special))


def test_only_what_is_not_stored_is_read(tmp_path):
    path, samples = folder(tmp_path / "model", "Llama"), read_samples(texts())

    def at(view):
        return Store(tmp_path / "run" / view.name)

    alone = extract(path, samples, pool="last", store=at(View("last")))
    seen = []
    views = extract_views(
        path, samples, pools=["mean", "last"], store=at,
        progress=lambda *step: seen.append(step),
    )  # fmt: skip
    assert seen[-1] == (12, 12, "states")
    assert views[View("last")].key == alone.key
    assert (tmp_path / "run" / "mean" / "manifest.json").is_file()
    seen.clear()
    again = extract_views(
        path, samples, pools=["mean", "last"], store=at, progress=lambda *step: seen.append(step)
    )
    assert not seen
    for view, found in views.items():
        same(again[view], found)
    same(extract(path, samples, pool="mean", store=at(View("mean"))), views[View("mean")])
    assert not seen


def test_a_stored_view_does_not_load_the_model(tmp_path, monkeypatch):
    path, samples = folder(tmp_path / "model"), read_samples(texts())
    stores = {pool: Store(tmp_path / pool) for pool in ("mean", "max")}

    def ask():
        return extract_views(path, samples, pools=list(stores), store=lambda v: stores[v.pool])

    ask()
    monkeypatch.setattr("layergeom.states.request.load_source", None)
    assert ask()[View("max")].n == 12


def test_an_interrupted_pass_leaves_no_view_and_no_hook():
    module, stores = network("Llama").train(), {}

    def at(view):
        return stores.setdefault(view, Store.temporary())

    def interrupt(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        extract_views(
            module, read_samples(token_rows()), pools=["mean", "token"], hook_points=POINTS,
            store=at, progress=interrupt,
        )  # fmt: skip
    assert len(stores) == 6
    assert all(store.names() == () for store in stores.values())
    assert module.training
    assert not any(p._forward_hooks or p._forward_pre_hooks for p in module.modules())


def test_a_view_that_cannot_be_is_refused_before_anything_is_run():
    module, stores = network("Bert"), []
    samples = read_samples(token_rows())
    calls = counted(module)
    extract(module, samples, batch_size=8)
    whole = len(calls)
    calls.clear()
    with pytest.raises(InputError, match="A BertModel is not pre-norm"):
        extract_views(module, samples, pools=["mean"], hook_points=["residual", "first_norm"],
                      store=lambda _: stores.append(Store.temporary()) or stores[-1])  # fmt: skip
    assert len(calls) == whole  # the trials, and one for the norms in place of the batch
    assert all(store.names() == () for store in stores)


def test_views_need_stores_of_their_own(tmp_path):
    with pytest.raises(InputError, match="Two views share a store"):
        extract_views(network("Bert"), read_samples(token_rows()), pools=["mean", "max"],
                      store=lambda _: Store(tmp_path))  # fmt: skip


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pools": ["median"]}, "pool must be one of auto, mean"),
        ({"pools": []}, r"pools must be a list of at least one name but is \[\]"),
        ({"pools": "mean"}, "pools must be a list of at least one name but is 'mean'"),
        ({"hook_points": ["ln_1"]}, "hook_point must be one of residual, first_norm, final_norm"),
        ({"pool": "mean"}, r"Several views take pools=\[...\] in place of pool="),
        ({"pools": ["mean", "max"], "long": "window"}, "long='window' needs pool='mean'"),
    ],
)
def test_wrong_views(options, message):
    with pytest.raises(InputError, match=message):
        extract_views(network("Bert"), read_samples(token_rows()), **options)


def test_a_hook_point_is_recorded_and_part_of_the_key():
    module, samples = network("GPT2"), read_samples(token_rows())
    views = extract_views(module, samples, pools=["mean"], hook_points=POINTS)
    residual, first, final = views.values()
    assert len({residual.key, first.key, final.key}) == 3
    assert residual.provenance["hook_point"] == "the residual stream between the blocks"
    assert first.provenance["hook_point"] == (
        "the first norm of the block that follows (h.0.ln_1 and its like), behind the last block "
        "the final norm (ln_f)"
    )
    assert final.provenance["hook_point"] == (
        "the final norm (ln_f) applied to the residual stream of every layer"
    )
    assert [h.provenance["settings"]["hook_point"] for h in views.values()] == POINTS
    assert residual.layers[-1] == "final"
    assert first.layers == final.layers == residual.layers[:-1]
    assert len(first.layers) == BLOCKS + 1
