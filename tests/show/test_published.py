"""Published curves: read from the user's file, checked, drawn behind one's own."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from layergeom.errors import InputError, StoreError
from layergeom.profiles import Profile
from layergeom.show.published import beside_published, published_curve, read_published

ENTRY = {
    "source": "A. Author 2023, fig. 2",
    "quantity": "dimension",
    "depth": [0, 0.25, 1],
    "values": [11, 22.5, 10],
}


def written(path: Path, content: object) -> Path:
    path.write_text(json.dumps(content))
    return path


def test_a_file_holds_one_curve_or_several(tmp_path: Path) -> None:
    [one] = read_published(written(tmp_path / "one.json", ENTRY))
    assert (one.label, one.source) == ("A. Author 2023, fig. 2",) * 2
    assert one.depth.tolist() == [0, 0.25, 1]
    assert one.errors is None
    more = [ENTRY, ENTRY | {"label": "650M", "errors": [0.1, None, 0.2], "note": "ignored"}]
    _, second = read_published(written(tmp_path / "more.json", more))
    assert second.label == "650M"
    np.testing.assert_array_equal(second.errors, [0.1, np.nan, 0.2])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"quantity": "beauty"}, "quantity is 'beauty'; it must be one of dimension"),
        ({"source": " "}, "needs its source"),
        ({"depth": [0, 1]}, "equally long"),
        ({"depth": [0, 0.5, 12]}, "from 0 .* to 1"),
        ({"depth": [0, 1, 0.5]}, "must ascend"),
        ({"errors": [1, -1, 1]}, "an error is negative"),
        ({"values": "high"}, "must be a list of numbers"),
        ({"values": [[1, 2, 3]]}, "must be a list of numbers"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, change: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_published(written(tmp_path / "curve.json", ENTRY | change))


def test_what_is_no_curve_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no file"):
        read_published(tmp_path / "none.json")
    with pytest.raises(InputError, match="every curve is an object with source, quantity"):
        read_published(written(tmp_path / "short.json", [{"values": [1]}]))
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(StoreError, match="is not JSON"):
        read_published(tmp_path / "broken.json")


def test_curves_are_drawn_behind_with_their_source(profile: Profile) -> None:
    figure = beside_published(
        profile, {"B. Author 2024": ([0, 1], [8, 9], [1, 1]), "$C$": ([0, 1], [7, 8], None)}
    )
    [axes] = figure.axes
    ours, *theirs = axes.get_lines()
    assert [line.get_label() for line in theirs] == ["B. Author 2024", r"\$C\$"]
    assert all(line.get_zorder() < ours.get_zorder() for line in theirs)
    np.testing.assert_array_equal(theirs[0].get_ydata(), [8, 9])
    at = list(profile.blocks)
    np.testing.assert_array_equal(ours.get_ydata(), profile.dimension.values[at])
    np.testing.assert_array_equal(ours.get_xdata(), [profile.names[i].depth for i in at])
    assert len(axes.collections) == 2  # no band where no error was published


def test_only_curves_of_the_quantity_are_drawn(profile: Profile) -> None:
    curves = [
        published_curve([1, 2], [0, 1], quantity="dimension", source="one"),
        published_curve([0.1, 0.2], [0, 1], quantity="label_overlap", source="two", label="35M"),
    ]
    [axes] = beside_published(profile, curves, "label_overlap", label="mine").axes
    assert [line.get_label() for line in axes.get_lines()] == ["mine", "35M (two)"]
    with pytest.raises(InputError, match="no published curve of overlap_next"):
        beside_published(profile, curves, "overlap_next")


@pytest.mark.parametrize(("quantity", "end"), [("overlap_first", 0), ("overlap_last", -1)])
def test_overlaps_with_the_ends_are_read_off_the_map(
    profile: Profile, quantity: str, end: int
) -> None:
    curve = published_curve([1, 0.3], [0, 1], quantity=quantity, source="B. Author 2023")
    figure = beside_published(profile, [curve], quantity)
    own = figure.axes[0].get_lines()[0]
    blocks = list(profile.blocks)
    held = profile.overlap.values[blocks, blocks[end]]
    known = np.isfinite(profile.overlap.errors[blocks, blocks[end]])
    np.testing.assert_array_equal(np.asarray(own.get_ydata())[known], held[known])
