"""The published grid of cases: seeded point clouds, and states from a file."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

Cloud = npt.NDArray[np.float32]
Make = Callable[[np.random.Generator, int, int], npt.NDArray[np.floating]]

MOST_CASES = 40
LATENT = 20  # dimensions of the latent cloud behind "low_id"
SPREAD = 64  # clusters of "clustered"


@dataclass(frozen=True)
class Case:
    """One search: which cloud, and how many neighbours."""

    name: str
    kind: str
    n: int
    d: int
    k: int
    source: str = ""  # path and key of a file, where the points come from one

    def points(self) -> Cloud:
        """Return the points, float32, C-contiguous: (n, d); the same at every call."""
        cloud = np.ascontiguousarray(_load(self), dtype=np.float32)
        if cloud.shape != (self.n, self.d):
            raise ValueError(f"{self.name} has shape {cloud.shape}, not {(self.n, self.d)}.")
        return cloud

    def fault(self) -> str | None:
        """Say why this is not a valid case; None if it is."""
        for value, low, high, what in (
            (self.n, 500, 90_000, "N"),
            (self.d, 8, 4_096, "D"),
            (self.k, 1, 512, "k"),
        ):
            if not low <= value <= high:
                return f"{what} = {value} lies outside {low}–{high}"
        return None if 2 * self.k < self.n else f"k = {self.k} is not below N/2 = {self.n / 2:g}"


def _load(case: Case) -> npt.NDArray[np.floating]:
    if case.kind == "digits":
        from sklearn.datasets import load_digits

        return np.asarray(load_digits().data)
    if case.kind == "file":
        path, key = case.source.rsplit(":", 1)
        return _array(path, key)
    seed = int.from_bytes(hashlib.sha256(case.kind.encode()).digest()[:4], "little")
    return KINDS[case.kind](np.random.default_rng([seed, case.n, case.d]), case.n, case.d)


def _array(path: str, key: str) -> npt.NDArray[np.floating]:
    """Return one array of an .npz file as rows; images are flattened."""
    with np.load(path, allow_pickle=False) as file:
        if key not in file:
            raise ValueError(f"{Path(path).name} holds {', '.join(file)}, not {key}.")
        states = file[key]
    return np.asarray(states.reshape(len(states), -1))


def _gaussian(rng: np.random.Generator, n: int, d: int) -> npt.NDArray[np.floating]:
    return rng.standard_normal((n, d), dtype=np.float32)


def _heavy_tail(rng: np.random.Generator, n: int, d: int) -> npt.NDArray[np.floating]:
    """Student t rows (3 degrees of freedom) with a power-law spectrum that never ends."""
    spectrum = np.arange(1, d + 1, dtype=np.float32) ** -0.4
    radius = np.sqrt(rng.chisquare(3, (n, 1)) / 3).astype(np.float32)
    return np.asarray(_gaussian(rng, n, d) * spectrum / radius)


def _low_id(rng: np.random.Generator, n: int, d: int) -> npt.NDArray[np.floating]:
    """Nonlinear image of a latent Gaussian cloud, with a decaying full-rank spectrum."""
    width = 256
    hidden = np.tanh(_gaussian(rng, n, LATENT) @ _gaussian(rng, LATENT, width) / LATENT**0.5)
    hidden *= np.arange(1, width + 1, dtype=np.float32) ** -0.5
    return np.asarray(hidden @ _gaussian(rng, width, d) + 0.01 * _gaussian(rng, n, d))


def _massive(rng: np.random.Generator, n: int, d: int) -> npt.NDArray[np.floating]:
    """The low ID cloud with three coordinates hundreds of times larger, far from the origin."""
    cloud = _low_id(rng, n, d)
    cloud[:, rng.choice(d, 3, replace=False)] += 300 + 10 * _gaussian(rng, n, 3)
    return cloud


def _clustered(rng: np.random.Generator, n: int, d: int) -> npt.NDArray[np.floating]:
    centres = 4 * _gaussian(rng, SPREAD, d)
    return np.asarray(centres[rng.integers(SPREAD, size=n)] + 0.3 * _low_id(rng, n, d))


def _duplicates(rng: np.random.Generator, n: int, d: int) -> npt.NDArray[np.floating]:
    """A third of the rows distinct, each repeated about three times, in random order."""
    distinct = _low_id(rng, -(-n // 3), d)
    return np.asarray(distinct[rng.permutation(np.arange(n) % len(distinct))])


KINDS: dict[str, Make] = {
    "gaussian": _gaussian,
    "heavy_tail": _heavy_tail,
    "low_id": _low_id,
    "massive": _massive,
    "clustered": _clustered,
    "duplicates": _duplicates,
}


def _case(kind: str, n: int, d: int, k: int) -> Case:
    return Case(f"{kind}-{n}x{d}-k{k}", kind, n, d, k)


GRID: tuple[Case, ...] = (
    _case("digits", 1797, 64, 30),
    _case("digits", 1797, 64, 512),
    _case("gaussian", 500, 8, 1),
    _case("gaussian", 2_000, 768, 30),
    _case("gaussian", 10_000, 384, 30),
    _case("gaussian", 10_000, 8, 30),
    _case("gaussian", 20_000, 768, 30),
    _case("gaussian", 50_000, 64, 10),
    _case("heavy_tail", 1_000, 384, 100),
    _case("heavy_tail", 10_000, 384, 30),
    _case("heavy_tail", 10_000, 4_096, 30),
    _case("heavy_tail", 50_000, 384, 30),
    _case("low_id", 500, 4_096, 200),
    _case("low_id", 2_000, 768, 30),
    _case("low_id", 4_000, 768, 30),
    _case("low_id", 10_000, 384, 1),
    _case("low_id", 10_000, 384, 30),
    _case("low_id", 10_000, 384, 100),
    _case("low_id", 10_000, 768, 30),
    _case("low_id", 10_000, 768, 512),
    _case("low_id", 10_000, 4_096, 30),
    _case("low_id", 20_000, 768, 30),
    _case("low_id", 20_000, 1_024, 30),
    _case("low_id", 50_000, 768, 30),
    _case("low_id", 90_000, 512, 30),
    _case("massive", 2_000, 768, 30),
    _case("massive", 10_000, 768, 30),
    _case("massive", 50_000, 768, 30),
    _case("clustered", 1_000, 64, 10),
    _case("clustered", 10_000, 384, 30),
    _case("clustered", 10_000, 768, 100),
    _case("clustered", 50_000, 384, 30),
    _case("duplicates", 2_000, 384, 30),
    _case("duplicates", 10_000, 384, 30),
    _case("duplicates", 20_000, 768, 100),
)

SMALL = tuple(
    case
    for case in GRID
    if case.n <= 10_000 and case.k == 30 and 64 <= case.d <= 768 and case.kind != "clustered"
)


def from_file(path: str, key: str, k: int) -> Case:
    """Return a case of real states: array ``key`` of an .npz file, its path kept out of the name.

    Raises
    ------
    ValueError
        If the file lacks the array, or the case is not a valid one.
    """
    n, d = _array(path, key).shape
    case = Case(f"{Path(path).stem}.{key}-{n}x{d}-k{k}", "file", n, d, k, f"{path}:{key}")
    if case.fault() is not None:
        raise ValueError(f"{case.name}: {case.fault()}.")
    return case
