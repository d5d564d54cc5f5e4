"""How states came about, in words and in numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from layergeom.states.feeds import Feed
from layergeom.states.image_processing import processing
from layergeom.states.inputs import Samples
from layergeom.states.sources import modules_file

_WINDOWS = ", then the mean over windows weighted by their tokens"


def provenance(feed: Feed, samples: Samples) -> dict[str, Any]:
    """Return model, data, settings and versions, as plain JSON."""
    loaded = feed.plan.loaded
    return {
        "model": loaded.source.name,
        "origin": loaded.source.kind,
        "commit": loaded.source.commit,
        "model_hash": loaded.source.identity,
        "model_type": loaded.model_type,
        "parameters": loaded.parameters,
        "causal": loaded.is_decoder,
        "data": samples.fingerprint,
        "data_kind": samples.kind,
        "dtype": loaded.dtype,
        "device": loaded.device,
        "pooling": _pooling(feed, samples.kind),
        "hook_point": _hook_point(feed),
        "stopped": _stopped(feed),
        "special_tokens": feed.wording.special,
        "settings": asdict(feed.options),
        "versions": _versions(samples.kind),
        "max_length": feed.limits.length,
        "skipped": list(feed.sequences.skipped),
        "truncated": list(feed.sequences.truncated),
        "windowed": list(feed.sequences.windowed),
        **processing(samples),
    }


def counts(feed: Feed) -> Mapping[str, int]:
    """Return the numbers of rows and tokens."""
    sequences, chosen = feed.sequences, feed.chosen
    return {
        "rows": len(sequences.kept if chosen is None else chosen.positions),
        "truncated": len(sequences.truncated),
        "skipped": len(sequences.skipped),
        "windowed": len(sequences.windowed),
        "tokens": sequences.tokens,
        "unknown_tokens": sequences.unknown,
    }


def _pooling(feed: Feed, kind: str) -> str:
    """Say what was chosen, in words."""
    plan, special = feed.plan, "with" if feed.wording.special else "without"
    if plan.pipeline is not None:
        return _own_pooling(feed)
    which = "all positions" if kind == "tokens" else f"tokens {special} special tokens"
    if feed.chosen is not None:
        return f"none: rows are single tokens of {which}{_ignored(feed)}"
    windows = f" of each window{_WINDOWS}" if feed.sequences.windowed else ""
    chosen = " (pool=auto: the model names none)" if feed.options.pool == "auto" else ""
    return f"{' + '.join(plan.modes)} over {which}{windows}{chosen}"


def _own_pooling(feed: Feed) -> str:
    pipeline, modes = feed.plan.pipeline, " + ".join(feed.plan.modes)
    if pipeline is None:
        return modes
    prompt = f", prompt {pipeline.prompt!r}" if pipeline.prompt else ""
    headless = "" if feed.plan.point == "residual" else ", without the steps after the pooling"
    chain = ", ".join(pipeline.names)
    return f"the model's own (modules.json: {chain}): {modes} with special tokens{prompt}{headless}"


def _ignored(feed: Feed) -> str:
    own = modules_file(feed.plan.loaded.source.folder)
    return "; prompt, pooling and steps of modules.json are not applied" if own else ""


def _hook_point(feed: Feed) -> str:
    """Say in words where the states were taken."""
    plan = feed.plan
    if plan.point == "residual":
        return "the residual stream between the blocks"
    norms = plan.loaded.norms
    if plan.point == "final_norm":
        return f"the final norm ({norms.final}) applied to the residual stream of every layer"
    first = next(path for path in (norms.first or {}).values() if path is not None)
    return (
        f"the first norm of the block that follows ({first} and its like), behind the last block "
        f"the final norm ({norms.final})"
    )


def _stopped(feed: Feed) -> str | None:
    """Say which blocks were not needed; None if all were."""
    run, blocks = feed.plan.blocks_run, feed.plan.blocks
    return None if run == blocks else f"behind block {run} of {blocks}: no layer needs the others"


def _versions(kind: str) -> dict[str, str]:
    import torch
    import transformers

    versions = {"torch": torch.__version__, "transformers": transformers.__version__}
    if kind == "image":  # Pillow decodes and resizes: the pixels depend on it
        import PIL

        versions["pillow"] = PIL.__version__
    return versions
