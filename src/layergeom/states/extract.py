"""From a transformer and samples to the hidden states of every layer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from layergeom.errors import InputError
from layergeom.states.feeds import Feed, feeds
from layergeom.states.findings import Findings
from layergeom.states.forward import (
    Progress,
    Share,
    Target,
    batch_plan,
    first_broken_module,
    pass_plan,
    passing,
)
from layergeom.states.hidden import HiddenStates, lost_layers, open_states, write_facts
from layergeom.states.inputs import Samples
from layergeom.states.pooling import Pooling
from layergeom.states.provenance import counts, provenance
from layergeom.states.request import Request, requested
from layergeom.states.row_names import fed_rows, row_groups, row_ids, with_samples
from layergeom.states.rows import Outcome
from layergeom.states.settings import Extraction
from layergeom.states.shards import (
    SHARD,
    HeldShard,
    Shard,
    common_plan,
    write_empty_shard,
    write_shard,
)
from layergeom.states.store import Store
from layergeom.states.unfinished import sweep
from layergeom.states.views import HookPoint, View, views_of

__all__ = ["Extraction", "View", "extract", "extract_views"]


def extract(
    model: Any,
    samples: Samples,
    *,
    store: Store | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> HiddenStates:
    """Run a transformer over samples once and keep one vector per row and layer.

    Layers are ``embedding`` (the input of the first block), ``block_1`` … ``block_L``, and
    ``final`` where the network's output differs from its last block's (a final norm), or where a
    sentence-transformers folder adds steps after the pooling (Dense, Normalize). At the hook
    points ``first_norm`` and ``final_norm`` there is no ``final``: ``block_L`` is behind the final
    norm.

    Parameters
    ----------
    model : str, Path or torch.nn.Module
        Hub id, local folder in Hugging Face's layout, or a loaded module.
    samples : Samples
        Texts, token ids or images.
    store : Store, optional
        Where the states are kept; a temporary folder by default.
    progress : callable, optional
        Called as ``progress(rows done, rows in all, what)``.
    **options
        The other parameters, and the fields of `Extraction`: ``pool``, ``hook_point``,
        ``layers``, ``special_tokens``, ``max_length``, ``long``, ``stride``, ``max_unknown``,
        ``max_tokens``, ``token_rule``, ``token_seed``, ``batch_size``, ``device``.

    Other Parameters
    ----------------
    revision : str, optional
        Branch, tag or commit of a hub id.
    tokenizer : object, str or Path, optional
        In place of the model's own; needed with a loaded module and texts.
    image_processor : object, optional
        One of transformers', in place of the model's own; needed with a loaded module and images.
    dtype : str or torch.dtype, optional
        float32 by default; a loaded module keeps its own.
    device_map : str or dict, optional
        Handed to transformers, for networks larger than one device.
    part : {"encoder", "decoder", "text", "vision"}, optional
        Of a network that has several; by default the encoder of an encoder–decoder.
    blocks : sequence of str, optional
        Paths of the blocks, in the order of their calls, for a network whose blocks are not found.
    ready : callable, optional
        Called with what will be written, before the forward pass; what it raises ends the run.

    Returns
    -------
    HiddenStates
        float32, rows in the data's order. ``provenance["invalid"]`` names layers with values that
        are not finite; ``provenance["skipped"]`` the row numbers left out by ``long="skip"``,
        ``provenance["truncated"]`` those that were cut;
        ``counts`` the rows, truncated, skipped and windowed rows, tokens and unknown tokens. With
        ``pool="token"`` every row is a token: ``ids`` are ``sample:position`` (the position as
        fed, special tokens included), ``rows`` the samples' numbers, ``groups`` the samples.

    Raises
    ------
    InputError
        For a model that cannot be used as it is or has no such hook point or layer, texts without
        a tokenizer, a row without tokens, rows beyond ``max_length`` under ``long="error"``, or
        too many unknown tokens.

    Notes
    -----
    A store that holds these states already (same weights, data and settings) is answered from,
    without loading the model. Batches are padded on the right and masked, so a row's states do
    not depend on its neighbours beyond rounding (1e-6). The network is left as it was. Token ids
    are fed without padding at either end, and all other positions count. Blocks behind the last of
    ``layers`` are not run.

    When it misleads: rows cut at ``max_length`` stand for their beginnings only, and half
    precision turns close rows into duplicates. Tokens of one row are no independent samples.
    """
    request = requested(model, samples, progress, **options)
    view = request.options.view
    return _answered(request, {view: Store.temporary() if store is None else store})[view]


def extract_views(
    model: Any,
    samples: Samples,
    *,
    pools: Sequence[Pooling] = ("auto",),
    hook_points: Sequence[HookPoint] = ("residual",),
    store: Callable[[View], Store] | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> dict[View, HiddenStates]:
    """Keep several poolings and hook points of every layer from one forward pass.

    Parameters
    ----------
    model, samples, progress
        As for `extract`.
    pools : sequence of str
        Poolings, see `Extraction`.
    hook_points : sequence of str
        Each pooling is kept at each of them, see `View`.
    store : callable, optional
        Returns the store of a view, each another folder (``lambda view: Store(run / view.name)``);
        temporary folders by default.
    **options
        Those of `extract` but for ``pool`` and ``hook_point``, the same for all views.

    Returns
    -------
    dict of View to HiddenStates
        Bit by bit what `extract` gives for each view alone, under the same content keys: either
        finds what the other has stored, and only views that are not stored are read.

    Raises
    ------
    InputError
        As `extract` does, before anything is run; if two views share a store.

    Notes
    -----
    Memory: one layer's tokens of one batch, however many the views. A sentence pipeline that puts
    a prompt before its texts feeds the network something else, so ``auto`` then has a pass of its
    own.

    Examples
    --------
    >>> views_of(["mean", "last"], ["residual"])[1].name
    'last'
    """
    views = views_of(pools, hook_points)
    if mixed := [name for name in ("pool", "hook_point") if name in options]:
        raise InputError(f"Several views take {mixed[0]}s=[...] in place of {mixed[0]}=.")
    request = requested(model, samples, progress, pool=views[0].pool, **options)
    stores = {view: Store.temporary() if store is None else store(view) for view in views}
    if len({kept.folder for kept in stores.values()}) < len(stores):
        raise InputError("Two views share a store; give each a folder of its own, as view.name.")
    return _answered(request, stores)


def extract_shard(
    model: Any,
    samples: Samples,
    shard: Shard,
    store: Store,
    *,
    progress: Progress | None = None,
    **options: Any,
) -> HeldShard:
    """Extract one share of the rows, for `layergeom.states.shards.merge` to put together.

    Parameters
    ----------
    model, samples, progress, **options
        As for `extract`; equal for all shards, but for ``device``.
    shard : Shard
        Which share.
    store : Store
        That of the whole; the shard writes below it.

    Returns
    -------
    HeldShard
        A shard that is there is not read again, and one that was broken off goes on.

    Raises
    ------
    InputError
        As `extract` does; if the shards that are there are of another number or of other states.
    """
    request = requested(model, samples, progress, **options)
    own, key = shard.store(store), request.key(request.options.view)
    if (held := _held(store, own, key)) is not None:
        return held
    loaded = request.loaded()
    [feed] = feeds(loaded, request.fed, [request.options])
    plan = common_plan(store, key, shard, pass_plan(loaded, request.options.batch_size))
    target, share = _target(request, feed, own), Share(shard.number, shard.of, plan)
    if request.ready is not None:
        request.ready([target])
    plain = _plain(feed, target, request.fed, plan)
    batches = [batch for part in share.parts(feed.sequences) for batch in part]
    if not batches:
        write_empty_shard(own, plain, [layer.width for layer in feed.plan.layers])
        return HeldShard(0)
    rows = target.rows_of(batches)
    with passing([target], progress, share) as [outcome]:
        facts = {**_findings(feed, outcome).facts, "held": len(rows)}
        write_shard(own, plain, rows, facts)
    return HeldShard(len(rows))


def _held(store: Store, own: Store, key: str) -> HeldShard | None:
    """Return what is there already; shards that another process merges meanwhile are the whole."""
    if (whole := _stored(store, key)) is not None:
        return HeldShard(whole.n, whole=True)
    facts = own.facts(SHARD, key)
    if facts is not None and _stored(own, key) is not None:
        return HeldShard(int(facts["held"]))
    whole = _stored(store, key)
    return None if whole is None else HeldShard(whole.n, whole=True)


def _answered(request: Request, stores: dict[View, Store]) -> dict[View, HiddenStates]:
    """Open what is stored, and read the rest off the network."""
    for view in stores:
        request.of(view)  # settings that do not fit each other are refused before anything is read
    found = {view: _stored(store, request.key(view)) for view, store in stores.items()}
    missing = {view: stores[view] for view, hidden in found.items() if hidden is None}
    new = _extracted(request, missing) if missing else {}
    opened = {view: hidden for view, hidden in {**found, **new}.items() if hidden is not None}
    return {view: with_samples(hidden, request.samples) for view, hidden in opened.items()}


def _stored(store: Store, key: str) -> HiddenStates | None:
    found = open_states(store, key, discard=True)
    store.tidy()
    if found is not None:
        sweep(store, key)
    return found


def _extracted(request: Request, stores: dict[View, Store]) -> dict[View, HiddenStates]:
    loaded = request.loaded()
    lost = {view: lost_layers(store, request.key(view)) for view, store in stores.items()}
    asked = [request.of(view) for view in stores]
    asked = [replace(own, layers=lost[own.view] or own.layers) for own in asked]
    passes: dict[tuple[str, bool], list[Feed]] = {}
    for feed in feeds(loaded, request.fed, asked):
        passes.setdefault((feed.wording.prompt, feed.wording.lower), []).append(feed)
    found: dict[View, HiddenStates] = {}
    for together in passes.values():
        found |= _passed(request, together, stores, [view for view in stores if lost[view]])
    return found


def _passed(
    request: Request, together: list[Feed], stores: dict[View, Store], mended: list[View]
) -> dict[View, HiddenStates]:
    """Feed the network once for all views that feed it the same."""
    targets = [_target(request, feed, stores[feed.options.view]) for feed in together]
    if request.ready is not None:
        request.ready(targets)
    plan = batch_plan(targets, request.options.batch_size)
    with passing(targets, request.progress, Share(1, 1, plan)) as outcomes:
        found = {
            feed.options.view: _hidden(_plain(feed, target, request.fed, plan), feed, outcome)
            for feed, target, outcome in zip(together, targets, outcomes, strict=True)
            if feed.options.view not in mended
        }
    again = ((view, open_states(stores[view], request.key(view))) for view in mended)
    return found | {view: hidden for view, hidden in again if hidden is not None}


def _target(request: Request, feed: Feed, store: Store) -> Target:
    key = request.key(feed.options.view)
    return Target(feed.plan, feed.sequences, store, key, feed.chosen)


def _hidden(plain: HiddenStates, feed: Feed, outcome: Outcome) -> HiddenStates:
    """Record what was found beside the layers; the states are complete when these are stored."""
    norms = {name: norms.astype(float) for name, norms in outcome.norms.items()}
    hidden = _findings(feed, outcome).told_of(replace(plain, token_norms=norms))
    if hidden.store is not None:
        write_facts(hidden.store, hidden)
    return hidden


def _plain(feed: Feed, target: Target, samples: Samples, plan: Mapping[str, Any]) -> HiddenStates:
    """Return all that is known of the states before the network is run."""
    rows, positions = fed_rows(feed)
    return HiddenStates(
        layers=tuple(name.key for name in feed.plan.names),
        names=feed.plan.names,
        n=target.n,
        key=target.key,
        provenance=provenance(feed, samples) | {"batches": dict(plan)},
        ids=row_ids(samples, rows, positions),
        inputs=feed.sequences.hashes if positions is None else None,
        counts=counts(feed),
        warnings=(*feed.plan.loaded.warnings, *feed.warnings),
        token_norms=dict.fromkeys((name.key for name in feed.plan.names), np.empty((0, 2))),
        store=target.store,
        rows=rows,
        groups=row_groups(samples, rows, positions),
    )


def _findings(feed: Feed, outcome: Outcome) -> Findings:
    loaded, where = feed.plan.loaded, ""
    if outcome.broken_sequence is not None:
        path = first_broken_module(loaded, feed.sequences.ids[outcome.broken_sequence])
        where = f"{loaded.dtype}, first in module {path}" if path else loaded.dtype
    broken = {layer: tuple(sorted(rows)) for layer, rows in outcome.broken.items()}
    return Findings(broken, where, outcome.split)
