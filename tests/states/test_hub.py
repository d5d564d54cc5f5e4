"""What is known of the hub: its answers are faked, its cache is a real layout on disk."""

from __future__ import annotations

from pathlib import Path

import pytest
from huggingface_hub import HfApi
from huggingface_hub.errors import HFValidationError

from layergeom.errors import GeometryWarning, InputError
from layergeom.states import hub
from layergeom.states.checkpoints import checkpoints
from states.hub_cache import FakeHub, faked, offline

NAMES = ("main", "step0", "step16", "step1000")


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, Path]:
    made = {}
    for name in NAMES:
        made[name] = tmp_path / "remote" / name
        made[name].mkdir(parents=True)
        (made[name] / "config.json").write_text("{}")
        (made[name] / "model.safetensors").write_bytes(name.encode() * 10)
    return made


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, folders: dict[str, Path]) -> FakeHub:
    return faked(monkeypatch, tmp_path / "cache", "own/model", folders)


def test_a_pattern_is_looked_up_among_branches_and_tags(own: FakeHub) -> None:
    assert [c.name for c in checkpoints("own/model", "step*")] == ["step0", "step16", "step1000"]
    assert own.asked == [("refs", "own/model")]
    found = checkpoints("own/model", ["step1*", "main"])
    assert [c.name for c in found] == ["step16", "step1000", "main"]
    assert found[0].revision == "step16"


def test_names_without_a_pattern_ask_nobody(own: FakeHub) -> None:
    assert [c.name for c in checkpoints("own/model", ["step7", "step5"])] == ["step5", "step7"]
    assert checkpoints("own/model", "step5")[0].step == 5
    assert own.asked == []


def test_a_pattern_that_matches_nothing_lists_what_there_is(own: FakeHub) -> None:
    with pytest.raises(InputError, match=r"has no checkpoint 'epoch\*'; it holds main, step0"):
        checkpoints("own/model", "epoch*")


def test_without_a_network_the_cache_answers(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, folders: dict[str, Path]
) -> None:
    fake = FakeHub(tmp_path / "cache", "own/model", folders)
    for name in ("step0", "step1000"):
        fake.add(name, "*")
    (fake.place / "refs" / "step5").write_text("0" * 40)  # a ref without its snapshot
    offline(monkeypatch, tmp_path / "cache")
    with pytest.warns(GeometryWarning, match="among the 2 revisions of own/model in the local"):
        found = checkpoints("own/model", "step*")
    assert [c.name for c in found] == ["step0", "step1000"]


def test_without_network_and_cache_fetch_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    offline(monkeypatch, tmp_path)
    with pytest.raises(hub.UnreachableError, match="`layergeom fetch own/model`"):
        checkpoints("own/model", "step*")
    with pytest.raises(hub.UnreachableError, match="at revision 'step3'"):
        hub.remote("own/model", "step3")


def test_a_bad_name_is_no_matter_of_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise HFValidationError("Repo id must not end with '.'.")

    monkeypatch.setattr(HfApi, "list_repo_refs", refuse)
    with pytest.raises(InputError, match="check the name") as raised:
        checkpoints("own/model.", "step*")
    assert not isinstance(raised.value, hub.UnreachableError)


def test_sizes_are_those_of_the_files(own: FakeHub) -> None:
    found = hub.remote("own/model", "step16")
    assert found.sizes == {"config.json": 2, "model.safetensors": 60}
    assert found.commit == own.commit("step16")
    assert hub.cached_bytes("own/model", found.commit, found.sizes) == 0
    own.add("step16", "*.json")
    assert hub.cached_bytes("own/model", found.commit, found.sizes) == 2


@pytest.mark.parametrize(
    ("names", "weights"),
    [
        (["model.safetensors", "pytorch_model.bin"], ("model.safetensors",)),
        (["pytorch_model.bin", "optimizer.bin", "x.h5"], ("pytorch_model.bin",)),
        (
            ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"],
            ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"),
        ),
        (
            ["model.safetensors", "model-00001-of-00002.safetensors", "model.fp16.safetensors"],
            ("model.safetensors",),
        ),
        (["consolidated.safetensors", "onnx/model.safetensors"], ()),
        (
            ["model.safetensors", "2_Dense/model.safetensors", "2_Dense/pytorch_model.bin"],
            ("model.safetensors", "2_Dense/model.safetensors"),
        ),
    ],
)
def test_weights_are_chosen_as_they_are_read(names: list[str], weights: tuple[str, ...]) -> None:
    needed = hub.needed_files([*names, "config.json", "README.md", "vocab.txt"])
    assert needed.small == ("config.json", "vocab.txt")
    assert needed.weights == weights
    assert needed.pickled == any(name.endswith(".bin") for name in weights)


def test_only_new_weights_of_the_commit_are_removed(own: FakeHub) -> None:
    own.add("step0", "*")
    before = hub.cached_weights("own/model")
    new, other = own.add("step16", "*"), own.add("step1000", "*")
    freed = hub.remove_weights("own/model", own.commit("step16"), before)
    assert freed == 60
    assert [p.name for p in new.iterdir()] == ["config.json"]
    assert (other / "model.safetensors").is_file()
    assert before <= hub.cached_weights("own/model")


def test_a_blob_that_another_snapshot_uses_stays(own: FakeHub, folders: dict[str, Path]) -> None:
    (folders["step16"] / "model.safetensors").write_bytes(b"step0" * 10)
    kept = own.add("step0", "*")
    before = hub.cached_weights("own/model")
    own.add("step16", "*")
    assert hub.remove_weights("own/model", own.commit("step16"), before) == 0
    assert (kept / "model.safetensors").read_bytes() == b"step0" * 10
    own.add("step16", "*")
    assert hub.remove_weights("own/model", own.commit("step16"), frozenset()) == 0
    assert (kept / "model.safetensors").is_file()
