"""Networks with the head that predicts the next token, for the loss of a sequence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from layergeom.states.loading import quiet
from layergeom.states.sources import Source

if TYPE_CHECKING:
    from torch import nn

_SUFFIXES = ("ForCausalLM", "LMHeadModel", "ForCausalImageModeling")  # by which classes name it


def read_causal(source: Source, dtype: str, warnings: list[str]) -> nn.Module | None:
    """Return a network with the head that predicts the next token; None if it has none.

    Parameters
    ----------
    source : Source
        A folder, a hub id or a loaded module.
    dtype : str
        As in `layergeom.states.models.load`.
    warnings : list of str
        Gets a line where a head is missing.

    Notes
    -----
    The class is the one that the configuration names; only safetensors are read.
    """
    if source.kind == "module":
        module = source.module
        return module if _is_causal(type(module).__name__) else None
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(
        source.location, revision=source.commit, trust_remote_code=False
    )
    names = [name for name in config.architectures or () if _is_causal(name)]
    if not names:
        return None
    return _read(source, names[0], dtype, warnings)


def _is_causal(name: str) -> bool:
    return name.endswith(_SUFFIXES)


def _read(source: Source, name: str, dtype: str, warnings: list[str]) -> nn.Module | None:
    import torch
    import transformers

    kind: Any = getattr(transformers, name)
    with quiet():
        network, report = kind.from_pretrained(
            source.location,
            revision=source.commit,
            trust_remote_code=False,
            use_safetensors=True,
            output_loading_info=True,
            dtype=dtype if dtype == "auto" else getattr(torch, dtype),
        )
    if missing := sorted(report.get("missing_keys", ())):
        warnings.append(
            f"The head of {source.name} is not in the checkpoint ({missing[0]}), so sequences have "
            "no loss."
        )
        return None
    loaded: nn.Module = network
    return loaded
