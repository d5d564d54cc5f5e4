"""Rows in groups whose members lie about a common centre."""

import numpy as np


def clumps(rng, groups, members, correlation, d=10, stretch=1.0):
    """Standard normal rows, correlated within groups: (groups · members, d), and their groups.

    The first coordinate is stretched, so that the first principal direction is well defined.
    """
    shared = np.repeat(rng.standard_normal((groups, d)), members, axis=0)
    own = rng.standard_normal((groups * members, d))
    X = np.sqrt(correlation) * shared + np.sqrt(1 - correlation) * own
    X[:, 0] *= stretch
    return X, np.repeat(np.arange(groups), members)
