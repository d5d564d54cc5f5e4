"""What a tool answers: a value, an error or a warning, and what is asked of each."""

from __future__ import annotations

import io
import math
import re
import warnings
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from typing import Any

import numpy as np
from rows import NotOfferedError

OWN_WORDS = (ValueError, TypeError, AssertionError)  # all others have leaked from inside


@dataclass(frozen=True)
class Outcome:
    """Values that were returned with their errors, or the error raised; and what was said."""

    values: np.ndarray
    errors: np.ndarray
    raised: Exception | None
    said: str

    @property
    def value(self) -> float:
        if self.raised is not None:
            raise AssertionError(f"raised {self.words}")
        return float(self.values[0])

    @property
    def words(self) -> str:
        if self.raised is None:
            return ", ".join(f"{v:.4g}" for v in self.values) + (", with a warning" * self.warned)
        text = " ".join(str(self.raised).split())
        return f"{type(self.raised).__name__}: {text[:90]}"

    @property
    def warned(self) -> bool:
        return bool(self.said)


def observe(call: Callable[[], Any]) -> Outcome:
    """Return what a call gave: a number, several, or (value, error); or what it raised."""
    printed = io.StringIO()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        with redirect_stdout(printed), redirect_stderr(printed), np.errstate(all="ignore"):
            try:
                found, raised = call(), None
            except NotOfferedError:
                raise
            except Exception as error:  # noqa: BLE001
                found, raised = math.nan, error
    values, errors = found if isinstance(found, tuple) else (found, math.nan)
    words = [str(w.message) for w in said if not _of_the_future(w.category)]
    return Outcome(
        np.atleast_1d(np.asarray(values, dtype=float)),
        np.atleast_1d(np.asarray(errors, dtype=float)),
        raised,
        "\n".join([*words, printed.getvalue().strip()]).strip(),
    )


def _of_the_future(category: type[Warning]) -> bool:
    return issubclass(category, (DeprecationWarning, FutureWarning, PendingDeprecationWarning))


def refused(found: Outcome, cause: str) -> str:
    """Require a ValueError or TypeError; its words, or what was said before, name the cause."""
    assert found.raised is not None, f"accepted: {found.words}"
    assert isinstance(found.raised, OWN_WORDS), f"leaked {found.words}"
    told = f"{found.raised} {found.said}"
    assert re.search(cause, told, re.IGNORECASE), f"cause not named: {found.words}"
    return found.words


def near(found: Outcome, expected: float, tolerance: float) -> str:
    """Require a finite value within a relative tolerance."""
    value = found.value
    assert math.isfinite(value), f"silent {value}"
    assert abs(value - expected) <= tolerance * abs(expected), f"{found.words}, not {expected:.4g}"
    return found.words


def warned(found: Outcome, cause: str) -> str:
    """Require that something was said whose words name the cause."""
    found.value  # noqa: B018  an error is no warning
    assert re.search(cause, found.said, re.IGNORECASE), (
        f"{found.words}, which does not say it\n({cause} in {found.said!r})"
        if found.warned
        else f"{found.words}, silently"
    )
    return found.words


def near_or_refused(found: Outcome, expected: float, tolerance: float, cause: str) -> str:
    """Require the value, or an error that names the cause."""
    if found.raised is None:
        return near(found, expected, tolerance)
    return refused(found, cause)


def finite_or_refused(found: Outcome, cause: str) -> str:
    """Require finite positive values, or an error that names the cause."""
    if found.raised is not None:
        return refused(found, cause)
    assert np.isfinite(found.values).all(), f"silent {found.words}"
    assert (found.values > 0).all(), found.words
    return found.words
