"""The exact search on an accelerator through torch: it chooses candidates, float64 decides.

Rows z (shifted by a common centre, scaled by a power of two) are rounded to codes z = c + r with
|r| <= e, measured row by row. For x = |c_i - c_j|, y = e_i + e_j and any t in (0, 1)

    |z_i - z_j|² >= (x - y)² >= (1 - t) x² - (1/t - 1) y²,      y² <= 2 e_i² + 2 e_j².

A sum of D products of codes whose terms each err by at most ``unit`` relative to |c_i| |c_j| gives
|fl(c_i·c_j) - c_i·c_j| <= D unit (|c_i|² + |c_j|²) / 2. Together, with c = (D + 8) unit,

    |z_i - z_j|² >= 2 (1 - t) (h_i + h_j - fl(c_i·c_j)),        h = (1 - c) |c|² / 2 - e² / t:

one matrix product and one vector. The candidates with the smallest bounds are measured by float64
differences of the rows as they came; a row is settled when the first bound left out exceeds its
exact k-th distance. ``unit`` is four roundings to nearest of the precision that sums, which covers
accumulators that truncate; every bound of a candidate is held against its exact distance, so that
a device that sums less exactly is found out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from layergeom.arrays import IntArray
from layergeom.geometry._device_points import DeviceError, failures, room, slices
from layergeom.geometry._found import Found, Progress, power_of_two

GROUP = 32  # columns whose smallest bound stands for them in the first selection
ALIGNED = 8  # codes are padded to it: the width that matrix units take
LARGEST_CODE = 14  # exponent: below the largest float16
FEWEST_ROWS = 16  # of one block
MARGIN = 1 + 1e-9  # rounding of the float64 sums themselves
TINIEST = 2.0**-450  # float64 distances below this may have lost digits
FLOOR = 2.0**-120  # underflow of one product of codes


@dataclass(frozen=True)
class Precision:
    """What rows are rounded to, what their products are summed in, and how exactly."""

    code: torch.dtype
    sums: torch.dtype
    unit: float  # error of one term of a sum, relative to the product of the norms
    spare: Callable[[int], int]  # candidates beyond k


HALF = Precision(torch.float16, torch.float32, 2.0**-22, lambda k: 4 + k // 4)
SINGLE = Precision(torch.float32, torch.float32, 2.0**-22, lambda k: 8 + k // 4)
DOUBLE = Precision(torch.float64, torch.float64, 2.0**-51, lambda k: 16 + k)
PASSES = {"cpu": (HALF, DOUBLE), "cuda": (HALF, DOUBLE), "mps": (SINGLE,)}  # mps has no float64


def search(
    X: Tensor,
    k: int,
    groups: IntArray | None,
    progress: Progress | None,
    device: torch.device,
    passes: tuple[Precision, ...] | None = None,
) -> tuple[Found, IntArray]:
    """Return the k nearest other rows of every row, and the rows that the plain way must settle.

    Those are rows that no pass proves, rows with a tie at the k-th distance, and rows in which
    distances differ by no more than their rounding, so that one place decides their order.

    Parameters
    ----------
    X : Tensor, shape (n, D)
        Of :func:`points`.
    device : torch.device
        Where candidates are chosen.
    passes : tuple of Precision, optional
        By default those of the device.

    Raises
    ------
    DeviceError
        If the device fails, runs out of memory with the smallest block, or sums less exactly than
        the proof assumes.
    """
    with torch.no_grad(), _full_sums():
        with failures():
            cloud, lists = _Cloud(X, groups, device), _Lists(X, k)
            todo = torch.arange(len(X), device=X.device)
        for precision in PASSES[device.type] if passes is None else passes:
            _pass(cloud, precision, todo, lists, progress)
            with failures():
                todo = todo[lists.unproved[todo]]
            if not len(todo):
                break
            progress = None
        with failures():
            return lists.found(cloud.scale)


@contextmanager
def _full_sums() -> Iterator[None]:
    """Let no product of float16 be summed in float16, and give the settings back."""
    settings = torch.backends.cuda.matmul
    names = ("allow_fp16_reduced_precision_reduction", "allow_fp16_accumulation")
    before = {name: getattr(settings, name) for name in names if hasattr(settings, name)}
    split = getattr(settings, f"{names[0]}_split_k", None)
    try:
        for name in before:
            setattr(settings, name, False)
        yield
    finally:
        for name, value in before.items():
            paired = name == names[0] and split is not None
            setattr(settings, name, (value, split) if paired else value)


class _Cloud:
    """The rows as they came, where float64 is at hand."""

    def __init__(self, X: Tensor, groups: IntArray | None, device: torch.device) -> None:
        self.device, self.room = device, room(device)
        self.scale = power_of_two(torch.stack(X.aminmax()).cpu().numpy())
        self.X = X if self.scale == 1 else X.double() / self.scale
        sample = self.X[:: max(1, len(X) // 1000)].double()
        self.centre = sample.sort(dim=0).values[len(sample) // 2]
        low, high = self.X.aminmax(dim=0)
        self.reach = float(torch.maximum(high - self.centre, self.centre - low).max())
        self.groups = None if groups is None else torch.from_numpy(groups).to(device)

    def shifted(self) -> Iterator[tuple[slice, Tensor]]:
        """Blocks of centred rows in float64."""
        for rows in slices(len(self.X), self.room // (32 * self.X.shape[1])):
            yield rows, self.X[rows].double() - self.centre

    def distances(self, rows: Tensor, others: Tensor) -> Tensor:
        """Distances from each row to its others by direct differences: (b, m)."""
        found = torch.empty(others.shape, dtype=torch.float64, device=self.X.device)
        for part in slices(len(rows), self.room // (12 * others.shape[1] * self.X.shape[1])):
            own = self.X[rows[part], None].double()
            torch.linalg.vector_norm(self.X[others[part]] - own, dim=2, out=found[part])
        return found


class _Codes:
    """Rows in low precision, with what rounding took, and lower bounds from their products."""

    def __init__(self, cloud: _Cloud, precision: Precision) -> None:
        n, width = cloud.X.shape
        self.cloud, self.precision = cloud, precision
        self.scale = 2.0 ** (LARGEST_CODE - math.frexp(cloud.reach)[1])
        held = precision.code if _sums_wider(cloud.device.type, precision) else precision.sums
        shape = (_padded(n, GROUP), _padded(width, ALIGNED))
        self.code = torch.zeros(shape, dtype=held, device=cloud.device)
        norms = torch.empty(n, dtype=torch.float64, device=cloud.X.device)
        errors = torch.empty_like(norms)
        for rows, shifted in cloud.shifted():
            z = shifted * self.scale
            code = _rounded(z, precision.code)
            self.code[rows, :width] = code
            norms[rows] = _length(code.double()).square()
            errors[rows] = _length(z - code) * (1 + 2.0**-40) + 2.0**-51 * _length(z)
        self._weigh(norms, errors)

    def _weigh(self, norms: Tensor, errors: Tensor) -> None:
        """Set t and h of the bounds; t is best at y/x, taken at a distance of half the norm."""
        unit, (n, width) = self.precision.unit, self.cloud.X.shape
        self.t = (4 * errors.median() / norms.median().sqrt()).nan_to_num(1.0).clamp(2.0**-40, 0.25)
        self.half = (1 - (width + 8) * unit) / 2 * norms - errors.square() / self.t
        self.columns = torch.full(
            (len(self.code),), torch.inf, dtype=self.precision.sums, device=self.code.device
        )
        covered = self.half - unit * self.half.abs()  # its own rounding
        self.columns[:n] = covered.to(self.precision.sums)

    def lower(self, rows: Tensor) -> Tensor:
        """Bounds without the row's own term and factor: (b, columns); inadmissible pairs inf."""
        block = self._products(self.code[rows])
        torch.sub(self.columns, block, out=block)
        block.scatter_(1, rows[:, None], torch.inf)
        groups = self.cloud.groups
        if groups is not None:
            block[:, : len(groups)].masked_fill_(groups[rows, None] == groups, torch.inf)
        return block

    def _products(self, code: Tensor) -> Tensor:
        if code.dtype == self.precision.sums:
            return code @ self.code.T
        products: Tensor = torch.mm(code, self.code.T, out_dtype=self.precision.sums)
        return products

    def distances(self, rows: Tensor, lower: Tensor) -> Tensor:
        """Turn values of :meth:`lower` into lower bounds of the distances themselves."""
        squared = 2 * (1 - self.t) * (lower.double() + self.half[rows, None])
        return (squared - FLOOR * self.cloud.X.shape[1]).clamp_min(0).sqrt() / self.scale

    def block_rows(self, m: int) -> int:
        """Rows whose bounds and candidates fit into the room."""
        each = 1.4 * len(self.code) * self.columns.element_size() + 12 * GROUP * (m + 1)
        return max(FEWEST_ROWS, int(self.cloud.room / each))


def _rounded(z: Tensor, dtype: torch.dtype) -> Tensor:
    """Round to a precision; subnormals, which some devices flush, become 0."""
    code = z.to(dtype)
    return torch.where(code.abs() < torch.finfo(dtype).smallest_normal, 0.0, code)


def _length(rows: Tensor) -> Tensor:
    lengths: Tensor = torch.linalg.vector_norm(rows, dim=1)
    return lengths


def _padded(size: int, multiple: int) -> int:
    return -(-size // multiple) * multiple


@lru_cache
def _sums_wider(kind: str, precision: Precision) -> bool:
    """Whether the device multiplies codes as they are; else they are held in the sums' precision.

    Values of float16 pass through float32 products unchanged, those that shorten their factors to
    ten bits (TF32) included.
    """
    if precision.code == precision.sums:
        return True
    code = torch.zeros(ALIGNED, ALIGNED, dtype=precision.code, device=kind)
    try:
        torch.mm(code, code, out_dtype=precision.sums)
    except (TypeError, RuntimeError):
        return False
    return True


def _pass(
    cloud: _Cloud, precision: Precision, todo: Tensor, lists: _Lists, progress: Progress | None
) -> None:
    """Write the rows ``todo``, by blocks that are halved when they do not fit."""
    n = len(cloud.X)
    m = min(lists.k + precision.spare(lists.k), n - 1)
    with failures():
        codes = _Codes(cloud, precision)
    start, size = 0, min(codes.block_rows(m), len(todo))
    while start < len(todo):
        with failures():
            settled = _settled(codes, todo[start : start + size], m, lists, size > FEWEST_ROWS)
        if not settled:
            size = max(FEWEST_ROWS, size // 2)
            continue
        start += size
        if progress is not None:
            progress(min(start, n), n)


def _settled(codes: _Codes, rows: Tensor, m: int, lists: _Lists, divisible: bool) -> bool:
    """Write a block of rows; return False if it must be a smaller one."""
    try:
        _block(codes, rows, m, lists)
    except RuntimeError as error:
        if divisible and "out of memory" in str(error):
            return False
        raise
    return True


def _block(codes: _Codes, rows: Tensor, m: int, lists: _Lists) -> None:
    """Choose ``m`` candidates of every row by their bounds, measure them and write the rows."""
    cloud, place = codes.cloud, rows.device
    lower, columns = _smallest(codes.lower(rows.to(cloud.device)), m + 1)
    lower, candidates = lower.to(place), columns[:, :m].to(place).clamp(max=len(cloud.X) - 1)
    bounds = codes.distances(rows, lower)
    distances = cloud.distances(rows, candidates).masked_fill_(lower[:, :m].isinf(), torch.inf)
    lists.refuted |= (bounds[:, :m] > distances * MARGIN).any()
    lists.write(rows, candidates, distances, bounds[:, m])


def _smallest(bounds: Tensor, m: int) -> tuple[Tensor, Tensor]:
    """Return the ``m`` smallest entries of every row, ascending, and their columns.

    They lie in the ``m`` groups of columns whose minima are smallest: two short selections in
    place of a long one.
    """
    groups = bounds.shape[1] // GROUP
    if groups < 2 * m:
        found = bounds.topk(m, largest=False)
        return found.values, found.indices
    minima = bounds.view(len(bounds), GROUP, groups).amin(1)
    chosen = minima.topk(m, largest=False, sorted=False).indices
    within = torch.arange(GROUP, device=bounds.device) * groups
    columns = (chosen[:, :, None] + within).flatten(1)
    found = bounds.gather(1, columns).topk(m, largest=False)
    return found.values, columns.gather(1, found.indices)


class _Lists:
    """Neighbour lists in the making, and what is known about each row."""

    def __init__(self, X: Tensor, k: int) -> None:
        n, place = len(X), X.device
        self.k, self.rounding = k, (X.shape[1] + 8) * 2.0**-51
        self.lossy = X.dtype == torch.float64  # differences may be too small to be squared
        self.distances = torch.full((n, k), torch.inf, dtype=torch.float64, device=place)
        self.indices = torch.full((n, k), -1, device=place)
        self.unproved = torch.ones(n, dtype=torch.bool, device=place)
        self.unsure = torch.zeros_like(self.unproved)
        self.refuted = torch.zeros((), dtype=torch.bool, device=place)

    def write(self, rows: Tensor, candidates: Tensor, distances: Tensor, beyond: Tensor) -> None:
        """Write rows whose points that are no candidates lie at ``beyond`` or further."""
        by_index = candidates.sort(1)
        near = distances.gather(1, by_index.indices).sort(dim=1, stable=True)
        listed = near.values[:, : self.k]
        named = by_index.values.gather(1, near.indices[:, : self.k])
        self.distances[rows] = listed
        self.indices[rows] = named.masked_fill(listed.isinf(), -1)
        self.unproved[rows] = ~((beyond > listed[:, -1] * MARGIN) | beyond.isinf())
        self.unsure[rows] = self._unsure(near.values[:, : self.k + 1])

    def _unsure(self, ascending: Tensor) -> Tensor:
        """Rows with a tie at the k-th distance, or in an order that rounding may have made."""
        near, far = ascending[:, :-1], ascending[:, 1:]
        close = (far <= near * (1 + self.rounding)) & far.isfinite()
        close[:, : self.k - 1] &= (far != near)[:, : self.k - 1]  # equal ones go by index
        unsure = close.any(1)
        return unsure | (ascending[:, 0] < TINIEST) if self.lossy else unsure

    def found(self, scale: float) -> tuple[Found, IntArray]:
        """Bring the lists to the CPU, in the units of the data, without the rows left to do."""
        if bool(self.refuted):
            raise DeviceError("its matrix products are less exact than the proof assumes")
        distances, indices = self.distances.cpu().numpy(), self.indices.cpu().numpy()
        left = (self.unproved | self.unsure).nonzero().flatten().cpu().numpy()
        distances[left], indices[left] = np.inf, -1
        return Found(distances * scale, indices, {}), left
