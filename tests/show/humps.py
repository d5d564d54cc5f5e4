"""States of models whose dimension rises to a peak, on the same rows."""

from __future__ import annotations

import numpy as np

N = 150


def layers(peak: int, blocks: int, seed: int) -> dict[str, np.ndarray]:
    """States whose dimension rises to a peak, falls to a plateau and rises again."""
    base = np.random.default_rng(0).standard_normal((N, peak))
    turn = np.random.default_rng(seed)
    hump = np.exp(-(((np.linspace(0, 1, blocks + 1) - 0.3) / 0.15) ** 2))
    wide = np.maximum(2, np.round(2 + (peak - 2) * hump)).astype(int)
    wide[-1] = 5
    keys = ("embedding", *(f"block_{i}" for i in range(1, blocks + 1)))
    return {
        key: base[:, :d] @ np.linalg.qr(turn.standard_normal((peak, peak)))[0][:d]
        for key, d in zip(keys, wide, strict=True)
    }
