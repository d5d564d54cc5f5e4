import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from layergeom.errors import InputTypeError, StoreError
from layergeom.states.manifest import (
    Piece,
    decoded,
    encoded,
    file_of,
    parsed,
    plain_facts,
    serialized,
)

SHA = "0123456789abcdef" * 4
PIECE = Piece(file_of("a/b", SHA), 12, SHA, "key", {"n": 3})
PATH = Path("folder/manifest.json")


@given(st.text())
def test_encoding_is_reversible_and_stays_inside(name):
    stem = encoded(name)
    assert decoded(stem) == name
    assert not set(stem) & set('/\\.:*?"<>|\0 ')
    assert stem == stem.lower()


@pytest.mark.parametrize("name", ["", "x" * 181, "ä" * 31])
def test_names_that_make_no_file_name(name):
    with pytest.raises(StoreError, match=r"bytes long as a file name"):
        file_of(name, SHA)


def test_round_trip():
    assert parsed(serialized({"a/b": PIECE}), PATH) == {"a/b": PIECE}


def test_every_flipped_bit_is_noticed_or_harmless():
    good = serialized({"a/b": PIECE})
    for place in range(len(good)):
        for bit in (0, 3, 5):
            data = bytearray(good)
            data[place] ^= 1 << bit
            try:
                assert parsed(bytes(data), PATH) == {"a/b": PIECE}
            except StoreError as error:
                assert "manifest.json" in str(error)  # noqa: PT017


def test_R_schema_newer_says_so():
    head = json.loads(serialized({})) | {"schema": 2}
    with pytest.raises(StoreError, match=r"has schema 2 but this version reads up to 1"):
        parsed(json.dumps(head).encode(), PATH)


@pytest.mark.parametrize("data", [b"[]", b'{"format": "other"}'])
def test_another_tools_manifest_is_foreign(data):
    with pytest.raises(StoreError, match=r"foreign"):
        parsed(data, PATH)


def test_a_piece_may_only_name_its_own_file():
    for file in ("../../etc/passwd", file_of("other", SHA)):
        data = serialized({"a/b": replace(PIECE, file=file)})
        with pytest.raises(StoreError, match=r"names a file that is not its own"):
            parsed(data, PATH)


def test_facts_come_back_as_json_gives_them():
    facts = plain_facts({"a": (1, np.int64(2)), "b": np.float32(0.5)}, "x")
    assert facts == {"a": [1, 2], "b": 0.5}


@pytest.mark.parametrize("value", [float("nan"), object(), {1, 2}])
def test_facts_without_a_form_in_json(value):
    with pytest.raises(InputTypeError, match=r"facts of 'x'"):
        plain_facts({"a": value}, "x")
