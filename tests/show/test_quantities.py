import re

import pytest

from layergeom.show.quantities import QUANTITIES, quantity

NAMES = (
    "dimension", "dimension_linear_90", "dimension_linear_98", "dimension_censored_90",
    "plateau_dimension", "label_overlap", "overlap_next", "anisotropy", "anisotropy_uncentered",
    "mean_cosine", "effective_rank", "spectral_entropy_rank", "participation_ratio",
    "pca_dimension_90", "pca_dimension_99", "r1", "r2", "norm", "token_norm_mean",
    "token_norm_max", "distinct_points", "overlap", "dimension_levina_bickel", "rankme",
    "dataset_entropy", "linearity_next", "linearity_update_next", "mutual_knn",
    "anisotropy_without_first",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_every_quantity_has_words(name):
    words = QUANTITIES[name]
    assert all([words.title, words.symbol, words.bounds, words.formula, words.source])
    assert words.definition.endswith(".")
    assert words.misleads.endswith(".")
    assert set(re.findall(r"</?(\w+)", words.formula)) <= {"i", "sub", "sup"}
    assert "<i" not in words.plain_formula


def test_an_unknown_quantity_keeps_its_name():
    assert quantity("my_measure").title == "My measure"
