"""Seeded point clouds of known dimension."""

import numpy as np
from scipy.spatial import cKDTree
from sklearn.datasets import make_swiss_roll

from layergeom.geometry import NeighborGraph


def golden_cloud(name):
    """Return the points of one entry of golden.json."""
    if name == "swiss_roll":
        return make_swiss_roll(4000, noise=0.0, random_state=0)[0]
    kind, d = name.split("_")[0], int(name.split("_d")[1].split("_")[0])
    if kind == "gauss":
        return np.random.default_rng(100 + d).standard_normal((4000, d))
    cube = np.random.default_rng(d).random((4000, d))
    return np.hstack([cube, np.zeros((4000, 60 - d))])


def flat_torus_graph(rng, d, n, k):
    """Neighbours of uniform points in the periodic unit cube: no boundary and no curvature."""
    points = rng.random((n, d))
    distances, indices = cKDTree(points, boxsize=1).query(points, k + 1)
    return NeighborGraph.from_arrays(distances, indices, self_included=True)


def poisson_distances(rng, d, n, k):
    """Neighbour distances of the exact model: (n, k) of independent homogeneous processes."""
    return np.cumsum(rng.exponential(size=(n, k)), axis=1) ** (1 / d)
