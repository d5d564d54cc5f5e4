"""What a null feeds, and to which network: shuffled tokens, or the same network untrained."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from layergeom.errors import InputError
from layergeom.states.inputs import Samples
from layergeom.states.loading import quiet
from layergeom.states.sources import identify, modules_file
from layergeom.tasks.shuffled_tokens import ShuffledTokenizer, shuffled_rows

if TYPE_CHECKING:
    from torch import nn

_WEIGHTS = (".safetensors", ".bin", ".pt", ".pth", ".h5", ".msgpack", ".ot", ".onnx", ".gguf")
_MARKS = ("pad", "bos", "eos", "cls", "sep", "mask", "decoder_start")


@dataclass(frozen=True, eq=False)
class NullInputs:
    """What extraction is given for a null.

    Attributes
    ----------
    model : str, Path or torch.nn.Module
    samples : Samples
    options : mapping
        Arguments of :func:`layergeom.states.extract.extract`.
    name : str
        What the model is called in the null's provenance.
    """

    model: Any
    samples: Samples
    options: Mapping[str, Any]
    name: str


@contextmanager
def null_inputs(
    kind: Literal["shuffled", "untrained"],
    model: Any,
    samples: Samples,
    options: Mapping[str, Any],
    seed: int = 0,
) -> Iterator[NullInputs]:
    """Yield what a null runs.

    Parameters
    ----------
    kind : {"shuffled", "untrained"}
        The same model on rows whose tokens are shuffled, special tokens in their places; or the
        same configuration, tokenizer and pooling with fresh weights.
    model, samples, options
        Of the run whose null it is.
    seed : int
        Of the shuffling, or of the weights.

    Raises
    ------
    InputError
        If images would have to be shuffled, or the network has no configuration.

    Notes
    -----
    Fresh weights are those of transformers' own initialisation in float32, written to a temporary
    folder that is removed afterwards: disk and memory of one copy of the weights. Steps behind the
    pooling of a sentence-transformers folder (Dense) keep their weights. A module that was given
    is not changed; another of its class is made.
    """
    if kind == "shuffled":
        yield _shuffled(model, samples, options, seed)
    elif isinstance(model, (str, Path)):
        with tempfile.TemporaryDirectory(prefix="layergeom-") as place:
            folder = _untrained_folder(model, options.get("revision"), Path(place), seed)
            rest = {name: value for name, value in options.items() if name != "revision"}
            yield NullInputs(folder, samples, rest, f"{model} (untrained, seed {seed})")
    else:
        name = f"{type(model).__name__} (untrained, seed {seed})"
        yield NullInputs(_untrained_module(model, seed), samples, options, name)


def check_rows_have_tokens(null: str, samples: Samples, pool: str | None = None) -> None:
    """Raise an InputError if a null needs rows of several tokens, and there are none."""
    if samples.kind == "image" or (pool == "token" and null == "length"):
        tokens = "with pool='token' rows are single tokens"
        what = "the data are images" if samples.kind == "image" else tokens
        raise InputError(
            f"The null {null!r} needs texts or token ids, several tokens a row, but {what}; leave "
            "it out."
        )


def _shuffled(model: Any, samples: Samples, options: Mapping[str, Any], seed: int) -> NullInputs:
    name = model if isinstance(model, (str, Path)) else type(model).__name__
    called = f"{name} (tokens shuffled, seed {seed})"
    check_rows_have_tokens("shuffled", samples)
    revision = options.get("revision")
    if samples.kind == "tokens":
        rows = [np.asarray(row) for row in samples.items]
        items = shuffled_rows(rows, special_tokens(model, revision), seed)
        return NullInputs(model, replace(samples, items=items), options, called)
    words = ShuffledTokenizer(tokenizer_of(model, options), seed)
    return NullInputs(model, samples, {**options, "tokenizer": words}, called)


def tokenizer_of(model: Any, options: Mapping[str, Any]) -> Any:
    """Return the tokenizer that a run uses: the one given, or the model's own.

    Raises
    ------
    InputError
        If a loaded module came without one, or it cannot be read.
    """
    from transformers import AutoTokenizer

    given = options.get("tokenizer")
    if given is not None and not isinstance(given, (str, Path)):
        return given
    if given is None and not isinstance(model, (str, Path)):
        raise InputError("A loaded module has no tokenizer of its own; give one with tokenizer=.")
    place = str(small_folder(model, options.get("revision")) if given is None else given)
    try:
        with quiet():
            return AutoTokenizer.from_pretrained(place, trust_remote_code=False)
    except Exception as error:  # damaged files raise anything
        raise InputError(f"The tokenizer {place!r} cannot be loaded ({error}).") from error


def small_folder(model: str | Path, revision: str | None) -> Path:
    """Return the folder of a model's small files: its own, or the hub's copy here."""
    folder = Path(model)
    if not folder.is_dir():
        found = identify(model, revision=revision).folder
        folder = folder if found is None else found
    return folder


def _config(model: Any, revision: str | None) -> Any:
    """Return the configuration of a model; an InputError if it has none."""
    from transformers import AutoConfig, PreTrainedModel

    if isinstance(model, PreTrainedModel):
        return model.config
    if not isinstance(model, (str, Path)):
        raise InputError(
            f"A {type(model).__name__} has no configuration to build an untrained network from; "
            "leave the null 'untrained' out."
        )
    with quiet():
        return AutoConfig.from_pretrained(small_folder(model, revision), trust_remote_code=False)


def special_tokens(model: Any, revision: str | None) -> set[int]:
    """Return the special tokens that the configuration of a model names."""
    config = _config(model, revision)
    codes = [getattr(config, f"{name}_token_id", None) for name in _MARKS]
    return {code for code in codes if isinstance(code, int)}


def _untrained_folder(model: str | Path, revision: str | None, place: Path, seed: int) -> Path:
    """Write the model's folder again with fresh weights."""
    import torch
    from transformers import AutoModel

    own, folder = small_folder(model, revision), place / "untrained"
    _copy_small(own, folder)
    config = _config(model, revision)
    with quiet(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = AutoModel.from_config(config, dtype=torch.float32, trust_remote_code=False)
        network.save_pretrained(folder)
    return folder


def _copy_small(own: Path, folder: Path) -> None:
    """Copy what is no weight, and the steps that a sentence-transformers folder lists."""
    folder.mkdir()
    for path in own.iterdir():
        if path.is_file() and path.suffix not in _WEIGHTS and ".index." not in path.name:
            shutil.copy(path, folder)
    for entry in modules_file(own):
        name = str(entry.get("path") or "")
        if name and (own / name).is_dir():
            shutil.copytree(own / name, folder / name)


def _untrained_module(module: Any, seed: int) -> nn.Module:
    import torch

    config = _config(module, None)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        fresh: nn.Module = type(module)(config)
    return fresh.to(dtype=module.dtype, device=module.device).eval()
