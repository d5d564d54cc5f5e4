"""The command that would settle what a profile leaves open: the one that made it, and more."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from layergeom.profiles import Profile

COMMAND = "command"  # in a profile's provenance: what was typed behind the program's name


def next_command(profile: Profile, *options: tuple[str, str]) -> str:
    """Return the command that made a profile, quoted for a shell, with further options.

    Parameters
    ----------
    profile : Profile
        A run of the command line holds what was typed, folder and all options included. Of one
        made from Python the model is known, and DATA stands for the data.
    *options : (str, str)
        Name and value; what the command gives of the same name goes.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> typed = ["run", "my model", "texts.txt", "--max-samples=300", "-o", "out"]
    >>> made = SimpleNamespace(provenance={"command": typed})
    >>> next_command(made, ("--max-samples", "900"))
    "layergeom run 'my model' texts.txt -o out --max-samples 900"
    """
    typed = profile.provenance.get(COMMAND)
    words = _of_source(profile) if typed is None else list(typed)
    for name, value in options:
        words = [*_without(words, name), name, value]
    return shlex.join(["layergeom", *words])


def _of_source(profile: Profile) -> list[str]:
    source = profile.provenance.get("states", {})
    return ["run", *([source["model"], "DATA"] if "model" in source else ["--states", "DIR"])]


def _without(words: Sequence[str], name: str) -> list[str]:
    """Return the words without an option and its value, however they were written."""
    kept, skip = [], False
    for word in words:
        if not (skip or word == name or word.startswith(f"{name}=")):
            kept.append(word)
        skip = word == name
    return kept
