"""One label of a row, whatever it comes as: the name of a class, a number, or several labels."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from layergeom.errors import InputError, InputTypeError
from layergeom.states.lines import shown

SEPARATORS = (";", "|", ",")  # the first that a column holds; blanks where it holds none
JSON = "JSON"
BLANKS = "blanks"
NOTHING = frozenset({"", "na", "n/a", "nan", "null", "none", "-"})  # in columns that are no classes
PLAIN = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)


def is_missing(value: Any) -> bool:
    """Say whether a row has no label: None, NaN, pandas' NA, or the empty text."""
    if value is None or type(value).__name__ == "NAType":
        return True
    return bool(isinstance(value, (str, float, np.floating)) and (value == "" or value != value))


def says_nothing(value: Any) -> bool:
    """Say the same of numbers and lists, where texts such as ``NA`` are no labels either."""
    return is_missing(value) or (isinstance(value, str) and value.strip().lower() in NOTHING)


def class_name(value: Any, place: str) -> str | None:
    """Return a class as text, whole numbers without a fraction; None where it is missing.

    Raises
    ------
    InputError
        For a real number.
    InputTypeError
        For what is neither text nor number.
    """
    if is_missing(value):
        return None
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        if value % 1 != 0:
            raise InputError(
                f"{place} hold the real number {value!r}; convert them to texts if each value is a "
                "class of its own."
            )
        value = int(value)
    if not isinstance(value, (str, int)):
        raise InputTypeError(
            f"{place} hold a {type(value).__name__}; texts or whole numbers are needed."
        )
    return str(value)


def number(value: Any, place: str) -> float | None:
    """Return a label as a number; None where it is missing, also as NA, NaN, null or "-".

    Raises
    ------
    InputError
        For a comma (of decimals or of thousands: nobody can tell), a unit, infinity, or any other
        text.
    InputTypeError
        For what is neither text nor number.

    Examples
    --------
    >>> number(" 1.5e2", "labels"), number("NA", "labels")
    (150.0, None)
    """
    if says_nothing(value):
        return None
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise InputTypeError(f"{place} hold a {type(value).__name__}; numbers are needed.")
    if isinstance(value, str):
        text = plainly(value)
        if not PLAIN.fullmatch(text):
            raise InputError(f"{place} hold {shown(value)}, which is no number; {_remedy(text)}.")
        value = text
    found = float(value)
    if not math.isfinite(found):
        raise InputError(
            f"{place} hold {shown(value)}; numbers are finite: leave such a row empty."
        )
    return found


def plainly(text: str) -> str:
    """Return a text without blanks around it, and with the minus sign of keyboards."""
    return text.strip().replace("\N{MINUS SIGN}", "-")


def _remedy(text: str) -> str:
    if "," in text:
        return "write 1234.5 without a separator of thousands and with a point for the decimals"
    if re.fullmatch(r"[+-]?inf(inity)?", text, re.IGNORECASE):
        return "numbers are finite: leave such a row empty"
    return "write plain numbers without units (12.3), and leave unknown ones empty"


def separator_of(texts: Iterable[str]) -> str | None:
    """Return what stands between the labels of a cell; None if every cell holds one.

    Examples
    --------
    >>> separator_of(["GO:1; GO:2", "GO:3"])
    ';'
    """
    cells = [text.strip() for text in texts]
    if cells and all(cell.startswith("[") and cell.endswith("]") for cell in cells):
        return JSON
    for mark in SEPARATORS:
        if any(mark in cell for cell in cells):
            return mark
    return BLANKS if any(len(cell.split()) > 1 for cell in cells) else None


def several(value: Any, separator: str | None, place: str) -> tuple[str, ...] | None:
    """Return the labels of a row in order, each once; None where it has none.

    Parameters
    ----------
    value : object
        A text, or a list, tuple, set or array of texts and whole numbers, which are whole labels.
    separator : str or None
        Of texts, from :func:`separator_of`.
    place : str
        For messages.

    Raises
    ------
    InputError, InputTypeError
        For text that is no JSON list where the others are, or items that are no labels.

    Examples
    --------
    >>> several("GO:2;GO:1; GO:2", ";", "labels")
    ('GO:1', 'GO:2')
    """
    if says_nothing(value):
        return None
    items = value if is_list(value) else _parts(value, separator, place)
    names = [class_name(item, place) for item in items if not says_nothing(item)]
    found = {name.strip() for name in names if name is not None}
    return tuple(sorted(found - {""})) or None


def is_list(value: Any) -> bool:
    """Say whether a value is a list, tuple, set or array of labels."""
    return isinstance(value, (list, tuple, set, frozenset, np.ndarray))


def _parts(value: Any, separator: str | None, place: str) -> Sequence[Any]:
    if not isinstance(value, str) or separator is None:
        return [value]
    if separator == JSON:
        return _from_json(value, place)
    return value.split() if separator == BLANKS else value.split(separator)


def _from_json(text: str, place: str) -> list[Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{place} hold {shown(text)}, which is no JSON list ({error}).") from None
    if not isinstance(found, list):
        raise InputError(f"{place} hold {shown(text)}, which is no JSON list; all others are.")
    return found
