"""The cells of the layer rule's calibration: courses, layers, rows, correlation, sampling."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from itertools import product
from types import MappingProxyType
from typing import Literal, TypeAlias

import numpy as np

from calibration.stacks import REAL, STRONG, WEAK, Sampling, Stack, shape, to_be_read
from layergeom.arrays import FloatArray

Part: TypeAlias = Literal["null", "hard null", "power", "correlated power"]

LAYERS = (7, 13, 25, 49)
ROWS = (500, 1000, 2000, 5000)
DIPS = (0.03, 0.05, 0.08, 0.1, 0.15, 0.2, 0.3)
DEEP = (13, 25)  # layers at which power is measured
PEAK, DIP = 0.25, 0.6  # relative depths
NULLS: Mapping[str, Mapping[float, float]] = MappingProxyType(
    {
        "flat": {0: 5.0, 1: 5.0},
        "rising": {0: 3.5, 1: 6.0},
        "falling": {0: 6.0, 1: 3.5},
        "hunchback": {0: 3.5, 0.35: 6.0, 1: 3.5},
        "falling, then flat": {0: 6.0, 0.5: 4.0, 1: 4.0},
        "peak, then plateau": {0: 3.5, PEAK: 6.0, 0.5: 4.5, 1: 4.5},
        "rise, plateau, rise": {0: 3.5, PEAK: 5.0, 0.75: 5.0, 1: 6.0},
    }
)
LEAST_FAVOURABLE = ("peak, then plateau", "rise, plateau, rise")  # one false difference is enough
DRAWN = MappingProxyType({500: 100, 1000: 60, 2000: 40, 5000: 12})  # repetitions by rows


@dataclass(frozen=True)
class Cell:
    """One law of stacks, drawn many times.

    Attributes
    ----------
    part : {"null", "hard null", "power", "correlated power"}
        Whether a minimum after a peak is there to be found, and for which table it is.
    shape : str
        The course in words.
    layers, rows : int
        Size of a stack.
    dip : float
        Relative depth of the minimum below the peak and below the second rise; 0 for a null.
    own_noise : float
        Of :class:`calibration.stacks.Stack`.
    sampling : str
        Of the stack, or "demo": a layer of the shipped model, and noise.
    dimension : float
        If positive, that of every layer instead of a course.
    told : bool
        Whether the reading is told of the groups.
    """

    part: Part
    shape: str
    layers: int
    rows: int
    dip: float = 0.0
    own_noise: float = REAL
    sampling: Sampling | Literal["demo"] = "even"
    dimension: float = 0.0
    told: bool = True

    @property
    def name(self) -> str:
        """The cell in words; part of its seed."""
        words = [self.part, self.shape, f"{self.layers} layers", f"{self.rows} rows"]
        words += [f"own noise {self.own_noise}"] if self.own_noise != REAL else []
        words += [self.sampling] if self.sampling != "even" else []
        return ", ".join(words if self.told else [*words, "groups not told"])

    @property
    def minimum(self) -> int | None:
        """The layer of the true minimum."""
        return round(DIP * (self.layers - 1)) if self.dip else None

    @property
    def course(self) -> tuple[float, ...]:
        """What TwoNN reads in the mean."""
        if self.dip:
            return shape({0: 4.0, PEAK: 6.0, DIP: 6.0 * (1 - self.dip), 1: 6.0}, self.layers)
        return shape(NULLS[self.shape], self.layers)

    @property
    def repetitions(self) -> int:
        """How many stacks are drawn unless told otherwise."""
        return DRAWN[self.rows] // (2 if self.layers > 25 else 1)


def stack(cell: Cell) -> Stack:
    """Return the law of a cell's stacks.

    Raises
    ------
    ValueError
        If it is not of synthetic layers.
    """
    if cell.sampling == "demo":
        raise ValueError("these layers are not synthetic")
    course = (cell.dimension,) * cell.layers
    course = course if cell.dimension else to_be_read(cell.course, cell.rows)
    return Stack(course, cell.rows, cell.own_noise, cell.sampling)


def cells() -> Iterator[Cell]:
    """Yield all cells."""
    yield from _power()
    for name, layers, rows in product(NULLS, LAYERS, ROWS):
        yield Cell("null", name, layers, rows)
    yield from _hard_nulls()


def _power() -> Iterator[Cell]:
    for dip, layers, rows in product(DIPS, DEEP, ROWS):
        yield Cell("power", f"dip of {dip:.0%}", layers, rows, dip)
    for dip, noise in product((0.1, 0.2), (WEAK, STRONG)):
        yield Cell("correlated power", f"dip of {dip:.0%}", 13, 1000, dip, noise)


def _hard_nulls() -> Iterator[Cell]:
    for name in ("flat", *LEAST_FAVOURABLE):
        plain = Cell("hard null", name, 13, 500)
        for noise in (WEAK, STRONG):
            yield replace(plain, own_noise=noise)
        for rows in (500, 2000):
            yield replace(plain, rows=rows, sampling="clusters", own_noise=STRONG)
            yield replace(plain, rows=rows, sampling="groups", own_noise=STRONG)
        yield replace(plain, rows=2000, sampling="groups", own_noise=STRONG, told=False)
    for layers in DEEP:
        yield Cell("hard null", "flat, d = 30", layers, 500, dimension=30.0)
        yield Cell("hard null", "flat: a real layer and noise", layers, 1000, sampling="demo")


@cache
def real_layer() -> FloatArray:
    """Return the states of the shipped model's middle block on the digits: (1797, 64)."""
    import torch

    import layergeom as lg
    from layergeom.tasks.demo import CHECKPOINTS, digits

    torch.set_num_threads(1)
    return np.asarray(lg.extract(CHECKPOINTS / "step7000", digits())["block_6"], dtype=np.float64)


def noisy_copies(cell: Cell, rng: np.random.Generator) -> Iterator[FloatArray]:
    """Yield a sample of the real layer, each time with other noise: flat in truth."""
    from layergeom.geometry import neighbor_graph

    X = real_layer()
    X = X[rng.choice(len(X), cell.rows, replace=False)]
    near = float(neighbor_graph(X, 1).distances.mean())
    for _ in range(cell.layers):
        noise = rng.standard_normal(X.shape) * near / np.sqrt(2 * X.shape[1])
        yield X + cell.own_noise * noise
