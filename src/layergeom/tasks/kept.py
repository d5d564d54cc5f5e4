"""What is kept of a checkpoint when its states are gone: short neighbour lists and influences.

The lists hold the k neighbours that overlaps compare and, in place of distances, the order of
their levels: equal distances are equal levels, which is all that a tie asks for, in five bytes a
neighbour instead of sixteen. With the influences of the dimensions, overlaps and the joint errors
of any two checkpoints can be had later without a model.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from layergeom import geometry
from layergeom.arrays import FloatArray, IntArray
from layergeom.errors import DegenerateError, GeometryWarning, InputError, StoreError
from layergeom.geometry import NeighborGraph
from layergeom.geometry.uncertainty import Joined, adjacency
from layergeom.layer import Settings, layer_graph
from layergeom.measure import sampling_groups
from layergeom.profiles import FILE, Profile, load
from layergeom.states.hidden import HiddenStates
from layergeom.states.store import Store
from layergeom.states.tensorfile import AnyArray

FOLDER = "kept"  # the store inside a checkpoint's folder
SCHEMA = 2  # raised whenever the same states would leave other arrays
_PIECE = "measured"
_LISTS = ("indices", "levels", "point", "tie_rows", "tie_indices")


@dataclass(frozen=True, eq=False)
class Kept:
    """A checkpoint that has been measured.

    Attributes
    ----------
    profile : Profile
        Its numbers.
    arrays : mapping of str to ndarray
        By ``<position of the layer>.<name>``, on disk until they are read.
    """

    profile: Profile
    arrays: Mapping[str, AnyArray]

    def lists(self, layer: str) -> NeighborGraph | None:
        """Return the neighbours of a layer, with levels for distances; None if it has none."""
        at = self.profile.layers.index(layer)
        if f"{at}.indices" not in self.arrays:
            return None
        indices, levels, point, rows, members = (self.arrays[f"{at}.{name}"] for name in _LISTS)
        packed = {
            "distances": np.where(indices >= 0, levels, np.inf),  # as the graph marks gaps
            "indices": indices.astype(np.int64),
            "point": point.astype(np.int64),
            "tie_rows": rows.astype(np.int64),
            "tie_indices": members.astype(np.int64),
            "grouped": np.ones(1, dtype=np.int64),  # no dimension can be had from levels
        }
        if "groups" in self.arrays:
            packed["groups"] = self.arrays["groups"].astype(np.int64)
        return NeighborGraph.unpacked(packed)

    def influence(self, layers: Sequence[str]) -> FloatArray:
        """Return each row's influence on the mean dimension of these layers, times n: (n,)."""
        places = [self.profile.layers.index(layer) for layer in layers]
        rows = np.array([self.arrays[f"{at}.influence"] for at in places], dtype=np.float64)
        mean: FloatArray = rows.mean(axis=0)
        return mean

    @property
    def joined(self) -> Joined:
        """Which rows share neighbours at any layer, or are of one group."""
        columns, starts = self.arrays["joined"], self.arrays["starts"]
        n = len(starts) - 1
        pairs = sp.csr_array((np.ones(len(columns)), columns, starts), shape=(n, n))
        groups = self.arrays.get("groups")
        return Joined(pairs, None if groups is None else groups.astype(np.int64))

    @property
    def bytes(self) -> int:
        """What the arrays take on disk."""
        return sum(int(array.nbytes) for array in self.arrays.values())


def write(
    folder: Path, key: str, hidden: HiddenStates, profile: Profile, settings: Settings
) -> Kept:
    """Write what outlives the states of ``hidden`` to ``folder``, and return it.

    Raises
    ------
    StoreError
        If it cannot be written.
    """
    arrays: dict[str, AnyArray] = {}
    near: list[Joined] = []
    groups = sampling_groups(hidden, settings)
    for at, layer in enumerate(hidden.layers):
        graph = _graph(hidden, layer, settings, groups)
        if graph is None:
            continue
        arrays |= {f"{at}.{name}": x for name, x in _short(graph, settings.k).items()}
        if graph.groups is not None:
            arrays["groups"] = graph.groups.astype(np.int32)
        if layer not in profile.undefined:
            arrays[f"{at}.influence"] = _influence(graph)
            near.append(adjacency(graph, 2))
    arrays |= _union(near)
    store = Store(folder / FOLDER)
    store.put(_PIECE, arrays, key, {"profile": profile.provenance["key"]})
    return Kept(profile, _arrays(store, key))


def read(folder: Path, key: str) -> Kept | None:
    """Return what `write` wrote under the same key, None if it is not there, whole and in step."""
    store = Store(folder / FOLDER)
    if not (folder / FILE).is_file():
        return None
    try:
        facts, arrays = store.facts(_PIECE, key), _arrays(store, key)
        profile = load(folder)
    except StoreError:
        return None  # what is damaged is made again
    if facts is None or facts["profile"] != profile.provenance.get("key"):
        return None
    return Kept(profile, arrays)


def may_be_there(folder: Path) -> bool:
    """Whether something is kept at all, so that its key is worth finding out."""
    return (folder / FOLDER).is_dir()


def _arrays(store: Store, key: str) -> dict[str, AnyArray]:
    return store.get(_PIECE, key) or {}


def _graph(
    hidden: HiddenStates, layer: str, settings: Settings, groups: IntArray | None
) -> NeighborGraph | None:
    try:
        return layer_graph(hidden, layer, hidden[layer], settings, groups=groups)
    except StoreError:
        raise
    except (InputError, DegenerateError):
        return None


def _influence(graph: NeighborGraph) -> AnyArray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GeometryWarning)  # the profile holds them already
        return geometry.twonn(graph).influence.astype(np.float32)


def _short(graph: NeighborGraph, k: int) -> dict[str, AnyArray]:
    near = graph.nearest(k)
    packed = near.packed()
    rises = near.distances[:, 1:] > near.distances[:, :-1]
    levels = np.zeros(near.indices.shape, dtype=np.uint8 if k <= 256 else np.int32)
    np.cumsum(rises, axis=1, out=levels[:, 1:], dtype=levels.dtype)
    short = {name: packed[name].astype(np.int32) for name in _LISTS if name != "levels"}
    return short | {"levels": levels}


def _union(near: list[Joined]) -> dict[str, AnyArray]:
    """Return the pairs that any layer joins, without their ones."""
    if not near:
        return {}
    pairs = sp.csr_array(sum((each.pairs for each in near[1:]), start=near[0].pairs))
    return {
        "joined": pairs.indices.astype(np.int32),
        "starts": pairs.indptr.astype(np.int64),
    }
