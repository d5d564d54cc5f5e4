"""Prompts as clouds of their tokens, as they are and shuffled by degrees, with their loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from layergeom.arrays import IntArray, count
from layergeom.errors import InputError
from layergeom.measure import Progress
from layergeom.reading.claims_viswanathan import viswanathan_claims
from layergeom.reading.onsets import Peak, peak_of
from layergeom.reading.repeated import Repeats
from layergeom.reading.verdicts import Claim
from layergeom.states.inputs import Samples, read_samples
from layergeom.states.loading import quiet
from layergeom.states.settings import Extraction
from layergeom.tasks.cloud_networks import CloudNetwork, cloud_network
from layergeom.tasks.cloud_runs import clouds
from layergeom.tasks.graded_shuffles import block_sizes, shuffled_blocks
from layergeom.tasks.null_models import tokenizer_of
from layergeom.tasks.protocols import Protocol, departing, options, protocol, record_of
from layergeom.tasks.study_records import write_record
from layergeom.tasks.token_clouds import FILE, TokenClouds, unmeasured
from layergeom.workers import Workers

OUTSIDE = ("embedding", "final")  # the paper leaves out the one, and the other shares its depth


@dataclass(frozen=True)
class Level:
    """One degree of shuffling.

    Attributes
    ----------
    index : int
        0 is the intact prompts.
    block : int
        Tokens of a block whose order is random.
    found : TokenClouds
    """

    index: int
    block: int
    found: TokenClouds


@dataclass(frozen=True)
class GradedClouds:
    """Clouds of prompts at every degree of shuffling.

    Attributes
    ----------
    levels : tuple of Level
        From the intact prompts, all of them, to a sample of them with all tokens in random order.
    record : mapping
        The protocol and what departs from it.
    warnings : tuple of str
        What was cut, left out or could not be measured.
    """

    levels: tuple[Level, ...]
    record: Mapping[str, Any]
    warnings: tuple[str, ...]

    @property
    def intact(self) -> TokenClouds:
        """All prompts as they are."""
        return self.levels[0].found

    @property
    def peak(self) -> Peak | None:
        """The peak of the mean dimension of the intact prompts over the blocks, if there is one."""
        found = self.intact.repeats().without(*OUTSIDE)
        return peak_of(found.curves["dimension"], found.depths)

    def pair(self, level: int = -1) -> tuple[Repeats, Repeats]:
        """Return the blocks of the same prompts, intact and at a level of shuffling."""
        found = self.levels[level].found
        ids = [cloud.id for cloud in found.clouds]
        return self.intact.repeats(ids).without(*OUTSIDE), found.repeats().without(*OUTSIDE)

    @property
    def claims(self) -> tuple[Claim, ...]:
        """The claims V1 to V5 of Viswanathan et al. 2025."""
        known = [one for one in self.intact.association() if one.layer not in OUTSIDE]
        pair = self.pair() if len(self.levels) > 1 else None
        return viswanathan_claims(self.intact.repeats().without(*OUTSIDE), pair, known)


def graded_clouds(
    model: Any,
    data: Any,
    recipe: Protocol | str = "viswanathan2025",
    *,
    prompts: int | None = None,
    prompt_tokens: int | None = None,
    shuffled_prompts: int | None = None,
    rank: int | None = None,
    k: int | None = None,
    text_column: Any = None,
    seed: int = 0,
    revision: str | None = None,
    tokenizer: Any = None,
    dtype: str = "float32",
    device: str = "auto",
    folder: Path | str | None = None,
    progress: Progress | None = None,
    executor: Executor | Workers | None = None,
) -> GradedClouds:
    """Measure prompts as clouds of tokens, intact and shuffled, by the recipe of a paper.

    Parameters
    ----------
    model, revision, tokenizer, dtype, device
        As for :func:`layergeom.extract`; of a causal language model the head gives the loss.
    data, text_column
        Texts, or rows of token ids; those with fewer tokens than a prompt are left out, the others
        cut to it.
    recipe : Protocol or str
        One of clouds.
    prompts, prompt_tokens, shuffled_prompts, rank, k : int, optional
        In place of the recipe's: prompts at most (drawn at random), tokens of each, prompts that
        are shuffled too (0: none), n1 of Gride, neighbours of the overlap.
    seed : int
        Draws prompts and shuffles blocks.
    folder : path, optional
        Every finished prompt is kept there, in a folder per level, and ``study.json`` with the
        recipe, departures and claims; the same call goes on.
    progress : callable(done, total, what), optional
        Called after each prompt, or each range of prompts of a worker.
    executor : concurrent.futures.Executor or Workers, optional
        As of :func:`layergeom.token_clouds`.

    Returns
    -------
    GradedClouds

    Raises
    ------
    InputError
        For a recipe of something else, texts of which none is long enough, or a ``folder`` of
        another call.

    Notes
    -----
    Prompts are as long as the model reads where that is less than the recipe says, which is
    recorded as a departure. No special tokens are fed. Cost: a forward pass per prompt and level.
    Source: Viswanathan et al. 2025 (arXiv 2501.10573) and the authors' code.
    """
    chosen = protocol(recipe) if isinstance(recipe, str) else recipe
    if chosen.verb != "clouds":
        raise InputError(f"{chosen.name} is not of clouds; use layergeom {chosen.verb} with it.")
    asked = {"prompts": prompts, "prompt_tokens": prompt_tokens, "rank": rank, "k": k}
    asked |= {"shuffled_prompts": shuffled_prompts}
    given = {name: value for name, value in asked.items() if value is not None}
    samples = read_samples(data, text_column=text_column, max_samples="all")
    named = {"revision": revision, "tokenizer": tokenizer, "dtype": dtype, "device": device}
    network = cloud_network(model, samples.kind, **named)
    given |= _as_far_as_read(network, given.get("prompt_tokens", chosen.prompt_tokens))
    used = _Sizes(**{name: given.get(name, getattr(chosen, name)) for name in asked})
    rows, notes = _prompts(samples, model, named, used, seed)
    place = None if folder is None else Path(folder)
    workers = None if executor is None else Workers.of(executor)
    job = _Graded(network, used, seed, place, progress, workers)
    levels = tuple(job.levels(rows, chosen.shuffle_base or 2))
    fixed = {**options(chosen), **{name: getattr(chosen, name) for name in asked}}
    told = (*samples.notes, *network.told, *notes, *unmeasured(levels[0].found.clouds))
    study = GradedClouds(levels, record_of(chosen, departing(fixed, given)), told)
    if folder is not None:
        write_record(Path(folder), study.record, study.warnings, study.claims)
    return study


def _as_far_as_read(network: CloudNetwork, wanted: int | None) -> dict[str, int]:
    limit = network.loaded.positions
    return {} if limit is None or wanted is None or wanted <= limit else {"prompt_tokens": limit}


@dataclass(frozen=True)
class _Sizes:
    """How many prompts, of how many tokens, seen how."""

    prompts: int
    prompt_tokens: int
    shuffled_prompts: int
    rank: int
    k: int

    def __post_init__(self) -> None:
        for name in ("prompts", "prompt_tokens", "rank", "k"):
            count(getattr(self, name), name, 1)
        count(self.shuffled_prompts, "shuffled_prompts", 0)


def _prompts(
    samples: Samples, model: Any, named: Mapping[str, Any], sizes: _Sizes, seed: int
) -> tuple[Samples, list[str]]:
    """Rows of token ids, all as long as a prompt, and what was left out."""
    rows = _token_rows(samples, model, named)
    length = sizes.prompt_tokens
    long = [at for at, row in enumerate(rows) if len(row) >= length]
    if not long:
        longest = max(map(len, rows))
        raise InputError(
            f"no text has {length} tokens, the length of a prompt; the longest has {longest}: give "
            "longer texts, or fewer prompt_tokens."
        )
    notes = [f"{len(long)} of {len(rows)} texts have {length} tokens and are cut to these."]
    kept = long
    if len(long) > sizes.prompts:
        drawn = np.random.default_rng(seed).choice(len(long), sizes.prompts, replace=False)
        kept = [long[at] for at in np.sort(drawn).tolist()]
        notes.append(f"{len(kept)} of them are drawn at random, seed {seed}.")
    table = {"id": [samples.ids[at] for at in kept], "tokens": [rows[at][:length] for at in kept]}
    return read_samples(table, max_samples="all"), notes


def _token_rows(samples: Samples, model: Any, named: Mapping[str, Any]) -> list[IntArray]:
    if samples.kind == "tokens":
        return [np.asarray(row, dtype=np.int64) for row in samples.items]
    if samples.kind != "text":
        raise InputError("prompts are texts or token ids, but the data are images.")
    words = tokenizer_of(model, named)
    texts = [str(item).strip() for item in samples.items]
    with quiet():
        found = words(texts, add_special_tokens=False)["input_ids"]
    return [np.asarray(row, dtype=np.int64) for row in found]


@dataclass(frozen=True, eq=False)
class _Graded:
    """One call: the network, and where its clouds are kept."""

    network: CloudNetwork
    sizes: _Sizes
    seed: int
    folder: Path | None
    progress: Progress | None
    workers: Workers | None

    def levels(self, rows: Samples, base: int) -> Sequence[Level]:
        """Measure the intact prompts, then some of them at every degree of shuffling."""
        sizes = block_sizes(self.sizes.prompt_tokens, base)
        found = [Level(0, sizes[0], self.clouds(rows, 0))]
        number = min(self.sizes.shuffled_prompts, len(rows))
        if number == 0:
            return found
        rng = np.random.default_rng([self.seed, 1])
        some = rows.take(np.sort(rng.choice(len(rows), number, replace=False)).tolist())
        for index, size in enumerate(sizes[1:], start=1):
            items = [shuffled_blocks(np.asarray(row), size, self.seed) for row in some.items]
            table = {"id": list(some.ids), "tokens": items}
            shuffled = read_samples(table, max_samples="all")
            found.append(Level(index, size, self.clouds(shuffled, index)))
        return found

    def clouds(self, rows: Samples, level: int) -> TokenClouds:
        """Measure one level, in its folder."""
        settings = Extraction(pool="token", max_tokens=None)
        file = None if self.folder is None else self.folder / f"level-{level}" / FILE
        given = (settings, self.sizes.rank, self.sizes.k, file, self.progress, self.workers)
        return TokenClouds(*clouds(self.network, rows, *given))
