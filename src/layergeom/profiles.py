"""The profile of a set of hidden states: every quantity of every layer, with its error.

This file holds the result; :mod:`layergeom.measure` fills it. A profile contains numbers, names
and provenance only, so that figures and reports are remade from a small file without the states.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from layergeom.arrays import FloatArray, IntArray
from layergeom.errors import InputError, StoreError
from layergeom.states import durable
from layergeom.states.hidden import LayerName
from layergeom.states.sealed import sealed, unsealed

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = 1
FILE = "profile.json"
BY_LABELS = ("label_overlap", "label_agreement", "label_jaccard")  # classes, numbers, several
STATES = "states"  # the store that a run keeps beside it
CHECKPOINTS = "checkpoints"  # the runs that a dynamics run keeps beside it


@dataclass(frozen=True, eq=False)
class Curve:
    """One quantity over the layers.

    Attributes
    ----------
    name : str
        The quantity.
    values, errors : ndarray, shape (L,)
        Values and standard errors; nan where undefined or not known.
    chance : ndarray, shape (L,), or None
        The level that chance reaches, for overlaps.
    """

    name: str
    values: FloatArray
    errors: FloatArray
    chance: FloatArray | None = None


@dataclass(frozen=True, eq=False)
class LayerMap:
    """One quantity between every two layers: (L, L) values and errors, and the chance level."""

    name: str
    values: FloatArray
    errors: FloatArray
    chance: float


@dataclass(frozen=True, eq=False)
class ScaleCurve:
    """Dimension against distance for one layer (see ``geometry.scale_analysis``)."""

    ranks: IntArray
    distances: FloatArray
    values: FloatArray
    errors: FloatArray
    plateau: tuple[int, int] | None
    plateau_dimension: float
    plateau_error: float
    plateau_share: float = float("nan")  # so in profiles of earlier versions

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> ScaleCurve:
        """Return a curve from its JSON."""
        plateau = content["plateau"]
        return cls(
            _whole(content["ranks"]),
            _floats(content["distances"]),
            _floats(content["values"]),
            _floats(content["errors"]),
            None if plateau is None else (plateau[0], plateau[1]),
            float(_floats(content["plateau_dimension"])),
            float(_floats(content["plateau_error"])),
            float(_floats(content.get("plateau_share"))),
        )


@dataclass(frozen=True, eq=False)
class Profile:
    """The geometry of every layer, with errors and provenance.

    Attributes
    ----------
    layers : tuple of str
        ``embedding``, ``block_1`` … ``block_L`` and, where there is one, ``final``; or the
        user's own names for stored arrays.
    names : tuple of LayerName
        The same layers in each tool's words.
    curves : mapping of str to Curve
        Quantities over the layers; with labels also one of :data:`BY_LABELS`.
    maps : mapping of str to LayerMap
        ``overlap``: neighbourhood overlap of every two layers.
    scales : mapping of str to ScaleCurve
        Dimension against distance; layers with an undefined dimension are absent.
    decimation : mapping of str to mapping
        Dimension against sample size: ``n``, ``values``, ``errors`` by layer.
    covariance : mapping of str to ndarray, shape (L, L)
        Covariance of the layers' estimates of ``dimension`` and of what the labels give.
    undefined : mapping of str to str
        Layers without a dimension, and why.
    counts : mapping of str to int
        Rows, distinct rows, truncated rows and the like.
    warnings : tuple of str
        What limits the meaning of the numbers.
    provenance : mapping
        States, settings, versions, key, time of creation.
    nulls : mapping of str to mapping of str to Curve
        By kind (``permuted``, ``gaussian``, ``shuffled``, ``untrained``, ``length``) what curves
        of these names read where there is nothing to find; empty unless asked for. Of ``permuted``
        the mean, and the upper 95 % under ``<curve>_upper``.
    """

    layers: tuple[str, ...]
    names: tuple[LayerName, ...]
    curves: Mapping[str, Curve]
    maps: Mapping[str, LayerMap]
    scales: Mapping[str, ScaleCurve]
    decimation: Mapping[str, Mapping[str, list[float]]]
    covariance: Mapping[str, FloatArray]
    undefined: Mapping[str, str]
    counts: Mapping[str, int]
    warnings: tuple[str, ...]
    provenance: Mapping[str, Any]
    nulls: Mapping[str, Mapping[str, Curve]] = field(default_factory=dict)

    def __getitem__(self, quantity: str) -> Curve:
        """Return one quantity over the layers.

        Raises
        ------
        InputError
            If the profile does not hold it; the message lists what it holds.
        """
        if quantity not in self.curves:
            raise InputError(
                f"this profile has no quantity {quantity!r}; it has {', '.join(self.curves)}."
            )
        return self.curves[quantity]

    @property
    def dimension(self) -> Curve:
        """Intrinsic dimension (TwoNN, maximum likelihood) of every layer."""
        return self["dimension"]

    @property
    def overlap(self) -> LayerMap:
        """Neighbourhood overlap of every two layers."""
        return self.maps["overlap"]

    @property
    def label_overlap(self) -> Curve:
        """Overlap of neighbourhoods with classes.

        Raises
        ------
        InputError
            If the profile was made without labels, or these are no classes.
        """
        if self.of_labels is None:
            raise InputError("this profile was made without labels; give labels=… to profile().")
        return self["label_overlap"]

    @property
    def of_labels(self) -> Curve | None:
        """The curve that the labels give, of whatever kind they are; None without labels."""
        return next((self.curves[name] for name in BY_LABELS if name in self.curves), None)

    @property
    def anisotropy(self) -> Curve:
        """Centred spectral anisotropy of every layer."""
        return self["anisotropy"]

    @property
    def blocks(self) -> tuple[int, ...]:
        """Positions of the layers that lie along the depth: all but ``final``."""
        return tuple(i for i, layer in enumerate(self.layers) if layer != "final")

    def rows(self) -> list[dict[str, Any]]:
        """Return one dict per layer: names, then every quantity with its ``_error``."""
        table = []
        for i, name in enumerate(self.names):
            row: dict[str, Any] = {"layer": name.key, "depth": name.depth}
            for quantity, curve in self.curves.items():
                row[quantity] = float(curve.values[i])
                row[f"{quantity}_error"] = float(curve.errors[i])
                if curve.chance is not None:
                    row[f"{quantity}_chance"] = float(curve.chance[i])
            row["undefined"] = self.undefined.get(name.key, "")
            table.append(row)
        return table

    def to_frame(self) -> pd.DataFrame:
        """Return the table of :meth:`rows` as a pandas DataFrame indexed by layer."""
        import pandas as pd

        return pd.DataFrame(self.rows()).set_index("layer")

    def to_json(self) -> str:
        """Return the whole profile as JSON with its digest; nan is null, all digits are kept."""
        content = {"schema": SCHEMA} | {
            f.name: plain(getattr(self, f.name)) for f in fields(Profile)
        }
        return sealed(content)

    def save(self, folder: Path | str) -> Path:
        """Write ``profile.json`` into ``folder`` (made if absent) whole or not at all.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        StoreError
            If it cannot be written; a former profile is then intact.
        """
        path = Path(folder) / FILE
        with durable.explained(path):
            durable.write(path, self.to_json().encode())
        return path


def load(path: Path | str) -> Profile:
    """Read a saved profile, equal to the one that was saved.

    Parameters
    ----------
    path : path
        A ``profile.json``, or the folder that holds one.

    Raises
    ------
    InputError
        If there is none.
    StoreError
        If the file is damaged or was written by a newer version.
    """
    path = Path(path)
    file = path / FILE if path.is_dir() else path
    if not file.is_file():
        raise InputError(f"there is no profile at {path}; run `layergeom run` to make one.")
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        schema = content["schema"]
        if schema > SCHEMA:
            raise StoreError(
                f"{file} has schema {schema}, newer than this version's {SCHEMA}; update layergeom."
            )
        return _profile(unsealed(content))
    except StoreError:
        raise
    except (LookupError, TypeError, ValueError, OverflowError, AttributeError, RecursionError) as e:
        raise StoreError(
            f"{file} is not a whole profile ({type(e).__name__}: {e}); run it again."
        ) from None


def _profile(content: Mapping[str, Any]) -> Profile:
    profile = Profile(
        layers=_texts(content["layers"]),
        names=tuple(LayerName(**name) for name in content["names"]),
        curves=_curves(content["curves"]),
        maps={key: _map(value) for key, value in content["maps"].items()},
        scales={key: ScaleCurve.of(value) for key, value in content["scales"].items()},
        decimation={key: number_lists(value) for key, value in content["decimation"].items()},
        covariance={key: _floats(value) for key, value in content["covariance"].items()},
        undefined=_mapping(content["undefined"]),
        counts=_mapping(content["counts"]),
        warnings=_texts(content["warnings"]),
        provenance=_mapping(content["provenance"]),
        nulls={kind: _curves(null) for kind, null in content.get("nulls", {}).items()},
    )
    _check_shapes(profile)
    return profile


def _check_shapes(profile: Profile) -> None:
    size = len(profile.layers)
    if tuple(name.key for name in profile.names) != profile.layers:
        raise ValueError("names and layers differ")
    nulls = [curve for null in profile.nulls.values() for curve in null.values()]
    for curve in (*profile.curves.values(), *nulls):
        for array in (curve.values, curve.errors, curve.chance):
            if array is not None and array.shape != (size,):
                raise ValueError(f"{curve.name} has shape {array.shape} for {size} layers")
    squares = [array for x in profile.maps.values() for array in (x.values, x.errors)]
    for array in (*squares, *profile.covariance.values()):
        if array.shape != (size, size):
            raise ValueError(f"a map has shape {array.shape} for {size} layers")
    for key, scale in profile.scales.items():
        arrays = (scale.ranks, scale.distances, scale.values, scale.errors)
        if len({array.shape for array in arrays}) > 1 or scale.ranks.ndim != 1:
            raise ValueError(f"the scales of {key} differ in length")


def _texts(content: Any) -> tuple[str, ...]:
    if not isinstance(content, list) or not all(isinstance(text, str) for text in content):
        raise TypeError("a list of texts is expected")
    return tuple(content)


def _mapping(content: Any) -> Any:
    if not isinstance(content, dict):
        raise TypeError(f"a mapping is expected, not {type(content).__name__}")
    return content


def _curves(content: Mapping[str, Any]) -> dict[str, Curve]:
    return {name: _curve(value) for name, value in content.items()}


def _curve(content: Mapping[str, Any]) -> Curve:
    chance = content["chance"]
    return Curve(
        content["name"],
        _floats(content["values"]),
        _floats(content["errors"]),
        None if chance is None else _floats(chance),
    )


def _map(content: Mapping[str, Any]) -> LayerMap:
    return LayerMap(
        content["name"], _floats(content["values"]), _floats(content["errors"]), content["chance"]
    )


def layer_span(keys: Sequence[str], layers: Sequence[str]) -> str:
    """Name layers of a profile, runs of neighbouring ones by their ends.

    Examples
    --------
    >>> layer_span(["block_1", "block_3", "block_4"], [f"block_{i}" for i in range(6)])
    'block_1, block_3 to block_4'
    """
    places = enumerate(layers.index(key) for key in keys)
    runs = [[at for _, at in run] for _, run in groupby(places, key=lambda item: item[1] - item[0])]
    return ", ".join(
        layers[run[0]] if len(run) == 1 else f"{layers[run[0]]} to {layers[run[-1]]}"
        for run in runs
    )


def number_lists(content: Mapping[str, Any]) -> dict[str, list[float]]:
    """Return lists of numbers from their JSON: null is nan."""
    return {key: [np.nan if x is None else x for x in row] for key, row in content.items()}


def _whole(content: Any) -> IntArray:
    numbers = _floats(content)
    if not np.array_equal(numbers, np.round(numbers)) or np.any(np.abs(numbers) > 1 << 53):
        raise ValueError("ranks are whole numbers")
    return numbers.astype(np.int64)


def _floats(content: Any) -> FloatArray:
    return np.array(content, dtype=np.float64)  # None becomes nan


def plain(value: Any) -> Any:
    """Return a value as JSON can hold it: dataclasses are mappings, arrays lists, nan is null.

    Parameters
    ----------
    value : object
        Mappings, sequences, arrays and parts of a profile, nested as they come; what else there
        is stays as it is.

    Examples
    --------
    >>> plain({"values": np.array([1.5, np.nan]), 7: (True, None)})
    {'values': [1.5, None], '7': [True, None]}
    """
    if isinstance(value, (Curve, LayerMap, ScaleCurve, LayerName)):
        return {key: plain(item) for key, item in vars(value).items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, (float, np.floating)):
        return float(value) if np.isfinite(value) else None
    return value.item() if isinstance(value, np.generic) else value
