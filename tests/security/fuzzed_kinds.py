"""The kinds of files that are mutated: how each is made, read, and read by somebody else.

A kind's ``read`` returns plain values. Its ``truth`` says what the mutated bytes hold, by another
reader than ours; or it is None, and then only the original values are right, for a checksum must
have told of any change.
"""

from __future__ import annotations

import csv
import io
import json
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mutations import BINARY, TEXT, Change
from safetensors.numpy import load_file, save_file

from layergeom import profiles
from layergeom.states.content import content_key
from layergeom.states.datafiles import read_data
from layergeom.states.hidden import layer_piece, open_states, write_facts
from layergeom.states.images import FORMATS, Images
from layergeom.states.labels import labels_of_rows
from layergeom.states.store import Store
from layergeom.states.stored import stored_states
from layergeom.states.stored_files import file_layers
from show.conftest import build_profile

X = np.arange(12, dtype=np.float32).reshape(4, 3) / 7
LABELS = {f"s{i}": f"c{i % 3}" for i in range(12)}


@dataclass(frozen=True)
class Kind:
    """One kind of file; ``file`` is mutated, and ``read`` and ``truth`` are given its path."""

    file: str
    make: Callable[[Path], object]
    read: Callable[[Path], Any]
    truth: Callable[[Path], Any] | None
    changes: tuple[Change, ...]
    named: bool = True  # whether every error names the file


# ── stored states ─────────────────────────────────────────────────────────────────────────────


def arrays(path: Path) -> dict[str, Any]:
    return {layer.name: plain(layer.read()) for layer in file_layers(path)}


def plain(array: Any) -> tuple[Any, ...]:
    array = np.ascontiguousarray(array)
    return array.shape, array.dtype.str, array.tobytes()


def npy_truth(path: Path) -> dict[str, Any]:
    return {path.stem: plain(np.load(path, allow_pickle=False))}


def npz_truth(path: Path) -> dict[str, Any]:
    with np.load(path, allow_pickle=False) as file:
        return {name: plain(file[name]) for name in file.files}


def library_truth(path: Path) -> dict[str, Any]:
    return {name: plain(array) for name, array in load_file(path).items()}


def save_old(path: Path) -> None:
    torch.save({"a": torch.tensor(X)}, path, _use_new_zipfile_serialization=False)


def torch_truth(path: Path) -> dict[str, Any]:
    held = torch.load(path, map_location="cpu", weights_only=True)
    return {name: plain(array) for name, array in held.items()}


def make_store(path: Path) -> None:
    store = Store(path.parent)
    made = stored_states({"embedding": X, "block_1": X + 1}, store=store)
    for layer in made.layers:
        store.put(layer_piece(layer), {"states": made[layer]}, made.key)
    write_facts(store, made)


def whole_store(path: Path) -> dict[str, Any]:
    store = Store(path.parent)
    found = {name: store.get(name, str(store.key(name))) for name in store.names()}
    return {
        name: {label: plain(array) for label, array in (held or {}).items()}
        for name, held in found.items()
    } | {"layers": of_states(path)}


def of_states(path: Path) -> dict[str, Any]:
    states = stored_states(path.parent)
    return {layer: plain(states[layer]) for layer in states.layers}


def forged(path: Path) -> dict[str, Any]:
    """Read a store whose manifest was signed anew behind the mutation, as a forger would."""
    try:
        head = json.loads(path.read_bytes())
        head["sha256"] = content_key(head["pieces"])
        path.write_text(json.dumps(head))
    except (ValueError, TypeError, KeyError, RecursionError):
        pass
    states = open_states(Store(path.parent))
    return {} if states is None else {name: plain(states[name]) for name in states.layers}


def forged_truth(_: Path) -> dict[str, Any]:
    return {"embedding": plain(X), "block_1": plain(X + 1)}


def make_piece(path: Path) -> None:
    make_store(path)
    next(path.parent.glob("layers%2fblock*")).rename(path)


def piece(path: Path) -> dict[str, Any]:
    """Give the mutated piece the name that the manifest has for it."""
    manifest = json.loads((path.parent / "manifest.json").read_bytes())
    path.rename(path.parent / manifest["pieces"]["layers/block_1"]["file"])
    return whole_store(path)


# ── labels, sequences, images, profiles ───────────────────────────────────────────────────────


def labels(path: Path) -> list[Any]:
    # else a list in one place makes sets of all, which is said
    return list(labels_of_rows(path, list(LABELS), "labels", "class").labels or ())


def table_truth(path: Path) -> list[Any]:
    comma = "\t" if path.suffix == ".tsv" else ","
    quoting = csv.QUOTE_NONE if comma == "\t" else csv.QUOTE_MINIMAL
    text = path.read_bytes().decode("utf-8-sig")
    rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=comma, quoting=quoting))
    return joined({row[0].strip(): row[1] for row in rows if len(row) == 2})


def json_truth(path: Path) -> list[Any]:
    rows = [json.loads(line) for line in path.read_text("utf-8-sig").split("\n") if line.strip()]
    names = {str(row.get("id")).strip(): row.get("label") for row in rows}
    return joined({name: v if v is None or v != v else str(v) for name, v in names.items()})


def joined(by_id: dict[str, Any]) -> list[Any]:
    found = [by_id.get(name) for name in LABELS]
    return [None if value in ("", None) or value != value else value for value in found]


def write_labels(path: Path) -> None:
    comma = "\t" if path.suffix == ".tsv" else ","
    if path.suffix == ".jsonl":
        rows = [json.dumps({"id": name, "label": label}) for name, label in LABELS.items()]
    else:
        rows = [f"id{comma}label", *(f"{name}{comma}{label}" for name, label in LABELS.items())]
    path.write_text("\n".join(rows) + "\n")


SEQUENCES = ">a one\nMKV\nLLA-\n>b\nGGSTa*\n>c three\nACDEFGHIKLMNPQRSTVWY\n"


def fasta(path: Path) -> list[tuple[str, str]]:
    found = read_data(path, lambda _: False)
    return list(zip(found.columns["id"], found.columns["sequence"], strict=True))


def fasta_truth(path: Path) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for line in re.split("\r\n|\n", path.read_bytes().decode("utf-8-sig")):
        if line.startswith(">"):
            found.append((line[1:].strip().replace("\t", " ").split(" ")[0], ""))
        elif line.strip() and not line.startswith(";"):
            name, held = found[-1]
            found[-1] = (name, held + re.sub(r"[\s.\-]", "", line).upper())
    return [(name, held.rstrip("*")) for name, held in found]


def make_image(path: Path) -> None:
    from PIL import Image

    pixels = np.random.default_rng(0).integers(0, 256, (9, 8, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


def image(path: Path) -> Any:
    images = Images([path], "data")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert len(images.digests) == 1
        return plain(np.asarray(images[0]))


def image_truth(path: Path) -> Any:
    from PIL import Image, ImageOps

    with warnings.catch_warnings(), Image.open(path, formats=FORMATS) as opened:
        warnings.simplefilter("ignore")
        whole = opened.convert("RGBA") if "transparency" in opened.info else opened
        return plain(np.asarray(ImageOps.exif_transpose(whole).convert("RGB")))


def profile(path: Path) -> Any:
    return json.loads(profiles.load(path).to_json(), parse_int=float)


def profile_truth(path: Path) -> Any:
    known = list(build_profile(hostile=False).__dataclass_fields__)
    content = json.loads(path.read_bytes(), parse_int=float)
    return {"schema": 1} | {name: profiles.plain(content.get(name, {})) for name in known}


KINDS = {
    "manifest": Kind("manifest.json", make_store, whole_store, None, TEXT),
    "forged manifest": Kind("manifest.json", make_store, forged, forged_truth, TEXT, named=False),
    "piece": Kind("piece.safetensors", make_piece, piece, None, BINARY, named=False),
    "safetensors": Kind(
        "x.safetensors", lambda p: save_file({"a": X, "b": X + 1}, p), arrays, library_truth, BINARY
    ),
    "npy": Kind("x.npy", lambda p: np.save(p, X), arrays, npy_truth, BINARY),
    "npz": Kind("x.npz", lambda p: np.savez(p, a=X, b=X + 1), arrays, npz_truth, BINARY),
    "packed npz": Kind(
        "x.npz", lambda p: np.savez_compressed(p, a=X, b=X + 1), arrays, npz_truth, BINARY
    ),
    "pt": Kind("x.pt", lambda p: torch.save({"a": torch.tensor(X)}, p), arrays, None, BINARY),
    "old pt": Kind("x.pt", save_old, arrays, torch_truth, BINARY),
    "csv": Kind("x.csv", write_labels, labels, table_truth, TEXT),
    "tsv": Kind("x.tsv", write_labels, labels, table_truth, TEXT),
    "jsonl": Kind("x.jsonl", write_labels, labels, json_truth, TEXT),
    "fasta": Kind("x.fasta", lambda p: p.write_text(SEQUENCES), fasta, fasta_truth, TEXT),
    "profile": Kind(
        "profile.json",
        lambda p: build_profile(hostile=False).save(p.parent),
        profile,
        profile_truth,
        TEXT,
    ),
    "png": Kind("x.png", make_image, image, image_truth, BINARY),
    "jpg": Kind("x.jpg", make_image, image, image_truth, BINARY),
    "gif": Kind("x.gif", make_image, image, image_truth, BINARY),
    "bmp": Kind("x.bmp", make_image, image, image_truth, BINARY),
    "webp": Kind("x.webp", make_image, image, image_truth, BINARY),
    "ppm": Kind("x.ppm", make_image, image, image_truth, BINARY),
}
