"""Labels of hidden states: those that the run knows by name, of files, or given one by one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from layergeom.errors import InputError
from layergeom.states.hidden import HiddenStates
from layergeom.states.inputs import Samples
from layergeom.states.kept_labels import KeptLabels, keep_labels, kept_contents, kept_labels
from layergeom.states.label_kinds import Labels, LabelType, TypedLabels
from layergeom.states.labels import (
    LABELS,
    LabelSource,
    RowLabels,
    labels_of_rows,
    own_name,
    row_labels,
    whole_groups,
)
from layergeom.states.lines import listed
from layergeom.states.row_contents import RowContents
from layergeom.states.tables import Table

ROLES = (LABELS, "exclude", "groups")


def labels_of_states(
    source: Any, hidden: HiddenStates, role: str, label_type: LabelType | None = None
) -> RowLabels:
    """Return one label per row of hidden states.

    Parameters
    ----------
    source : None, str, path or sequence
        The name of labels that the run was made with (``"topic"`` or ``":topic"``, whatever it
        used them as), or a level of the codes that these are; a file, ``"file:column"``; or the
        labels themselves.
    hidden : HiddenStates
        Their store has what the run knows.
    role, label_type
        As of :func:`layergeom.states.labels.row_labels`; kept labels are what they were in the run
        unless ``label_type`` says otherwise.

    Raises
    ------
    InputError
        As :func:`layergeom.states.labels.row_labels`.
    StoreError
        If the kept labels are damaged.
    """
    kept = _by_name(hidden, role)
    table = _table(hidden, kept)
    own = kept.get(own_name(source, table)) if isinstance(source, str) else None
    if own is None:
        return row_labels(source, table, hidden.ids, role, label_type, kept_contents(hidden))
    asked = (label_type or own.kind) if role == LABELS else None
    found = labels_of_rows(own.values, hidden.ids, role, asked)
    return found._replace(source=LabelSource(own.name, f"the run's own: {own.origin}"))


def only_labels(hidden: HiddenStates) -> str:
    """Return the name of the labels that a run was made with, where it has been so with one set.

    Raises
    ------
    InputError
        If there are none, or several, which are named.
    """
    names = [one.name for one in kept_labels(hidden) if one.role == LABELS]
    if not names:
        raise InputError(
            "labels are missing, and the states know none of their own: give a file (--labels, "
            "labels=…), or run again with labels, which computes nothing anew."
        )
    if len(names) > 1:
        raise InputError(
            f"labels are missing, and the run was made with several ({listed(names, 9)}); name "
            f"those that are meant: --labels {names[0]}."
        )
    return names[0]


def excluded_names(hidden: HiddenStates) -> tuple[str, ...]:
    """Return the names of the finer groups that a run left out of its label quantities."""
    return tuple(one.name for one in kept_labels(hidden) if one.role == "exclude")


def with_labels(
    hidden: HiddenStates,
    labels: Any,
    exclude: Any,
    groups: Any,
    label_type: LabelType | None = None,
) -> tuple[HiddenStates, tuple[TypedLabels | None, Labels | None]]:
    """Join labels, excluded groups and groups to hidden states, and keep them beside these.

    Parameters
    ----------
    hidden : HiddenStates
    labels, exclude, groups : object
        As ``source`` of :func:`labels_of_states`; groups replace those that the states know.
    label_type : optional
        As of :func:`labels_of_states`.

    Returns
    -------
    HiddenStates
        With the groups, and the notes and counts of all three.
    (labels, exclude)
        One of each per row, or None.

    Raises
    ------
    InputError
        As :func:`labels_of_states`.
    """
    found = {
        role: labels_of_states(source, hidden, role, label_type)
        for role, source in zip(ROLES, (labels, exclude, groups), strict=True)
    }
    notes = tuple(note for one in found.values() for note in one.notes)
    counts = {name: count for one in found.values() for name, count in one.counts.items()}
    joined = replace(
        hidden,
        groups=whole_groups(found["groups"].labels) or hidden.groups,
        warnings=(*hidden.warnings, *notes),
        counts={**hidden.counts, **counts},
    )
    values = {role: one.labels for role, one in found.items()}
    sources = {role: one.source for role, one in found.items() if one.source is not None}
    keep_labels(joined, _kept(values, sources))
    return joined, (values["labels"], values["exclude"])


def keep_labels_of(samples: Samples, hidden: HiddenStates) -> None:
    """Keep the labels of samples beside the states that were made of them."""
    rows = samples if hidden.rows is None else samples.take(hidden.rows)
    values = {"labels": rows.labels, "exclude": rows.exclude, "groups": rows.groups}
    whole = RowContents.of(samples.items, samples.columns)
    contents = whole if hidden.rows is None else whole.take(hidden.rows)
    keep_labels(hidden, _kept(values, samples.sources), contents)


def _kept(values: Mapping[str, Any], sources: Mapping[str, LabelSource]) -> list[KeptLabels]:
    return [
        KeptLabels(source.name, role, values[role], source.origin)
        for role, source in sources.items()
        if values[role] is not None
    ]


def _by_name(hidden: HiddenStates, role: str) -> dict[str, KeptLabels]:
    """Return what is kept by name; of two of one name the one of this role."""
    kept = kept_labels(hidden)
    return {one.name: one for one in sorted(kept, key=lambda one: one.role == role)}


def _table(hidden: HiddenStates, kept: Mapping[str, KeptLabels]) -> Table:
    """Return what is kept as columns, one of each content: a level of codes is then of one."""
    columns: dict[str, TypedLabels] = {}
    for name, one in kept.items():
        if one.values not in columns.values():
            columns[name] = one.values
    return Table("the run" if columns else "the hidden states", columns, hidden.n)
