"""Inputs that repeat at a layer: real cases, and what a profile says of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import layergeom as lg
from benchmarks.markdown import table
from layergeom.profiles import Profile
from layergeom.states.inputs import read_samples
from reproductions.tables import number

ROWS = 1500
REPEATED = 10  # per cent of the rows once more
LAYERS = ("embedding", "block_1")


def repeats(data: Path, models: Path, image_step: str) -> str:
    """Return a table of four cases: rows, distinct points and dimension of the first layers."""
    stories = models / "stories"
    texts = _texts(data / "sst.tsv")
    again = texts + texts[:: 100 // REPEATED]
    ids = _tokens(stories, texts)
    rng = np.random.default_rng(0)
    isomers = ids + [rng.permutation(row).tolist() for row in ids]
    images = read_samples(data / "digits.npz")
    cases = {
        "stories260K, sentences, last token": lg.profile(stories, texts, pool="last"),
        "the same, mean of the tokens": lg.profile(stories, texts, pool="mean"),
        f"… and {REPEATED} % of the sentences again": lg.profile(stories, again, pool="mean"),
        "… and every sentence with its tokens shuffled": lg.profile(stories, isomers, pool="mean"),
        "small ImageGPT, digits, mean": lg.profile(models / "igpt" / image_step, images),
    }
    columns = (f"{layer}: {what}" for layer in LAYERS for what in _WHAT)
    titles = ["case", "rows", *columns, "warned of families"]
    return table(titles, [[name, *_cells(found)] for name, found in cases.items()])


_WHAT = ("distinct points", "dimension")


def _cells(found: Profile) -> list[str]:
    cells = [f"{found.counts['rows']:,}"]
    for layer in LAYERS:
        at = found.layers.index(layer)
        cells.append(f"{found['distinct_points'].values[at]:,.0f}")
        known = layer not in found.undefined
        cells.append(number(found["dimension"], at) if known else "undefined")
    told = [warning.partition(":")[0] for warning in found.warnings if "families" in warning]
    return [*cells, ", ".join(told) or "–"]


def _texts(path: Path) -> list[str]:
    rows = read_samples(path, text_column="sentence", max_samples="all").items
    return list(dict.fromkeys(map(str, rows)))[:ROWS]


def _tokens(model: Path, texts: Sequence[str]) -> list[Any]:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model)
    return [tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]
