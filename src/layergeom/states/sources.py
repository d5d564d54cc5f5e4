"""Where a model comes from, and the content hash that identifies it.

Two copies of one folder are one model; two revisions of one hub id are two.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from layergeom.errors import InputError, InputTypeError

SMALL_FILES = ("*.json", "*.txt", "*.model", "*.jinja")
_WEIGHTS = ((".safetensors",), (".bin",))
_BLOCK = 1 << 22  # bytes read at a time


@dataclass(frozen=True, eq=False)
class Source:
    """A model before its weights are read.

    Parameters
    ----------
    kind : {"folder", "hub", "module"}
        A local folder in Hugging Face's layout, a hub id, or a loaded module.
    name : str
        What the user wrote, or the class of the loaded module.
    folder : Path or None
        Where the small files (config, tokenizer, ``modules.json``) lie; None for a module.
    commit : str or None
        The hub's commit hash.
    module : object or None
        The loaded module.
    identity : str
        SHA-256 over weights, config and tokenizer (hub: id and commit).
    """

    kind: Literal["folder", "hub", "module"]
    name: str
    folder: Path | None
    commit: str | None
    module: Any
    identity: str

    @property
    def location(self) -> str:
        """What ``from_pretrained`` is given."""
        return str(self.folder) if self.kind == "folder" else self.name


def identify(model: Any, *, revision: str | None = None, tokenizer: Any = None) -> Source:
    """Identify a model by its content, without loading its weights into a network.

    Parameters
    ----------
    model : str, Path or torch.nn.Module
        Hub id, local folder or loaded module.
    revision : str, optional
        Branch, tag or commit of a hub id.
    tokenizer : object, str or Path, optional
        A tokenizer that replaces the model's own; it is part of the identity.

    Returns
    -------
    Source
        With a content hash that does not depend on paths or times.

    Raises
    ------
    InputError
        For a folder without ``config.json``, an unknown hub id, or a revision of something that
        has none.

    Notes
    -----
    Cost: one reading of all weights (about 1 GB/s); hub ids are identified by their commit.
    """
    if isinstance(model, (str, Path)):
        source = _stored(model, revision)
    else:
        source = _loaded(model, revision)
    if tokenizer is None:
        return source
    identity = _digest([source.identity.encode(), _tokenizer_content(tokenizer)])
    return Source(source.kind, source.name, source.folder, source.commit, source.module, identity)


def weight_files(folder: Path) -> list[Path]:
    """List the weight files of a folder: safetensors if there are any, else ``.bin``."""
    for suffixes in _WEIGHTS:
        files = sorted(p for p in folder.iterdir() if p.suffix in suffixes and p.is_file())
        if files:
            return files
    return []


def modules_file(folder: Path | None) -> list[dict[str, Any]]:
    """Read ``modules.json``, the list of a sentence-transformers pipeline; [] without it.

    Raises
    ------
    InputError
        If it is no list of modules, or names a folder outside of its own.
    """
    if folder is None or not (folder / "modules.json").is_file():
        return []
    entries = read_json(folder / "modules.json")
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise InputError(f"{folder / 'modules.json'} is not a list of modules; mend or remove it.")
    for entry in entries:
        inside(folder, str(entry.get("path") or ""))
    return entries


def read_json(path: Path) -> Any:
    """Read a JSON file; a damaged one is an InputError that names it."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} cannot be read as JSON ({error}).") from error


def inside(folder: Path, relative: str) -> Path:
    """Return the folder's sub-folder ``relative``; one that leads outside is an InputError."""
    try:
        within = (folder / relative).resolve().is_relative_to(folder.resolve())
    except (OSError, ValueError):  # a NUL in the name, or links in a circle
        within = False
    if not within:
        raise InputError(f"modules.json of {folder} names {relative!r}, outside of the folder.")
    return folder / relative


def _stored(model: str | Path, revision: str | None) -> Source:
    folder = Path(model)
    if folder.is_dir():
        return _folder(folder, revision)
    if isinstance(model, Path) or folder.exists() or not _like_hub_id(model):
        raise InputError(
            f"Model {str(model)!r} is neither a folder nor a hub id; give a folder with "
            "config.json or an id such as 'gpt2'."
        )
    return _hub(model, revision)


def _like_hub_id(model: str) -> bool:
    return bool(model) and model.count("/") <= 1 and model[0] not in "./~\\"


def _folder(folder: Path, revision: str | None) -> Source:
    if revision is not None:
        raise InputError(
            f"revision={revision!r} belongs to a hub id, but {str(folder)!r} is a local folder; "
            "leave revision out."
        )
    if not (folder / "config.json").is_file():
        raise InputError(
            f"Folder {str(folder)!r} holds no config.json; give a model in Hugging Face's layout."
        )
    content = (part for path in _contents(folder) for part in _file(folder, path))
    return Source("folder", str(folder), folder, None, None, _digest(content))


def _contents(folder: Path) -> list[Path]:
    """List the files that determine the numbers, those of the pipeline's steps included."""
    listed = {str(entry.get("path") or "") for entry in modules_file(folder)}
    files: list[Path] = []
    for sub in sorted(listed | {""}):
        place = inside(folder, sub)
        if place.is_dir():
            files += sorted(p for pattern in SMALL_FILES for p in place.glob(pattern))
            files += weight_files(place)
    return files


def _file(folder: Path, path: Path) -> Iterable[bytes]:
    yield str(path.relative_to(folder).as_posix()).encode()
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            yield block


def _hub(name: str, revision: str | None) -> Source:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        folder = Path(snapshot_download(name, revision=revision, allow_patterns=list(SMALL_FILES)))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        at = f" at revision {revision!r}" if revision else ""
        raise InputError(
            f"Model {name!r}{at} is no local folder and cannot be fetched from the hub "
            f"({reason}); check the name, give a local folder, or run `layergeom fetch` where "
            "there is a network."
        ) from error
    commit = folder.name
    return Source("hub", name, folder, commit, None, _digest([name.encode(), commit.encode()]))


def _loaded(module: Any, revision: str | None) -> Source:
    from torch import nn

    if not isinstance(module, nn.Module):
        raise InputTypeError(
            f"model must be a hub id, a folder or a loaded torch module but is a "
            f"{type(module).__name__}."
        )
    if revision is not None:
        raise InputError("revision belongs to a hub id; a loaded module has none: leave it out.")
    name = type(module).__name__
    return Source("module", name, None, None, module, _digest(_module_content(module)))


def _module_content(module: Any) -> Iterable[bytes]:
    import torch

    config: Any = getattr(module, "config", None)
    yield type(module).__name__.encode()
    if hasattr(config, "to_diff_dict"):
        yield json.dumps(config.to_diff_dict(), sort_keys=True, default=str).encode()
    for name, tensor in sorted(module.state_dict().items()):
        if isinstance(tensor, torch.Tensor):
            if tensor.is_meta:
                raise InputError(
                    f"The weights {name!r} of the loaded {type(module).__name__} are in no memory "
                    "(offloaded); give its folder or hub id, with device_map."
                )
            yield f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode()
            yield tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()


def _tokenizer_content(tokenizer: Any) -> bytes:
    if isinstance(tokenizer, (str, Path)):
        folder = Path(tokenizer)
        if not folder.is_dir():
            return str(tokenizer).encode()
        files = sorted(p for pattern in SMALL_FILES for p in folder.glob(pattern))
        return _digest(part for path in files for part in _file(folder, path)).encode()
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is not None:
        return str(backend.to_str()).encode()
    return json.dumps(tokenizer.get_vocab(), sort_keys=True).encode()


def _digest(parts: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.hexdigest()
