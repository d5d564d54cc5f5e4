"""Files that are whole or not there: written beside their place, then renamed into it."""

from __future__ import annotations

from pathlib import Path

from layergeom.errors import InputError
from layergeom.states import durable


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
        durable.write(path, data)
    except OSError as error:
        raise InputError(
            f"{path} cannot be written ({error.strerror or error}); choose another output folder "
            "or free its disk."
        ) from error
    return path
