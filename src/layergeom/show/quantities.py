"""The one table of words: what every quantity is, its formula, and when it misleads."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from layergeom.show.further_quantities import FURTHER
from layergeom.show.quantity_words import Quantity

_TWONN = "Facco et al. 2017, Sci. Rep. 7:12140"
_GRIDE = "Denti et al. 2022, Sci. Rep. 12:20005"
_B = "Razzhigaev et al. 2024"
_CENTRED = "σ are the singular values of the column-centred matrix"

_TABLE = (
    Quantity(
        "dimension",
        "Intrinsic dimension",
        "ID",
        "dimensions, > 0",
        "<i>d</i> = (<i>N</i> − 1) / Σ<sub><i>i</i></sub> ln(<i>r</i><sub>2</sub>(<i>i</i>) / "
        "<i>r</i><sub>1</sub>(<i>i</i>))",
        "Maximum-likelihood TwoNN: the dimension at which the ratios of second to first "
        "neighbour distance are most likely; points and inputs that repeat are counted once.",
        "It is an estimate that reads low in high dimension (a uniform ball of dimension 20 "
        "reads about 16 at 10,000 samples), follows neighbour distances as well as dimension, "
        "and reads low where samples come in clusters.",
        f"{_TWONN}, eq. 3 with the likelihood of {_GRIDE}",
    ),
    Quantity(
        "dimension_linear_90",
        "Intrinsic dimension, linear fit, 90 %",
        "ID (linear .90)",
        "dimensions, > 0",
        "<i>d</i> = Σ <i>x y</i> / Σ <i>x</i><sup>2</sup>, <i>x</i><sub><i>i</i></sub> = "
        "ln <i>μ</i><sub>(<i>i</i>)</sub>, <i>y</i><sub><i>i</i></sub> = −ln(1 − <i>i</i>/<i>N</i>)"
        ", <i>i</i> ≤ 0.90 <i>N</i>",
        "TwoNN by a line through the origin over the smallest 90 % of the ratios, as in the "
        "published protein profiles.",
        "About twice the scatter of the likelihood; the discarded tail hides outliers.",
        f"{_TWONN}, eq. 4",
    ),
    Quantity(
        "dimension_linear_98",
        "Intrinsic dimension, linear fit, 98 %",
        "ID (linear .98)",
        "dimensions, > 0",
        "<i>d</i> = Σ <i>x y</i> / Σ <i>x</i><sup>2</sup>, <i>x</i><sub><i>i</i></sub> = "
        "ln <i>μ</i><sub>(<i>i</i>)</sub>, <i>y</i><sub><i>i</i></sub> = −ln(1 − <i>i</i>/<i>N</i>)"
        ", <i>i</i> ≤ 0.98 <i>N</i>",
        "TwoNN by the same line over the smallest 98 % of the ratios, as in the published "
        "image profiles.",
        "The largest ratios weigh most; a few outliers move it.",
        f"{_TWONN}, eq. 4",
    ),
    Quantity(
        "dimension_censored_90",
        "Intrinsic dimension, censored, 90 %",
        "ID (censored .90)",
        "dimensions, > 0",
        "<i>d</i> = (<i>n</i> − 1) / (Σ<sub><i>i</i> ≤ <i>n</i></sub> ln <i>μ</i>"
        "<sub>(<i>i</i>)</sub> + (<i>N</i> − <i>n</i>) ln <i>μ</i><sub>(<i>n</i>)</sub>), "
        "<i>n</i> = 0.90 <i>N</i>",
        "Maximum likelihood with the largest 10 % of the ratios treated as censored, not as lost.",
        "Agrees with the full likelihood where the model holds; a gap between them means that "
        "the tail of the ratios is not that of one dimension.",
        f"{_TWONN}, with Type-II censoring",
    ),
    Quantity(
        "dimension_protocol",
        "Intrinsic dimension, by the protocol",
        "ID (protocol)",
        "dimensions, > 0",
        "<i>d</i> = Σ <i>x y</i> / Σ <i>x</i><sup>2</sup> as of the linear fit, mean over the "
        "protocol's disjoint subsets",
        "TwoNN as the paper of the protocol took it: by its fit, its share of the ratios and its "
        "number of subsets, which the record of the protocol names.",
        "Subsets of N/m points look at distances at which N points do not; compare it with the "
        "paper's curves, and choose layers by the dimension of all points.",
        f"{_TWONN}, eq. 4; Valeriani et al. 2023, section 2; {_B}, section 3",
    ),
    Quantity(
        "plateau_dimension",
        "Dimension at the plateau of scales",
        "ID (plateau)",
        "dimensions, > 0",
        "<i>d</i> at <i>n</i><sub>2</sub> = 2 <i>n</i><sub>1</sub> solves (<i>N</i> − 1)/<i>d</i> "
        "= Σ ln <i>μ</i> · [(<i>n</i><sub>2</sub> − 1) − "
        "(<i>n</i><sub>2</sub> − <i>n</i><sub>1</sub> − 1)/(1 − <i>μ</i><sup>−<i>d</i></sup>)]",
        "Gride over neighbours 1, 2, 4, …; the value at the middle of the longest run of at least "
        "three doublings that agree within 15 %. Its error includes the choice of that run.",
        "Absent where no such range exists, which is an answer; at a fixed rank the distance "
        "shrinks as samples are added.",
        f"{_GRIDE}, eq. 9",
    ),
    Quantity(
        "homogeneity",
        "Local homogeneity",
        "homogeneous",
        "share, 0 to 1",
        "share of <i>i</i> with 4<i>k</i> ln cosh(<i>d</i>/2 · ln(<i>r</i><sub><i>k</i></sub>"
        "(<i>i</i>)/<i>r</i><sub><i>k</i></sub>(<i>j</i>))) ≤ 23.93 for <i>k</i> = 3, 4, 5, "
        "<i>j</i> the (<i>k</i>+1)-th neighbour of <i>i</i>",
        "The share of the points whose density is constant within their first six neighbours, as "
        "the dimension assumes: no likelihood-ratio test (p = 1e-6) finds the next neighbour in "
        "another density.",
        "Near 1 says little: among six neighbours only densities that differ 42-fold are seen. "
        "In high dimension boundaries and outliers fail; it takes the dimension as known.",
        "Rodriguez et al. 2018, J. Chem. Theory Comput. 14:1206; Valeriani et al. 2023",
    ),
    Quantity(
        "label_overlap",
        "Label overlap",
        "χ(labels)",
        "share, 0 to 1",
        "χ = mean<sub><i>i</i></sub> |{<i>j</i> ∈ kNN(<i>i</i>) : <i>y</i><sub><i>j</i></sub> = "
        "<i>y</i><sub><i>i</i></sub>}| / <i>k</i>",
        "The share of a sample's k nearest neighbours that carry its label.",
        "Only against its chance level; near-copies of a sample raise it unless their group is "
        "excluded, and frequent classes dominate it unless classes are weighted.",
        "Valeriani et al. 2023, section 2; Doimo et al. 2020",
    ),
    Quantity(
        "label_agreement",
        "Neighbour agreement of numbers",
        "A(labels)",
        "share, at most 1; 0 by chance",
        "<i>A</i> = 1 − mean<sub><i>i</i></sub> mean<sub><i>j</i> ∈ kNN(<i>i</i>)</sub> "
        "|<i>r</i><sub><i>i</i></sub> − <i>r</i><sub><i>j</i></sub>| / mean<sub><i>i</i>, "
        "<i>j</i></sub> |<i>r</i><sub><i>i</i></sub> − <i>r</i><sub><i>j</i></sub>|, <i>r</i> the "
        "ranks of the numbers",
        "By how much the numbers of a sample's k nearest neighbours are nearer to its own in rank "
        "than those of any sample.",
        "A number that follows the length of the input agrees for nothing; numbers that are "
        "missing for a reason speak for the others only.",
        "Geary 1954, with Gini's mean difference of ranks in place of squares",
    ),
    Quantity(
        "label_jaccard",
        "Neighbour Jaccard index of several labels",
        "J(labels)",
        "share, 0 to 1",
        "<i>J</i> = mean<sub><i>i</i></sub> mean<sub><i>j</i> ∈ kNN(<i>i</i>)</sub> "
        "|<i>S</i><sub><i>i</i></sub> ∩ <i>S</i><sub><i>j</i></sub>| / "
        "|<i>S</i><sub><i>i</i></sub> ∪ <i>S</i><sub><i>j</i></sub>|",
        "The share of the labels of a sample and a near one that both have, over its k nearest "
        "neighbours.",
        "Only against its chance level: the upper terms of a hierarchy such as GO are shared by "
        "nearly all.",
        "Jaccard 1901; over neighbours as the label overlap",
    ),
    Quantity(
        "overlap_next",
        "Overlap with the next layer",
        "χ(l, l+1)",
        "share, 0 to 1",
        "χ = mean<sub><i>i</i></sub> |kNN<sub><i>l</i></sub>(<i>i</i>) ∩ kNN<sub><i>l</i>+1</sub>"
        "(<i>i</i>)| / <i>k</i>, chance <i>k</i>/(<i>N</i> − 1)",
        "The share of a sample's k nearest neighbours that survive the next block.",
        "High overlap says that a block changes little, not that the layer is good; it grows "
        "with k and with repeated inputs.",
        "Valeriani et al. 2023, section 2; Doimo et al. 2020",
    ),
    Quantity(
        "overlap_first",
        "Overlap with the first layer",
        "χ(l, 0)",
        "share, 0 to 1",
        "χ between the layer and the embedding",
        "The share of a sample's k nearest neighbours in the embedding that a layer keeps.",
        "Where the embedding holds repeated inputs its neighbours say little.",
        "Valeriani et al. 2023, section 3",
    ),
    Quantity(
        "overlap_last",
        "Overlap with the last layer",
        "χ(l, L)",
        "share, 0 to 1",
        "χ between the layer and the last block",
        "The share of a sample's k nearest neighbours at the last block that a layer has already.",
        "The last block is the one that training bends most towards its objective.",
        "Valeriani et al. 2023, section 3",
    ),
    Quantity(
        "overlap",
        "Overlap between layers",
        "χ(l, m)",
        "share, 0 to 1",
        "χ = mean<sub><i>i</i></sub> |kNN<sub><i>l</i></sub>(<i>i</i>) ∩ kNN<sub><i>m</i></sub>"
        "(<i>i</i>)| / <i>k</i>, chance <i>k</i>/(<i>N</i> − 1)",
        "The share of neighbours that two layers have in common.",
        "Same as for the next layer: similar is not the same as useful.",
        "Valeriani et al. 2023, section 2; Doimo et al. 2020",
    ),
    Quantity(
        "anisotropy",
        "Anisotropy, centred",
        "σ₁²/Σσ²",
        "ratio, 1/min(D, N−1) to 1",
        "<i>σ</i><sub>1</sub><sup>2</sup> / Σ<sub><i>i</i></sub> <i>σ</i><sub><i>i</i></sub>"
        "<sup>2</sup>",
        f"The share of the variance along the leading direction; {_CENTRED}.",
        "One massive token or coordinate takes it to 1; isotropic data read (1 + √(D/N))²/D, "
        "not 0.",
        f"{_B}, eq. 1",
    ),
    Quantity(
        "anisotropy_without_first",
        "Anisotropy without first tokens",
        "σ₁²/Σσ², no first",
        "ratio, 1/min(D, N−1) to 1",
        "<i>σ</i><sub>1</sub><sup>2</sup> / Σ<sub><i>i</i></sub> <i>σ</i><sub><i>i</i></sub>"
        "<sup>2</sup> of the rows that are not the first token of their sample",
        f"Of single tokens: the anisotropy once attention sinks have no say; {_CENTRED}.",
        "Sinks that stand elsewhere (delimiters) stay in: compare the maximum token norm.",
        f"{_B}, eq. 1; Sun et al. 2024, arXiv 2402.17762, for the sinks",
    ),
    Quantity(
        "anisotropy_uncentered",
        "Anisotropy, uncentred",
        "σ₁²/Σσ², uncentred",
        "ratio, 1/min(D, N) to 1",
        "<i>σ</i><sub>1</sub><sup>2</sup> / Σ<sub><i>i</i></sub> <i>σ</i><sub><i>i</i></sub>"
        "<sup>2</sup> without centring",
        "The same ratio of the matrix as it is: the mean vector counts as a direction.",
        "Mostly measures how far the mean lies from the origin.",
        f"{_B}, eq. 1 without centring",
    ),
    Quantity(
        "mean_cosine",
        "Mean cosine similarity",
        "mean cos",
        "−1/(N−1) to 1",
        "(|Σ<sub><i>i</i></sub> <i>u</i><sub><i>i</i></sub>|<sup>2</sup> − <i>N</i>) / "
        "(<i>N</i>(<i>N</i> − 1)), <i>u</i> = <i>x</i>/|<i>x</i>|",
        "The mean cosine between two different samples, uncentred.",
        "A shared offset raises it although the cloud around the offset may be isotropic.",
        "Ethayarajh 2019, section 3",
    ),
    Quantity(
        "effective_rank",
        "Effective rank",
        "erank",
        "directions, 1 to min(D, N−1)",
        "exp(−Σ <i>p</i> ln <i>p</i>), <i>p</i> = <i>σ</i>/Σ<i>σ</i>",
        f"The number of equally strong directions with the same entropy; {_CENTRED}.",
        "Linear: a curved surface of low dimension has high rank. Small directions count more "
        "here than in the two quantities below.",
        "Roy and Vetterli 2007, definition 1",
    ),
    Quantity(
        "spectral_entropy_rank",
        "Spectral entropy rank",
        "erank(σ²)",
        "directions, 1 to min(D, N−1)",
        "exp(−Σ <i>p</i> ln <i>p</i>), <i>p</i> = <i>σ</i><sup>2</sup>/Σ<i>σ</i><sup>2</sup>",
        "The effective rank with variances in place of singular values.",
        "Linear; often confused with the effective rank, and always smaller.",
        "Roy and Vetterli 2007, with p = σ²/Σσ²",
    ),
    Quantity(
        "participation_ratio",
        "Participation ratio",
        "PR",
        "directions, 1 to min(D, N−1)",
        "(Σ <i>λ</i>)<sup>2</sup> / Σ <i>λ</i><sup>2</sup>, <i>λ</i> = <i>σ</i><sup>2</sup>",
        "The number of directions that share the variance.",
        "Linear; with few samples it cannot exceed about 1/(1/N + 1/D).",
        "Gao et al. 2017",
    ),
    Quantity(
        "pca_dimension_90",
        "PCA dimension, 90 %",
        "PCA 90 %",
        "directions, whole number",
        "min{<i>m</i> : Σ<sub><i>i</i> ≤ <i>m</i></sub> <i>λ</i><sub><i>i</i></sub> ≥ 0.90 Σ "
        "<i>λ</i>}",
        "The number of principal components that hold 90 % of the variance.",
        "Linear, and steps with the threshold.",
        "definition",
    ),
    Quantity(
        "pca_dimension_99",
        "PCA dimension, 99 %",
        "PCA 99 %",
        "directions, whole number",
        "min{<i>m</i> : Σ<sub><i>i</i> ≤ <i>m</i></sub> <i>λ</i><sub><i>i</i></sub> ≥ 0.99 Σ "
        "<i>λ</i>}",
        "The number of principal components that hold 99 % of the variance.",
        "Linear, and dominated by noise directions where samples are few.",
        "definition",
    ),
    Quantity(
        "r1",
        "Distance to the first neighbour",
        "r₁",
        "units of the hidden state, > 0",
        "mean<sub><i>i</i></sub> <i>r</i><sub>1</sub>(<i>i</i>)",
        "The mean Euclidean distance to the nearest other sample.",
        "Scales with the norm of the layer: compare it with the norm, not across layers.",
        "definition",
    ),
    Quantity(
        "r2",
        "Distance to the second neighbour",
        "r₂",
        "units of the hidden state, > 0",
        "mean<sub><i>i</i></sub> <i>r</i><sub>2</sub>(<i>i</i>)",
        "The mean Euclidean distance to the second nearest other sample.",
        "As for the first neighbour; the ID follows the ratio of the two.",
        "definition",
    ),
    Quantity(
        "norm",
        "Norm of the vectors",
        "|x|",
        "units of the hidden state, ≥ 0",
        "mean<sub><i>i</i></sub> |<i>x</i><sub><i>i</i></sub>|",
        "The mean Euclidean norm of the pooled vectors.",
        "Grows through residual blocks without any change of shape.",
        "definition",
    ),
    Quantity(
        "token_norm_mean",
        "Mean token norm",
        "|h| mean",
        "units of the hidden state, ≥ 0",
        "mean<sub><i>i</i></sub> mean<sub><i>t</i></sub> |<i>h</i><sub><i>it</i></sub>|",
        "The mean norm of the tokens before pooling.",
        "Hides single massive tokens: read it beside the maximum.",
        "definition",
    ),
    Quantity(
        "token_norm_max",
        "Largest token norm",
        "|h| max",
        "units of the hidden state, ≥ 0",
        "mean<sub><i>i</i></sub> max<sub><i>t</i></sub> |<i>h</i><sub><i>it</i></sub>|",
        "The largest token norm of a sample, averaged over samples.",
        "Far above the mean it marks massive activations, which dominate mean pooling and "
        "anisotropy in that layer.",
        "definition",
    ),
    Quantity(
        "distinct_points",
        "Distinct points",
        "distinct",
        "points, 1 to N",
        "number of different vectors up to rounding",
        "How many different vectors a layer has; distance quantities use these.",
        "Far below N the layer is mostly copies and its dimension is left undefined.",
        "definition",
    ),
)

QUANTITIES: Mapping[str, Quantity] = MappingProxyType({q.name: q for q in (*_TABLE, *FURTHER)})


def quantity(name: str) -> Quantity:
    """Return the words for ``name``; a quantity that is not in the table keeps its own name.

    Parameters
    ----------
    name : str
        Key in ``Profile.curves`` or ``Profile.maps``.

    Returns
    -------
    Quantity
        With "–" where nothing is known, so that a quantity added elsewhere is still shown.

    Examples
    --------
    >>> quantity("effective_rank").plain_formula
    'exp(−Σ p ln p), p = σ/Σσ'
    """
    known = QUANTITIES.get(name)
    if known is not None:
        return known
    title = name.replace("_", " ").capitalize()
    return Quantity(name, title, name, "–", "–", "–", "–", "–")
