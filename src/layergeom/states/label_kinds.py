"""What labels are: classes, numbers, or several labels per row; inferred, and always said."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, Literal, TypeAlias, get_args

from layergeom.errors import InputError
from layergeom.states.classifications import is_term
from layergeom.states.label_values import (
    JSON,
    PLAIN,
    class_name,
    is_list,
    is_missing,
    number,
    plainly,
    says_nothing,
    separator_of,
    several,
)
from layergeom.states.lines import listed, shown
from layergeom.written import minus

LabelType: TypeAlias = Literal["class", "number", "multi"]
Labels: TypeAlias = "tuple[str | None, ...]"
MANY = 50  # distinct whole numbers; from here on it is said that each is read as a class
_MEASURED = re.compile(r"[+-]?\d+(,\d{3})*([.,]\d+)?\s*\D{0,12}")
_DECIMAL = re.compile(r"[+-]?\d+(,\d{3})*[.,]\d+\s*\D{0,12}")


class Numbers(tuple["float | None", ...]):
    """One real number per row, None where it is missing."""

    __slots__ = ()


class LabelSets(tuple["tuple[str, ...] | None", ...]):
    """The labels of each row, sorted and each once; None where a row has none."""

    __slots__ = ()


TypedLabels: TypeAlias = "Labels | Numbers | LabelSets"


def check_label_type(asked: str | None) -> None:
    """Raise an InputError for a kind of labels that does not exist."""
    if asked is not None and asked not in get_args(LabelType):
        raise InputError(f"label_type is {asked!r}; it must be one of {', '.join(_kinds())}.")


def _kinds() -> tuple[str, ...]:
    return get_args(LabelType)


def typed(
    values: Sequence[Any], place: str, asked: LabelType | None
) -> tuple[TypedLabels, tuple[str, ...]]:
    """Return labels as what they are, and what must be said of it.

    Parameters
    ----------
    values : sequence
        One per row, as read.
    place : str
        For messages.
    asked : {"class", "number", "multi"} or None
        None infers the kind (see :func:`inferred`).

    Raises
    ------
    InputError, InputTypeError
        If a value is not of the kind, or real numbers carry units or commas.
    """
    kind, notes = inferred(values, place) if asked is None else (asked, ())
    if kind == "class":
        return tuple(class_name(value, place) for value in values), notes
    if kind == "number":
        found = Numbers(number(value, place) for value in values)
        return found, (_told_numbers(found, place), *notes)
    texts = [value for value in values if isinstance(value, str) and not says_nothing(value)]
    separator = separator_of(texts)
    sets = LabelSets(several(value, separator, place) for value in values)
    return sets, (_told_sets(sets, separator, place), *notes)


def inferred(values: Sequence[Any], place: str) -> tuple[LabelType, tuple[str, ...]]:
    """Return the kind of labels that were given, and what must be said of it.

    Real numbers are numbers, also as texts. Whole numbers are classes; beyond :data:`MANY` of them
    that is said. Lists are several labels per row. Texts are several labels if ``;`` or ``|``
    separates parts that recur in other rows, or if all are lists of terms (GO, EC, InterPro, Pfam).
    All other texts are classes, also where texts such as 1.1 and 1.10 stand for one number.

    Raises
    ------
    InputError
        If all texts are numbers with units or commas, some of them real.

    Examples
    --------
    >>> [inferred(values, "labels")[0] for values in ([1, 2], ["1.5", "2"], [["a"], ["b", "c"]])]
    ['class', 'number', 'multi']
    """
    known = [value for value in values if not is_missing(value)]
    if any(is_list(value) for value in known):
        return "multi", ()
    if known and all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in known):
        if any(value % 1 != 0 for value in known):
            return "number", ()
        return "class", _many({int(value) for value in known}, place)
    texts = {plainly(v) for v in known if isinstance(v, str) and not says_nothing(v)}
    if not texts or not all(isinstance(value, str) for value in known):
        return "class", ()
    return _of_texts(texts, place)


def _of_texts(texts: set[str], place: str) -> tuple[LabelType, tuple[str, ...]]:
    if all(PLAIN.fullmatch(text) for text in texts):
        return _of_numerals(texts, place)
    if all(map(_MEASURED.fullmatch, texts)) and any(map(_DECIMAL.fullmatch, texts)):
        text = min(text for text in texts if _DECIMAL.fullmatch(text))
        raise InputError(
            f"{place} hold {shown(text)}, a number with a unit or a comma; write plain numbers "
            "(12.3), or say what they are: label_type=class, or multi for lists."
        )
    return ("multi" if _are_lists(texts) else "class"), ()


def _of_numerals(texts: set[str], place: str) -> tuple[LabelType, tuple[str, ...]]:
    values = {float(text) for text in texts}
    if all(value % 1 == 0 for value in values):
        return "class", _many({int(value) for value in values}, place)
    if len(values) == len(texts):
        return "number", ()
    first: dict[float, str] = {}
    pair = next(
        (first[float(text)], text)
        for text in sorted(texts)
        if first.setdefault(float(text), text) != text
    )
    told = (
        f"{place} are read as classes, not as numbers: {listed(list(pair))} are two names of one "
        "number (label_type=number reads numbers)."
    )
    return "class", (told,)


def _many(values: set[int], place: str) -> tuple[str, ...]:
    if len(values) <= MANY:
        return ()
    told = (
        f"{place} are {len(values):,} different whole numbers from {min(values)} to {max(values)}, "
        "each read as a class; label_type=number reads them as numbers."
    )
    return (told,)


def labels_taken(labels: TypedLabels, rows: Iterable[int]) -> TypedLabels:
    """Return the labels of some rows, of the kind that they are."""
    kept: Any = [labels[row] for row in rows]
    return type(labels)(kept)


def _are_lists(texts: set[str]) -> bool:
    """Say whether texts are lists: of terms, or of parts that recur in another text."""
    terms = [re.split(r"[;,|\s]+", text.strip(";,| ")) for text in texts]
    if any(len(parts) > 1 for parts in terms) and all(is_term(p) for parts in terms for p in parts):
        return True
    mark = separator_of(texts)
    if mark not in (";", "|"):
        return mark == JSON
    parts = [{part.strip() for part in text.split(mark)} - {""} for text in texts]
    return len(set().union(*parts)) < sum(map(len, parts))


def _told_numbers(found: Numbers, place: str) -> str:
    known = [value for value in found if value is not None]
    ends = (minus(f"{end:g}") for end in (min(known), max(known))) if known else ()
    span = f" from {' to '.join(ends)}" if known else ""
    return (
        f"{place} are read as numbers: {len(known):,} of {len(found):,} rows have one{span} "
        "(label_type=class reads classes)."
    )


def _told_sets(found: LabelSets, separator: str | None, place: str) -> str:
    known = [names for names in found if names is not None]
    different = len({name for names in known for name in names})
    between = "" if separator is None else f", separated by {separator}"
    mean = sum(map(len, known)) / max(len(known), 1)
    return (
        f"{place} are read as several per row{between}: {len(known):,} of {len(found):,} rows have "
        f"{mean:.1f} of {different:,} labels on average (label_type=class reads each as one class)."
    )
