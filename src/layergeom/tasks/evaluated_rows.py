"""The rows on which layers are scored: their classes, what must not be split, train and test."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from layergeom import arrays
from layergeom.arrays import BoolArray, IntArray
from layergeom.errors import DegenerateError, InputError
from layergeom.geometry.groups import own_where_missing
from layergeom.tasks.targets import ClassTarget, NumberTarget, SetTarget, Target, target_of
from layergeom.written import counted

TRAIN, TEST, NEITHER = 1, 0, -1
MOST_LABELS = 1_000  # of several per row; the others are left out
FEWEST = 5  # rows, or groups, from which numbers or several labels are predicted
Splits = Sequence[tuple[IntArray, IntArray]]


@dataclass(frozen=True, eq=False)
class EvaluatedRows:
    """The m rows that have a label, in the order of the states.

    Attributes
    ----------
    rows : ndarray, shape (m,)
        Their places among the states.
    codes : ndarray, shape (m,)
        Class of each, from 0; 0 for all where labels are no classes.
    apart : ndarray, shape (m,), or None
        Excluded classes: rows of one are no neighbours of each other; -1 stands for itself.
    groups : ndarray, shape (m,), or None
        Rows of one group are no neighbours either, they are on the same side of every split, and
        their errors go together; -1 stands for itself.
    train : ndarray of bool, shape (m,), or None
        The user's own split: rows to learn from; the others are scored. None: all are scored.
    total : int
        Rows of the states.
    warnings : tuple of str
        What was left out, and what was assumed.
    counts : mapping of str to int
        The same in numbers.
    target : Target
        What is read off the rows, where they are no classes.
    """

    rows: IntArray
    codes: IntArray
    apart: IntArray | None
    groups: IntArray | None
    train: BoolArray | None
    total: int
    warnings: tuple[str, ...]
    counts: Mapping[str, int]
    target: Target = field(default_factory=ClassTarget)

    @property
    def scored(self) -> IntArray:
        """Places of the rows that get a score, shape (s,)."""
        return np.arange(len(self.rows)) if self.train is None else np.flatnonzero(~self.train)

    @cached_property
    def clusters(self) -> IntArray:
        """For each scored row the number of its group, own numbers for rows of none: (s,)."""
        if self.groups is None:
            return np.arange(len(self.scored))
        return np.unique(own_where_missing(self.groups)[self.scored], return_inverse=True)[
            1
        ].reshape(-1)

    @cached_property
    def strata(self) -> IntArray:
        """Of what every fold gets equal shares: classes, tenths of the numbers, or rows: (m,)."""
        return self.target.strata(self.codes)

    @cached_property
    def siblings(self) -> IntArray | None:
        """The groups, where they say more than ``apart``; every row has one: (m,)."""
        if self.groups is None:
            return None
        told = self.apart is not None and np.array_equal(self.apart, self.groups)
        return None if told else own_where_missing(self.groups)

    @property
    def kin(self) -> tuple[IntArray, ...]:
        """None, one or two partitions: rows that share a class of one are no neighbours."""
        excluded = None if self.apart is None else own_where_missing(self.apart)
        return tuple(codes for codes in (self.siblings, excluded) if codes is not None)

    def only(self, keep: BoolArray, warning: str, name: str) -> EvaluatedRows:
        """Return the rows that are kept, with a warning and a count of the others."""
        if keep.all():
            return self
        classes = np.unique(self.codes[keep], return_inverse=True)[1].reshape(-1)
        gone = int((~keep).sum())
        told = f"{counted(gone, 'row is', 'rows are')} left out: {warning}."
        return replace(
            self,
            rows=self.rows[keep],
            codes=classes,
            apart=None if self.apart is None else self.apart[keep],
            groups=None if self.groups is None else self.groups[keep],
            train=None if self.train is None else self.train[keep],
            warnings=(*self.warnings, told),
            counts={**self.counts, name: gone},
            target=self.target.only(keep),
        )

    def splits(self, folds: int, seed: int, among: IntArray | None = None) -> Splits:
        """Return (rows to learn from, rows to score) of each fold, as places among the rows.

        The user's own split where there is one; else folds with equal shares of the strata that
        cut no group (scikit-learn's ``StratifiedGroupKFold``, without groups ``StratifiedKFold``).
        With ``among``, folds of these rows only.
        """
        from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

        if self.train is not None and among is None:
            return [(np.flatnonzero(self.train), self.scored)]
        among = np.arange(len(self.rows)) if among is None else among
        kind = StratifiedKFold if self.groups is None else StratifiedGroupKFold
        dealt = kind(folds, shuffle=True, random_state=seed).split(
            np.zeros(len(among)),
            self.strata[among],
            None if self.groups is None else own_where_missing(self.groups)[among],
        )
        return [(among[learn], among[score]) for learn, score in dealt]


def evaluated_rows(
    n: int,
    labels: object,
    groups: object = None,
    exclude: object = None,
    split: object = None,
    inputs: Sequence[str] | None = None,
    folds: int = 5,
) -> EvaluatedRows:
    """Choose the rows that can be scored.

    Parameters
    ----------
    n : int
        Rows of the states.
    labels : sequence of n classes, Numbers or LabelSets
        Rows without one are left out.
    groups, exclude : sequence of n, optional
        What no split may cut, whose rows are no neighbours either; and what are no neighbours,
        which no split cuts where no groups are given.
    split : sequence of n, optional
        "train" or "test"; rows with neither are left out.
    inputs : sequence of n str, optional
        Repeated inputs are groups where no others are given.
    folds : int
        Classes with fewer rows are left out, or with a split those of which a side has none; of
        several labels per row those that fewer rows have, and beyond the 1,000 most frequent.

    Raises
    ------
    InputError
        If a sequence has another length, or the split other words.
    DegenerateError
        If fewer than two classes, labels or numbers remain.
    """
    told: list[str] = []
    own, apart = _groups(n, groups, exclude, inputs, told)
    sides = None if split is None else _sides(split, n)
    train = None if sides is None else sides == TRAIN
    target, codes = target_of(labels, n)
    found = EvaluatedRows(np.arange(n), codes, apart, own, train, n, tuple(told), {}, target)
    found = found.only(codes >= 0, "they have no label", "unlabelled")
    if sides is not None:
        inside = sides[found.rows] != NEITHER
        found = found.only(inside, "they are neither train nor test", "in_no_split")
    return _with_cut_groups(_scorable(found, n, folds))


def _scorable(found: EvaluatedRows, n: int, folds: int) -> EvaluatedRows:
    """Leave out what cannot be scored, and refuse what remains if it is too little."""
    if isinstance(found.target, SetTarget):
        found = _with_frequent(found, found.target, folds)
    if not isinstance(found.target, ClassTarget):
        return _enough(found, n, folds)
    for fits, why, name in _conditions(found.train is not None, folds):
        found = found.only(fits(found), why, name)
    if len(found.codes) == 0 or found.codes.max() == 0:
        raise DegenerateError(
            f"{len(np.unique(found.codes))} classes of {n} rows can be scored, but two are needed; "
            "check the labels and groups, or take fewer folds."
        )
    return found


def _with_frequent(found: EvaluatedRows, target: SetTarget, folds: int) -> EvaluatedRows:
    """Leave out labels that too few rows have, or that are too many, and rows that keep none."""
    kept = target.frequent(folds, MOST_LABELS)
    gone = len(target.names) - len(kept.names)
    if not gone:
        return found
    fewest = int(kept.table.sum(axis=0).min()) if kept.names else folds
    every = counted(len(target.names), "label", "labels")
    told = (
        f"{counted(gone, f'of {every} is', f'of {every} are')} left out: fewer than {fewest} rows "
        f"have them, or they are not among the {MOST_LABELS:,} most frequent."
    )
    found = replace(
        found,
        target=kept,
        warnings=(*found.warnings, told),
        counts={**found.counts, "labels_left_out": gone},
    )
    return found.only(np.diff(kept.table.indptr) > 0, "none of their labels is left", "bare")


def _enough(found: EvaluatedRows, n: int, folds: int) -> EvaluatedRows:
    sides = [found.scored] if found.train is None else [found.scored, np.flatnonzero(found.train)]
    units = np.arange(len(found.rows)) if found.groups is None else own_where_missing(found.groups)
    fewest = min(len(np.unique(units[side])) for side in sides)
    different = not isinstance(found.target, NumberTarget) or (
        len(np.unique(found.target.values)) > 1
    )
    if fewest < max(folds, FEWEST) or not different:
        what = "rows with a label" if found.groups is None else "groups of rows with a label"
        why = f"{fewest} {what} of {n}" if different else f"all numbers of {n} rows are equal, and"
        raise DegenerateError(
            f"{why} can be scored, but {max(folds, FEWEST)} with different labels are needed; "
            "check the labels and groups, or take fewer folds."
        )
    return found


def _groups(
    n: int, groups: object, exclude: object, inputs: Sequence[str] | None, told: list[str]
) -> tuple[IntArray | None, IntArray | None]:
    """Return the groups, and the excluded classes, which are the groups where there are none."""
    if groups is None and exclude is None:
        if inputs is None or len(set(inputs)) == len(inputs):
            return None, None
        told.append("Repeated inputs are on one side of every split and no neighbours.")
        groups = inputs
    excluded = None if exclude is None else arrays.labels(exclude, n, "exclude")
    return (excluded if groups is None else arrays.labels(groups, n, "groups")), excluded


def _sides(split: object, n: int) -> IntArray:
    """Return TRAIN, TEST or NEITHER for each row."""
    values = list(split) if isinstance(split, Iterable) and not isinstance(split, str) else None
    if values is None or len(values) != n:
        raise InputError(f"split must hold 'train' or 'test' for each of the {n} rows.")
    words = {"train": TRAIN, "test": TEST}
    sides = np.array([words.get(str(value).strip().lower(), NEITHER) for value in values])
    for word, side in words.items():
        if side not in sides:
            raise InputError(f"split names no row {word!r}; give 'train' and 'test' by row.")
    return sides


Condition = tuple[Callable[[EvaluatedRows], BoolArray], str, str]


def _conditions(given_split: bool, folds: int) -> tuple[Condition, ...]:
    """Return what each class must have, why, and the name of the count of rows left out."""
    if given_split:
        return ((_on_both_sides, "their class is on one side of the split only", "one_sided"),)
    return (
        (
            lambda found: _class_sizes(found.codes, found.codes) >= folds,
            f"their class has fewer than {folds} rows, as there are folds",
            "small_classes",
        ),
        (_in_several_groups, "their class has no second group", "classes_of_one_group"),
    )


def _class_sizes(codes: IntArray, among: IntArray) -> IntArray:
    """For each row, how many of the rows ``among`` have its class."""
    size = int(codes.max()) + 1 if len(codes) else 0
    return np.bincount(among, minlength=size)[codes]


def _on_both_sides(found: EvaluatedRows) -> BoolArray:
    train = found.train if found.train is not None else np.zeros(len(found.codes), dtype=bool)
    sizes = [_class_sizes(found.codes, found.codes[side]) for side in (train, ~train)]
    return np.asarray((sizes[0] > 0) & (sizes[1] > 0))


def _in_several_groups(found: EvaluatedRows) -> BoolArray:
    enough = np.ones(len(found.codes), dtype=bool)
    for groups in (found.apart, found.groups):
        if groups is not None:
            pairs = np.unique(np.stack([found.codes, own_where_missing(groups)]), axis=1)
            enough &= _class_sizes(found.codes, pairs[0]) > 1
    return enough


def _with_cut_groups(found: EvaluatedRows) -> EvaluatedRows:
    """Say how many groups the user's own split cuts."""
    if found.train is None or found.groups is None:
        return found
    groups = own_where_missing(found.groups)
    cut = len(np.intersect1d(groups[found.train], groups[~found.train]))
    if not cut:
        return found
    both = counted(cut, "group has", "groups have")
    told = f"{both} rows in train and test; scores on the test rows are too good."
    return replace(found, warnings=(*found.warnings, told), counts={**found.counts, "cut": cut})
