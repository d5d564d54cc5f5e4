"""Where the numbers lie in memory, what is left untouched, and what cannot matter."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from inputs import LATTICE, X, copies
from outcomes import near, warned
from rows import row

IDENTICAL = 1e-7


def _same(name: str, given: str, make: Callable[[], np.ndarray], tolerance: float) -> None:
    @row(name, given, f"equal to that of a plain copy ({tolerance:g})", every=True)
    def _(tool):
        points = make()
        expected = tool.dimension(np.array(points)).value
        return near(tool.dimension(points), expected, min(tolerance, tool.exactness))


def _read_only() -> np.ndarray:
    Y = X.copy()
    Y.setflags(write=False)
    return Y


def _unaligned() -> np.ndarray:
    buffer = bytearray(X.nbytes + 1)
    Y = np.frombuffer(buffer, dtype=np.float64, offset=1, count=X.size).reshape(X.shape)
    Y[:] = X
    return Y


_same("E-layout-fortran", "Fortran order", lambda: np.asfortranarray(X), IDENTICAL)
_same("E-layout-strided", "every other row and column", lambda: X[::2, ::2], IDENTICAL)
_same("E-layout-negstride", "negative strides", lambda: X[::-1, ::-1], IDENTICAL)
_same("E+layout-unaligned", "an unaligned buffer", _unaligned, IDENTICAL)
_same("E+layout-broadcast", "a broadcast view", lambda: np.broadcast_to(X, (1, *X.shape))[0], 0)


@contextmanager
def _mapped(dtype: type) -> Iterator[np.ndarray]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "x.bin"
        X.astype(dtype).tofile(file)
        mapped = np.memmap(file, dtype=dtype, mode="r", shape=X.shape)
        yield mapped
        mapped._mmap.close()


@row("E-layout-readonly", "a read-only array and memory map", "identical (1e-7)", every=True)
def _(tool):
    near(tool.dimension(_read_only()), tool.dimension(X.copy()).value, IDENTICAL)
    with _mapped(np.float64) as mapped:
        return near(tool.dimension(mapped), tool.dimension(X.copy()).value, IDENTICAL)


@row("E-layout-memmap-f32", "a read-only float32 memory map", "within 1%", every=True)
def _(tool):
    with _mapped(np.float32) as mapped:
        return near(tool.dimension(mapped), tool.dimension(X.copy()).value, 0.01)


def _untouched(name: str, given: str, make: Callable[[], np.ndarray]) -> None:
    @row(name, given, "bitwise equal after the call", every=True)
    def _(tool):
        points = make()
        before = points.tobytes()
        tool.dimension(points).value  # noqa: B018
        assert points.tobytes() == before, "the input was changed"
        return "unchanged"


_untouched("E-no-mutation", "plain input", X.copy)
_untouched("E-no-mutation-dups", "input with duplicates", lambda: copies(0.1))
_untouched("E+no-mutation-f32", "float32 far from the origin", lambda: (X + 100).astype("f4"))
_untouched("E+no-mutation-huge", "numbers of 1e300", lambda: X * 1e300)


@row("E-global-rng", "a call", "numpy's global generator as before", every=True)
def _(tool):
    before = np.random.get_state()  # noqa: NPY002
    tool.dimension(X).value  # noqa: B018
    after = np.random.get_state()  # noqa: NPY002
    assert before[2:] == after[2:], "another place in the stream"
    assert (before[1] == after[1]).all(), "another state"
    return "unchanged"


def _invariant(name: str, given: str, points: np.ndarray, tolerance: float = 1e-5) -> None:
    @row(name, given, f"equal ({tolerance:g})", every=True)
    def _(tool):
        return near(tool.dimension(points), tool.dimension(X).value, tolerance)


_ORDER = np.random.default_rng(1)
_TURN = np.linalg.qr(np.random.default_rng(2).standard_normal((50, 50)))[0]
_invariant("E-zero-features", "30 more features of zeros", np.hstack([X, np.zeros((1000, 30))]))
_invariant("E-permute-rows", "the rows in another order", X[_ORDER.permutation(1000)])
_invariant("E-permute-cols", "the columns in another order", X[:, _ORDER.permutation(50)])
_invariant("E-translate", "shifted by its spread", X + X.std())
_invariant("E+rotate", "rotated", X @ _TURN)
_invariant("E+reflect", "mirrored", -X)
_invariant("E+constant-features", "30 more constant features", np.hstack([X, np.ones((1000, 30))]))
_invariant("E+repeated-features", "every feature twice", np.hstack([X, X]))


@row("E-lattice-3d", "a 10 x 10 x 10 lattice", "a word about ties, never silent", every=True)
def _(tool):
    found = tool.dimension(LATTICE)
    if found.raised is None:
        return warned(found, r"tie|discrete|lattice|mu = 1")
    assert "lattice" in str(found.raised) or "tie" in str(found.raised), found.words
    return found.words


QUANTISED = np.random.default_rng(0).standard_normal((1000, 10))


def _quantised(name: str, steps: float) -> None:
    levels = np.round(QUANTISED * steps) / steps
    number = len(np.unique(levels))

    @row(name, f"activations of {number} levels", "a word about ties, or within 5%", every=True)
    def _(tool):
        found = tool.dimension(levels)
        if abs(found.value / tool.dimension(QUANTISED).value - 1) <= 0.05:
            return found.words
        return warned(found, r"tie|discrete|mu = 1|duplicat|identical")


_quantised("E-quantised-coarse", 1.2)
_quantised("E+quantised-int4", 2.0)
_quantised("E+quantised-int8", 32.0)
_quantised("E+quantised-ternary", 0.5)
