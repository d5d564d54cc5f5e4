"""Models and data on which rules are judged: real, trained, and to be had without a network.

A case is a model at one checkpoint, a dataset and the level of its labels. Cases of one model are
no independent samples: averages are taken over models. Of data with more than 100 classes only the
rows of the 100 largest are used. ``seen`` are the models on which the rule of
this package was built and its thresholds were fixed; the others were trained or run afterwards.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from layergeom.states.inputs import Samples, read_samples
from layergeom.states.pooling import Pooling
from layergeom.states.sampling import sampled_rows
from layergeom.tasks.demo import CHECKPOINTS, digits

ROWS = 3000
CLASSES = 100  # more leave a few rows each, and probes take longer than everything else together
SEEN = ("minilm", "stories", "demo")
LAST = ("AG News", "SST-2")  # texts of which decoders are also read by their last token


@dataclass(frozen=True)
class Case:
    """One model at one checkpoint on one dataset and level of labels, pooled in one way."""

    model: str
    place: Path
    data: str
    samples: Samples
    pool: Pooling = "auto"

    @property
    def name(self) -> str:
        """Return the case in words."""
        step = self.place.name if self.place.name.startswith("step") else ""
        pooled = "by the last token" if self.pool == "last" else ""
        return " ".join(part for part in (self.model, step, "on", self.data, pooled) if part)

    @property
    def seen(self) -> bool:
        """Whether the rule was built on this model."""
        return self.model in SEEN


def cases(data: Path, models: Path, rows: int = ROWS) -> Iterator[Case]:
    """Yield all cases; folders as of ``reproductions.runs``, and two tables of texts.

    ``banking77.csv`` has the columns ``text`` and ``category``, ``agnews.csv`` ``text`` and
    ``topic``. At most ``rows`` rows of each are used.
    """
    yield from _of_texts(data, models, rows)
    for place in (CHECKPOINTS / "step7000", CHECKPOINTS / "step400"):
        if place.is_dir():
            yield Case("demo", place, "digits", digits())
    images = _read(data / "digits.npz", rows, labels="labels")
    for step in ("step640", "step2200"):
        yield Case("igpt", models / "igpt" / step, "MNIST", images)
    for level, finer in (("class", None), ("fold", "superfamily"), ("superfamily", "family")):
        proteins = _read(data / "domains.fasta.gz", rows, labels=level, exclude=finer)
        for model, step in (("esm", "step640"), ("esm", "step4000"), ("esm_s", "step2560")):
            yield Case(model, models / model / step, f"SCOPe {level}", proteins)


def _of_texts(data: Path, models: Path, rows: int) -> Iterator[Case]:
    for name, file, columns in (
        ("BANKING77", "banking77.csv", {"text_column": "text", "labels": "category"}),
        ("AG News", "agnews.csv", {"text_column": "text", "labels": "topic"}),
        ("SST-2", "sst.tsv", {"text_column": "sentence", "labels": "label"}),
    ):
        samples = _read(data / file, rows, **columns)
        for model in ("minilm", "stories", "gpt/step320", "gpt/step2200"):
            case = Case(model.split("/")[0], models / model, name, samples)
            yield case
            if name in LAST and model in ("stories", "gpt/step2200"):
                yield replace(case, pool="last")


def _read(path: Path, rows: int, **columns: Any) -> Samples:
    samples = of_largest_classes(read_samples(path, max_samples="all", **columns))
    chosen, _ = sampled_rows(len(samples), samples.classes, rows, seed=0)
    return samples if chosen is None else samples.take(chosen)


def of_largest_classes(samples: Samples, most: int = CLASSES) -> Samples:
    """Return the rows of the largest classes, all rows if there are no more classes than that."""
    sizes = Counter(label for label in samples.labels or () if label is not None)
    if len(sizes) <= most:
        return samples
    kept = set(sorted(sizes, key=lambda label: (-sizes[label], label))[:most])
    return samples.take(at for at, label in enumerate(samples.labels or ()) if label in kept)
