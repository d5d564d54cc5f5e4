"""A profile with its reading, figures and report at hand."""

from __future__ import annotations

from dataclasses import fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from layergeom.profiles import Profile
from layergeom.reading import Phase, Reading, Recommendation, read

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class ProfileResult(Profile):
    """A profile with its reading, figures and report at hand.

    All that :class:`layergeom.profiles.Profile` holds, and: ``phases``, ``recommendation``,
    ``reading``, ``plot()``, ``report()``; and in ``folder`` where its states are, None if nowhere.
    """

    folder: Path | None = None

    @classmethod
    def of(cls, profile: Profile, folder: Path | str | None = None) -> ProfileResult:
        """Return the same numbers with their views, of a run in ``folder`` (or its file)."""
        found = cls(**{f.name: getattr(profile, f.name) for f in fields(Profile)})
        if folder is not None:
            place = Path(folder)
            object.__setattr__(found, "folder", place if place.is_dir() else place.parent)
        return found

    @cached_property
    def reading(self) -> Reading:
        """What the profile says, in statements with evidence."""
        return read(self)

    @property
    def phases(self) -> tuple[Phase, ...]:
        """Phases of the dimension from the first layer to the last."""
        return self.reading.phases

    @property
    def recommendation(self) -> Recommendation:
        """The layer to use: found? repeatable? useful?"""  # noqa: D400
        return self.reading.recommendation

    def plot(self, quantity: str = "dimension") -> Figure:
        """Return a matplotlib figure of a quantity over the layers with its errors.

        Raises
        ------
        InputError
            If the profile does not hold it; the message lists what it holds.
        """
        from layergeom.show.figures import dimension, one

        if self[quantity].name == "dimension":
            return dimension(self, reading=self.reading).figure
        return one(self, quantity, reading=self.reading).figure

    def report(self, path: Path | str, command: str = "") -> Path:
        """Write the offline report to ``path`` and return it."""
        from layergeom.show.report import write_report

        return write_report(path, self, self.reading, command=command)
