"""The embedded default: a small image GPT over the pixels of scikit-learn's digits.

The real path on real weights: model → states → profile with labels → dynamics over the training
checkpoints. Weights, training log and provenance lie in ``layergeom/demo``; the script that
trained them is ``training/train_digits_gpt.py``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from layergeom.arrays import IntArray
from layergeom.layer import Settings
from layergeom.measure import Progress
from layergeom.profiles import Profile
from layergeom.states.inputs import Samples, read_samples
from layergeom.tasks.dynamics import Dynamics, dynamics

CHECKPOINTS = Path(__file__).parents[1] / "demo" / "digits-gpt"
LEVELS = 17  # grey levels 0..16; the start token comes after them
K = 30


def digits() -> Samples:
    """Return scikit-learn's 1,797 digits as token ids (start token, then all pixels but the last).

    The labels are the ten digits.
    """
    from sklearn.datasets import load_digits

    images = load_digits()
    pixels: IntArray = images.images.reshape(len(images.images), -1).astype(np.int64)
    start = np.full((len(pixels), 1), LEVELS)
    return read_samples(np.concatenate([start, pixels[:, :-1]], axis=1), labels=images.target)


def demonstrate(folder: Path, progress: Progress | None = None) -> tuple[Profile, Dynamics]:
    """Profile the embedded model on the digits, and its training.

    Parameters
    ----------
    folder : Path
        Keeps the states of every checkpoint, so that a second run computes no forward pass.
    progress : callable(done, total, what), optional
        Called along the way.

    Returns
    -------
    (Profile, Dynamics)
        The trained model's profile, and the profiles of all checkpoints.

    Notes
    -----
    Takes less than a minute on two cores; the model has 0.6 million weights.
    """
    found = dynamics(
        CHECKPOINTS,
        digits(),
        settings=Settings(k=K),
        folder=folder / "checkpoints",
        progress=progress,
    )
    return found.profiles[-1], found
