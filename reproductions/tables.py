"""Numbers of runs as Markdown tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from benchmarks.markdown import table
from layergeom.profiles import Curve, Profile
from layergeom.reading import read
from layergeom.reading.claims import Claim
from layergeom.reading.claims_training import layers_along
from layergeom.reading.nulls import null_statements
from layergeom.states.views import View
from layergeom.tasks.dynamics import Dynamics

DEPTH = {  # columns of paper A
    "dimension_protocol": "ID, protocol",
    "dimension": "ID",
    "overlap_next": "χ(l, l+1)",
    "label_overlap": "χ labels",
}
TOKENS = {  # columns of paper B
    "dimension_protocol": "ID, protocol",
    "dimension": "ID",
    "anisotropy": "anisotropy, spectral",
    "mean_cosine": "mean cosine",
}


NULLS = {  # by quantity: the title of a null, its kind and its curve
    "dimension": (
        ("Gaussian", "gaussian", "dimension"),
        ("untrained", "untrained", "dimension"),
        ("shuffled", "shuffled", "dimension"),
    ),
    "anisotropy": (("untrained", "untrained", "anisotropy"),),
    "label_overlap": (
        ("permuted, 95 %", "permuted", "label_overlap_upper"),
        ("untrained", "untrained", "label_overlap"),
        ("shuffled", "shuffled", "label_overlap"),
        ("by tokens", "length", "label_overlap_tokens"),
        ("by length", "length", "label_overlap_length"),
    ),
}


def nulls(profile: Profile, columns: Mapping[str, str]) -> str:
    """Return what quantities read where there is nothing to find, beside them, and what it says."""
    shown: list[tuple[str, Curve]] = []
    for name, levels in NULLS.items():
        if name in columns and name in profile.curves:
            shown.append((columns[name], profile[name]))
            of_kind = [
                (title, profile.nulls.get(kind, {}).get(curve)) for title, kind, curve in levels
            ]
            shown += [(f"– {title}", curve) for title, curve in of_kind if curve is not None]
    rows = [
        [key, *(number(curve, at) for _, curve in shown)] for at, key in enumerate(profile.layers)
    ]
    said = "\n".join(f"- {text}" for text in null_statements(profile))
    return f"{table(['layer', *(title for title, _ in shown)], rows)}\n\n{said}"


def layers(profile: Profile, columns: Mapping[str, str]) -> str:
    """Return a table with a row per layer: relative depth, and values with standard errors."""
    held = {name: title for name, title in columns.items() if name in profile.curves}
    rows = [
        [key, f"{name.depth:.2f}", *(number(profile[curve], at) for curve in held)]
        for at, (key, name) in enumerate(zip(profile.layers, profile.names, strict=True))
    ]
    return table(["layer", "depth", *held.values()], rows)


def number(curve: Curve, at: int) -> str:
    """Return a value with its standard error, both to the error's second digit."""
    value, error = float(curve.values[at]), float(curve.errors[at])
    if not np.isfinite(value):
        return "–"
    if not np.isfinite(error) or error == 0:
        return f"{value:.3g}"
    digits = max(1 - int(np.floor(np.log10(error))), 0)
    return f"{value:.{digits}f} ± {error:.{digits}f}"


def checkpoints(dynamics: Dynamics) -> str:
    """Return a table with a row per checkpoint: what its layers reach, and where."""
    along = layers_along(dynamics.profiles, "dimension_protocol")
    rows = []
    for at, (name, profile) in enumerate(zip(dynamics.checkpoints, dynamics.profiles, strict=True)):
        by_protocol = profile["dimension_protocol"].values[along]
        rows.append(
            [
                name,
                number(dynamics.mean_dimension, at),
                f"{by_protocol.mean():.2f}",
                _largest(profile, "dimension"),
                _largest(profile, "anisotropy"),
                _largest(profile, "label_overlap"),
                ", ".join(phase.kind for phase in read(profile).phases) or "none",
            ]
        )
    titles = ["checkpoint", "layer-mean ID", "layer-mean ID, protocol", "largest ID"]
    return table([*titles, "largest anisotropy", "largest χ labels", "phases"], rows)


def _largest(profile: Profile, name: str) -> str:
    if name not in profile.curves or not np.isfinite(profile[name].values).any():
        return "–"
    at = int(np.nanargmax(profile[name].values))
    return f"{number(profile[name], at)} ({profile.layers[at]})"


def verdicts(claims: Iterable[Claim], paper: str) -> str:
    """Return a table of the claims of a paper ("A" or "B"), and what the untested ones need."""
    told = [claim for claim in claims if claim.name.startswith(paper)]
    rows = [[c.name, c.statement, f"**{c.verdict}**", c.evidence] for c in told if c.evidence]
    rest = "; ".join(f"{c.name} needs {c.needs}" for c in told if not c.evidence)
    found = table(["", "claim", "verdict", "numbers"], rows)
    return f"{found}\n\nNot tested by these runs: {rest}." if rest else found


def scores(found: Mapping[str, tuple[float, float]]) -> str:
    """Return a table of a score per layer with its standard error."""
    rows = [[layer, f"{value:.4f} ± {error:.4f}"] for layer, (value, error) in found.items()]
    return table(["layer", "1-NN retrieval"], rows)


def grid(profiles: Mapping[tuple[View, int], Profile]) -> str:
    """Return a table with a row per view and k: where dimension and label overlap are largest."""
    rows = []
    for (view, k), profile in profiles.items():
        chosen = read(profile).recommendation
        choice = chosen.layer if chosen.found else f"refused ({chosen.layer})"
        largest = [_largest(profile, name) for name in ("dimension", "label_overlap")]
        rows.append([view.pool, view.hook_point, str(k), *largest, choice])
    return table(["pooling", "hook point", "k", "largest ID", "largest χ labels", "rule"], rows)
