"""The hub and its local cache: revisions, the files that a run needs of them, their sizes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Set
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from layergeom.errors import InputError
from layergeom.states.sources import SMALL_FILES

SAFE, PICKLED = ".safetensors", ".bin"
# What transformers looks for, in its order: one file, or the shards that an index lists.
_KINDS = (("model", SAFE), ("pytorch_model", PICKLED))
_MODULE = re.compile(r"\d+_[^/]+")  # folder of one step of a sentence-transformers pipeline


class UnreachableError(InputError):
    """The hub does not answer from here; the message says what to do instead."""


@dataclass(frozen=True)
class Remote:
    """One revision of a hub model.

    Attributes
    ----------
    commit : str
        The commit that the revision stands for.
    sizes : mapping of str to int
        Bytes of every file by its path.
    """

    commit: str
    sizes: Mapping[str, int]


@dataclass(frozen=True)
class Needed:
    """The files of a repository that a run reads.

    Attributes
    ----------
    small : tuple of str
        Configuration, tokenizer, processor, pipeline.
    weights : tuple of str
        Safetensors where there are any, else PyTorch's; never both.
    """

    small: tuple[str, ...]
    weights: tuple[str, ...]

    @property
    def pickled(self) -> bool:
        """True if some weights come as PyTorch's ``.bin`` only."""
        return any(name.endswith(PICKLED) for name in self.weights)


def hub_revisions(model: str) -> tuple[str, ...]:
    """Return the names of all branches and tags of a hub model.

    Raises
    ------
    UnreachableError
        If the hub cannot be asked from here.
    InputError
        If it has no such model.
    """
    from huggingface_hub import HfApi

    with _asking(model):
        refs = HfApi().list_repo_refs(model)
    return tuple(dict.fromkeys(ref.name for ref in (*refs.branches, *refs.tags)))


def cached_revisions(model: str) -> tuple[str, ...]:
    """Return the names of the revisions of which the local cache holds a snapshot, sorted."""
    place = cache_folder(model)
    refs = sorted(path for path in (place / "refs").rglob("*") if path.is_file())
    return tuple(
        path.relative_to(place / "refs").as_posix()
        for path in refs
        if (place / "snapshots" / path.read_text(encoding="utf-8").strip()).is_dir()
    )


def remote(model: str, revision: str | None) -> Remote:
    """Ask the hub for the files of one revision and their sizes; raises as `hub_revisions`."""
    from huggingface_hub import HfApi

    with _asking(model, revision):
        info = HfApi().model_info(model, revision=revision, files_metadata=True)
    sizes = {entry.rfilename: int(entry.size or 0) for entry in info.siblings or ()}
    return Remote(str(info.sha), sizes)


@contextmanager
def _asking(model: str, revision: str | None = None) -> Iterator[None]:
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    at = f" at revision {revision!r}" if revision else ""
    try:
        yield
    except (HfHubHTTPError, HFValidationError) as error:
        raise InputError(
            f"The hub does not give {model!r}{at} ({_reason(error)}); check the name, and log in "
            "if it is private."
        ) from error
    except Exception as error:  # the client's errors of the network differ with its version
        raise UnreachableError(
            f"The hub cannot be asked about {model!r}{at} ({_reason(error)}); run `layergeom fetch "
            f"{model}` with the same revisions where there is a network, or give a local folder."
        ) from error


def _reason(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")


def needed_files(names: Iterable[str]) -> Needed:
    """Choose what a run reads from the files of a repository.

    Examples
    --------
    >>> needed_files(["config.json", "model.safetensors", "pytorch_model.bin", "tf_model.h5"])
    Needed(small=('config.json',), weights=('model.safetensors',))
    """
    present = sorted(names)
    small = [n for n in present if any(fnmatchcase(n, pattern) for pattern in SMALL_FILES)]
    folders = sorted({n.rpartition("/")[0] for n in present})
    places = [f for f in folders if f == "" or _MODULE.fullmatch(f)]
    weights = [n for place in places for n in _weights_of(place, present)]
    return Needed(tuple(small), tuple(weights))


def _weights_of(folder: str, names: list[str]) -> list[str]:
    start = f"{folder}/" if folder else ""
    for stem, suffix in _KINDS:
        whole = f"{start}{stem}{suffix}"
        if whole in names:
            return [whole]
        if shards := [n for n in names if fnmatchcase(n, f"{start}{stem}-*-of-*{suffix}")]:
            return shards
    return []


def cache_folder(model: str) -> Path:
    """Return where the local cache keeps a hub model; it need not exist."""
    from huggingface_hub import constants
    from huggingface_hub.file_download import repo_folder_name

    return Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=model, repo_type="model")


def cached_bytes(model: str, commit: str, files: Mapping[str, int]) -> int:
    """Return how many bytes of ``files`` the local cache holds at ``commit``."""
    snapshot = cache_folder(model) / "snapshots" / commit
    return sum(size for name, size in files.items() if (snapshot / name).is_file())


def cached_weights(model: str) -> frozenset[Path]:
    """Return every weight file of a model in the local cache: links of snapshots, and blobs."""
    place = cache_folder(model)
    links = [p for p in (place / "snapshots").rglob("*") if p.suffix in (SAFE, PICKLED)]
    return frozenset(links) | frozenset((place / "blobs").glob("*"))


def remove_weights(model: str, commit: str, before: Set[Path]) -> int:
    """Remove the weights at ``commit`` that came into the cache since ``before``.

    Parameters
    ----------
    model, commit : str
        The hub id and the commit that was loaded.
    before : set of Path
        What `cached_weights` said earlier; none of it is touched.

    Returns
    -------
    int
        Bytes that were freed. A blob that another snapshot uses stays.
    """
    snapshot = cache_folder(model) / "snapshots" / commit
    links = [p for p in cached_weights(model) - before if p.is_relative_to(snapshot)]
    targets = {link: link.resolve() for link in links}
    for link in links:
        link.unlink()
    used = {p.resolve() for p in cached_weights(model) if p.is_symlink()}
    freed = 0
    for link, blob in targets.items():
        if blob == link or blob in before or blob in used or not blob.is_file():
            continue
        freed += blob.stat().st_size
        blob.unlink()
    return freed
