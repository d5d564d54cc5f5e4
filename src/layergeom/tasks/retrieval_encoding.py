"""Queries and documents encoded by every layer, with the model's own prompts and pooling."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from layergeom.errors import InputError
from layergeom.measure import Progress
from layergeom.states.extract import extract
from layergeom.states.hidden import HiddenStates
from layergeom.states.inputs import Samples
from layergeom.states.models import LoadedModel, load
from layergeom.states.prompts import Prompts, prompts_of, put_before
from layergeom.states.retrieval_texts import RetrievalTexts
from layergeom.states.store import Store
from layergeom.states.views import HookPoint

OF_LOADING = ("revision", "tokenizer", "dtype", "device", "device_map", "part", "blocks")
UNLEARNT = {"Transformer", "Pooling", "Normalize", "Dropout"}  # steps that leave cosines alone
REFUSED = ("layers", "max_samples", "text_column")


@dataclass(frozen=True, eq=False)
class Encoded:
    """Both sides at every layer.

    Attributes
    ----------
    corpus, queries : HiddenStates
        Rows by the ids of their texts.
    prompts : Prompts
        What was put before the texts.
    told : tuple of str
        What was assumed.
    """

    corpus: HiddenStates
    queries: HiddenStates
    prompts: Prompts
    told: tuple[str, ...]


def encoded(
    model: Any,
    corpus: RetrievalTexts,
    queries: RetrievalTexts,
    given: tuple[str | None, str | None],
    folder: Path | None,
    options: Mapping[str, Any],
    progress: Progress | None,
) -> Encoded:
    """Run a model over both sides.

    Parameters
    ----------
    model : str, Path or module
        As of the extraction.
    corpus, queries : RetrievalTexts
        Texts without their prompts.
    given : (str or None, str or None)
        Prompts of queries and documents in place of the model's.
    folder : Path or None
        Keeps the states of both, in ``corpus`` and ``queries``.
    options : mapping
        Of the extraction. Without a ``hook_point`` it is that of what a truncated model gives.
    progress : callable or None
        Called after each batch.

    Raises
    ------
    InputError
        For rows that are tokens or layers that are chosen, prompts that cannot be put there, and
        as the extraction does.
    """
    _check(options)
    loaded = load(model, **{name: options[name] for name in OF_LOADING if name in options})
    prompts = prompts_of(loaded.source.folder, *given)
    pipeline = loaded.pipeline if options.get("pool", "auto") == "auto" else None
    point, told = _hook_point(loaded, options)
    before = {
        "corpus": put_before(prompts.document, pipeline, "documents"),
        "queries": put_before(prompts.query, pipeline, "queries"),
    }
    del loaded  # each side loads what it is not answered from a store
    samples = {"corpus": corpus, "queries": queries}
    states = {
        name: _states(model, texts.samples(before[name]), name, folder, progress,
                      {**options, "hook_point": point})
        for name, texts in samples.items()
    }  # fmt: skip
    return Encoded(**states, prompts=prompts, told=(*_prompt_lines(prompts), *told))


def _check(options: Mapping[str, Any]) -> None:
    if options.get("pool") == "token":
        raise InputError("Retrieval needs one vector per text; choose another pool than 'token'.")
    if late := [name for name in REFUSED if options.get(name) is not None]:
        raise InputError(
            f"{late[0]} is no option of retrieval: every layer is scored on the whole corpus, "
            "whose texts are its title and text; leave it out."
        )


def _hook_point(
    loaded: LoadedModel, options: Mapping[str, Any]
) -> tuple[HookPoint, tuple[str, ...]]:
    """Take the states where a truncated model would give them: behind its final norm."""
    if "hook_point" in options:
        return options["hook_point"], ()
    if loaded.norms.final is None or loaded.anatomy.final_norm is None:
        return "residual", ()
    norm = loaded.anatomy.final_norm
    steps = set() if loaded.pipeline is None else set(loaded.pipeline.names) - UNLEARNT
    if steps and options.get("pool", "auto") == "auto":
        told = (
            f"Layers are scored before the final norm ({norm}), which truncate leaves in place: "
            f"the model's own output has the steps {', '.join(sorted(steps))} behind it too. Score "
            "a truncated model itself before you use it."
        )
        return "residual", (told,)
    told = (
        f"Every layer is read behind the model's final norm ({norm}), as truncate leaves it; "
        "hook_point='residual' reads them before it."
    )
    return "final_norm", (told,)


def _states(
    model: Any,
    samples: Samples,
    name: str,
    folder: Path | None,
    progress: Progress | None,
    options: Mapping[str, Any],
) -> HiddenStates:
    store = Store.temporary() if folder is None else Store(folder / name)
    found = extract(model, samples, store=store, progress=_called(progress, name), **options)
    warnings = tuple(f"{name}: {line}" for line in found.warnings)
    return replace(found, warnings=warnings)


def _called(progress: Progress | None, name: str) -> Progress | None:
    if progress is None:
        return None

    def told(done: int, total: int, what: str) -> None:
        progress(done, total, f"{name} {what}")

    return told


def _prompt_lines(prompts: Prompts) -> tuple[str, ...]:
    if not prompts.query and not prompts.document:
        return ()
    whose = "The model's prompts" if prompts.source == "the model's" else "Prompts"
    return (f"{whose}: {prompts.query!r} before queries, {prompts.document!r} before documents.",)
