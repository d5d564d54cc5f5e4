"""Models and data on which rules are judged: real, trained, and to be had without a network.

A case is a model at one checkpoint, a dataset and the level of its labels. Cases of one model are
no independent samples: averages are taken over models. ``seen`` are the models on which the rule of
this package was built and its thresholds were fixed; the others were trained or run afterwards.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from layergeom.states.inputs import Samples, read_samples
from layergeom.tasks.demo import CHECKPOINTS, digits

ROWS = 3000
SEEN = ("minilm", "stories", "demo")


@dataclass(frozen=True)
class Case:
    """One model at one checkpoint on one dataset and level of labels."""

    model: str
    place: Path
    data: str
    samples: Samples

    @property
    def name(self) -> str:
        """Return the case in words."""
        step = self.place.name if self.place.name.startswith("step") else ""
        return " ".join(part for part in (self.model, step, "on", self.data) if part)

    @property
    def seen(self) -> bool:
        """Whether the rule was built on this model."""
        return self.model in SEEN


def cases(data: Path, models: Path) -> Iterator[Case]:
    """Yield all cases; folders as of ``reproductions.runs``, and two tables of texts.

    ``banking77.csv`` has the columns ``text`` and ``category``, ``agnews.csv`` ``text`` and
    ``topic``.
    """
    for model, places in _texts(models).items():
        for name, file, columns in (
            ("BANKING77", "banking77.csv", {"text_column": "text", "labels": "category"}),
            ("AG News", "agnews.csv", {"text_column": "text", "labels": "topic"}),
            ("SST-2", "sst.tsv", {"text_column": "sentence", "labels": "label"}),
        ):
            samples = _read(data / file, columns)
            for place in places:
                yield Case(model, place, name, samples)
    for place in (CHECKPOINTS / "step7000", CHECKPOINTS / "step400"):
        if place.is_dir():
            yield Case("demo", place, "digits", digits())
    images = _read(data / "digits.npz", {"labels": "labels"})
    for step in ("step640", "step2200"):
        yield Case("igpt", models / "igpt" / step, "MNIST", images)
    for level, finer in (("class", None), ("fold", "superfamily"), ("superfamily", "family")):
        proteins = _read(data / "domains.fasta.gz", {"labels": level, "exclude": finer})
        for model, step in (("esm", "step640"), ("esm", "step4000"), ("esm_s", "step2560")):
            yield Case(model, models / model / step, f"SCOPe {level}", proteins)


def _texts(models: Path) -> dict[str, list[Path]]:
    return {
        "minilm": [models / "minilm"],
        "stories": [models / "stories"],
        "gpt": [models / "gpt" / "step320", models / "gpt" / "step2200"],
    }


def _read(path: Path, columns: dict[str, Any]) -> Samples:
    return read_samples(path, max_samples=ROWS, **columns)
