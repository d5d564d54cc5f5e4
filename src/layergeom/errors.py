"""What can go wrong, and the exit code that the command line gives it.

Every message is one sentence: what is wrong, where, and what to do.
"""

from __future__ import annotations


class LayergeomError(Exception):
    """Base of all errors that layergeom raises on purpose."""

    exit_code = 1


class InputError(LayergeomError, ValueError):
    """The input cannot be used; the message names the place and the remedy (exit code 2)."""

    exit_code = 2


class InputTypeError(InputError, TypeError):
    """The input is of a type that holds no real numbers (exit code 2)."""


class StoreError(InputError):
    """A stored file is damaged, foreign or from a newer version (exit code 2)."""


class DegenerateError(LayergeomError, ValueError):
    """The data are well formed but the quantity is undefined on them (exit code 3)."""

    exit_code = 3


class WorkerError(LayergeomError, RuntimeError):
    """A process that carried out a piece of the work was lost (exit code 1)."""


class GeometryWarning(UserWarning):
    """The result holds, but something about the data limits what it means."""


class StoreWarning(UserWarning):
    """A stored file was damaged and is computed anew; the result is what it would have been."""
