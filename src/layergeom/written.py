"""Numbers as sentences hold them: a count with its noun, a share in %, a true minus sign."""

from __future__ import annotations

MINUS = "−"  # U+2212; an ASCII hyphen is short, and breaks the line behind it


def counted(count: int, one: str, many: str) -> str:
    """Return a count with what it counts, in the words of one or of several.

    Parameters
    ----------
    count : int
        From 0 on.
    one, many : str
        What follows 1, and what follows any other number, the verb included.

    Examples
    --------
    >>> counted(1, "row was cut", "rows were cut"), counted(2000, "row", "rows")
    ('1 row was cut', '2,000 rows')
    """
    return f"{count:,} {one if count == 1 else many}"


def minus(number: str) -> str:
    """Return a formatted number with a true minus sign where it began with a hyphen.

    Exponents stay as they are written in programs.

    Examples
    --------
    >>> minus(f"{-0.25:.2f}"), minus(f"{0.25:+.2f}"), minus("-1.2e-04")
    ('−0.25', '+0.25', '−1.2e-04')
    """
    return MINUS + number[1:] if number.startswith("-") else number


def percent(share: float, digits: int = 0, *, signed: bool = False) -> str:
    """Return a share of one in %, with a plus sign too if it is ``signed``.

    Examples
    --------
    >>> percent(0.05), percent(0.0123, 1), percent(-0.2, signed=True), percent(1.0, signed=True)
    ('5 %', '1.2 %', '−20 %', '+100 %')
    """
    return minus(f"{100 * share:{'+' if signed else ''}.{digits}f} %")
