"""The words of the quantities that are measured only where they are asked for."""

from __future__ import annotations

from layergeom.show.quantity_words import Quantity

FURTHER = (
    Quantity(
        "dimension_levina_bickel",
        "Intrinsic dimension, Levina and Bickel",
        "ID (Levina–Bickel)",
        "dimensions, > 0",
        "1/<i>d</i> = mean<sub><i>k</i> = 10…20</sub> mean<sub><i>i</i></sub> Σ<sub><i>j</i> &lt; "
        "<i>k</i></sub> ln(<i>T</i><sub><i>k</i></sub>(<i>i</i>)/<i>T</i><sub><i>j</i></sub>"
        "(<i>i</i>)) / (<i>k</i> − 1)",
        "Maximum likelihood from the distances to ten to twenty neighbours, the inverse estimates "
        "of the points averaged.",
        "Sees larger distances than TwoNN, so that curvature and changes of density enter; as low "
        "in high dimension, with a smaller error that says nothing of it.",
        "Levina and Bickel 2004, NeurIPS 17, eq. 8; MacKay and Ghahramani 2005 for the average",
    ),
    Quantity(
        "rankme",
        "RankMe",
        "RankMe",
        "directions, 1 to min(D, N)",
        "exp(−Σ <i>p</i> ln <i>p</i>), <i>p</i> = <i>σ</i>/Σ<i>σ</i> + 10<sup>−7</sup>, "
        "<i>σ</i> of the matrix as it is",
        "The effective rank without centring: the mean vector counts as a direction.",
        "Low where the mean is long, whatever the cloud around it does; grows with the number of "
        "rows up to some 5 D.",
        "Garrido et al. 2023, ICML, eq. 1",
    ),
    Quantity(
        "dataset_entropy",
        "Dataset entropy",
        "S₁(K)",
        "nats, 0 to ln min(D, N)",
        "−Σ <i>p</i> ln <i>p</i>, <i>p</i> = <i>λ</i>/tr <i>K</i>, <i>K</i> = <i>X X</i>ᵀ",
        "The matrix-based entropy of the Gram matrix of the rows, neither centred nor normalised; "
        "its exponential is the spectral entropy rank without centring.",
        "A long mean or one massive coordinate takes it to 0; it grows with N, so compare runs of "
        "one size.",
        "Skean et al. 2025, arXiv 2502.02013, section 3",
    ),
    Quantity(
        "linearity_next",
        "Linearity to the next layer",
        "linearity",
        "share, at most 1",
        "1 − |<i>XA</i> − <i>Y</i>|<sup>2</sup>/|<i>Y</i>|<sup>2</sup>, centred, <i>A</i> fitted "
        "on one half of the rows and scored on the other",
        "The share of the next layer's variance that a linear map of this layer gives.",
        "In a residual stream most of the next layer is this one, so that it is near 1 whatever "
        "the block does; massive coordinates carry it.",
        "Razzhigaev et al. 2024b, arXiv 2405.12250, section 3, held out",
    ),
    Quantity(
        "linearity_update_next",
        "Linearity of the block's update",
        "linearity (Y − X)",
        "share, at most 1",
        "1 − |<i>XA</i> − (<i>Y</i> − <i>X</i>)|<sup>2</sup>/|<i>Y</i> − <i>X</i>|<sup>2</sup>, "
        "as above",
        "The share of what the block adds that a linear map of its input gives.",
        "A small update is mostly of small directions, which few rows cannot fit: a lower bound "
        "that rises with the number of rows.",
        "Razzhigaev et al. 2024b, arXiv 2405.12250, section 3, held out",
    ),
    Quantity(
        "mutual_knn",
        "Mutual nearest neighbours",
        "mNN, cosine",
        "share, 0 to 1",
        "mean<sub><i>i</i></sub> |kNN<sub><i>a</i></sub>(<i>i</i>) ∩ kNN<sub><i>b</i></sub>"
        "(<i>i</i>)| / <i>k</i> of the rows divided by their norms, chance <i>k</i>/(<i>N</i> − 1)",
        "The share of a sample's k nearest neighbours by cosine that two models have in common.",
        "Norms do not enter; a long common mean makes all cosines alike, and neighbours then hang "
        "on small differences. Compare values of one k and one N only.",
        "Huh et al. 2024, ICML (arXiv 2405.07987), section 2 and appendix A",
    ),
)
