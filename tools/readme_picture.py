"""Draw the picture of the README from a run of the demo.

``layergeom demo -o demo && python tools/readme_picture.py demo docs/_static/profile.png``
"""

from __future__ import annotations

import sys
from pathlib import Path

from matplotlib.figure import Figure

import layergeom as lg
from layergeom.show import figures


def main(run: str, picture: str) -> None:
    """Draw dimension, overlaps and anisotropy of a run side by side."""
    profile = lg.load(run)
    figure = Figure(figsize=(15, 4.4), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    figures.dimension(profile, ax=left, reading=profile.reading)
    figures.overlap(profile, ax=middle, reading=profile.reading)
    figures.anisotropy(profile, ax=right, reading=profile.reading)
    Path(picture).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(picture, dpi=110, metadata={"Software": None})


if __name__ == "__main__":
    main(*sys.argv[1:])
