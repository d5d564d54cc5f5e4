"""Profiles with numbers and with several labels per row: their curves, records and words."""

import numpy as np
import pytest

import layergeom as lg
from layergeom.errors import GeometryWarning, InputError
from layergeom.geometry.label_agreement import label_agreement
from layergeom.geometry.label_sets import neighbor_jaccard
from layergeom.layer import Settings
from layergeom.measure import measure, profile_key
from layergeom.profiles import load
from layergeom.show.methods import methods_text
from layergeom.show.quantities import QUANTITIES
from layergeom.show.table import profile_rows
from layergeom.states.label_kinds import LabelSets, Numbers
from layergeom.states.stored import stored_states

N, K = 160, 10
RNG = np.random.default_rng(0)
X = RNG.standard_normal((N, 3))
STATES = {
    "embedding": X + 2 * RNG.standard_normal((N, 3)),
    "block_1": X,
    "block_2": X + 0.5 * RNG.standard_normal((N, 3)),
}
Y = [None if row % 3 == 0 else float(x) for row, x in enumerate(X[:, 0] + 0.1)]
SETS = [
    None if row % 4 == 0 else ["up" if x > 0 else "down", "any"] for row, x in enumerate(X[:, 1])
]
FAMILY = [str(row // 2) for row in range(N)]
KINDS = {"label_agreement": ("number", Y), "label_jaccard": ("multi", SETS)}


@pytest.fixture(scope="module", params=KINDS)
def made(request):
    kind, labels = KINDS[request.param]
    return request.param, kind, labels, lg.profile(STATES, labels=labels, k=K)


def test_the_curve_is_the_quantity_of_every_layer(made):
    name, _, labels, found = made
    quantity = {"label_agreement": label_agreement, "label_jaccard": neighbor_jaccard}[name]
    values = labels if name == "label_jaccard" else np.array(labels, dtype=float)
    for at, layer in enumerate(STATES.values()):
        with pytest.warns(GeometryWarning, match="rows do not count"):
            wanted = quantity(lg.neighbor_graph(layer, 64), values, K)
        assert found[name].values[at] == pytest.approx(wanted.value)
        assert found[name].errors[at] == pytest.approx(wanted.error)
        assert found[name].chance[at] == pytest.approx(wanted.chance)
    assert int(np.argmax(found[name].values)) == 1
    assert "label_overlap" not in found.curves
    with pytest.raises(InputError, match="no quantity 'label_overlap'; it has"):
        _ = found.label_overlap


def test_the_covariance_has_the_squares_of_the_errors(made):
    name, _, _, found = made
    V = found.covariance[name]
    np.testing.assert_allclose(np.diag(V), found[name].errors ** 2, rtol=0.05)
    apart = V[1, 1] + V[2, 2] - 2 * V[1, 2]
    assert 0 < apart < V[1, 1] + V[2, 2]


def test_the_kind_is_said_recorded_and_shown(made):
    name, kind, labels, found = made
    assert any("labels are read as" in warning for warning in found.warnings)
    facts = found.provenance["labels"]
    assert facts["kind"] == kind
    assert facts["labelled"] == sum(label is not None for label in labels)
    assert name in QUANTITIES
    assert f"{name}_chance" in profile_rows(found)[0]
    assert found.recommendation.best_by_labels == "block_1"
    assert name.replace("_", " ") in found.recommendation.useful
    words = {"label_agreement": "neighbour agreement of numbers", "label_jaccard": "Jaccard index"}
    assert words[name] in methods_text(found)


def test_a_saved_profile_is_read_again(made, tmp_path):
    name, _, _, found = made
    found.save(tmp_path)
    again = load(tmp_path)
    np.testing.assert_array_equal(again[name].values, found[name].values)
    assert again.of_labels.name == name
    found.report(tmp_path / "report.html")
    assert QUANTITIES[name].title in (tmp_path / "report.html").read_text()


def test_groups_and_exclusion_reach_the_quantity(made):
    name, _, labels, found = made
    apart = lg.profile(STATES, labels=labels, k=K, exclude=FAMILY)
    grouped = lg.profile(STATES, labels=labels, k=K, groups=FAMILY)
    assert apart[name].values[1] == pytest.approx(grouped[name].values[1])
    assert apart[name].values[1] != found[name].values[1]
    assert apart[name].errors[1] != grouped[name].errors[1]
    assert apart.provenance["labels"]["excluded_groups"] == N // 2


def test_nulls_say_that_only_classes_are_dealt(made):
    name, _, labels, _ = made
    found = lg.profile(STATES, labels=labels, k=K, nulls="permuted")
    assert "overlap_next" in found.nulls["permuted"]
    assert name not in found.nulls["permuted"]
    assert any(f"only classes are dealt at random; {name}" in line for line in found.warnings)


def test_keys_differ_by_what_the_labels_are():
    states = stored_states(STATES)
    whole = [str(row % 5) for row in range(N)]
    given = [whole, Numbers(map(float, whole)), LabelSets((text,) for text in whole)]
    keys = {profile_key(states, labels, None, Settings(k=K)) for labels in given}
    assert len(keys) == 3
    with pytest.raises(InputError, match="length 3 but there are 160"):
        measure(states, Numbers([1.0, 2.0, 3.0]), settings=Settings(k=K))
    with pytest.raises(InputError, match="real numbers, not classes"):
        measure(states, [0.5] * N, settings=Settings(k=K))


def test_an_order_is_needed():
    found = lg.profile(STATES, labels=[2.5] * N, k=K)
    assert "label_agreement" not in found.curves
    assert any("label_agreement is unknown: all numbers" in line for line in found.warnings)


def test_whole_numbers_as_numbers():
    years = (1990 + 10 * X[:, 0]).round().astype(int).tolist()
    assert "label_agreement" in lg.profile(STATES, labels=years, label_type="number", k=K).curves
    assert "label_overlap" in lg.profile(STATES, labels=years, k=K).curves
