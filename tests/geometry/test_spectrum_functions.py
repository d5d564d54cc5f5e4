"""Every slope is the derivative of its function."""

import numpy as np
import pytest

from layergeom.geometry.spectrum_functions import FUNCTIONS


@pytest.mark.parametrize("name", FUNCTIONS)
def test_slopes_are_differences(name):
    value, slope = FUNCTIONS[name]
    v = np.array([3.0, 1.5, 0.7, 0.01])
    for j, step in enumerate(1e-5 * v):
        move = step * np.eye(4)[j]
        difference = (value(v + move) - value(v - move)) / (2 * step)
        assert slope(v)[j] == pytest.approx(difference, rel=1e-6)
