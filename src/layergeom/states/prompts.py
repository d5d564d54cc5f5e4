"""The prompts that a sentence-transformers folder puts before queries and documents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from layergeom.errors import InputError
from layergeom.states.pipelines import Pipeline
from layergeom.states.sentence_folder import PROMPTS
from layergeom.states.sources import read_json

QUERY_NAMES = ("query",)
DOCUMENT_NAMES = ("document", "passage", "corpus")  # the first that the folder holds


@dataclass(frozen=True)
class Prompts:
    """What is put before each query and each document, and where it is from.

    Attributes
    ----------
    query, document : str
        May be empty.
    source : str
        ``given``, ``the model's`` or ``none``, for both.
    """

    query: str
    document: str
    source: str


def prompts_of(
    folder: Path | None, query: str | None = None, document: str | None = None
) -> Prompts:
    """Return the prompts that are given, or else those that the model's folder holds.

    Parameters
    ----------
    folder : Path or None
        That of the model; its ``config_sentence_transformers.json`` is read.
    query, document : str, optional
        In place of the folder's; "" for none.

    Notes
    -----
    As ``SentenceTransformer.encode_query`` and ``encode_document``: the prompt named ``query``, and
    the first of ``document``, ``passage`` and ``corpus`` that exists.

    Examples
    --------
    >>> prompts_of(None, query="query: ")
    Prompts(query='query: ', document='', source='given')
    """
    own = _own(folder)
    asked, told = _chosen(query, own, QUERY_NAMES), _chosen(document, own, DOCUMENT_NAMES)
    if query is not None or document is not None:
        return Prompts(asked, told, "given")
    return Prompts(asked, told, "the model's" if asked or told else "none")


def _own(folder: Path | None) -> Mapping[str, str]:
    path = None if folder is None else folder / PROMPTS
    if path is None or not path.is_file():
        return {}
    facts = read_json(path)
    prompts = facts.get("prompts") if isinstance(facts, dict) else None
    if prompts is not None and not isinstance(prompts, dict):
        raise InputError(f"The prompts of {path} are no mapping; mend them, or give prompts.")
    return prompts or {}


def _chosen(given: str | None, own: Mapping[str, str], names: tuple[str, ...]) -> str:
    if given is not None:
        return given
    return next((str(own[name] or "") for name in names if name in own), "")


def put_before(prompt: str, pipeline: Pipeline | None, name: str) -> str:
    """Return what has to be put before the texts, given what the model's pipeline does itself.

    Parameters
    ----------
    prompt : str
        Wanted before every text.
    pipeline : Pipeline or None
        The model's own, if it pools by it: its default prompt is put there in any case.
    name : str
        Whose prompt, for messages.

    Raises
    ------
    InputError
        If the pipeline puts another prompt there, or does not pool over a prompt's tokens, which
        cannot be done for a prompt of one's own.
    """
    if pipeline is None or prompt == pipeline.prompt:
        return prompt if pipeline is None else ""
    if pipeline.prompt:
        raise InputError(
            f"The model puts its default prompt {pipeline.prompt!r} before every text, but the "
            f"prompt of the {name} is {prompt!r}; set default_prompt_name to null in {PROMPTS} of "
            "a copy of the model, or choose a pooling yourself (pool='mean')."
        )
    if not pipeline.include_prompt:
        raise InputError(
            f"The model does not pool over the tokens of a prompt, which cannot be kept with the "
            f"{name} prompt {prompt!r}; choose a pooling yourself (pool='mean')."
        )
    return prompt
