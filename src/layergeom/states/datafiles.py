"""Files and folders of samples, each kind read as a table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from layergeom.errors import InputError
from layergeom.states.fasta import FASTA_FILES, read_fasta
from layergeom.states.lines import suffix
from layergeom.states.stored_files import npz_arrays
from layergeom.states.tables import Table, from_columns, is_columnar, read_table


def read_data(path: Path, has_header: Callable[[Sequence[str]], bool]) -> Table:
    """Read a text file, FASTA, ``.npz``, or the folder of a saved dataset.

    ``has_header`` judges the first row of a CSV or TSV file.

    Raises
    ------
    InputError
        For an unknown kind of file or folder, no rows, or malformed content, which it names.
    """
    if path.is_dir():
        return _read_folder(path)
    kind = suffix(path)
    if kind == ".npz":
        return _read_npz(path)
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
    if not any((path / name).is_file() for name in ("state.json", "dataset_dict.json")):
        raise InputError(
            f"{path} is a folder; give a file of texts, sequences or tokens, or the folder that a "
            "dataset's save_to_disk wrote (images must be given as rows of tokens)."
        )
    try:
        import datasets
    except ImportError:
        raise InputError(f"{path} is a saved dataset: pip install datasets to read it.") from None
    try:
        data = datasets.load_from_disk(str(path))
    except Exception as error:  # damaged files raise anything
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(f"{path} cannot be read as a saved dataset ({reason}).") from error
    if not is_columnar(data):
        raise InputError(f"{path} holds no table of samples.")
    return from_columns(data, path.name)
