"""A protocol as plain text: what it fixes, the claims it bears on, its experiments as commands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from layergeom.tasks.experiments import experiments
from layergeom.tasks.protocols import Protocol
from layergeom.written import percent


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
    if recipe.sequence_words is not None:
        parts = f"{recipe.partitions} disjoint partitions of {recipe.partition_rows:,}"
        facts.append(("data", f"{parts} sequences of {recipe.sequence_words} words"))
        facts.append(("control", "the same sequences with their words in random order"))
    if recipe.prompts is not None:
        cloud = f"the first {recipe.prompt_tokens:,} tokens of each as a cloud of its own"
        facts.append(("data", f"{recipe.prompts:,} prompts, {cloud}"))
        blocks = f"{recipe.shuffle_base}^S blocks of tokens in random order, S = 0, 1, …"
        facts.append(("control", f"{recipe.shuffled_prompts} of the prompts, {blocks}"))
    if recipe.labels is not None:
        kept = f", without neighbours of the same {recipe.exclude}" if recipe.exclude else ""
        facts.append(("labels", f"{recipe.labels}{kept}"))
    return facts


def _numbers(recipe: Protocol) -> list[tuple[str, str]]:
    of = {"token": ", also of the same chunk"} if recipe.chunks else {}
    facts = [
        ("neighbours", f"k = {recipe.k}{of.get(recipe.pool, '')}"),
        ("dimension", _dimension(recipe)),
    ]
    if recipe.errors_drawn is not None:
        drawn = recipe.errors_drawn
        words = f"{drawn} standard error{'s' * (drawn > 1)}"
        facts.append(("errors", f"the paper's figures show {words}"))
    return facts


def _dimension(recipe: Protocol) -> str:
    if recipe.rank == "plateau":
        return "Gride, n2 = 2 n1, at one n1 for all layers, where most of them are level"
    if recipe.rank is not None:
        return f"Gride, n1 = {recipe.rank}, n2 = {2 * recipe.rank}"
    subsets = (
        "all points" if recipe.thinning == 1 else f"mean of {recipe.thinning} disjoint subsets"
    )
    fraction = 1.0 if recipe.fraction is None else recipe.fraction
    return f"TwoNN, {recipe.fit} fit of the lowest {percent(fraction)}, {subsets}"


def departure_lines(record: Mapping[str, Any]) -> list[str]:
    """Return what departs from the protocol of a result, one line each."""
    return [
        f"{record['name']}: {name} is {change['given']} where the protocol has {change['recipe']}."
        for name, change in record["departures"].items()
    ]


def protocol_facts(recipe: Protocol) -> dict[str, Any]:
    """Return the same for programs: the recipe and its experiments."""
    from dataclasses import asdict

    return asdict(recipe) | {"experiments": [asdict(e) for e in experiments(recipe)]}
