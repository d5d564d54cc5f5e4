"""The layouts of the two papers' figures over the relative depth, one call each.

Each takes one profile or several by name, draws every curve with its band, and returns the figure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from layergeom.errors import InputError
from layergeom.show.depth_figures import along_depth, curve_of
from layergeom.show.figure_style import DOUBLE, SINGLE, legend, style
from layergeom.show.map_figures import dynamics_map, mean_dimension

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from layergeom.profiles import Profile
    from layergeom.tasks.dynamics import Dynamics


def dimension_and_labels(
    profiles: Profile | Mapping[str, Profile],
    axes: Sequence[Axes] | None = None,
    *,
    width: float = SINGLE,
) -> Figure:
    """Draw the dimension above the label overlap, over the relative depth.

    Parameters
    ----------
    profiles : Profile, or mapping of str to Profile
        One model, or several by the names that the legend shows. All with labels.
    axes : two matplotlib axes, optional
        Where to draw; without them a new figure is made.
    width : float
        Of a new figure, in inches: 3.3 for one column of a journal, 6.9 for two.

    Raises
    ------
    InputError
        If a profile was made without labels.

    Notes
    -----
    The layout in which Valeriani et al. 2023 show their models: where the labels are served best
    beside where the dimension is small. It does not show that one causes the other.
    """
    return depth_panels(profiles, ("dimension", "label_overlap"), axes, width=width)


def overlaps_between_layers(
    profiles: Profile | Mapping[str, Profile],
    axes: Sequence[Axes] | None = None,
    *,
    width: float = SINGLE,
) -> Figure:
    """Draw the overlap with the next layer above that with the last, over the relative depth.

    As Valeriani et al. 2023 follow neighbours from layer to layer. Parameters as for
    :func:`dimension_and_labels`.
    """
    return depth_panels(profiles, ("overlap_next", "overlap_last"), axes, width=width)


def anisotropy_over_depth(
    profiles: Profile | Mapping[str, Profile], ax: Axes | None = None, *, width: float = SINGLE
) -> Figure:
    """Draw the centred anisotropy over the relative depth.

    As Razzhigaev et al. 2024 compare encoders and decoders. One massive token or coordinate takes
    the value to 1: look at ``token_norm_max`` too.
    """
    panels = None if ax is None else [ax]
    return depth_panels(profiles, ("anisotropy",), panels, width=width)


def dimension_in_training(
    dynamics: Dynamics, axes: Sequence[Axes] | None = None, *, width: float = DOUBLE
) -> Figure:
    """Draw the layer-mean dimension over the steps beside the map over layer and step.

    As Razzhigaev et al. 2024 follow checkpoints. Parameters as for
    :func:`dimension_and_labels`, but of a training run.
    """
    with style():
        figure, (left, right) = _panels(axes, 2, width, across=True)
        mean_dimension(dynamics, left)
        dynamics_map(dynamics, "dimension", right)
    return figure


def depth_panels(
    profiles: Profile | Mapping[str, Profile],
    quantities: Sequence[str],
    axes: Sequence[Axes] | None = None,
    *,
    width: float = SINGLE,
) -> Figure:
    """Draw quantities over the relative depth, one panel above the other, one legend for all.

    Parameters
    ----------
    profiles : Profile, or mapping of str to Profile
    quantities : sequence of str
        Curves of the profiles, ``overlap_first`` or ``overlap_last``.
    axes : sequence of matplotlib axes, optional
        As many as quantities.
    width : float
        Of a new figure, in inches.

    Raises
    ------
    InputError
        If a profile lacks a quantity, or the axes are too few.
    """
    named = profiles if isinstance(profiles, Mapping) else {"": profiles}
    with style():
        figure, panels = _panels(axes, len(quantities), width)
        for panel, quantity in zip(panels, quantities, strict=True):
            curves = [curve_of(profile, quantity, name) for name, profile in named.items()]
            along_depth(curves, quantity, ax=panel)
            _quiet(panel, last=panel is panels[-1])
        if len(named) > 1:
            legend(figure, panels[0])
    return figure


def _quiet(panel: Axes, last: bool) -> None:
    """Leave one legend and one name of the shared axis to the figure."""
    shown = panel.get_legend()
    if shown is not None:
        shown.remove()
    if not last:
        panel.set_xlabel("")


def _panels(
    axes: Sequence[Axes] | None, count: int, width: float, across: bool = False
) -> tuple[Figure, Sequence[Axes]]:
    from matplotlib.figure import Figure

    if axes is None:
        shape = (1, count) if across else (count, 1)
        height = 0.4 + width / (2.4 if across else 1.9) * shape[0]
        figure = Figure(figsize=(width, height))
        return figure, list(figure.subplots(*shape, sharex=not across, squeeze=False).flat)
    owner = axes[0].get_figure(root=True) if len(axes) == count else None
    if owner is None:
        raise InputError(f"{len(axes)} axes were given for {count} panels; give {count}.")
    return owner, axes
