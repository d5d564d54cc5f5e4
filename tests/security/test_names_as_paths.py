"""Names that are paths elsewhere, and places that are links elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

import layergeom
from layergeom.errors import InputError
from layergeom.profiles import Profile
from layergeom.show.atomic import replace_file
from layergeom.show.figure_files import write_figures
from layergeom.show.table import write_csv, write_points
from layergeom.states import durable
from layergeom.states.store import Store
from layergeom.tasks.embedding_files import write_embeddings
from show.conftest import build_profile

X = np.arange(12, dtype=np.float32).reshape(4, 3)
NAMES = [
    "../../x",
    "/etc/x",
    "a\0b",
    ".",
    "..",
    "con",
    "A",
    "a",
    "ü/%2f",
    "x\n",
    "~root",
    "-rf",
    "*",
]


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


@pytest.mark.parametrize("name", NAMES)
def test_S_layer_name_traversal(tmp_path: Path, name: str) -> None:
    store = Store(tmp_path / "deep" / "store")
    store.put(name, {"x": X}, "k")
    assert store.names() == (name,)
    found = store.get(name, "k")
    assert found is not None
    assert found["x"].shape == (4, 3)
    assert [p.name for p in tmp_path.iterdir()] == ["deep"]
    assert len(list(store.folder.iterdir())) == 2


def test_S_layer_name_traversal_in_a_whole_profile(tmp_path: Path) -> None:
    """Layers, the file of the states and the folder of the model are named by strangers."""
    rng = np.random.default_rng(0)
    layers = {name: rng.standard_normal((60, 3)).astype(np.float32) for name in NAMES[:2]}
    place = tmp_path / "deep" / "..%2f..%2fmodel"
    place.mkdir(parents=True)
    np.savez(place / "..%2fx.npz", **layers)
    found = layergeom.profile(place / "..%2fx.npz", k=5, folder=tmp_path / "deep" / "run")
    assert found.layers == tuple(NAMES[:2])
    found.save(tmp_path / "deep" / "run")
    for layer in NAMES:
        write_points(tmp_path / "deep" / "points", layer, [{"a": 1}])
    assert [p.name for p in tmp_path.iterdir()] == ["deep"]
    assert all(".." not in Path(name).parts for name in files(tmp_path))
    assert (tmp_path / "deep" / "points" / "points_.._.._x.csv").is_file()


# ── links ─────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def profile() -> Profile:
    return build_profile(hostile=False)


WRITERS: dict[str, Callable[[Path, Profile], object]] = {
    "any.txt": lambda path, _: replace_file(path, "new"),
    "any.json": lambda path, _: durable.write(path, b"new"),
    "profile.json": lambda path, profile: profile.save(path.parent),
    "profile.csv": write_csv,
    "points_a.csv": lambda path, _: write_points(path.parent, "a", [{"a": 1}]),
    "drawn.svg": lambda path, _: write_figures(path.parent, {"drawn": Figure}),
    "vectors.npz": lambda path, _: write_embeddings(path, list("abcd"), X, {}, "npz"),
    "vectors.safetensors": lambda path, _: write_embeddings(
        path, list("abcd"), X, {}, "safetensors"
    ),
    "manifest.json": lambda path, _: Store(path.parent).put("new", {"x": X}, "k"),
}


@pytest.mark.parametrize("name", WRITERS)
def test_S_symlink_target(tmp_path: Path, profile: Profile, name: str) -> None:
    precious = tmp_path / "precious"
    link = tmp_path / "out" / name
    link.parent.mkdir()
    if name == "manifest.json":  # or the store is damaged before anything is written
        Store(link.parent).put("old", {"x": X}, "k")
        link.rename(precious)
    else:
        precious.write_bytes(b"old")
    before = precious.read_bytes()
    link.symlink_to(precious)
    WRITERS[name](link, profile)
    assert precious.read_bytes() == before
    assert not link.is_symlink()
    assert link.read_bytes() != before
    assert not [path for path in link.parent.iterdir() if path.name.startswith((".", "tmp"))]


def test_S_symlink_target_that_dangles(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "nowhere")
    durable.write(link, b"new")
    assert files(tmp_path) == {"link"}
    replace_file(link, "newer")
    assert files(tmp_path) == {"link"}
    with pytest.raises(InputError, match="cannot be written"):
        replace_file(tmp_path / "link" / "x", "new")
