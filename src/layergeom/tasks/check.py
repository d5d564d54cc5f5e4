"""What a run has left: whether it is whole, what is unfinished, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from layergeom import profiles
from layergeom.errors import InputError, LayergeomError
from layergeom.profiles import FILE
from layergeom.states import durable
from layergeom.states.manifest import MANIFEST, is_piece_file
from layergeom.states.store import DRAFT, Store
from layergeom.states.unfinished import read_journal
from layergeom.written import counted

MEND = "the same command, or the next one that needs it, computes it anew."


@dataclass(frozen=True)
class Checked:
    """One thing that was looked at.

    Attributes
    ----------
    path : str
        File or folder.
    state : {"sound", "damaged", "unfinished", "left over"}
        Only damage is a fault: what is unfinished goes on, and left-overs go with the next run.
    text : str
        One sentence, with what to do.
    """

    path: str
    state: Literal["sound", "damaged", "unfinished", "left over"]
    text: str


def check(path: Path | str) -> tuple[Checked, ...]:
    """Verify all that a run, or several, have left in a folder.

    Parameters
    ----------
    path : path
        Folder of a run or of a training run, a store, or a ``profile.json``. Every store and
        profile below it is read, whatever command has left it.

    Returns
    -------
    tuple of Checked
        In the order of their paths; of a damaged store one for each piece.

    Raises
    ------
    InputError
        If there is nothing of the kind.

    Notes
    -----
    Reads every stored byte once (about 1 GB/s) and writes nothing. A file counts as sound if its
    size and SHA-256 are those of the manifest, a profile if it fits the SHA-256 within it (one of
    an earlier version has none: it counts as sound if it can be read whole). What someone has
    rewritten together with its digests is not found.
    """
    place = Path(path)
    found = [one for folder in _folders(place) for one in _of_folder(folder)]
    if not found:
        raise InputError(
            f"there is no run at {place}: neither a {FILE} nor a store; give the folder of a run."
        )
    return tuple(found)


def _folders(place: Path) -> list[Path]:
    if not place.is_dir():
        return [place.parent] if place.name == FILE and place.is_file() else []
    return [place, *sorted(inner for inner in place.rglob("*") if inner.is_dir())]


def _of_folder(folder: Path) -> Iterator[Checked]:
    if (folder / FILE).is_file():
        yield _of_profile(folder / FILE)
    names = [inner.name for inner in folder.iterdir()]
    if MANIFEST in names or any(is_piece_file(name) or name.startswith(DRAFT) for name in names):
        yield from _of_store(Store(folder))
    elif any(name.startswith(durable.UNFINISHED) for name in names):
        yield Checked(str(folder), "left over", "files half written by a run that was killed.")


def _of_profile(file: Path) -> Checked:
    try:
        found = profiles.load(file)
    except LayergeomError as error:
        return Checked(str(file), "damaged", str(error))
    layers = counted(len(found.layers), "layer", "layers")
    return Checked(str(file), "sound", f"a profile of {layers}.")


def _of_store(store: Store) -> Iterator[Checked]:
    place, damaged = str(store.folder), store.damaged()
    yield from (Checked(place, "damaged", _with_remedy(text)) for text in damaged)
    if not damaged and (count := len(store.names())):
        pieces = counted(count, "piece", "pieces")
        yield Checked(place, "sound", f"a store of {pieces}, all as they were written.")
    strangers = [path.name for path in store.strangers()]
    if any(name.startswith(DRAFT) for name in strangers):
        yield Checked(place, "unfinished", _unfinished(store.folder))
    left = [n for n in strangers if is_piece_file(n) or n.startswith(durable.UNFINISHED)]
    if left:
        files = counted(len(left), "file that belongs", "files that belong")
        yield Checked(place, "left over", f"{files} to no piece.")


def _with_remedy(text: str) -> str:
    return text if ";" in text else f"{text.rstrip('.')}; {MEND}"


def _unfinished(folder: Path) -> str:
    journals = [read_journal(path) for path in sorted(folder.glob(f"{DRAFT}*.json"))]
    for journal in journals:
        if journal is not None:
            done, parts = len(journal["parts"]), journal["parts_in_all"]
            return f"states, {done} of {parts} parts done; the same command goes on from there."
    return "states, no part done yet; the same command begins them anew."
