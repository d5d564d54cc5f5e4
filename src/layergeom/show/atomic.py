"""Files that are whole or not there: written beside their place, then renamed into it."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from layergeom.errors import InputError


def replace_file(path: Path, content: str | bytes) -> Path:
    """Write ``content`` to ``path`` so that a reader never sees half of it.

    Parameters
    ----------
    path : Path
        Its folder is made where it is missing.
    content : str or bytes
        Text is written as UTF-8 with Unix line ends.

    Returns
    -------
    Path
        ``path``.

    Raises
    ------
    InputError
        If the folder cannot be written.
    """
    data = content.encode("utf-8", "replace") if isinstance(content, str) else content
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _rename_into(path, data)
    except OSError as error:
        raise InputError(
            f"{path} cannot be written ({error.strerror or error}); choose another output folder "
            "or free its disk."
        ) from error
    return path


def _rename_into(path: Path, data: bytes) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
