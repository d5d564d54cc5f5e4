"""What stands beside the weights of a model folder: tokenizer files and sentence pipelines."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from layergeom.states.pipelines import MODES
from layergeom.states.pooling import Mode, Pooling

if TYPE_CHECKING:
    from layergeom.states.models import LoadedModel

BESIDE = (
    "tokenizer*",
    "vocab*",
    "merges.txt",
    "special_tokens_map.json",
    "added_tokens.json",
    "*.model",
    "*preprocessor_config.json",
    "processor_config.json",
    "*.jinja",
)
PROMPTS = "config_sentence_transformers.json"
_KIND = "sentence_transformers.models."


def copy_beside(loaded: LoadedModel, folder: Path) -> tuple[str, ...]:
    """Copy tokenizer and processor next to a model's weights.

    Parameters
    ----------
    loaded : LoadedModel
        Its own files are copied byte by byte; a tokenizer of a loaded module is written anew.
    folder : Path
        Exists already.

    Returns
    -------
    tuple of str
        Names of the files, sorted.
    """
    source = loaded.source.folder
    if source is None:
        return _written_tokenizer(loaded.tokenizer, folder)
    return _copy(source, BESIDE, folder)


def _copy(source: Path, patterns: Sequence[str], folder: Path) -> tuple[str, ...]:
    files = {path for pattern in patterns for path in source.glob(pattern) if path.is_file()}
    for path in files:
        shutil.copyfile(path, folder / path.name)
    return tuple(sorted(path.name for path in files))


def _written_tokenizer(tokenizer: Any, folder: Path) -> tuple[str, ...]:
    if not hasattr(tokenizer, "save_pretrained"):
        return ()
    return tuple(sorted(Path(name).name for name in tokenizer.save_pretrained(folder)))


def write_pipeline(loaded: LoadedModel, pool: Pooling, folder: Path) -> tuple[str, ...]:
    """Write ``modules.json`` so that sentence-transformers pools as it is done here.

    Parameters
    ----------
    loaded : LoadedModel
        A pipeline of its own says how it pools, unless ``pool`` does.
    pool : str
        ``auto`` is the model's own pooling, else the mean.
    folder : Path
        That of the weights.

    Returns
    -------
    tuple of str
        Sentences: what that library does otherwise, and which steps were left out.

    Notes
    -----
    That library pools over special tokens too. Normalize stays; a Dense or LayerNorm was learnt on
    the last block's states and is left out.
    """
    own = loaded.pipeline if pool == "auto" else None
    modes: tuple[Mode, ...] = (cast("Mode", "mean" if pool == "auto" else pool),)
    modes = modes if own is None else own.modes
    later = () if own is None else own.names[2:]
    kept = tuple(name for name in later if name == "Normalize")
    names = ("Transformer", "Pooling", *kept)
    places = ["", *(f"{at}_{name}" for at, name in enumerate(names) if at)]
    if own is not None and loaded.source.folder is not None:
        _copy(loaded.source.folder, [PROMPTS], folder)
    _write(folder / "modules.json", _modules(names, places))
    _write(folder / "sentence_bert_config.json", _limits(loaded))
    _write(folder / places[1] / "config.json", _pooling(loaded, modes))
    for place in places[2:]:
        (folder / place).mkdir()
    return _told(own is not None, [name for name in later if name not in ("Normalize", "Dropout")])


def _modules(names: tuple[str, ...], places: list[str]) -> list[dict[str, Any]]:
    return [
        {"idx": at, "name": str(at), "path": place, "type": _KIND + name}
        for at, (name, place) in enumerate(zip(names, places, strict=True))
    ]


def _limits(loaded: LoadedModel) -> dict[str, Any]:
    lower = loaded.pipeline is not None and loaded.pipeline.lower
    return {"max_seq_length": loaded.max_length, "do_lower_case": lower}


def _pooling(loaded: LoadedModel, modes: tuple[Mode, ...]) -> dict[str, Any]:
    theirs = {mode: name for name, mode in MODES.items()}
    names = [theirs[mode] for mode in modes]
    return {
        "word_embedding_dimension": loaded.width,
        "pooling_mode": names[0] if len(names) == 1 else names,
        "include_prompt": loaded.pipeline is None or loaded.pipeline.include_prompt,
    }


def _told(own: bool, dropped: list[str]) -> tuple[str, ...]:
    lines = []
    if not own:
        lines.append(
            "sentence-transformers pools over special tokens too; embed and run leave them out "
            "unless told otherwise (special_tokens)."
        )
    if dropped:
        lines.append(
            f"The steps {', '.join(dropped)} after the pooling were learnt on the last block and "
            "are left out."
        )
    return tuple(lines)


def _write(path: Path, content: Any) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
