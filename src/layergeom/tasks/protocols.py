"""The recipes of the two papers: what each fixes, as far as it determines the numbers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

from layergeom.errors import InputError
from layergeom.geometry.dimension import Fit


@dataclass(frozen=True)
class Protocol:
    """What a paper did, as far as it determines the numbers.

    Attributes
    ----------
    name, source : str
        Its name here; paper and section.
    hook_point : {"residual", "first_norm"}
        Where states are read: the residual stream, or behind the first norm of each block.
    pool : {"mean", "token"}
        A row is the mean over a sequence, or a token.
    special_tokens : bool
        Whether special tokens count.
    k : int
        Neighbours compared by the overlaps.
    fit, fraction, thinning
        The dimension: TwoNN by this fit over this share of the smallest ratios, as the mean over
        so many disjoint subsets.
    errors_drawn : int
        Standard errors that the paper's figures show.
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
        What the paper leaves open, and what changes no number.
    """

    name: str
    source: str
    hook_point: Literal["residual", "first_norm"]
    pool: Literal["mean", "token"]
    special_tokens: bool
    k: int
    fit: Fit
    fraction: float
    thinning: int
    errors_drawn: int
    labels: str | None
    exclude: str | None
    per_class: tuple[int, int] | None
    chunks: tuple[int, int] | None
    max_tokens: int | None
    token_rule: str | None
    lone_rows: bool
    claims: tuple[str, ...]
    remarks: tuple[str, ...]


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
PROTOCOLS = {p.name: p for p in (_PROTEIN, _IMAGE, _TEXT, _TOKENS)}


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
    names = ["hook_point", "pool", "special_tokens", "k", "fit", "fraction", "thinning"]
    if recipe.pool == "token":
        names += ["max_tokens", "token_rule", "lone_rows"]
    return {name: getattr(recipe, name) for name in names}
