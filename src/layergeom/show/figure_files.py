"""Figures as files: pdf, svg and png, the same bytes for the same numbers."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from layergeom.show.atomic import replace_file
from layergeom.show.figure_style import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_FORMATS: dict[str, dict[str, None]] = {
    "pdf": {"CreationDate": None},
    "svg": {"Date": None},
    "png": {"Software": None},
}


def write_figures(
    folder: str | Path, drawings: Mapping[str, Callable[[], Figure]]
) -> tuple[Path, ...]:
    """Draw figures one after the other and write each as pdf, svg and png.

    Parameters
    ----------
    folder : str or Path
        Made where it is missing; files of the same names are replaced.
    drawings : mapping of str to callable
        What draws each figure, by the name of its files.

    Returns
    -------
    tuple of Path
        ``<name>.pdf``, ``.svg``, ``.png`` of each. About a second per figure.

    Raises
    ------
    InputError
        If the folder cannot be written.
    """
    written = []
    for name, draw in drawings.items():
        figure = draw()
        for extension in _FORMATS:
            path = Path(folder) / f"{name}.{extension}"
            written.append(replace_file(path, _rendered(figure, extension)))
    return tuple(written)


def _rendered(figure: Figure, extension: str) -> bytes:
    file = io.BytesIO()
    with style():
        figure.savefig(file, format=extension, dpi=200, metadata=_FORMATS[extension])
    figure.set_layout_engine("none")  # the layout found for the first format serves the others
    return file.getvalue()
