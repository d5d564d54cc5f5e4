"""The saved profile: equal when it comes back, refused with a sentence when it cannot."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from layergeom.errors import InputError, StoreError
from layergeom.profiles import FILE, SCHEMA, Curve, LayerMap, Profile, ScaleCurve, load
from layergeom.states.hidden import LayerName

NAN = float("nan")
THIRD = 1 / 3  # has no short decimal


def small() -> Profile:
    layers = ("embedding", "block_1", "final")
    names = (
        LayerName("embedding", 0.0, 0, "wte", 0, False),
        LayerName("block_1", 1.0, None, "h.0", 1, False),
        LayerName("final", 1.0, 1, None, 1, True),
    )
    chance = np.array([0.1, 0.1, NAN])
    return Profile(
        layers=layers,
        names=names,
        curves={
            "dimension": Curve(
                "dimension", np.array([NAN, 7 * THIRD, 5.5]), np.array([NAN, 0.1, NAN])
            ),
            "label_overlap": Curve(
                "label_overlap", np.array([0.2, 0.3, NAN]), np.full(3, THIRD), chance
            ),
        },
        maps={"overlap": LayerMap("overlap", np.eye(3) * THIRD, np.full((3, 3), NAN), 0.05)},
        scales={
            "block_1": ScaleCurve(
                np.array([1, 2]),
                np.array([0.5, 0.7]),
                np.array([7.0, NAN]),
                np.array([0.1, NAN]),
                (0, 1),
                7.0,
                0.1,
            ),
            "final": ScaleCurve(
                np.array([1]), np.array([0.5]), np.array([7.0]), np.array([0.1]), None, NAN, NAN
            ),
        },
        decimation={"final": {"n": [100.0, 50.0], "values": [5.0, 4.0], "errors": [0.1, NAN]}},
        covariance={"dimension": np.array([[NAN, NAN, NAN], [NAN, 0.01, 0.0], [NAN, 0.0, 0.04]])},
        undefined={"embedding": "7 distinct points"},
        counts={"rows": 100, "layers": 3},
        warnings=("naïve ✓", "<b>"),
        provenance={
            "key": "abc",
            "states": {"model": "m", "n": np.int64(3)},
            "settings": {"k": (1, 2)},
        },
    )


def test_what_is_saved_comes_back_equal(tmp_path: Path) -> None:
    before = small()
    file = before.save(tmp_path / "new" / "folder")
    assert file == tmp_path / "new" / "folder" / FILE
    for path in (file, file.parent, str(file)):
        after = load(path)
        assert after.to_json() == before.to_json()
    assert [p.name for p in file.parent.iterdir()] == [FILE]  # no draft is left


def test_types_and_digits_come_back(tmp_path: Path) -> None:
    after = load(small().save(tmp_path))
    assert after.layers == ("embedding", "block_1", "final")
    assert after.names == small().names
    assert after.dimension.values[1] == 7 * THIRD
    assert np.isnan(after.dimension.values[0])
    assert after.dimension.chance is None
    assert after.label_overlap.chance is not None
    np.testing.assert_array_equal(after.covariance["dimension"], small().covariance["dimension"])
    np.testing.assert_array_equal(after.overlap.values, small().overlap.values)
    assert after.scales["block_1"].plateau == (0, 1)
    assert after.scales["block_1"].ranks.dtype == np.int64
    assert after.scales["final"].plateau is None
    assert np.isnan(after.scales["final"].plateau_dimension)
    assert after.decimation["final"]["n"] == [100.0, 50.0]
    assert np.isnan(after.decimation["final"]["errors"][1])
    assert after.warnings == small().warnings
    assert after.undefined == small().undefined


def test_json_has_no_bare_nan() -> None:
    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    content = json.loads(small().to_json(), parse_constant=refuse)
    assert content["schema"] == SCHEMA
    assert content["curves"]["dimension"]["values"][0] is None


def test_saving_again_replaces(tmp_path: Path) -> None:
    small().save(tmp_path)
    replace(small(), warnings=("second",)).save(tmp_path)
    assert load(tmp_path).warnings == ("second",)


def test_a_failed_save_leaves_the_former_profile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small().save(tmp_path)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(StoreError, match=r"profile.json cannot be written \(No space left"):
        replace(small(), warnings=("second",)).save(tmp_path)
    monkeypatch.undo()
    assert load(tmp_path).warnings == small().warnings
    assert [p.name for p in tmp_path.iterdir()] == [FILE]


def test_a_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("")
    with pytest.raises(StoreError, match=r"run/profile.json cannot be written"):
        small().save(tmp_path / "run")


def test_an_absent_profile_says_how_to_make_one(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "absent", tmp_path / "absent.json"):
        with pytest.raises(InputError, match=r"no profile at .*layergeom run") as caught:
            load(path)
        assert not isinstance(caught.value, StoreError)


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / FILE
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    content = json.loads(small().to_json()) | {"schema": SCHEMA + 1}
    path = written(tmp_path, json.dumps(content))
    with pytest.raises(
        StoreError, match=f"schema {SCHEMA + 1}, newer .* update layergeom"
    ) as caught:
        load(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        "3",
        "null",
        '{"schema": 1}',
        '{"schema": "1"}',
        '{"schema": null}',
        '{"name": "a package.json", "version": "1"}',
        "PK\x03\x04",
        b"\xff\xfe\x00",
        "[" * 100_000,
    ],
    ids=lambda text: repr(text[:20]),
)
def test_foreign_files_are_refused_by_name(tmp_path: Path, text: str | bytes) -> None:
    path = written(tmp_path, text)
    with pytest.raises(StoreError, match="not a whole profile") as caught:
        load(tmp_path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_truncated_file_is_refused_wherever_it_ends(tmp_path: Path) -> None:
    text = small().to_json()
    for end in range(0, len(text) - 2, 97):
        with pytest.raises(StoreError, match="not a whole profile"):
            load(written(tmp_path, text[:end]))


def test_a_changed_digit_is_found_but_not_where_there_is_no_digest(tmp_path: Path) -> None:
    text = small().to_json()
    content = json.loads(text)
    values = content["curves"]["dimension"]["values"]
    at, value = next((at, value) for at, value in enumerate(values) if value is not None)
    values[at] = value + 1e-9
    with pytest.raises(StoreError, match=r"does not fit its sha256\); run it again"):
        load(written(tmp_path, json.dumps(content)))
    assert load(written(tmp_path, json.dumps(json.loads(text), indent=7))).to_json() == text
    del content["sha256"]  # as earlier versions wrote it
    assert load(written(tmp_path, json.dumps(content)))["dimension"].values[at] == value + 1e-9


def changed(value: object, rng: random.Random) -> object:
    """The same JSON with one place of it replaced by something else."""
    if isinstance(value, (dict, list)) and value and rng.random() < 0.85:
        copy = dict(value) if isinstance(value, dict) else list(value)
        at = rng.choice(list(copy) if isinstance(copy, dict) else range(len(copy)))
        copy[at] = changed(copy[at], rng)
        return copy
    return rng.choice(["text", 7, -1.5, None, True, [], {}, [1], {"a": 1}, [["x"]], [[1], [2, 3]]])


def test_malformed_files_give_a_store_error_or_a_profile(tmp_path: Path) -> None:
    content = json.loads(small().to_json())
    del content["sha256"]  # with it, all would be refused
    rng = random.Random(0)  # noqa: S311
    opened = refused = 0
    for _ in range(400):
        path = written(tmp_path, json.dumps(changed(content, rng)))
        try:
            opened += len(load(path).rows()) == 3
        except StoreError as error:
            refused += str(path) in str(error)
    assert opened + refused == 400
    assert refused > 100


def test_rows_hold_every_value_with_its_error() -> None:
    profile = small()
    rows = profile.rows()
    assert [row["layer"] for row in rows] == list(profile.layers)
    for i, row in enumerate(rows):
        for name, curve in profile.curves.items():
            assert row[name] == pytest.approx(curve.values[i], nan_ok=True, abs=0, rel=0)
            assert row[f"{name}_error"] == pytest.approx(curve.errors[i], nan_ok=True, abs=0, rel=0)
    assert rows[0]["label_overlap_chance"] == 0.1
    assert "dimension_chance" not in rows[0]
    assert [row["undefined"] for row in rows] == ["7 distinct points", "", ""]
    assert [row["depth"] for row in rows] == [0.0, 1.0, 1.0]


def test_the_frame_holds_the_rows() -> None:
    frame = small().to_frame()
    assert list(frame.index) == list(small().layers)
    assert frame.loc["block_1", "dimension"] == 7 * THIRD
    assert frame.loc["block_1", "dimension_error"] == 0.1
    assert set(frame.columns) == set(small().rows()[0]) - {"layer"}
    assert frame.index.name == "layer"


def test_unknown_quantities_are_answered_with_the_known_ones() -> None:
    profile = small()
    with pytest.raises(
        InputError, match="no quantity 'dimensions'; it has dimension, label_overlap"
    ):
        profile["dimensions"]
    without = replace(profile, curves={"dimension": profile.dimension})
    with pytest.raises(InputError, match="made without labels; give labels="):
        _ = without.label_overlap


def test_final_lies_outside_the_depth() -> None:
    assert small().blocks == (0, 1)
