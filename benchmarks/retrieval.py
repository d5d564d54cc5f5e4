"""A shorter encoder for retrieval: every layer's loss, the cut model, its speed and its scores.

    python -m benchmarks.retrieval MODEL TRAIN TEST [--work FOLDER] [--record FILE]

TRAIN and TEST are CSV files with a text and a class (BANKING77: ``text,category``). They become a
retrieval set in BEIR's layout: documents are the training rows, queries the test rows, and the
documents of a query's class are relevant. Then every layer is evaluated, the layer for several
limits is read off, the model is cut behind the deepest block it can be cut behind and behind those
layers, both are timed in turn, and sentence-transformers' own evaluator scores full and cut models
on the same set. The two must agree before anything is written.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import time
from collections import defaultdict
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from benchmarks import records
from layergeom.profiles import plain
from layergeom.tasks.retrieval import evaluate_retrieval
from layergeom.tasks.retrieval_limit import layer_within_limit, shorter
from layergeom.tasks.retrieval_result import RetrievalEvaluation
from layergeom.tasks.truncate import truncate

RECORD = records.FOLDER / "retrieval.jsonl"
METRICS = ("ndcg@10", "mrr@10", "recall@10", "recall@100", "precision@10")
LIMITS = (0.01, 0.02, 0.05, 0.1, 0.15)
AGREE = 1e-4  # of the two libraries' scores
Rows = list[tuple[str, str]]


def labelled(path: Path) -> Rows:
    """Return text and class of each row of a CSV file with a header."""
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.reader(file)
        next(reader)
        return [(row[0].strip(), row[1]) for row in reader]


def members(train: Rows) -> dict[str, list[str]]:
    """Return the documents of every class."""
    found: dict[str, list[str]] = defaultdict(list)
    for row, (_, label) in enumerate(train):
        found[label].append(f"d{row:05d}")
    return found


def write_set(train: Rows, test: Rows, folder: Path) -> Path:
    """Write documents, queries and judgments of one class in BEIR's layout."""
    (folder / "qrels").mkdir(parents=True, exist_ok=True)
    for name, rows in (("corpus", train), ("queries", test)):
        letter = {"corpus": "d", "queries": "q"}[name]
        lines = [
            json.dumps({"_id": f"{letter}{row:05d}", "title": "", "text": text})
            for row, (text, _) in enumerate(rows)
        ]
        (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    of_class = members(train)
    pairs = [
        f"q{row:05d}\t{document}\t1"
        for row, (_, label) in enumerate(test)
        for document in of_class[label]
    ]
    header = "query-id\tcorpus-id\tscore"
    (folder / "qrels" / "test.tsv").write_text("\n".join([header, *pairs]) + "\n")
    return folder


def theirs(model: Path, train: Rows, test: Rows) -> dict[str, float]:
    """Return the scores of sentence-transformers' InformationRetrievalEvaluator, by our names."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.evaluation import (
        InformationRetrievalEvaluator,
    )

    of_class = members(train)
    evaluator = InformationRetrievalEvaluator(
        {f"q{row:05d}": text for row, (text, _) in enumerate(test)},
        {f"d{row:05d}": text for row, (text, _) in enumerate(train)},
        {f"q{row:05d}": set(of_class[label]) for row, (_, label) in enumerate(test)},
        mrr_at_k=[10],
        ndcg_at_k=[10],
        precision_recall_at_k=[10, 100],
        batch_size=64,
    )
    found = evaluator(SentenceTransformer(str(model), device="cpu"))
    return {name: float(found[f"cosine_{name}"]) for name in METRICS}


def compared(
    model: Path, layer: str, found: RetrievalEvaluation, rows: tuple[Rows, Rows]
) -> dict[str, Any]:
    """Return both libraries' scores of one model; they must agree."""
    at = found.layers.index(layer)
    ours = {name: float(found.scores[name].values[at]) for name in METRICS}
    other = theirs(model, *rows)
    gap = max(abs(ours[name] - other[name]) for name in METRICS)
    if gap > AGREE:
        raise SystemExit(f"{layer}: the libraries differ by {gap:.1e}: {ours} and {other}")
    return {"layer": layer, "ours": ours, "theirs": other, "largest_difference": gap}


def main(arguments: list[str]) -> None:
    """Run the case and append its record."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    for name in ("model", "train", "test"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--work", type=Path, help="keeps states and models; default: nothing")
    parser.add_argument("--record", type=Path, default=RECORD)
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    with TemporaryDirectory() as place:
        work = given.work or Path(place)
        records.append(given.record, case(given.model, given.train, given.test, work))


def case(model: Path, train: Path, test: Path, work: Path) -> dict[str, Any]:
    """Return the whole record of a model on one pair of files."""
    rows = labelled(train), labelled(test)
    folder = write_set(*rows, work / "set")
    start = time.process_time()
    found = evaluate_retrieval(
        str(model), folder, metrics=METRICS, folder=work / "evaluated", device="cpu"
    )
    seconds = time.process_time() - start
    found.save(work / "evaluated")
    limits = [
        layer_within_limit(found, limit, metric)
        for metric in ("ndcg@10", "mrr@10", "recall@100")
        for limit in LIMITS
    ]
    deepest = found.layers[shorter(found)[0]]
    layers = sorted({deepest, *(x.layer for x in limits if x.layer)}, reverse=True)
    cuts = [_cut(model, layer, work / f"cut_{layer}", folder) for layer in layers]
    agreed = [compared(model, found.reference, found, rows)]
    agreed += [compared(work / f"cut_{layer}", layer, found, rows) for layer in layers]
    return {
        "job": "retrieval",
        "time": records.now(),
        "model": model.name,
        "documents": found.counts["documents"],
        "queries": found.counts["queries"],
        "cpu_seconds": round(seconds, 1),
        "layers": plain(found.rows()),
        "losses_to_best": {
            name: [score.loss_to_best.against, *plain(score.loss_to_best.values)]
            for name, score in found.scores.items()
        },
        "limits": [plain(asdict(x)) for x in limits],
        "cuts": cuts,
        "agreement": agreed,
        "warnings": list(found.warnings),
        "versions": {
            name: records.version(name)
            for name in ("layergeom", "torch", "transformers", "sentence-transformers")
        },
        "machine": records.machine(),
    }


def _cut(model: Path, layer: str, output: Path, folder: Path) -> dict[str, Any]:
    found = truncate(
        str(model), output, layer=layer, data=folder / "queries.jsonl", text_column="text"
    )
    return {k: v for k, v in asdict(found).items() if k not in ("folder", "warnings", "model")}


if __name__ == "__main__":
    main(sys.argv[1:])
