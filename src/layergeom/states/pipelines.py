"""A sentence-transformers folder read as what it does: prompt, limit, pooling and final steps.

Nothing of that library is needed; the pooled last layer equals ``SentenceTransformer.encode``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from layergeom.errors import InputError
from layergeom.states.pooling import Mode
from layergeom.states.sources import inside, modules_file, read_json, weight_files

if TYPE_CHECKING:
    import torch

Step = Callable[["torch.Tensor"], "torch.Tensor"]

MODES: dict[str, Mode] = {  # the poolings by that library's names
    "cls": "first",
    "max": "max",
    "mean": "mean",
    "mean_sqrt_len_tokens": "mean_sqrt_len",
    "weightedmean": "weighted_mean",
    "lasttoken": "last",
}
# the flags of folders written before pooling_mode existed, in the order of concatenation
_FLAGS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}


@dataclass(frozen=True, eq=False)
class Pipeline:
    """What a sentence-transformers folder does around its transformer.

    Parameters
    ----------
    modes : tuple of str
        Poolings whose results are concatenated.
    include_prompt : bool
        False if the prompt's tokens do not enter the pooling.
    prompt : str
        Text put before every input; may be empty.
    lower : bool
        Inputs are lower-cased.
    max_length : int or None
        Tokens per input at most; None leaves it to the tokenizer.
    steps : tuple of callable
        What follows the pooling (Dense, LayerNorm, Normalize), each (batch, D) to (batch, D').
    names : tuple of str
        The classes of all modules, in order.
    warnings : tuple of str
        What was read in an unusual way.
    """

    modes: tuple[Mode, ...]
    include_prompt: bool
    prompt: str
    lower: bool
    max_length: int | None
    steps: tuple[Step, ...]
    names: tuple[str, ...]
    warnings: tuple[str, ...]

    def finish(self, pooled: torch.Tensor) -> torch.Tensor:
        """Apply the steps after the pooling, shape (batch, D)."""
        for step in self.steps:
            pooled = step(pooled)
        return pooled


def read_pipeline(folder: Path | None) -> Pipeline | None:
    """Read the pipeline of a model folder; None if it has no ``modules.json``.

    Parameters
    ----------
    folder : Path or None
        A folder as ``SentenceTransformer.save`` writes it.

    Returns
    -------
    Pipeline or None

    Raises
    ------
    InputError
        If the folder holds a module that is not understood: numbers that only look like the
        model's own are worse than none.
    """
    entries = modules_file(folder)
    if folder is None or not entries:
        return None
    names = tuple(str(entry.get("type", "")).rsplit(".", 1)[-1] for entry in entries)
    places = [inside(folder, str(entry.get("path") or "")) for entry in entries]
    pooling = _pooling(names, places, folder)
    built = [_step(name, place) for name, place in zip(names[2:], places[2:], strict=True)]
    return Pipeline(
        modes=_modes(pooling, folder),
        include_prompt=bool(pooling.get("include_prompt", True)),
        prompt=_prompt(folder),
        lower=bool(_transformer_facts(places[0]).get("do_lower_case", False)),
        max_length=stated_length(folder),
        steps=tuple(step for step, _ in built),
        names=names,
        warnings=tuple(warning for _, warning in built if warning),
    )


def stated_length(folder: Path | None) -> int | None:
    """Return the tokens per input that a pipeline's folder allows, however it pools.

    Parameters
    ----------
    folder : Path or None
        As for `read_pipeline`.

    Returns
    -------
    int or None
        None leaves it to the tokenizer.
    """
    entries = modules_file(folder)
    if folder is None or not entries:
        return None
    limit = _transformer_facts(inside(folder, str(entries[0].get("path") or ""))).get(
        "max_seq_length"
    )
    return None if limit is None else int(limit)


def _pooling(names: tuple[str, ...], places: list[Path], folder: Path) -> dict[str, Any]:
    if names[:2] != ("Transformer", "Pooling"):
        raise InputError(
            f"modules.json of {folder} lists {', '.join(names)}, but only pipelines that start "
            "with Transformer, Pooling are understood; choose a pooling yourself (pool='mean')."
        )
    if places[0].resolve() != folder.resolve():
        raise InputError(
            f"modules.json of {folder} keeps its transformer in {places[0].name!r}; give that "
            "sub-folder and choose a pooling yourself (pool='mean')."
        )
    return dict(read_json(places[1] / "config.json"))


def _modes(config: dict[str, Any], folder: Path) -> tuple[Mode, ...]:
    given = config.get("pooling_mode")
    if given is None:
        given = [mode for flag, mode in _FLAGS.items() if config.get(flag)] or ["mean"]
    modes = [given] if isinstance(given, str) else list(given)
    if unknown := [mode for mode in modes if mode not in MODES]:
        raise InputError(
            f"The pooling {unknown[0]!r} of {folder} is not understood; choose one yourself "
            "(pool='mean')."
        )
    return tuple(MODES[mode] for mode in modes)


def _transformer_facts(folder: Path) -> dict[str, Any]:
    """``sentence_bert_config.json`` or one of its older names."""
    files = sorted(folder.glob("sentence_*_config.json"))
    return dict(read_json(files[0])) if files else {}


def _prompt(folder: Path) -> str:
    path = folder / "config_sentence_transformers.json"
    facts = read_json(path) if path.is_file() else {}
    name = facts.get("default_prompt_name")
    if name is None:
        return ""
    prompts = facts.get("prompts") or {}
    if name not in prompts:
        raise InputError(f"{path} names the default prompt {name!r} but does not hold it.")
    return str(prompts[name] or "")


def _step(name: str, folder: Path) -> tuple[Step, str]:
    """One module after the pooling, and a warning if its weights are not safetensors."""
    if name in ("Normalize", "Dropout"):
        return (_normalize if name == "Normalize" else _same), ""
    if name not in ("Dense", "LayerNorm"):
        raise InputError(
            f"The module {name} in {folder} is not understood; choose a pooling yourself "
            "(pool='mean') to leave the model's own steps out."
        )
    config = dict(read_json(folder / "config.json"))
    weights, warning = _weights(folder)
    build = _dense if name == "Dense" else _layer_norm
    return build(config, weights, folder), warning


def _normalize(pooled: torch.Tensor) -> torch.Tensor:
    from torch.nn.functional import normalize

    return normalize(pooled, p=2.0, dim=-1)


def _same(pooled: torch.Tensor) -> torch.Tensor:
    return pooled


def _dense(config: dict[str, Any], weights: dict[str, torch.Tensor], folder: Path) -> Step:
    from torch.nn.functional import linear

    if config.get("use_residual") or config.get("module_input_name", _SENTENCE) != _SENTENCE:
        raise InputError(
            f"The Dense module in {folder} has a residual or works on tokens, which is not "
            "understood; choose a pooling yourself (pool='mean')."
        )
    weight, bias = _named(weights, "linear.weight", folder), weights.get("linear.bias")
    activation = _activation(str(config.get("activation_function", "torch.nn.Tanh")), folder)
    return lambda pooled: activation(linear(pooled.to(weight.dtype), weight, bias))


def _layer_norm(_config: dict[str, Any], weights: dict[str, torch.Tensor], folder: Path) -> Step:
    from torch.nn.functional import layer_norm

    weight, bias = _named(weights, "norm.weight", folder), _named(weights, "norm.bias", folder)
    return lambda pooled: layer_norm(pooled, weight.shape, weight, bias)


def _activation(name: str, folder: Path) -> Step:
    """Build a class of ``torch.nn`` by its name; nothing else is ever imported."""
    from torch import nn

    kind = getattr(nn, name.rsplit(".", 1)[-1], None) if name.startswith("torch.nn.") else None
    if not (isinstance(kind, type) and issubclass(kind, nn.Module)):
        raise InputError(
            f"The activation {name!r} of {folder} is no module of torch.nn; choose a pooling "
            "yourself (pool='mean')."
        )
    module: Step = kind()
    return module


def _weights(folder: Path) -> tuple[dict[str, torch.Tensor], str]:
    import torch
    from safetensors.torch import load_file

    files = weight_files(folder)
    if not files:
        raise InputError(f"{folder} holds no weights (model.safetensors); complete the folder.")
    if files[0].suffix == ".safetensors":
        found, warning = load_file(files[0]), ""
    else:
        found = torch.load(files[0], map_location="cpu", weights_only=True)
        warning = f"{folder.name}: weights read from {files[0].name} (no safetensors there)."
    return {name: tensor.float() for name, tensor in found.items()}, warning


def _named(weights: dict[str, torch.Tensor], name: str, folder: Path) -> torch.Tensor:
    if name not in weights:
        raise InputError(f"The weights in {folder} lack {name!r}; complete the folder.")
    return weights[name]


_SENTENCE = "sentence_embedding"
