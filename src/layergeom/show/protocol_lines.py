"""A protocol as plain text: what it fixes, the claims it bears on, its experiments as commands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from layergeom.tasks.experiments import experiments
from layergeom.tasks.protocols import Protocol


def protocol_list(protocols: Sequence[Protocol]) -> list[str]:
    """Return one line per protocol: its name and source."""
    width = max(len(recipe.name) for recipe in protocols)
    return [f"{recipe.name:<{width}}  {recipe.source}" for recipe in protocols]


def protocol_lines(recipe: Protocol) -> list[str]:
    """Return the whole of a protocol, its experiments as the commands that run them."""
    facts = [*_rows(recipe), *_numbers(recipe), ("claims", " ".join(recipe.claims))]
    lines = [recipe.name, recipe.source, ""]
    lines += [f"  {name:<12}{text}" for name, text in facts]
    lines += [f"  {'remark':<12}{text}" for text in recipe.remarks]
    for experiment in experiments(recipe):
        lines += ["", f"# {experiment.what}", experiment.command]
    return lines


def _rows(recipe: Protocol) -> list[tuple[str, str]]:
    special = "with" if recipe.special_tokens else "without"
    facts = [("states", recipe.hook_point), ("rows", f"{recipe.pool}, {special} special tokens")]
    if recipe.per_class is not None:
        classes, each = recipe.per_class
        facts.append(("data", f"{classes} classes, {each} rows of each"))
    if recipe.chunks is not None:
        number, length = recipe.chunks
        facts.append(("data", f"{number} random chunks of {length} characters of a raw text"))
        facts.append(("tokens", f"the {recipe.token_rule} {recipe.max_tokens:,}"))
    if recipe.labels is not None:
        kept = f", without neighbours of the same {recipe.exclude}" if recipe.exclude else ""
        facts.append(("labels", f"{recipe.labels}{kept}"))
    return facts


def _numbers(recipe: Protocol) -> list[tuple[str, str]]:
    subsets = (
        "all points" if recipe.thinning == 1 else f"mean of {recipe.thinning} disjoint subsets"
    )
    fit = f"TwoNN, {recipe.fit} fit of the lowest {recipe.fraction:.0%}, {subsets}"
    drawn = recipe.errors_drawn
    return [
        ("neighbours", f"k = {recipe.k}{', also of the same chunk' if recipe.lone_rows else ''}"),
        ("dimension", fit),
        ("errors", f"the paper's figures show {drawn} standard error{'s' * (drawn > 1)}"),
    ]


def protocol_facts(recipe: Protocol) -> dict[str, Any]:
    """Return the same for programs: the recipe and its experiments."""
    from dataclasses import asdict

    return asdict(recipe) | {"experiments": [asdict(e) for e in experiments(recipe)]}
