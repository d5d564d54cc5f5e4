"""From a transformer and samples to the hidden states of every layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, get_args

from layergeom.arrays import count
from layergeom.errors import InputError
from layergeom.states.batches import (
    Limits,
    Long,
    Sequences,
    Wording,
    check_tokens,
    list_rows,
    tokenize,
)
from layergeom.states.content import content_key
from layergeom.states.forward import Outcome, Plan, Progress, first_broken_module, run
from layergeom.states.hidden import HiddenStates, open_states, write_facts
from layergeom.states.inputs import Samples
from layergeom.states.loading import Part, dtype_name, quiet
from layergeom.states.models import LoadedModel, load_source
from layergeom.states.pooling import Mode, Pooling, check_pooling
from layergeom.states.sources import identify
from layergeom.states.store import Store

_SCHEMA = 3  # counts up when the same settings give other numbers


@dataclass(frozen=True)
class Extraction:
    """Settings of an extraction, which are also its provenance.

    Parameters
    ----------
    pool : str
        ``auto`` is the model's own where it has ``modules.json``, else ``mean``.
    special_tokens : bool
        Special tokens enter the pooling (always, where the model's own pooling is used).
    max_length : int or None
        Tokens per row, special ones included; None is the model's own limit.
    long : {"truncate", "skip", "error"}
        What happens to longer rows.
    max_unknown : float
        Largest share of unknown tokens, in [0, 1].
    dtype : str or None
        As in `layergeom.states.models.load`; None is float32.
    batch_size : int or None
        Rows per batch; None fills batches by their number of tokens.
    device : str
        ``auto`` takes a GPU if there is one.
    """

    pool: Pooling = "auto"
    special_tokens: bool = False
    max_length: int | None = None
    long: Long = "truncate"
    max_unknown: float = 0.01
    dtype: str | None = None
    batch_size: int | None = None
    device: str = "auto"

    def __post_init__(self) -> None:
        check_pooling(self.pool)
        if self.long not in get_args(Long):
            raise InputError(f"long must be one of {', '.join(get_args(Long))}, not {self.long!r}.")
        for name in ("max_length", "batch_size"):
            if getattr(self, name) is not None:
                count(getattr(self, name), name, low=1)
        if not 0 <= self.max_unknown <= 1:
            raise InputError(f"max_unknown must be between 0 and 1 but is {self.max_unknown!r}.")

    @property
    def content(self) -> dict[str, Any]:
        """The settings that determine the numbers: neither batches nor device do."""
        outside = ("batch_size", "device", "max_unknown")
        return {name: value for name, value in asdict(self).items() if name not in outside}


def extract(
    model: Any,
    samples: Samples,
    *,
    revision: str | None = None,
    tokenizer: Any = None,
    dtype: Any = None,
    device_map: Any = None,
    part: Part | None = None,
    blocks: Sequence[str] | None = None,
    store: Store | None = None,
    progress: Progress | None = None,
    **settings: Any,
) -> HiddenStates:
    """Run a transformer over samples once and keep one pooled vector per row and layer.

    Layers are ``embedding`` (the input of the first block), ``block_1`` … ``block_L``, and
    ``final`` where the network's output differs from its last block's (a final norm), or where a
    sentence-transformers folder adds steps after the pooling (Dense, Normalize).

    Parameters
    ----------
    model : str, Path or torch.nn.Module
        Hub id, local folder in Hugging Face's layout, or a loaded module.
    samples : Samples
        Texts or token ids.
    revision : str, optional
        Branch, tag or commit of a hub id.
    tokenizer : object, str or Path, optional
        In place of the model's own; needed with a loaded module and texts.
    dtype : str or torch.dtype, optional
        float32 by default; a loaded module keeps its own.
    device_map : str or dict, optional
        Handed to transformers, for networks larger than one device.
    part : {"encoder", "decoder", "text", "vision"}, optional
        Of a network that has several; by default the encoder of an encoder–decoder.
    blocks : sequence of str, optional
        Paths of the blocks, in the order of their calls, for a network whose blocks are not found.
    store : Store, optional
        Where the states are kept; a temporary folder by default.
    progress : callable, optional
        Called as ``progress(rows done, rows in all, what)``.
    **settings
        The fields of `Extraction`: ``pool``, ``special_tokens``, ``max_length``, ``long``,
        ``max_unknown``, ``batch_size``, ``device``.

    Returns
    -------
    HiddenStates
        float32, rows in the data's order. ``provenance["invalid"]`` names layers with values that
        are not finite; ``provenance["skipped"]`` the row numbers left out by ``long="skip"``;
        ``counts`` the rows, truncated and skipped rows, tokens and unknown tokens.

    Raises
    ------
    InputError
        For a model that cannot be used as it is, texts without a tokenizer, a row without tokens,
        rows beyond ``max_length`` under ``long="error"``, or too many unknown tokens.

    Notes
    -----
    A store that holds these states already (same weights, data and settings) is answered from,
    without loading the model. Batches are padded on the right and masked, so a row's states do
    not depend on its neighbours beyond rounding (1e-6). The network is left as it was. Token ids
    are fed without padding at either end, and all other positions count.

    When it misleads: rows cut at ``max_length`` stand for their beginnings only, and half
    precision turns close rows into duplicates.
    """
    wishes = None if dtype is None else dtype_name(dtype)
    options = _settings(dtype=wishes, **settings)
    store = Store.temporary() if store is None else store
    source = identify(model, revision=revision, tokenizer=tokenizer)
    stack = {"part": part, "blocks": None if blocks is None else list(blocks)}
    content = {**options.content, **stack}
    key = content_key("states", _SCHEMA, source.identity, samples.fingerprint, content)
    stored = open_states(store, key, discard=True)
    if stored is None:
        loaded = load_source(
            source,
            dtype=dtype,
            device=options.device,
            device_map=device_map,
            tokenizer=tokenizer,
            part=part,
            blocks=blocks,
        )
        stored = _extracted(loaded, samples, options, _Target(store, key, progress))
    return _with_samples(stored, samples)


@dataclass(frozen=True, eq=False)
class _Target:
    store: Store
    key: str
    progress: Progress | None


def _settings(**settings: Any) -> Extraction:
    known = Extraction.__dataclass_fields__
    if strange := [name for name in settings if name not in known]:
        raise InputError(f"There is no setting {strange[0]!r}; there are {', '.join(known)}.")
    return Extraction(**settings)


def _extracted(
    loaded: LoadedModel, samples: Samples, options: Extraction, target: _Target
) -> HiddenStates:
    warnings = [*loaded.warnings]
    plan, special = _plan(loaded, samples, options)
    if plan.pipeline is not None:
        warnings.extend(plan.pipeline.warnings)
    limits = Limits(_length(loaded, options, warnings), options.long, options.max_unknown)
    sequences = _sequences(plan, samples, special, limits)
    outcome = run(plan, sequences, target.store, target.key, target.progress)
    warnings.extend(_left_out(sequences, samples, limits))
    invalid = _invalid(plan, sequences, outcome)
    warnings.extend(f"Layer {layer}: {reason}." for layer, reason in invalid.items())
    hidden = HiddenStates(
        layers=tuple(name.key for name in plan.names),
        names=plan.names,
        n=len(sequences.ids),
        key=target.key,
        provenance={
            **_provenance(plan, samples, options, special),
            "max_length": limits.length,
            "skipped": list(sequences.skipped),
            "invalid": invalid,
        },
        ids=tuple(samples.ids[row] for row in sequences.rows),
        inputs=sequences.hashes,
        counts=_counts(sequences),
        warnings=tuple(warnings),
        token_norms={name: norms.astype(float) for name, norms in outcome.norms.items()},
        store=target.store,
        rows=sequences.rows,
    )
    write_facts(target.store, hidden)
    return hidden


def _plan(loaded: LoadedModel, samples: Samples, options: Extraction) -> tuple[Plan, bool]:
    """Decide how to pool, and whether special tokens count."""
    if samples.kind == "tokens":
        mode: Mode = "mean" if options.pool == "auto" else options.pool
        return Plan(loaded, (mode,), None, options.batch_size), True
    if loaded.tokenizer is None:
        raise InputError(
            f"The model {loaded.source.name!r} has no tokenizer, so it cannot read texts; give one "
            "with tokenizer=, or token ids in place of texts."
        )
    if options.pool != "auto":
        return Plan(loaded, (options.pool,), None, options.batch_size), options.special_tokens
    if loaded.pipeline is not None:
        return Plan(loaded, loaded.pipeline.modes, loaded.pipeline, options.batch_size), True
    return Plan(loaded, ("mean",), None, options.batch_size), options.special_tokens


def _sequences(plan: Plan, samples: Samples, special: bool, limits: Limits) -> Sequences:
    if samples.kind == "tokens":
        loaded = plan.loaded
        return check_tokens(samples.items, samples.ids, loaded.vocabulary, limits, loaded.padding)
    wording = Wording(special=special)
    if plan.pipeline is not None:
        own = plan.pipeline
        wording = Wording(own.prompt, own.lower, special, own.include_prompt)
    texts = [str(item) for item in samples.items]
    with quiet():
        return tokenize(texts, samples.ids, plan.loaded.tokenizer, wording, limits)


def _length(loaded: LoadedModel, options: Extraction, warnings: list[str]) -> int | None:
    """Return the tokens per row at most; beyond a table of positions nothing can be fed."""
    limit, wanted = loaded.positions, options.max_length
    if wanted is None or limit is None or wanted <= limit:
        return loaded.max_length if wanted is None else wanted
    if loaded.learned_positions:
        raise InputError(
            f"max_length={wanted} is beyond the {limit} positions of {loaded.source.name!r}; "
            f"choose at most {limit}."
        )
    warnings.append(f"max_length={wanted} is beyond the {limit} positions the model was made for.")
    return wanted


def _left_out(sequences: Sequences, samples: Samples, limits: Limits) -> list[str]:
    lines = []
    for rows, what in ((sequences.truncated, "cut to"), (sequences.skipped, "left out, beyond")):
        if rows:
            named = list_rows(rows, samples.ids)
            lines.append(f"{len(rows)} rows were {what} {limits.length} tokens: {named}.")
    if sequences.unknown:
        lines.append(f"{sequences.unknown} tokens are unknown to the tokenizer.")
    return lines


def _invalid(plan: Plan, sequences: Sequences, outcome: Outcome) -> dict[str, str]:
    if outcome.broken_row is None:
        return {}
    path = first_broken_module(plan.loaded, sequences.ids[outcome.broken_row])
    where = f", first in module {path}" if path else ""
    return {
        layer: f"{bad} of {len(sequences.ids)} rows are not finite in {plan.loaded.dtype}{where}; "
        "extract in float32 or bfloat16"
        for layer, bad in outcome.broken.items()
    }


def _provenance(
    plan: Plan, samples: Samples, options: Extraction, special: bool
) -> Mapping[str, Any]:
    loaded = plan.loaded
    return {
        "model": loaded.source.name,
        "origin": loaded.source.kind,
        "commit": loaded.source.commit,
        "model_hash": loaded.source.identity,
        "model_type": loaded.model_type,
        "causal": loaded.is_decoder,
        "data": samples.fingerprint,
        "data_kind": samples.kind,
        "dtype": loaded.dtype,
        "device": loaded.device,
        "pooling": _pooling_line(plan, options, special, samples.kind),
        "special_tokens": special,
        "settings": asdict(options),
        "versions": _versions(),
    }


def _pooling_line(plan: Plan, options: Extraction, special: bool, kind: str) -> str:
    """Say what was chosen, in words."""
    modes = " + ".join(plan.modes)
    if plan.pipeline is not None:
        chain = ", ".join(plan.pipeline.names)
        prompt = f", prompt {plan.pipeline.prompt!r}" if plan.pipeline.prompt else ""
        return f"the model's own (modules.json: {chain}): {modes} with special tokens{prompt}"
    chosen = " (pool=auto: the model names none)" if options.pool == "auto" else ""
    tokens = "all positions" if kind == "tokens" else f"tokens {'with' if special else 'without'}"
    return f"{modes} over {tokens}{'' if kind == 'tokens' else ' special tokens'}{chosen}"


def _versions() -> dict[str, str]:
    import torch
    import transformers

    return {"torch": torch.__version__, "transformers": transformers.__version__}


def _counts(sequences: Sequences) -> dict[str, int]:
    return {
        "rows": len(sequences.ids),
        "truncated": len(sequences.truncated),
        "skipped": len(sequences.skipped),
        "tokens": sequences.tokens,
        "unknown_tokens": sequences.unknown,
    }


def _with_samples(hidden: HiddenStates, samples: Samples) -> HiddenStates:
    """Add what belongs to the data and not to the numbers: ids, notes, the size of the whole."""
    rows = hidden.rows or ()
    groups = samples.groups
    return replace(
        hidden,
        ids=tuple(samples.ids[row] for row in rows),
        groups=None if groups is None else tuple(groups[row] or samples.ids[row] for row in rows),
        counts={**hidden.counts, **samples.counts, "sampled_from": samples.sampled_from},
        warnings=(*samples.notes, *hidden.warnings),
    )
