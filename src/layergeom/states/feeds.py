"""What a network is fed for one view, and which of its tokens become what."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from layergeom.arrays import IntArray
from layergeom.errors import InputError
from layergeom.states.image_processing import ModelImages, image_sequences
from layergeom.states.inputs import Samples
from layergeom.states.loading import quiet
from layergeom.states.models import LoadedModel
from layergeom.states.plans import Plan
from layergeom.states.pooling import Mode
from layergeom.states.rows import Chosen
from layergeom.states.sequences import Sequences
from layergeom.states.settings import Extraction
from layergeom.states.tokenization import Limits, Wording, check_tokens, list_rows, tokenize
from layergeom.written import counted


@dataclass(frozen=True, eq=False)
class Feed:
    """One view made ready for the forward pass.

    Parameters
    ----------
    options : Extraction
        The view's settings.
    plan : Plan
        Layers and pooling.
    wording : Wording
        What is done to texts; views with the same prompt and case are fed the same.
    limits : Limits
        How long an input may be.
    sequences : Sequences
        The rows.
    chosen : Chosen or None
        The tokens that become rows; None to pool.
    warnings : tuple of str
        What was cut, left out or chosen.
    """

    options: Extraction
    plan: Plan
    wording: Wording
    limits: Limits
    sequences: Sequences
    chosen: Chosen | None
    warnings: tuple[str, ...]


def feeds(loaded: LoadedModel, samples: Samples, views: list[Extraction]) -> list[Feed]:
    """Make several views of one network ready; what is the same for them is read once.

    Parameters
    ----------
    loaded : LoadedModel
        The network.
    samples : Samples
        The rows.
    views : list of Extraction
        Settings that differ in ``pool`` and ``hook_point`` only.

    Raises
    ------
    InputError
        As `layergeom.states.extract.extract` does, before anything is run.
    """
    read: dict[Wording, Sequences] = {}
    found = []
    for options in views:
        plan, wording = _plan(loaded, samples, options)
        plan.layers  # noqa: B018  a hook point or layer that is not there is found before reading
        length, warnings = _length(loaded, options)
        limits = Limits(length, options.long, options.max_unknown, options.stride)
        if wording not in read:
            read[wording] = _sequences(plan, samples, wording, limits)
        sequences = read[wording]
        chosen = chosen_tokens(sequences, options) if options.pool == "token" else None
        pipeline = () if plan.pipeline is None else plan.pipeline.warnings
        lines = (
            *pipeline,
            *warnings,
            *_account(sequences, samples, limits),
            *_choice(chosen, options),
        )
        found.append(Feed(options, plan, wording, limits, sequences, chosen, lines))
    return found


def chosen_tokens(sequences: Sequences, options: Extraction) -> Chosen:
    """Choose the tokens that become rows, by the settings' rule.

    Parameters
    ----------
    sequences : Sequences
        All rows.
    options : Extraction
        ``max_tokens``, ``token_rule`` and ``token_seed``.

    Returns
    -------
    Chosen
        ``random``: every token that counts is as likely as any other, whatever its row; ``first``:
        the first of the data (Razzhigaev et al. 2024: the first 4,096).
    """
    lengths = [len(mask) for mask in sequences.counted]
    of_tokens = np.repeat(np.arange(len(lengths)), lengths)
    positions = np.concatenate([np.arange(length) for length in lengths])
    counted = np.flatnonzero(np.concatenate(sequences.counted))
    total, limit = len(counted), options.max_tokens
    if limit is not None and limit < total:
        counted = counted[_RULES[options.token_rule](total, limit, options.token_seed)]
    return Chosen(of_tokens[counted], positions[counted], total)


def _drawn(total: int, limit: int, seed: int) -> IntArray:
    drawn: IntArray = np.random.default_rng(seed).choice(total, limit, replace=False)
    return np.sort(drawn)


def _first(_total: int, limit: int, _seed: int) -> IntArray:
    return np.arange(limit)


_RULES = {"random": _drawn, "first": _first}
_RULE_WORDS = {"random": "drawn at random, seed {}", "first": "the first"}


def _plan(loaded: LoadedModel, samples: Samples, options: Extraction) -> tuple[Plan, Wording]:
    """Decide how to pool, and whether special tokens count."""
    layers = (options.hook_point, options.layers)
    whole = samples.kind == "tokens" or getattr(samples.items, "gives_tokens", False)
    special = Wording(special=whole or options.special_tokens)
    if samples.kind == "text" and loaded.tokenizer is None:
        raise InputError(
            f"The model {loaded.source.name!r} has no tokenizer, so it cannot read texts; give one "
            "with tokenizer=, or token ids in place of texts."
        )
    if options.pool == "token":
        return Plan(loaded, (), None, *layers), special
    if options.pool != "auto" or samples.kind != "text" or loaded.pipeline is None:
        mode: Mode = "mean" if options.pool == "auto" else options.pool
        return Plan(loaded, (mode,), None, *layers), special
    own = loaded.pipeline
    wording = Wording(own.prompt, own.lower, True, own.include_prompt)
    return Plan(loaded, own.modes, own, *layers), wording


def _sequences(plan: Plan, samples: Samples, wording: Wording, limits: Limits) -> Sequences:
    if samples.kind == "tokens":
        loaded = plan.loaded
        return check_tokens(samples.items, samples.ids, loaded.vocabulary, limits, loaded.padding)
    if isinstance(samples.items, ModelImages):
        return image_sequences(samples.items, plan.loaded, wording.special, limits.length)
    texts = [str(item) for item in samples.items]
    with quiet():
        return tokenize(texts, samples.ids, plan.loaded.tokenizer, wording, limits)


def _length(loaded: LoadedModel, options: Extraction) -> tuple[int | None, tuple[str, ...]]:
    """Return the tokens per row at most; beyond a table of positions nothing can be fed."""
    limit, wanted = loaded.positions, options.max_length
    if wanted is None or limit is None or wanted <= limit:
        return (loaded.max_length if wanted is None else wanted), ()
    if loaded.learned_positions:
        raise InputError(
            f"max_length={wanted} is beyond the {limit} positions of {loaded.source.name!r}; "
            f"choose at most {limit}."
        )
    line = f"max_length={wanted} is beyond the {limit} positions the model was made for."
    return wanted, (line,)


def _account(sequences: Sequences, samples: Samples, limits: Limits) -> list[str]:
    """Say which rows are not read as they are."""
    kinds = (
        (sequences.truncated, "cut to {} tokens"),
        (sequences.skipped, "left out, beyond {} tokens"),
        (sequences.windowed, "read in overlapping windows of {} tokens"),
    )
    lines = [
        f"{counted(len(rows), 'row was', 'rows were')} {what.format(limits.length)}: "
        f"{list_rows(rows, samples.ids)}."
        for rows, what in kinds
        if rows
    ]
    if sequences.unknown:
        unknown = counted(sequences.unknown, "token is", "tokens are")
        lines.append(f"{unknown} unknown to the tokenizer.")
    return lines


def _choice(chosen: Chosen | None, options: Extraction) -> list[str]:
    if chosen is None or len(chosen.positions) == chosen.of:
        return []
    how = _RULE_WORDS[options.token_rule].format(options.token_seed)
    numbers = f"{len(chosen.positions):,} of {chosen.of:,}"
    return [f"{numbers} tokens are rows ({how}); max_tokens=None keeps every token."]
