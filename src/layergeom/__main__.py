"""``python -m layergeom`` is the command line."""

from layergeom.cli import main

main()
