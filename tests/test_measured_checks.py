"""What a profile says of its own numbers: constant density, and the audit of its neighbours."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from clouds import torus
from layergeom import profiles
from layergeom.geometry import local_homogeneity, neighbor_graph, twonn
from layergeom.geometry.audit import Audit
from layergeom.layer import Settings
from layergeom.measure import measure
from layergeom.profiles import Profile
from layergeom.reading import read
from layergeom.reading.claims_depth import homogeneity_claim
from layergeom.show.quantities import QUANTITIES
from layergeom.show.report import report_page
from layergeom.show.table import audit_line, under_table
from layergeom.states.stored import stored_states

TEN = Settings(k=10)


def heavy(n: int) -> np.ndarray:
    """Rows whose density falls steeply from a point: (n, 12)."""
    rng = np.random.default_rng(1)
    return rng.standard_normal((n, 12)) * np.exp(3 * rng.standard_normal((n, 1)))


@pytest.fixture(scope="module")
def profile() -> Profile:
    return measure(stored_states({"even": torus(600, 2, 0), "heavy": heavy(600)}), settings=TEN)


def test_the_curve_is_that_of_the_distinct_points(profile: Profile) -> None:
    graph = neighbor_graph(heavy(600), k=64)
    found = local_homogeneity(graph, twonn(graph).value)
    assert profile["homogeneity"].values[1] == found.value
    assert profile["homogeneity"].errors[1] == found.error
    assert profile["homogeneity"].values[0] == 1.0


def test_claim_a10_reads_the_curve(profile: Profile) -> None:
    found = homogeneity_claim(profile)
    assert found.verdict == "does not hold"
    assert "at heavy" in found.evidence
    even = measure(stored_states({"a": torus(600, 2, 0), "b": torus(600, 3, 1)}), settings=TEN)
    assert homogeneity_claim(even).verdict == "holds"


def test_every_curve_of_a_profile_has_words(profile: Profile) -> None:
    assert "homogeneity" in profile.curves
    assert set(profile.curves) <= set(QUANTITIES)


def test_groups_leave_it_unknown_and_say_so() -> None:
    states = stored_states({"a": torus(200, 2, 0)})
    found = measure(states, settings=TEN, groups=np.arange(200) // 2)
    assert np.isnan(found["homogeneity"].values).all()
    assert any("homogeneity is unknown" in warning for warning in found.warnings)
    assert homogeneity_claim(found).verdict == "cannot be told"


def test_a_layer_without_a_dimension_has_none() -> None:
    rows = torus(100, 2, 0)
    found = measure(stored_states({"a": rows, "few": rows[np.arange(100) % 6]}), settings=TEN)
    assert np.isnan(found["homogeneity"].values).tolist() == [False, True]


def test_every_layer_is_audited_and_the_audit_is_kept(profile: Profile, tmp_path: Path) -> None:
    kept = profiles.load(profile.save(tmp_path)).provenance["audit"]
    assert list(kept) == ["even", "heavy"]
    for facts in kept.values():
        assert (facts["rows"], facts["differing"]) == (16, 0)
        assert facts["deviation"] < 1e-14


def test_table_and_report_tell_the_audit_in_one_line(profile: Profile) -> None:
    line = audit_line(profile)
    assert line.startswith("audit: 16 rows per layer against float64: largest deviation ")
    assert line.endswith("no neighbour differs")
    assert line in under_table(profile, read(profile))
    assert line in report_page(profile, read(profile))


def test_a_profile_from_before_the_audit_is_shown_without(profile: Profile) -> None:
    facts = {key: value for key, value in profile.provenance.items() if key != "audit"}
    assert audit_line(replace(profile, provenance=facts)) == ""


def test_wrong_lists_become_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("layergeom.layer.dimensions.audit", lambda *_: Audit(16, 1e-16, 2))
    found = measure(stored_states({"a": torus(100, 2, 0)}), settings=TEN)
    assert any("lists of 2 of 16 rows are wrong" in warning for warning in found.warnings)
    assert audit_line(found).endswith("the lists of 2 rows differ")
