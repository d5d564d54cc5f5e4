"""Distances and dimensions of the distinct points of one layer."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from layergeom import geometry
from layergeom.arrays import Points
from layergeom.errors import DegenerateError, InputError
from layergeom.geometry import NeighborGraph
from layergeom.geometry.audit import audit
from layergeom.geometry.decimations import Decimation, thinned_twonn
from layergeom.geometry.dimension import Fit
from layergeom.geometry.families import families
from layergeom.geometry.group_ratios import ranked_distances, reach
from layergeom.geometry.half_precision import BLURS, half_rounding
from layergeom.geometry.homogeneity import constant_share
from layergeom.geometry.near_twins import FEWEST_LISTED, near_twins
from layergeom.geometry.uncertainty import Joined, adjacency, standard_error
from layergeom.layer.measured import MeasuredLayer
from layergeom.layer.settings import Settings
from layergeom.profiles import ScaleCurve
from layergeom.written import percent

Z = 1.96  # standard errors by which the dimension of all points lies below that of half of them
FITS: dict[str, tuple[Fit, float]] = {
    "dimension_linear_90": ("linear", 0.9),
    "dimension_linear_98": ("linear", 0.98),
    "dimension_censored_90": ("censored", 0.9),
}


def measure_points(
    layer: MeasuredLayer, X: Points, graph: NeighborGraph, settings: Settings
) -> None:
    """Measure what the distinct points say, where they see enough of each other."""
    layer.numbers["distinct_points"] = (graph.n_distinct, np.nan)
    try:
        joined = adjacency(graph, 2)
    except DegenerateError as error:
        layer.undefined = str(error)
        return
    if settings.neighbors == "exact":
        layer.audit = audit(X, graph, settings.seed)
    if layer.audit is not None and layer.audit.differing:
        listed = f"{layer.audit.differing} of {layer.audit.rows}"
        layer.notes.append(f"the neighbour lists of {listed} rows are wrong in float64; report it.")
    measure_distances(layer, graph, joined)
    _tell_rounding(layer, X, graph)
    _dimensions(layer, X, graph, settings)


def measure_distances(layer: MeasuredLayer, graph: NeighborGraph, joined: Joined) -> None:
    """Mean distance of the first two neighbours, or other groups, among the distinct points."""
    for rank, name in ((1, "r1"), (2, "r2")):
        if rank <= reach(graph):
            distances = ranked_distances(graph, rank)
            mean = float(distances.mean())
            rows = np.zeros(graph.n)
            rows[graph.representatives] = (distances - mean) * (graph.n / graph.n_distinct)
            layer.numbers[name] = (mean, standard_error(rows, joined))


def _tell_rounding(layer: MeasuredLayer, X: Points, graph: NeighborGraph) -> None:
    """Warn of half precision that blurs neighbours, wherever it was that the numbers lost it."""
    rounding = half_rounding(X, graph) if reach(graph) else None
    if rounding is not None and rounding.share > BLURS:
        layer.notes.append(
            f"the numbers are those of {rounding.format}, whose rounding is "
            f"{percent(rounding.share, 1)} of the distance to the nearest neighbour: "
            "dimension and neighbours are blurred; keep states in float32."
        )


def _dimensions(layer: MeasuredLayer, X: Points, graph: NeighborGraph, settings: Settings) -> None:
    try:
        found, joined = geometry.dimension_at(X, graph, settings.scale, settings.seed)
        scale = geometry.scale_analysis(X, graph, settings.seed)
    except (InputError, DegenerateError) as error:  # too few distinct points for the scale, or none
        layer.undefined = str(error)
        return
    layer.numbers["dimension"] = (found.value, found.error)
    layer.influence["dimension"] = found.influence
    layer.joined["dimension"] = joined
    for name, (method, fraction) in FITS.items():
        fit = geometry.twonn(graph, method, fraction)
        layer.numbers[name] = (fit.value, fit.error)
    layer.numbers["plateau_dimension"] = (scale.plateau_dimension, scale.plateau_error)
    layer.scale = ScaleCurve(
        scale.ranks,
        scale.distances,
        scale.values,
        scale.errors,
        scale.plateau,
        scale.plateau_dimension,
        scale.plateau_error,
        scale.plateau_share,
    )
    if graph.groups is None:
        _tell_kin(layer, graph)
    thin = geometry.decimation(X, graph, settings.decimation, settings.seed)
    layer.decimation = {
        "n": thin.sizes.tolist(),
        "values": thin.values.tolist(),
        "errors": thin.errors.tolist(),
    }
    if found.lower_bound:
        layer.notes.append(_beyond_reach(found.n_points, thin))
    _if_known(layer, "homogeneity", lambda: constant_share(graph, geometry.twonn(graph).value))
    if settings.fit is not None:
        recipe = (settings.thinning, settings.seed, settings.fit, settings.fraction)
        _if_known(layer, "dimension_protocol", partial(thinned_twonn, X, graph, *recipe))


def _beyond_reach(n: int, thin: Decimation) -> str:
    """Say of a dimension beyond 0.8 log2 N on which side the truth lies, as far as N tells."""
    told = f"the dimension exceeds 0.8 log2 N = {0.8 * np.log2(n):.1f}"
    if len(thin.sizes) > 1 and thin.sizes[0] > thin.sizes[1]:
        (whole, half), errors = thin.values[:2], thin.errors[:2]
        if half - whole > Z * np.hypot(*errors):
            return (
                f"{told} and falls as points are added: it is no bound, and more points are needed."
            )
    return f"{told}; read it as a lower bound."


def _tell_kin(layer: MeasuredLayer, graph: NeighborGraph) -> None:
    """Warn of rows that belong together and are not named as groups."""
    remedy = "If rows belong together, give groups=…"
    twins = near_twins(graph) if graph.k >= FEWEST_LISTED else None
    if twins is not None and twins.misleading:
        layer.notes.append(
            f"{percent(twins.share, 1)} of the distinct points have a near twin (r2/r1 > "
            f"{twins.ratio:.1f}, more than chance gives); the dimension is "
            f"{twins.dimension.value:.1f} with them and "
            f"{twins.dimension_without:.1f} without. {remedy}"
        )
        return
    kin = families(graph)
    if kin is not None:
        layer.notes.append(
            f"rows come in families of about {kin.size}, far nearer to each other than to all "
            f"others: the dimension is {kin.within:.1f} up to them and {kin.beyond:.1f} behind. "
            f"{remedy}"
        )


def _if_known(layer: MeasuredLayer, name: str, estimate: Callable[[], tuple[float, float]]) -> None:
    """Add a value and its error, or the reason why there is none."""
    try:
        layer.numbers[name] = estimate()
    except DegenerateError as error:
        layer.notes.append(f"{name} is unknown: {error}")
