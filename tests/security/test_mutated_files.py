"""A thousand mutated files: each gives its exact value or a clear error, and nothing else."""

from __future__ import annotations

import shutil
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fuzzed_kinds import KINDS, Kind
from limits import MIB, ceiling
from mutations import mutated

from layergeom.errors import LayergeomError

FEW, MANY = 8, 64  # files of each kind
SECONDS = 20
SPARE = 512 * MIB


class Hung(BaseException):
    """A file took longer than the limit; no Exception, which the package may take for damage."""


@contextmanager
def at_most(seconds: int) -> Iterator[None]:
    def stop(*_: object) -> None:
        raise Hung

    former = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, former)


def causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def outcome(kind: Kind, path: Path, original: Any) -> str:
    """Say what came of a mutated file; what must not be begins with a capital."""
    damaged = path.read_bytes()
    try:
        with at_most(SECONDS), ceiling(SPARE):
            found = kind.read(path)
    except Hung:
        return "HUNG"
    except LayergeomError as error:
        return judged(error, path.name if kind.named else "")
    except BaseException as error:  # noqa: BLE001
        return f"INTERNAL {type(error).__name__}: {error}"
    if found == original:
        return "exact"
    if kind.truth is None:
        return f"BELIEVED {str(found)[:200]}"
    path.write_bytes(damaged)
    return "exact" if agrees(found, kind.truth, path) else f"BELIEVED {str(found)[:300]}"


def judged(error: LayergeomError, name: str) -> str:
    if any(isinstance(cause, MemoryError) for cause in causes(error)):
        return f"SWOLLEN {error}"
    text = str(error)
    clear = 20 < len(text) < 4000 and "\n" not in text and name in text
    return "error" if clear else f"UNCLEAR {text[:300]}"


def agrees(found: Any, truth: Callable[[Path], Any], path: Path) -> bool:
    try:
        expected = truth(path)
    except Exception:  # noqa: BLE001  somebody else's reader
        return False
    if isinstance(found, dict) and isinstance(expected, dict) and "layers" not in found:
        return all(expected.get(name) == value for name, value in found.items())
    return bool(found == expected)


def fuzz(name: str, seeds: range, folder: Path) -> Counter[str]:
    kind, made = KINDS[name], folder / "made"
    made.mkdir()
    kind.make(made / kind.file)
    shutil.copytree(made, folder / "original")
    original = kind.read(folder / "original" / kind.file)
    data = (made / kind.file).read_bytes()
    found: Counter[str] = Counter()
    for seed in seeds:
        place = folder / str(seed)
        shutil.copytree(made, place)
        what, damaged = mutated(data, seed, kind.changes)
        (place / kind.file).write_bytes(damaged)
        with np.errstate(all="ignore"):
            said = outcome(kind, place / kind.file, original)
        assert said in ("exact", "error"), f"{name}, seed {seed}, {what}: {said}"
        found[said] += 1
        shutil.rmtree(place)
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_a_mutated_file_gives_its_value_or_a_clear_error(kind: str, tmp_path: Path) -> None:
    assert fuzz(kind, range(FEW), tmp_path)["error"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_thousand_mutated_files(kind: str, tmp_path: Path, record_property: Any) -> None:
    found = fuzz(kind, range(FEW, FEW + MANY), tmp_path)
    record_property("outcomes", dict(found))
    assert found["error"]


def test_a_thousand_are_tried() -> None:
    assert len(KINDS) * FEW >= 150
    assert len(KINDS) * MANY >= 1000
