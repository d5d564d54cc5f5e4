"""Run the protocols of the papers; the same command computes only what is missing.

    python -m reproductions.runs DATA MODELS RUNS [--only NAME ...]

DATA holds ``domains.fasta.gz`` (SCOPe domains, their codes in the headers), ``digits.npz``
(``images`` and ``labels``), ``sst.tsv`` (``sentence`` and ``label``), ``news.txt`` (raw text) and
``residues.txt`` (the domains' residues without a break). MODELS holds what the scripts of
``training/`` write: ``esm`` and ``esm_s`` (6 blocks of width 64), ``igpt``, ``gpt``; and two
published models, ``minilm`` and ``stories``. Each run is a folder in RUNS.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import layergeom as lg
from layergeom.profiles import CHECKPOINTS, STATES
from layergeom.tasks.graded_clouds import graded_clouds
from layergeom.tasks.partition_runs import partitions
from layergeom.tasks.word_sequences import word_sequences
from reproductions.grid import grid, without_exclusion

PROTEIN: dict[str, Any] = {
    "protocol": "valeriani2023-protein",
    "labels": "superfamily",
    "exclude": "family",
}
IMAGE = {"protocol": "valeriani2023-image", "labels": "labels"}
TEXT = {"protocol": "valeriani2023-text", "text_column": "sentence", "labels": "label"}
TOKENS = {"protocol": "razzhigaev2024"}
POST_NORM = {"hook_point": "residual"}  # blocks that end in their norm have no first norm
NULLS = {"nulls": ["permuted", "gaussian", "untrained"]}  # of rows without an order of tokens
ALL_NULLS = {"nulls": [*NULLS["nulls"], "shuffled", "length"]}
SMALL_STEP = "step2560"  # of the small ESM, and of the larger one where they are compared
GRID_ROWS = 4000  # 45 profiles
PARTITIONS: dict[str, Any] = {  # the text holds 14,000 sequences, not 50,000
    "corpora": ("intact", "shuffled", "untrained"),
    "rows": 2000,
    "queries": 1000,
}
CLOUDS: dict[str, Any] = {"prompts": 400}
PROMPT_WORDS = 300  # of a piece of the raw text; more than 512 tokens of either model
LAST = {"esm": "step4000", "igpt": "step2200", "gpt": "step2200"}  # checkpoints


@dataclass(frozen=True)
class Places:
    """Where data and models are, and where runs go."""

    data: Path
    models: Path
    runs: Path


def one(model: str, data: str, options: dict[str, Any]) -> Callable[[Places, str], Any]:
    """Return what profiles one model into the folder of a name."""
    return lambda places, name: lg.profile(
        places.models / model, places.data / data, **options, folder=places.runs / name
    )


def training(model: str, data: str, options: dict[str, Any]) -> Callable[[Places, str], Any]:
    """Return what profiles all checkpoints of a model."""
    return lambda places, name: lg.dynamics(
        places.models / model, places.data / data, **options, folder=places.runs / name
    )


def nulled(run: str, data: str, options: dict[str, Any]) -> Callable[[Places, str], Any]:
    """Return what adds null levels to a run: that of one model, or of its last checkpoint."""
    model = run.partition("-")[0]
    own = model if model not in LAST else f"{model}/{LAST[model]}"
    inside = "" if model not in LAST else f"{CHECKPOINTS}/{LAST[model]}"
    return lambda places, _: lg.profile(
        places.models / own, places.data / data, **options, folder=places.runs / run / inside
    )


def partitioned(model: str, data: str) -> Callable[[Places, str], Any]:
    """Return what measures partitions of a raw text."""
    return lambda places, name: partitions(
        places.models / model, places.data / data, folder=places.runs / name, **PARTITIONS
    )


def clouded(model: str, data: str) -> Callable[[Places, str], Any]:
    """Return what measures pieces of a raw text as clouds of tokens, by degrees of shuffling."""

    def run(places: Places, name: str) -> Any:
        text = (places.data / data).read_text(encoding="utf-8")
        pieces = word_sequences([text], PROMPT_WORDS)
        prompts = {"id": list(pieces), "text": list(pieces.values())}
        return graded_clouds(places.models / model, prompts, folder=places.runs / name, **CLOUDS)

    return run


def protein_grid(places: Places, name: str) -> Any:
    """Profile the last protein checkpoint at every hook point, pooling and k."""
    model, data = places.models / "esm" / LAST["esm"], places.data / "domains.fasta.gz"
    return grid(model, data, PROTEIN | {"max_samples": GRID_ROWS}, places.runs / name)


def protein_kin(places: Places, name: str) -> Any:
    """Profile the last protein checkpoint with neighbours of the same family too."""
    model, data = places.models / "esm" / LAST["esm"], places.data / "domains.fasta.gz"
    states = places.runs / "esm-protein" / CHECKPOINTS / LAST["esm"] / STATES
    return without_exclusion(model, data, PROTEIN, places.runs / name, states)


RUNS: Mapping[str, Callable[[Places, str], Any]] = MappingProxyType(
    {
        "minilm-tokens": one("minilm", "news.txt", TOKENS),
        "stories-tokens": one("stories", "news.txt", TOKENS),
        "minilm-text": one("minilm", "sst.tsv", TEXT | POST_NORM),
        "stories-text": one("stories", "sst.tsv", TEXT),
        "gpt-tokens": training("gpt", "news.txt", TOKENS),
        "esm-tokens": training("esm", "residues.txt", TOKENS),
        "gpt-text": training("gpt", "sst.tsv", TEXT),
        "igpt-image": training("igpt", "digits.npz", IMAGE),
        "esm-protein": training("esm", "domains.fasta.gz", PROTEIN),
        "esm-protein-kin": protein_kin,
        "esm-protein-grid": protein_grid,
        "esm_s-protein": one(f"esm_s/{SMALL_STEP}", "domains.fasta.gz", PROTEIN),
        "gpt-partitions": partitioned(f"gpt/{LAST['gpt']}", "news.txt"),
        "stories-partitions": partitioned("stories", "news.txt"),
        "gpt-clouds": clouded(f"gpt/{LAST['gpt']}", "news.txt"),
        "stories-clouds": clouded("stories", "news.txt"),
        "minilm-text-nulls": nulled("minilm-text", "sst.tsv", TEXT | POST_NORM | ALL_NULLS),
        "stories-text-nulls": nulled("stories-text", "sst.tsv", TEXT | ALL_NULLS),
        "gpt-text-nulls": nulled("gpt-text", "sst.tsv", TEXT | ALL_NULLS),
        "igpt-image-nulls": nulled("igpt-image", "digits.npz", IMAGE | NULLS),
        "esm-protein-nulls": nulled("esm-protein", "domains.fasta.gz", PROTEIN | ALL_NULLS),
        "minilm-tokens-nulls": nulled("minilm-tokens", "news.txt", TOKENS | NULLS),
        "stories-tokens-nulls": nulled("stories-tokens", "news.txt", TOKENS | NULLS),
        "gpt-tokens-nulls": nulled("gpt-tokens", "news.txt", TOKENS | NULLS),
        "esm-tokens-nulls": nulled("esm-tokens", "residues.txt", TOKENS | NULLS),
    }
)


def places_given(parser: argparse.ArgumentParser) -> Places:
    """Read where data, models and runs are."""
    for place in ("data", "models", "runs"):
        parser.add_argument(place, type=Path)
    given = parser.parse_args()
    return Places(given.data, given.models, given.runs)


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=RUNS, nargs="+", help="these runs; default: all")
    places = places_given(parser)
    for name in parser.parse_args().only or RUNS:
        print(name, flush=True)
        RUNS[name](places, name)


if __name__ == "__main__":
    main()
