"""Numbers and names as text: unknown is "–", control characters never reach a terminal."""

from __future__ import annotations

import math
import unicodedata
from pathlib import PurePath
from typing import Protocol

from layergeom.written import MINUS, minus

UNKNOWN = "–"
BLOCKS = "▁▂▃▄▅▆▇█"
_INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}  # controls, bidi overrides, line separators


class Numbers(Protocol):
    """A sequence of numbers: an array or a list."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> float: ...


def visible(text: object, limit: int = 2000) -> str:
    r"""Return ``text`` without control characters (escapes, bidi marks), cut at ``limit``.

    Examples
    --------
    >>> visible("\x1b[31mred")
    '[31mred'
    """
    spaced = str(text).replace("\n", " ").replace("\t", " ")
    kept = "".join(c for c in spaced if unicodedata.category(c) not in _INVISIBLE)
    return kept if len(kept) <= limit else kept[: limit - 1] + "…"


def model_name(source: str) -> str:
    """Name a hub model by its id, and a local folder by its last two parts.

    Examples
    --------
    >>> model_name("owner/model"), model_name("/home/me/runs/gpt/step100")
    ('owner/model', 'gpt/step100')
    """
    parts = PurePath(source).parts
    return source if len(parts) <= 2 else "/".join(parts[-2:])


def number(value: float, digits: int = 3) -> str:
    """Return ``value`` to ``digits`` significant figures, "–" for nan.

    Powers of ten appear only below 0.001 and from a million on.

    Examples
    --------
    >>> number(-12.345), number(float("nan")), number(0.00012), number(41234.0)
    ('−12.3', '–', '1.2e-04', '41,234')
    """
    if math.isnan(value):
        return UNKNOWN
    if math.isinf(value):
        return "∞" if value > 0 else f"{MINUS}∞"
    size = abs(value)
    if size and not 1e-3 <= size < 1e6:
        return minus(f"{value:.{digits - 2}e}")
    return minus(f"{value:,.{_decimals(size, digits)}f}")


def _decimals(size: float, digits: int) -> int:
    """Decimals that show ``digits`` significant figures of ``size``; none for whole counts."""
    if size == 0:
        return 0
    return max(0, digits - 1 - math.floor(math.log10(size)))


def with_error(value: float, error: float, decimals: int = 6) -> str:
    """Return "value ± standard error", the value cut where the error makes it meaningless.

    ``decimals`` are shown at the most.

    An unknown error is written "± –", never 0; an unknown value is "–".

    Examples
    --------
    >>> with_error(12.345, 0.31), with_error(12.345, float("nan")), with_error(float("nan"), 1.0)
    ('12.35 ± 0.31', '12.3 ± –', '–')
    """
    if math.isnan(value):
        return UNKNOWN
    if math.isnan(error) and value == round(value):
        return minus(f"{value:,.0f} ± {UNKNOWN}")  # a count of components or points
    if not math.isfinite(error) or error <= 0:
        return f"{number(value)} ± {UNKNOWN if math.isnan(error) else number(error)}"
    if not 1e-4 <= error < 1e6 or abs(value) >= 1e7:
        return f"{number(value)} ± {number(error, 2)}"
    shown = max(min(decimals, _decimals(error, 2)), _decimals(error, 1))  # an error never reads 0
    return minus(f"{value:,.{shown}f} ± {error:,.{shown}f}")


def sparkline(values: Numbers) -> str:
    """Return one block character per value, a space where it is unknown.

    Examples
    --------
    >>> sparkline([1.0, 4.0, float("nan"), 2.0])
    '▁█ ▃'
    """
    column = [float(values[i]) for i in range(len(values))]
    known = [v for v in column if math.isfinite(v)]
    if not known:
        return ""
    low, span = min(known), (max(known) - min(known)) or 1.0
    top = len(BLOCKS) - 1
    return "".join(
        BLOCKS[round((v - low) / span * top)] if math.isfinite(v) else " " for v in column
    )


def short_layer(key: str) -> str:
    """Return the key as it stands on an axis: "block_7" is "7", "embedding" is "emb"."""
    if key == "embedding":
        return "emb"
    head, _, tail = key.partition("_")
    return tail if head == "block" and tail.isdigit() else visible(key, 14)
