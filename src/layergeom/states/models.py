"""Loading a transformer so that what is loaded is known: weights, layers, limits, identity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from layergeom.errors import InputError
from layergeom.states.anatomy import Anatomy, device_of, dissect
from layergeom.states.blocks import Block, find_blocks
from layergeom.states.families import spelled
from layergeom.states.hooks import lead_of
from layergeom.states.loading import (
    Part,
    base_network,
    dtype_name,
    no_part,
    pick_device,
    quiet,
    read_network,
    spread,
)
from layergeom.states.norms import Norms, find_norms
from layergeom.states.pipelines import Pipeline, read_pipeline, stated_length
from layergeom.states.room import check_weights
from layergeom.states.sources import Source, identify
from layergeom.states.tokenization import Padding

if TYPE_CHECKING:
    from torch import nn

_OFFSET = 8  # rows that a table of positions may hold beyond the positions
_NO_LIMIT = 1_000_000  # tokenizers without a limit claim 1e30 tokens


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """A network ready for extraction, with the facts that extraction needs.

    Parameters
    ----------
    module : torch.nn.Module
        The base network, without a head; of an encoder–decoder the encoder unless asked.
    tokenizer : object or None
        None if the model has none.
    blocks : tuple of Block
        Modules of the main stack with their dotted paths.
    anatomy : Anatomy
        The layers: names, widths, final norm.
    source : Source
        Origin and content hash.
    warnings : tuple of str
        What was assumed while loading.
    """

    module: nn.Module
    tokenizer: Any
    blocks: tuple[Block, ...]
    anatomy: Anatomy
    source: Source
    warnings: tuple[str, ...]

    @cached_property
    def pipeline(self) -> Pipeline | None:
        """The sentence-transformers pipeline of the folder; None without ``modules.json``."""
        return read_pipeline(self.source.folder)

    @cached_property
    def norms(self) -> Norms:
        """Where the network normalises its stream; costs a forward pass of twelve tokens."""
        with quiet():
            return find_norms(self.module, self.blocks)

    @property
    def final_norm(self) -> tuple[str, nn.Module] | None:
        """Path and module that turn the last block's output into the network's output."""
        path = self.anatomy.final_norm
        return (path, self.module.get_submodule(path)) if path else None

    @property
    def model_type(self) -> str:
        """The family, as the configuration names it (``bert``), else the class."""
        return _family_of(self.module)

    @property
    def is_decoder(self) -> bool:
        """True if no token sees later ones, as tried, not as the configuration says."""
        return self.anatomy.causal

    @property
    def width(self) -> int:
        """Features of the last block."""
        return self.anatomy.widths[len(self.anatomy.widths) - 1]

    @property
    def parameters(self) -> int:
        """Number of parameters of this network, without a head; shared ones count once."""
        return sum(weights.numel() for weights in self.module.parameters())

    @property
    def dtype(self) -> str:
        """Numbers the network computes in, such as ``float32``."""
        first = next((p for p in self.module.parameters() if p.is_floating_point()), None)
        return "float32" if first is None else str(first.dtype).removeprefix("torch.")

    @property
    def vocabulary(self) -> int | None:
        """Number of token ids; None if the network does not say."""
        embeddings = _embeddings(self.module)
        return getattr(embeddings, "num_embeddings", None)

    @property
    def padding(self) -> Padding | None:
        """The token that fills up rows, as tokenizer or configuration say; None if neither does.

        Where they name none (GPT-2, Llama), rows are usually filled up with the end token.
        """
        config = getattr(self.module, "config", None)
        owners = (self.tokenizer, config)
        said = [
            getattr(owner, f"{name}_token_id", None) for name in ("pad", "eos") for owner in owners
        ]
        code = next((code for code in said if isinstance(code, int)), None)
        names = ("bos_token_id", "eos_token_id", "cls_token_id", "sep_token_id")
        marks = [getattr(owner, name, None) for owner in owners for name in names]
        return None if code is None else Padding(code, code in marks)

    @property
    def positions(self) -> int | None:
        """Tokens per sequence that the configuration allows; None if it says nothing.

        Where positions are counted from the padding index (RoBERTa, ESM), the table is shorter
        than the configuration says.
        """
        from torch import nn

        config = getattr(self.module, "config", None)
        limit = getattr(config, "max_position_embeddings", None)
        if not isinstance(limit, int) or limit <= 0:
            return None
        limit -= lead_of(self.module)
        for path, part in self.module.named_modules():
            if (
                isinstance(part, nn.Embedding)
                and "position" in path
                and part.padding_idx is not None
            ):
                return min(limit, part.num_embeddings - part.padding_idx - 1)
        return limit

    @property
    def learned_positions(self) -> bool:
        """True if positions are looked up in a table, beyond which nothing can be fed."""
        from torch import nn

        limit, words = self.positions, _embeddings(self.module)
        tables = [
            p for p in self.module.modules() if isinstance(p, nn.Embedding) and p is not words
        ]
        return limit is not None and any(
            0 <= table.num_embeddings - limit <= _OFFSET for table in tables
        )

    @property
    def device(self) -> str:
        """The device that takes the token ids."""
        return str(device_of(self.module))

    @property
    def max_length(self) -> int | None:
        """Tokens per sequence by default: the pipeline's, the tokenizer's, the network's limit."""
        limits = [self.positions, stated_length(self.source.folder)]
        if limits[1] is None:
            own = getattr(self.tokenizer, "model_max_length", None)
            limits.append(int(own) if own is not None and own < _NO_LIMIT else None)
        known = [limit for limit in limits if limit is not None]
        return min(known) if known else None


def load(
    model: Any,
    *,
    revision: str | None = None,
    dtype: Any = None,
    device: str = "auto",
    device_map: Any = None,
    tokenizer: Any = None,
    part: Part | None = None,
    blocks: Sequence[str] | None = None,
) -> LoadedModel:
    """Load a transformer without its head and learn what its layers are.

    Parameters
    ----------
    model : str, Path or torch.nn.Module
        Hub id, local folder in Hugging Face's layout, or a loaded module (used where it is).
    revision : str, optional
        Branch, tag or commit of a hub id.
    dtype : str or torch.dtype, optional
        ``float32`` (default: half precision makes duplicates), ``float16``, ``bfloat16``,
        ``float64`` or ``auto`` for the checkpoint's own. A loaded module keeps its dtype.
    device : str
        ``auto`` takes a GPU if there is one. A loaded module stays on its device.
    device_map : str or dict, optional
        Handed to transformers, for networks larger than one device.
    tokenizer : object, str or Path, optional
        In place of the model's own.
    part : {"encoder", "decoder", "text", "vision"}, optional
        Of a network that has several; by default the encoder of an encoder–decoder. "vision" is
        also how a network that takes images is read.
    blocks : sequence of str, optional
        Paths of the blocks, in the order of their calls, for a network whose blocks are not found.

    Returns
    -------
    LoadedModel

    Raises
    ------
    InputError
        If the model cannot be found or read, if weights that reach the states are missing from
        the checkpoint, or if there is no such part, no such block or no stack of blocks.

    Notes
    -----
    Remote code is never run. Safetensors are read first; PyTorch's ``.bin`` only where there are
    none, without unpickling, and with a warning. Cost: the weights are read twice, once for the
    content hash; one forward pass of twelve tokens.
    """
    source = identify(model, revision=revision, tokenizer=tokenizer)
    return load_source(
        source,
        dtype=dtype,
        device=device,
        device_map=device_map,
        tokenizer=tokenizer,
        part=part,
        blocks=blocks,
    )


def load_source(
    source: Source,
    *,
    dtype: Any,
    device: str,
    device_map: Any,
    tokenizer: Any,
    part: Part | None = None,
    blocks: Sequence[str] | None = None,
) -> LoadedModel:
    """Load what `identify` has identified; see `load`."""
    from layergeom.states.decoders import Decoder

    warnings: list[str] = []
    if source.kind == "module":
        network = _given(source.module, dtype, device)
    else:
        if device_map is None:
            check_weights(source, dtype_name(dtype), pick_device(device))
        with spread(source, device_map):
            network = read_network(source, dtype, device_map, warnings, part)
        if device_map is None:
            network = network.to(pick_device(device))
    network = base_network(network, warnings, part)
    within = network.path if isinstance(network, Decoder) else ""
    stack = find_blocks(network, blocks, within)
    with quiet(), spread(source, device_map):
        anatomy = dissect(network, stack)
        words = _tokenizer(source, tokenizer, warnings)
    if not anatomy.masks:
        warnings.append(
            f"A {type(network).__name__} does not mask what fills up shorter rows: only rows of "
            "one length share a batch."
        )
    if part == "encoder" and anatomy.causal:
        raise no_part(network, part)
    words = spelled(words, _family_of(network), warnings)
    return LoadedModel(network, words, stack, anatomy, source, tuple(warnings))


def _family_of(network: nn.Module) -> str:
    config = getattr(network, "config", None)
    return str(getattr(config, "model_type", "") or type(network).__name__)


def _given(network: nn.Module, dtype: Any, device: str) -> nn.Module:
    """Return a loaded module as it is; wishes that would change it are refused."""
    own = next((p for p in network.parameters() if p.is_floating_point()), None)
    if own is None:
        return network
    if dtype is not None and dtype_name(dtype) not in ("auto", str(own.dtype)[6:]):
        raise InputError(
            f"The loaded module is {str(own.dtype)[6:]}; convert it yourself (module.to({dtype})) "
            "or leave dtype out: a module that is given is not changed."
        )
    if device != "auto" and own.device.type != device.split(":")[0]:
        raise InputError(
            f"The loaded module is on {own.device}; move it yourself (module.to({device!r})) or "
            "leave device out: a module that is given is not changed."
        )
    return network


def _embeddings(network: Any) -> Any:
    return network.get_input_embeddings() if hasattr(network, "get_input_embeddings") else None


def _tokenizer(source: Source, given: Any, warnings: list[str]) -> Any:
    """Return the tokenizer that was given, or the model's own, or None."""
    from transformers import AutoTokenizer

    if given is not None and not isinstance(given, (str, Path)):
        return given
    if given is None and (source.kind == "module" or not _has_tokenizer(source.folder)):
        return None
    place = source.location if given is None else str(given)
    revision = source.commit if given is None else None
    try:
        return AutoTokenizer.from_pretrained(place, revision=revision, trust_remote_code=False)
    except Exception as error:  # damaged files raise anything
        if given is not None:
            raise InputError(f"The tokenizer {place!r} cannot be loaded ({error}).") from error
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        warnings.append(f"The tokenizer of {source.name} could not be loaded ({reason}).")
        return None


def _has_tokenizer(folder: Path | None) -> bool:
    """Look for files: from a config alone AutoTokenizer invents an empty tokenizer."""
    names = ("tokenizer*", "vocab*", "*.model", "spiece*", "merges.txt")
    return folder is not None and any(any(folder.glob(name)) for name in names)
