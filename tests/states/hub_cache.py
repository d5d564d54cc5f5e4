"""A hub cache on disk and a hub that answers from memory, so that no test asks a network."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import huggingface_hub
import pytest
from huggingface_hub import constants


class FakeHub:
    """Revisions of one model, as folders; what is asked of it is written down."""

    def __init__(self, cache: Path, model: str, folders: Mapping[str, Path]) -> None:
        self.place = cache / f"models--{model.replace('/', '--')}"
        self.folders = dict(folders)
        self.asked: list[tuple[str, Any]] = []

    def commit(self, revision: str | None) -> str:
        return hashlib.sha1((revision or "main").encode(), usedforsecurity=False).hexdigest()

    def list_repo_refs(self, model: str) -> SimpleNamespace:
        self.asked.append(("refs", model))
        named = [SimpleNamespace(name=name) for name in self.folders]
        return SimpleNamespace(branches=named[:1], tags=named[1:])

    def model_info(
        self, model: str, revision: str | None = None, files_metadata: bool = False
    ) -> SimpleNamespace:
        self.asked.append(("info", f"{model}@{revision}"))
        files = [p for p in self.folders[revision or "main"].rglob("*") if p.is_file()]
        root = self.folders[revision or "main"]
        entries = [
            SimpleNamespace(
                rfilename=p.relative_to(root).as_posix(),
                size=p.stat().st_size if files_metadata else None,
            )
            for p in files
        ]
        return SimpleNamespace(sha=self.commit(revision), siblings=entries)

    def add(self, revision: str, *patterns: str) -> Path:
        """Bring files of a revision into the cache as the client does: blobs, links, a ref."""
        commit = self.commit(revision)
        snapshot = self.place / "snapshots" / commit
        for name in ("refs", "blobs"):
            (self.place / name).mkdir(parents=True, exist_ok=True)
        snapshot.mkdir(parents=True, exist_ok=True)
        (self.place / "refs" / revision).write_text(commit)
        for pattern in patterns:
            for file in self.folders[revision].glob(pattern):
                blob = self.place / "blobs" / hashlib.sha256(file.read_bytes()).hexdigest()
                shutil.copyfile(file, blob)
                if not (snapshot / file.name).exists():
                    (snapshot / file.name).symlink_to(blob)
        return snapshot


def faked(
    monkeypatch: pytest.MonkeyPatch, cache: Path, model: str, folders: Mapping[str, Path]
) -> FakeHub:
    """Let ``HfApi()`` be a hub that holds these folders, over an empty cache."""
    hub = FakeHub(cache, model, folders)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(huggingface_hub, "HfApi", lambda: hub)
    return hub


def offline(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    """Use the client's own offline mode over this cache."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
