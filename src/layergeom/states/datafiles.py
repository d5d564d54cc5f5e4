"""Files and folders of samples, each kind read as a table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from layergeom.errors import InputError
from layergeom.states.fasta import FASTA_FILES, read_fasta
from layergeom.states.images import IMAGE_FILES, ImageFiles, Images
from layergeom.states.lines import listed, suffix
from layergeom.states.splits import part_of_dataset, rows_of_split
from layergeom.states.stored_files import npz_arrays
from layergeom.states.tables import Table, from_columns, is_columnar, read_table

DATASET_FILES = ("state.json", "dataset_dict.json")  # of a saved dataset
FOLDER = "folder"  # the column of the first sub-folders


def read_data(
    path: Path, has_header: Callable[[Sequence[str]], bool], split: str | None = None
) -> Table:
    """Read a text file, FASTA, ``.npz``, a folder of images, or the folder of a saved dataset.

    Parameters
    ----------
    path : Path
        File or folder.
    has_header : callable
        Judges the first row of a CSV or TSV file.
    split : str, optional
        Only these rows (see :func:`layergeom.states.splits.rows_of_split`).

    Raises
    ------
    InputError
        For an unknown kind of file or folder, no rows, an unknown split, or malformed content,
        which it names.
    """
    _check_no_column(path)
    if path.is_dir() and any((path / name).is_file() for name in DATASET_FILES):
        return _read_dataset(path, split)
    return rows_of_split(
        _read_folder(path) if path.is_dir() else _read_file(path, has_header), split
    )


def _check_no_column(path: Path) -> None:
    """Refuse ``file:column`` as data: the column might be its labels, or its texts."""
    head, colon, column = str(path).rpartition(":")
    if colon and not path.exists() and Path(head).exists():
        raise InputError(
            f"{path} is no file: give the data as {head}, and its column apart: --labels {column} "
            f"(labels={column!r}), or --text-column {column}."
        )


def _read_file(path: Path, has_header: Callable[[Sequence[str]], bool]) -> Table:
    kind = suffix(path)
    if kind == ".npz":
        return _read_npz(path)
    if kind in IMAGE_FILES:
        raise InputError(f"{path} is a single image; give the folder that the images lie in.")
    if kind not in FASTA_FILES:
        return read_table(path, has_header)
    table = read_fasta(path)
    if not table.n:
        raise InputError(f"{path} holds no sequences; at least one is needed.")
    return table


def _read_npz(path: Path) -> Table:
    arrays = npz_arrays(path)
    if single := [array.name for array in arrays if not array.shape]:
        raise InputError(
            f"{path}, {single[0]!r} is a single value; each array must hold one entry per row."
        )
    return from_columns({array.name: array.read() for array in arrays}, path.name)


def _read_folder(path: Path) -> Table:
    """Read a folder of images; its column ``folder`` has the first sub-folder of each."""
    files = ImageFiles(path)
    if not files:
        found = f"other files: {listed(files.others)}" if files.others else "no files"
        raise InputError(
            f"{path} is a folder with no images in it ({found}); give a folder of images "
            f"({', '.join(IMAGE_FILES)}), a file of texts, sequences or tokens, or the folder "
            "that a dataset's save_to_disk wrote."
        )
    columns = {"image": Images(files, path.name), "id": files.names}
    if any(classes := files.classes):
        columns |= {FOLDER: classes}
    left = len(files.others)
    verb = "file that is no image was" if left == 1 else "files that are no images were"
    notes = (f"{left:,} {verb} left out: {listed(files.others)}.",) if left else ()
    counts = {"files_left_out": left} if left else {}
    return Table(path.name, columns, len(files), notes=notes, counts=counts, texts="image")


def _read_dataset(path: Path, split: str | None) -> Table:
    try:
        import datasets
    except ImportError:
        raise InputError(f"{path} is a saved dataset: pip install datasets to read it.") from None
    try:
        data = datasets.load_from_disk(str(path))
    except Exception as error:  # damaged files raise anything
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(f"{path} cannot be read as a saved dataset ({reason}).") from error
    data, split = part_of_dataset(data, split)
    if not is_columnar(data):
        raise InputError(f"{path} holds no table of samples.")
    return rows_of_split(from_columns(data, path.name), split)
