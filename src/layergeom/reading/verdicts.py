"""What a claim is, and three-valued answers to questions about numbers with errors.

An answer is True or False only where the errors leave no doubt, and None where they do: no claim
is confirmed or refuted by what could be chance.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from layergeom.arrays import FloatArray
from layergeom.reading.turns import Differences, Turn, turning_points
from layergeom.written import minus

Verdict: TypeAlias = Literal["holds", "does not hold", "cannot be told"]
Answer: TypeAlias = "bool | None"

SIGMAS = 3.0  # standard errors of a single comparison
RESOLVED = 0.25  # errors that would hide a change of this share of the mean refute no shape


@dataclass(frozen=True)
class Claim:
    """A claim of a paper, tested on the numbers of the user's own runs.

    Attributes
    ----------
    name : str
        ``A1`` … ``A13`` (Valeriani et al. 2023), ``B1`` … ``B5`` (Razzhigaev et al. 2024),
        ``C1`` … ``C4`` (Cheng et al. 2025), ``V1`` … ``V5`` (Viswanathan et al. 2025).
    statement : str
        The claim.
    verdict : {"holds", "does not hold", "cannot be told"}
        By the rule in the docstring of its function.
    evidence : str
        The numbers with their errors; empty if there are none.
    needs : str
        What would settle it, where it cannot be told; else empty.
    """

    name: str
    statement: str
    verdict: Verdict
    evidence: str
    needs: str


def claim(name: str, statement: str, answer: Answer, evidence: str, needs: str) -> Claim:
    """Return the claim with the verdict of an answer; ``needs`` is kept only where it is open."""
    if answer is None:
        return Claim(name, statement, "cannot be told", evidence, needs)
    return Claim(name, statement, "holds" if answer else "does not hold", evidence, "")


def both(*answers: Answer) -> Answer:
    """Return True if all are True, False if any is False, else None.

    Examples
    --------
    >>> both(True, True), both(True, None), both(None, False)
    (True, None, False)
    """
    if any(answer is False for answer in answers):
        return False
    return None if any(answer is None for answer in answers) else True


def above(value: float, error: float, bound: float) -> Answer:
    """Return whether a value lies above a bound by three standard errors, or below it by three.

    Examples
    --------
    >>> above(5, 1, 1), above(5, 1, 4), above(5, 1, 9)
    (True, None, False)
    """
    if not np.isfinite([value, error, bound]).all():
        return None
    if value - SIGMAS * error > bound:
        return True
    return False if value + SIGMAS * error < bound else None


def below(value: float, error: float, bound: float) -> Answer:
    """Return whether a value lies below a bound by three standard errors, or above it by three."""
    return above(-value, error, -bound)


def within(value: float, error: float, bound: float) -> Answer:
    """Return whether |value| lies below a bound by three standard errors, or above it by three."""
    return below(abs(value), error, bound)


def told(value: float, error: float, digits: int = 2) -> str:
    """Return a value and its standard error as text."""
    return minus(f"{value:.{digits}f} ± {error:.{digits}f}")


def shape_seen(values: FloatArray, differ: Differences, kinds: tuple[str, ...]) -> Answer:
    """Return whether a curve starts with these turning points beyond its errors.

    Parameters
    ----------
    values : ndarray, shape (n,)
        The curve.
    differ : Differences
        Which of its differences count.
    kinds : tuple of {"min", "max"}
        ``("min", "max", "min")``: it rises and then falls.

    Returns
    -------
    bool or None
        True if the turning points that count start so. False if those of the values alone, taken
        as exact, do not start so either, and the errors are small enough to have shown a change of
        a quarter of the mean. Otherwise None.
    """
    if starts_with(turning_points(values, differ), kinds):
        return True
    exact = Differences(np.zeros_like(differ.errors), 0.0)
    if starts_with(turning_points(values, exact), kinds):
        return None
    return False if resolved(values, differ) else None


def starts_with(turns: tuple[Turn, ...], kinds: tuple[str, ...]) -> bool:
    """Return whether the first turning points are of these kinds."""
    return tuple(turn.kind for turn in turns[: len(kinds)]) == kinds


def resolved(values: FloatArray, differ: Differences) -> bool:
    """Return whether the errors would show a change of a quarter of the mean between any two."""
    widest = differ.factor * float(differ.errors.max())
    return bool(np.isfinite(widest) and widest <= RESOLVED * abs(float(values.mean())))
