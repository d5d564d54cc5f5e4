"""Seeded point clouds of known dimension."""

import numpy as np
from scipy.spatial import cKDTree
from sklearn.datasets import make_swiss_roll

from layergeom.geometry import NeighborGraph, neighbor_graph


def golden_cloud(name):
    """Return the points of one entry of golden.json."""
    if name == "swiss_roll":
        return make_swiss_roll(4000, noise=0.0, random_state=0)[0]
    kind, d = name.split("_")[0], int(name.split("_d")[1].split("_")[0])
    if kind == "gauss":
        return np.random.default_rng(100 + d).standard_normal((4000, d))
    cube = np.random.default_rng(d).random((4000, d))
    return np.hstack([cube, np.zeros((4000, 60 - d))])


def torus(rng, d, n):
    """Torus of dimension d in R^2d: no boundary; chords make large dimensions read too high."""
    angle = 2 * np.pi * rng.random((n, d))
    return np.hstack([np.cos(angle), np.sin(angle)])


def flat_torus_graph(rng, d, n, k):
    """Neighbours of uniform points in the periodic unit cube: no boundary and no curvature."""
    return periodic_graph(rng.random((n, d)), k)


def periodic_graph(points, k):
    distances, indices = cKDTree(points, boxsize=1).query(points, k + 1)
    return NeighborGraph.from_arrays(distances, indices, self_included=True)


def sphere(rng, d, n):
    X = rng.standard_normal((n, d + 1))
    return X / np.linalg.norm(X, axis=1, keepdims=True)


def ball(rng, d, n):
    return sphere(rng, d - 1, n) * rng.random((n, 1)) ** (1 / d)


def gauss(rng, d, n):
    return rng.standard_normal((n, d))


def swissroll(rng, d, n):
    t = 1.5 * np.pi * (1 + 2 * rng.random(n))
    return np.stack([t * np.cos(t), 21 * rng.random(n), t * np.sin(t)], axis=1)


def embedded(rng, d, n, width):
    """Gaussian of dimension d, rotated into R^width."""
    frame = np.linalg.qr(rng.standard_normal((width, d)))[0]
    return rng.standard_normal((n, d)) @ frame.T


def poisson_distances(rng, d, n, k):
    """Neighbour distances of the exact model: (n, k) of independent homogeneous processes."""
    return np.cumsum(rng.exponential(size=(n, k)), axis=1) ** (1 / d)


def graph_of(draw, d, n):
    """How to search neighbours in a cloud of its own for every generator."""
    return lambda rng, k: neighbor_graph(draw(rng, d, n), k)
