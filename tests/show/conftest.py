"""A profile as it might come out: hunchback, plateau, holes, and names that want to do harm."""

from __future__ import annotations

import numpy as np
import pytest

from layergeom.profiles import Curve, LayerMap, Profile, ScaleCurve
from layergeom.reading import Phase, Reading, Recommendation
from layergeom.states.hidden import LayerName
from layergeom.tasks.dynamics import Dynamics

HOSTILE = "<script>alert(1)</script>"
RAW = "$5 \x1b[31m__import__\u202e"
L = 12


def _names(layers: tuple[str, ...]) -> tuple[LayerName, ...]:
    return tuple(
        LayerName(
            key=key,
            depth=i / (len(layers) - 1),
            hidden_states=i,
            module=f"encoder.layer.{i - 1}" if i else f"={HOSTILE}",
            blocks=i,
            final_norm=i == len(layers) - 1,
        )
        for i, key in enumerate(layers)
    )


def _dimension(x: np.ndarray) -> np.ndarray:
    return (
        6
        + 15 * np.exp(-(((x - 0.25) / 0.13) ** 2))
        + 5 * np.clip(x - 0.8, 0, 1) / 0.2
        + 5 * (x < 0.05)
    )


def _curves(n: int, rng: np.random.Generator) -> dict[str, Curve]:
    x = np.linspace(0, 1, n)
    dimension = _dimension(x) + rng.normal(0, 0.15, n)
    dimension[0] = np.nan
    errors = 0.02 * dimension
    errors[-1] = np.nan
    table = {
        "dimension": (dimension, errors),
        "dimension_linear_90": (dimension * 1.02, errors * 2),
        "plateau_dimension": (np.where(x > 0.4, dimension * 0.85, np.nan), errors),
        "overlap_next": (np.append(0.55 + 0.4 * x[:-1] ** 0.5, np.nan), np.full(n, 0.004)),
        "anisotropy": (0.06 + 0.5 * np.exp(-(((x - 0.5) / 0.2) ** 2)), np.full(n, np.nan)),
        "anisotropy_uncentered": (0.5 + 0.4 * x, np.full(n, np.nan)),
        "mean_cosine": (0.3 + 0.4 * x, np.full(n, 0.01)),
        "effective_rank": (300 - 120 * np.sin(np.pi * x), np.full(n, np.nan)),
        "spectral_entropy_rank": (120 - 80 * np.sin(np.pi * x), np.full(n, np.nan)),
        "participation_ratio": (45 - 40 * np.sin(np.pi * x), np.full(n, np.nan)),
        "pca_dimension_90": (np.round(150 - 60 * x), np.full(n, np.nan)),
        "norm": (8 + 90 * x, np.full(n, 0.2)),
        "distinct_points": (np.append(7, np.full(n - 1, 9999.0)), np.full(n, np.nan)),
    }
    curves = {key: Curve(key, np.array(v), np.array(e)) for key, (v, e) in table.items()}
    overlap = 0.08 + 0.75 * np.exp(-(((x - 0.62) / 0.33) ** 2))
    curves["label_overlap"] = Curve("label_overlap", overlap, np.full(n, 0.012), np.full(n, 0.013))
    return curves


def _scale(layer_dimension: float, level: bool) -> ScaleCurve:
    ranks = 2 ** np.arange(8)
    values = layer_dimension * (0.75 + 0.3 / (1 + np.arange(8) / 3))
    return ScaleCurve(
        ranks=ranks,
        distances=layer_dimension / 4 * 1.16 ** np.arange(8),
        values=values,
        errors=0.02 * values,
        plateau=(3, 6) if level else None,
        plateau_dimension=float(values[3:7].mean()) if level else float("nan"),
        plateau_error=0.2 if level else float("nan"),
    )


def build_profile(seed: int = 0, hostile: bool = True) -> Profile:
    rng = np.random.default_rng(seed)
    layers = ("embedding", *(f"block_{i}" for i in range(1, L + 1)))
    if hostile:
        layers = (*layers[:-1], f"{HOSTILE}$5$")
    n = len(layers)
    curves = _curves(n, rng)
    away = np.abs(np.subtract.outer(np.arange(n), np.arange(n)))
    overlap = LayerMap(
        name="overlap", values=0.9**away, errors=np.full((n, n), 0.004), chance=0.001
    )
    scales = {
        key: _scale(curves["dimension"].values[i], i > 4) for i, key in enumerate(layers) if i
    }
    return Profile(
        layers=layers,
        names=_names(layers),
        curves=curves,
        maps={"overlap": overlap},
        scales=scales,
        decimation={
            "block_1": {"n": [1000.0, 500.0], "values": [12.0, 11.0], "errors": [0.4, 0.5]}
        },
        covariance={},
        undefined={"embedding": "undefined: 7 distinct points"},
        counts={"rows": 9999, "truncated": 3, "sampled_from": 20000},
        warnings=(f"3 inputs were truncated {HOSTILE}", "embedding is undefined: =cmd"),
        provenance={
            "states": {"model": f"acme/{RAW}", "revision": "abc123", "pooling": "mean"},
            "settings": {"k": 30, "seed": 7, "name": HOSTILE},
            "versions": {"layergeom": "0.1.0", "numpy": "2.4.6"},
            "key": "0123abcd",
            "created": "2026-01-02T03:04:05Z",
        },
    )


def build_reading(profile: Profile) -> Reading:
    phase = lambda kind, a, b, text: Phase(kind, f"block_{a}", f"block_{b}", text)  # noqa: E731
    return Reading(
        sentence=f"Use block_7: the dimension falls from 21.0 to 6.1 {HOSTILE}.",
        phases=(
            phase("expansion", 1, 2, "rises from 11.0 ± 0.2 to 18.9 ± 0.4"),
            phase("peak", 3, 3, "21.0 ± 0.4, 4.9 errors above its neighbours"),
            phase("compression", 4, 6, "falls to 6.3 ± 0.1"),
            phase("plateau", 7, 9, "6.1 to 6.2 within errors"),
            phase("final ascent", 10, 11, f"rises to 10.1 {HOSTILE}"),
        ),
        recommendation=Recommendation(
            layer="block_7",
            found=True,
            repeatability=0.97,
            ties=("block_8", "block_9"),
            reason="The dimension has its first minimum after the peak here (6.1 ± 0.1).",
            failed=None,
            settle=None,
            useful="label overlap 0.83 ± 0.01 against 0.40 ± 0.01 at the last layer",
            best_by_labels="block_7",
            words="block_7 = hidden_states[7] = encoder.layer.6 = a model cut to 7 blocks",
        ),
        anisotropy="Bell: maximum 0.56 at relative depth 0.50.",
        statements=("The dimension at the output equals the one at the input within errors.",),
    )


def build_dynamics() -> Dynamics:
    checkpoints = ("step0", "step16", "step256", "step4096", HOSTILE)
    profiles = tuple(build_profile(seed) for seed in range(5))
    share = np.linspace(0.1, 1, 5)[:, None] * np.ones((1, L + 1))
    values = np.array([12.0, 14.0, 13.0, 11.0, 10.0])
    return Dynamics(
        checkpoints=checkpoints,
        steps=np.array([0.0, 16, 256, 4096, 60000]),
        profiles=profiles,
        overlap_to_final=share,
        mean_dimension=Curve("mean_dimension", values, np.full(5, 0.3)),
        turning_point="The layer-mean dimension turns at step16.",
    )


@pytest.fixture(scope="session")
def profile() -> Profile:
    return build_profile()


@pytest.fixture(scope="session")
def reading(profile: Profile) -> Reading:
    return build_reading(profile)


@pytest.fixture(scope="session")
def dynamics() -> Dynamics:
    return build_dynamics()
