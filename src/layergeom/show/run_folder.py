"""Everything that a run leaves behind, in one folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from layergeom.show.atomic import replace_file
from layergeom.show.figures import save_figures
from layergeom.show.methods import methods_text, references_bib
from layergeom.show.report import write_report
from layergeom.show.table import csv_text, write_csv

if TYPE_CHECKING:
    from layergeom.profiles import Profile
    from layergeom.reading import Reading
    from layergeom.tasks.dynamics import Dynamics


def write_run(
    folder: str | Path,
    profile: Profile,
    reading: Reading,
    dynamics: Dynamics | None = None,
    command: str = "",
) -> tuple[Path, ...]:
    """Write report, tables, figures, methods and references of a profile.

    Parameters
    ----------
    folder : str or Path
        Made where it is missing; files of the same names are replaced.
    profile : Profile
    reading : Reading
    dynamics : Dynamics, optional
        Of the training whose last checkpoint the profile is: adds ``dynamics.csv``, and what the
        report and the figures say of it.
    command : str
        The exact command, shown in the report.

    Returns
    -------
    tuple of Path
        ``report.html``, ``dynamics.csv`` (of a training: a row per checkpoint and layer),
        ``profile.csv``, ``profile.json``, the folder ``figures``, ``methods.txt``,
        ``references.bib``, in the order to print.

    Raises
    ------
    InputError
        If the folder cannot be written.
    """
    place = Path(folder)
    figures = place / "figures"
    replace_file(place / "methods.txt", methods_text(profile))
    replace_file(place / "references.bib", references_bib())
    write_csv(place / "profile.csv", profile)
    of_training = () if dynamics is None else _training_files(place, dynamics)
    profile.save(place)
    save_figures(profile, reading, figures, dynamics)
    write_report(place / "report.html", profile, reading, dynamics, command)
    names = ("profile.csv", "profile.json", "figures", "methods.txt", "references.bib")
    return (place / "report.html", *of_training, *(place / name for name in names))


def _training_files(place: Path, dynamics: Dynamics) -> tuple[Path, ...]:
    return (replace_file(place / "dynamics.csv", csv_text(dynamics.rows())),)
