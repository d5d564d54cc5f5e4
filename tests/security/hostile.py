"""Names that want to do harm, in every place of a profile."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from layergeom.profiles import Profile
from show.conftest import build_profile

SCRIPT = "<script>alert(1)</script>"
NAMES = (
    SCRIPT,
    '" onmouseover="alert(1)" x="',
    "'><img src=x onerror=alert(1)>",
    "</script><script>alert(2)",
    "<!--",
    "{{ 7 * 7 }}",
    "$5 and $10",
    "_hidden",
    "=cmd|' /C calc'!A0",
    "\x1b[31mred\x07",
    "javascript:alert(1)",
    "https://elsewhere.example/x.js",
    "[link=https://x.example]x[/link] [/b]",
)


def hostile_profile() -> Profile:
    """Return a profile whose layers, model, settings, warnings and reasons are ``NAMES``."""
    profile = build_profile(hostile=False)
    assert len(profile.layers) == len(NAMES)
    new = dict(zip(profile.layers, NAMES, strict=True))
    states = {"model": SCRIPT, "revision": SCRIPT, "pooling": "'><img src=x onerror=alert(1)>"}
    return replace(
        profile,
        layers=NAMES,
        names=tuple(
            replace(name, key=new[name.key], module=new[name.key]) for name in profile.names
        ),
        scales={new[key]: scale for key, scale in profile.scales.items()},
        covariance={name: np.eye(len(NAMES)) * 0.01 for name in ("dimension", "label_overlap")},
        decimation={new[key]: found for key, found in profile.decimation.items()},
        undefined={new[key]: SCRIPT for key in profile.undefined},
        warnings=NAMES,
        nulls={'" onclick="' + SCRIPT: {"dimension": profile.curves["dimension"]}},
        provenance=profile.provenance | {"states": states, SCRIPT: {SCRIPT: SCRIPT}},
    )
