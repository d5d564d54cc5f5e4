"""Options that go together are written once and reach the library as they were given."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pytest
import typer

from layergeom.cli.bundles import Bundle, flat
from layergeom.cli.options import ForwardPass, Reading, View
from layergeom.errors import InputError


@dataclass(frozen=True)
class Size(Bundle):
    """Of a picture."""

    width: Annotated[int | None, typer.Option(help="Columns.")] = None
    height: Annotated[int, typer.Option(help="Rows.")] = 3


def draw(name: str, size: Size, colour: str = "red") -> None:
    """Stand for a command."""


def test_a_bundle_becomes_its_options_in_its_place() -> None:
    found = {parameter.name: parameter.default for parameter in flat(draw)}
    empty = next(flat(draw)).default
    assert found == {"name": empty, "width": None, "height": 3, "colour": "red"}
    assert list(found) == ["name", "width", "height", "colour"]


def test_only_what_was_given_is_passed_on() -> None:
    assert Size().given() == {"height": 3}
    assert ForwardPass(special_tokens=False).given() == {"special_tokens": False}


def test_paths_of_blocks_and_numbers_of_rows_are_read() -> None:
    assert ForwardPass(blocks="a.0, a.1").given() == {"blocks": ["a.0", "a.1"]}
    assert Reading(max_samples="12").given() == {"max_samples": 12}
    assert Reading(max_samples="all").given() == {"max_samples": "all"}
    with pytest.raises(InputError, match="--max-samples is 'many'"):
        Reading(max_samples="many").given()


def test_a_device_map_is_a_name_or_a_file(tmp_path: Path) -> None:
    assert ForwardPass(device_map="auto").given() == {"device_map": "auto"}
    file = tmp_path / "map.json"
    file.write_text('{"embed": "cpu", "blocks": 1}')
    assert ForwardPass(device_map=str(file)).given() == {
        "device_map": {"embed": "cpu", "blocks": 1}
    }
    for content, says in (("[1]", "holds no map"), ('{"a": []}', "holds no map"), ("{", "as JSON")):
        file.write_text(content)
        with pytest.raises(InputError, match=says):
            ForwardPass(device_map=str(file)).given()


def test_several_views_are_told_from_one() -> None:
    assert View(pool="mean", hook_point="first_norm").several() == {}
    assert View(pool="mean, last").several() == {"pools": ["mean", "last"]}
    assert View(pool="mean", hook_point="residual,final_norm").several() == {
        "pools": ["mean"],
        "hook_points": ["residual", "final_norm"],
    }
