"""The recipes of the papers: what each fixes, as far as it determines the numbers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, TypeAlias

from layergeom.errors import InputError
from layergeom.geometry.dimension import Fit

Verb: TypeAlias = Literal["run", "partitions", "clouds"]


@dataclass(frozen=True)
class Protocol:
    """What a paper did, as far as it determines the numbers.

    Attributes
    ----------
    name, source : str
        Its name here; paper and section.
    hook_point : {"residual", "first_norm"}
        Where states are read: the residual stream, or behind the first norm of each block.
    pool : {"mean", "last", "token"}
        A row is the mean over a sequence, its last token, or a token.
    special_tokens : bool
        Whether special tokens count.
    k : int
        Neighbours compared by the overlaps.
    fit, fraction, thinning
        The dimension: TwoNN by this fit over this share of the smallest ratios, as the mean over
        so many disjoint subsets; without a fit it is Gride.
    errors_drawn : int or None
        Standard errors that the paper's figures show; None where this was not verified.
    labels, exclude : str or None
        What the classes are, and the finer groups that are no neighbours.
    per_class : (int, int) or None
        Classes, and rows of each.
    chunks : (int, int) or None
        Random chunks of the raw text, and their characters.
    max_tokens, token_rule, lone_rows
        Of the rows that are tokens: how many at most, which, and whether tokens of one sequence
        are each other's neighbours.
    claims : tuple of str
        Of the paper, that such a profile bears on (see :mod:`layergeom.reading.claims`).
    remarks : tuple of str
        What the paper leaves open, what was not verified, and what changes no number.
    verb : {"run", "partitions", "clouds"}
        The command that follows the whole of the recipe.
    rank : int, "plateau" or None
        n1 of Gride, n2 = 2 n1: a number, or one for all layers where most of them are level.
    sequence_words, partitions, partition_rows : int or None
        Words of a row that is a sequence; disjoint partitions of them, and sequences of each.
    prompts, prompt_tokens : int or None
        Clouds, and the tokens of each; shorter prompts are left out.
    shuffled_prompts, shuffle_base : int or None
        Prompts that are also measured shuffled; at level S in base**S blocks.
    """

    name: str
    source: str
    hook_point: Literal["residual", "first_norm"]
    pool: Literal["mean", "last", "token"]
    special_tokens: bool
    k: int
    fit: Fit | None
    fraction: float | None
    thinning: int
    errors_drawn: int | None
    labels: str | None
    exclude: str | None
    per_class: tuple[int, int] | None
    chunks: tuple[int, int] | None
    max_tokens: int | None
    token_rule: str | None
    lone_rows: bool
    claims: tuple[str, ...]
    remarks: tuple[str, ...]
    verb: Verb = "run"
    rank: int | Literal["plateau"] | None = None
    sequence_words: int | None = None
    partitions: int | None = None
    partition_rows: int | None = None
    prompts: int | None = None
    prompt_tokens: int | None = None
    shuffled_prompts: int | None = None
    shuffle_base: int | None = None


_A = "Valeriani et al., NeurIPS 2023, arXiv 2302.00294"
_PROTEIN = Protocol(
    name="valeriani2023-protein",
    source=f"{_A}, sections 2 and 3 (protein language models)",
    hook_point="first_norm",
    pool="mean",
    special_tokens=False,
    k=10,
    fit="linear",
    fraction=0.9,
    thinning=4,
    errors_drawn=3,
    labels="superfamily",
    exclude="family",
    per_class=None,
    chunks=None,
    max_tokens=None,
    token_rule=None,
    lone_rows=False,
    claims=("A1", "A2", "A3", "A4", "A5", "A6", "A7", "A8", "A9", "A10", "A11", "A12"),
    remarks=(
        "BOS and EOS: the paper does not say; they are left out.",
        "The share 0.9 of the ratios is that of the preprint and of DADApy.",
        "Blocks that end in their norm (ProtBert) have no first norm: give hook_point='residual'.",
    ),
)
_IMAGE = replace(
    _PROTEIN,
    name="valeriani2023-image",
    source=f"{_A}, sections 2 and 3 (image transformers) and its iGPT repository",
    special_tokens=True,
    k=30,
    fraction=0.98,
    labels="class",
    exclude=None,
    per_class=(300, 300),
    claims=("A1", "A2", "A3", "A4", "A5", "A7", "A8", "A9", "A10", "A11", "A12"),
    remarks=(
        "All 1,024 positions count, the start token included.",
        "The share 0.98 is that of the iGPT repository, whose shipped arrays are thinned by 32.",
    ),
)
_TEXT = replace(
    _IMAGE,
    name="valeriani2023-text",
    source=f"{_A}, appendix (language models on SST)",
    special_tokens=False,
    fraction=0.9,
    labels="sentiment",
    per_class=None,
    claims=("A1", "A3", "A4", "A5", "A8", "A9", "A10", "A11", "A12", "A13"),
    remarks=(
        "Special tokens: the paper does not say; they are left out.",
        "The share of the ratios is not stated for texts; 0.9 as for proteins.",
    ),
)
_TOKENS = Protocol(
    name="razzhigaev2024",
    source="Razzhigaev et al., Findings of EACL 2024, arXiv 2311.05928, sections 3 to 5",
    hook_point="residual",
    pool="token",
    special_tokens=False,
    k=30,
    fit="linear",
    fraction=0.2,
    thinning=1,
    errors_drawn=1,
    labels=None,
    exclude=None,
    per_class=None,
    chunks=(128, 512),
    max_tokens=4096,
    token_rule="first",  # noqa: S106
    lone_rows=True,
    claims=("B1", "B2", "B3", "B4", "B5"),
    remarks=(
        "The paper centres tokens and divides them by their mean norm, which changes no dimension.",
        "The paper compares no neighbourhoods; k = 30 is this package's.",
        "Tokens of one chunk are neighbours, and errors take them as independent: too small.",
        "Chunks are drawn without overlap, so that no token is there twice.",
        "Special tokens: the paper does not say; they are left out.",
    ),
)
_PARTITIONS = Protocol(
    name="cheng2025",
    source="Cheng et al., ICLR 2025, arXiv 2405.15471, sections 3 and 4",
    hook_point="residual",
    pool="last",
    special_tokens=False,
    k=30,
    fit=None,
    fraction=None,
    thinning=1,
    errors_drawn=None,
    labels=None,
    exclude=None,
    per_class=None,
    chunks=None,
    max_tokens=None,
    token_rule=None,
    lone_rows=False,
    claims=("C1", "C2", "C3", "C4"),
    remarks=(
        "Read in the paper: 50,000 distinct sequences of 20 tokens, drawn without replacement,",
        "of Bookcorpus, of the Pile (its 10k sample) and of WikiText-103 each; five models.",
        "Read in code of the first author for later work, which names this paper's: last tokens,",
        "partitions of 10,000, equal rows counted once, Gride at n1 = 2^k, one k for all layers of",
        "a model, where the dimension over the scale is level to the eye.",
        "Assumed: the five models are those of the commands below.",
        "Assumed: a token of the 20 is a word between blanks; sequences do not overlap.",
        "Assumed: this package's rule for a plateau in place of the eye, of the intact sequences.",
        "Assumed: the words of shuffled sequences are in random order within each.",
        "Assumed: information imbalance at k = 1, on all rows; first is block_1, because last",
        "tokens repeat in the embedding; last is the network's output.",
        "Assumed: the onset of the peak is where half of the rise to it is done.",
        "How onset and surprisal go together over many models is not tested.",
        "The paper compares no overlaps; k = 30 is this package's.",
    ),
    verb="partitions",
    rank="plateau",
    sequence_words=20,
    partitions=5,
    partition_rows=10_000,
)
_PROMPTS = replace(
    _PARTITIONS,
    name="viswanathan2025",
    source="Viswanathan et al., 2025, arXiv 2501.10573, sections 3 to 5, and its repository",
    pool="token",
    lone_rows=True,
    claims=("V1", "V2", "V3", "V4", "V5"),
    remarks=(
        "Read in the authors' code: the first 1,024 tokens of the Pile-10k prompts that have as",
        "many, 2,244 of them, without special tokens, each a cloud of its own.",
        "Read there: equal tokens of a layer count once; the embedding is left out.",
        "Read there: Gride at range scalings 2 to 64; the later figures show 4 (n1 = 2, n2 = 4).",
        "Read there: 50 of the prompts, shuffled in 1, 4, 16, 64, 256 and 1,024 blocks.",
        "Read there: loss is the mean cross-entropy of a prompt; Pearson's correlation with the",
        "logarithm of the dimension; the rank correlation, which needs none, is this package's.",
        "The authors' code counts overlaps at every k from 1 to 31; k = 30 is this package's.",
        "The authors' code averages cosines with the diagonal, 1 of 1,024 pairs; here without.",
        "Assumed: early or middle layers are those up to half of the depth.",
        "Where a model reads fewer tokens, prompts are as long as it reads: a departure.",
    ),
    verb="clouds",
    rank=2,
    sequence_words=None,
    partitions=None,
    partition_rows=None,
    prompts=2_244,
    prompt_tokens=1_024,
    shuffled_prompts=50,
    shuffle_base=4,
)
_ALL = (_PROTEIN, _IMAGE, _TEXT, _TOKENS, _PARTITIONS, _PROMPTS)
PROTOCOLS = {p.name: p for p in _ALL}


def protocol(name: str) -> Protocol:
    """Return a protocol by its name.

    Raises
    ------
    InputError
        If there is none of this name; the message lists them.

    Examples
    --------
    >>> protocol("valeriani2023-protein").k
    10
    """
    if name not in PROTOCOLS:
        raise InputError(f"there is no protocol {name!r}; there are {', '.join(PROTOCOLS)}.")
    return PROTOCOLS[name]


def options(recipe: Protocol) -> dict[str, Any]:
    """Return what a protocol fixes, as the keyword arguments of extraction and settings.

    Examples
    --------
    >>> options(protocol("valeriani2023-image"))["fraction"]
    0.98
    """
    names = ["hook_point", "pool", "special_tokens", "k"]
    if recipe.fit is not None:
        names += ["fit", "fraction", "thinning"]
    if recipe.pool == "token":
        names += ["max_tokens", "token_rule", "lone_rows"]
    return {name: getattr(recipe, name) for name in names}


def departing(
    recipe: Protocol | Mapping[str, Any] | None, given: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """Return what is given in place of what a recipe fixes, with both values.

    Parameters
    ----------
    recipe : Protocol, mapping or None
        Of a protocol its :func:`options`.
    given : mapping

    Examples
    --------
    >>> departing(protocol("razzhigaev2024"), {"k": 10, "batch_size": 4})
    {'k': {'recipe': 30, 'given': 10}}
    """
    fixed = options(recipe) if isinstance(recipe, Protocol) else recipe or {}
    return {
        name: {"recipe": fixed[name], "given": value}
        for name, value in given.items()
        if name in fixed and value != fixed[name]
    }


def record_of(recipe: Protocol, departures: Mapping[str, Any]) -> dict[str, Any]:
    """Return a protocol and what departs from it in plain JSON, as results keep it."""
    facts = {"recipe": asdict(recipe), "departures": departures}
    told: dict[str, Any] = json.loads(json.dumps(facts, default=str))
    return {"name": recipe.name, **told}
