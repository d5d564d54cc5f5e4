"""The tokens of the rows that a run has kept, read again without the model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from layergeom.arrays import IntArray
from layergeom.states.families import spelled
from layergeom.states.hidden import HiddenStates
from layergeom.states.inputs import Samples
from layergeom.states.loading import quiet
from layergeom.states.tokenization import Limits, Wording, tokenize
from layergeom.tasks.null_models import check_rows_have_tokens, special_tokens, tokenizer_of


def row_tokens(
    model: Any, samples: Samples, hidden: HiddenStates, options: Mapping[str, Any]
) -> tuple[IntArray, ...]:
    """Return the tokens that count of each row of ``hidden``, as the model read them.

    Parameters
    ----------
    model, samples, options
        What ``hidden`` was extracted with.
    hidden : HiddenStates
        Says which rows were kept, and where long ones were cut.

    Raises
    ------
    InputError
        If the rows are images or single tokens, which have no length to control.

    Notes
    -----
    Nothing of the model is read but its configuration and tokenizer. Rows that were read in
    windows count with all their tokens; a prompt of a sentence model does not count.
    """
    check_rows_have_tokens("length", samples, hidden.provenance["settings"]["pool"])
    kept = samples if hidden.rows is None else samples.take(hidden.rows)
    whole = hidden.provenance["settings"]["long"] == "window"
    limit = None if whole else hidden.provenance["max_length"]
    if kept.kind == "tokens":
        marks = sorted(special_tokens(model, options.get("revision")))
        rows = [np.asarray(row)[:limit] for row in kept.items]
        return tuple(row[~np.isin(row, marks)] for row in rows)
    words = spelled(tokenizer_of(model, options), str(hidden.provenance["model_type"]), [])
    with quiet():
        texts = [str(item) for item in kept.items]
        found = tokenize(texts, kept.ids, words, Wording(), Limits(limit, "truncate", 1.0))
    return tuple(ids[counts] for ids, counts in zip(found.ids, found.counted, strict=True))
