import csv
import io
import math
from dataclasses import replace

import pytest
from rich.console import Console

from layergeom.show.table import profile_rows, profile_table, reading_lines, under_table, write_csv


def _read(path):
    return list(csv.DictReader(path.read_text("utf-8").splitlines()))


def _printed(table):
    out = io.StringIO()
    Console(file=out, width=160, color_system=None).print(table)
    return out.getvalue()


def test_csv_equals_the_profile(profile, tmp_path):
    rows = _read(write_csv(tmp_path / "profile.csv", profile))
    assert len(rows) == len(profile.layers)
    for name, curve in profile.curves.items():
        for row, value, error in zip(rows, curve.values, curve.errors, strict=True):
            assert float(row[name]) == pytest.approx(value, rel=0, abs=0, nan_ok=True)
            assert float(row[f"{name}_error"]) == pytest.approx(error, rel=0, abs=0, nan_ok=True)


def test_csv_columns_start_with_the_names(profile, tmp_path):
    header = write_csv(tmp_path / "p.csv", profile).read_text("utf-8").splitlines()[0].split(",")
    assert header[:6] == ["layer", "depth", "hidden_states", "module", "blocks", "final_norm"]
    assert header[-1] == "undefined"


def test_formulas_are_disarmed_and_negative_numbers_are_not(profile, tmp_path):
    values = profile.curves["mean_cosine"].values.copy()
    values[1] = -0.25
    curve = replace(profile.curves["mean_cosine"], values=values)
    changed = replace(
        profile,
        curves={**profile.curves, "mean_cosine": curve},
        undefined={"embedding": "@SUM(A1)", "block_1": "\tx", "block_2": "+1", "block_3": "-x"},
    )
    rows = _read(write_csv(tmp_path / "p.csv", changed))
    assert [row["undefined"][0] for row in rows[:4]] == ["'"] * 4
    assert rows[0]["module"].startswith("'=")
    assert rows[1]["mean_cosine"] == "-0.25"


def test_rows_keep_unknown_as_nan(profile):
    row = profile_rows(profile)[0]
    assert math.isnan(row["dimension"])
    assert row["undefined"] == "undefined: 7 distinct points"


def test_table_shows_unknown_and_marks_the_layer(profile, reading):
    lines = _printed(profile_table(profile, reading)).splitlines()
    chosen = next(line for line in lines if "block_7" in line)
    assert chosen.startswith("▶")
    assert next(line for line in lines if "block_8" in line).startswith("·")
    embedding = next(line for line in lines if "embedding" in line)
    assert "–" in embedding
    assert "nan" not in "".join(lines)


def test_under_the_table_stands_the_course_of_the_dimension(profile, reading):
    lines = under_table(profile, reading)
    assert lines == ["ID over the layers  ▂▆█▆▂▁▁▁▁▁▂▃", "± one standard error, – unknown."]


@pytest.mark.parametrize("width", [30, 50, 60, 80, 120])
def test_a_narrow_terminal_cuts_no_number_but_leaves_columns_out(profile, reading, width):
    layers = (*profile.layers[:-1], "final")
    narrow = replace(profile, layers=layers)
    out = io.StringIO()
    Console(file=out, width=width, color_system=None).print(profile_table(narrow, reading, width))
    lines = out.getvalue().splitlines()
    assert len(lines) == 1 + len(layers)
    assert max(map(len, lines)) <= width
    assert "…" not in out.getvalue()
    told = [line for line in under_table(narrow, reading, width) if line.startswith("No room")]
    missing = [head for head in ("χ next", "χ labels", "eff. rank") if head not in lines[0]]
    assert bool(told) == bool(missing)
    assert all(head in told[0] for head in missing)


def test_table_strips_escape_codes_and_shows_markup_literally(profile, reading):
    layers = ("\x1b[31m[bold]embedding", *profile.layers[1:])
    text = _printed(profile_table(replace(profile, layers=layers), reading))
    assert "\x1b" not in text
    assert "[bold]embedding" in text


def test_reading_lines_answer_first(reading):
    lines = reading_lines(reading)
    assert lines[0].startswith("Use block_7")
    heads = [line.split(":")[0] for line in lines]
    assert {"Found", "Repeatability", "Useful"} <= set(heads)
    assert not any("\x1b" in line for line in lines)


def test_a_refusal_names_what_failed(reading):
    advice = reading.recommendation
    refused = dict(vars(advice), found=False, repeatability=math.nan, failed="no peak (z = 0.4)")
    advice = type(advice)(**refused | {"settle": "layergeom run … --labels F"})
    text = "\n".join(reading_lines(type(reading)(**dict(vars(reading), recommendation=advice))))
    assert "Found: no: no peak (z = 0.4)" in text
    assert "Repeatability: –" in text
    assert "What would settle it: layergeom run" in text
