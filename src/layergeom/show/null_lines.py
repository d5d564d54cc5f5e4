"""Null levels beside the curves that they belong to: thin, grey, each named."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from layergeom.show.chart_parts import Row, columns, layer_x, number_or_none
from layergeom.show.layer_axis import GREY
from layergeom.show.quantities import quantity

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from layergeom.arrays import FloatArray
    from layergeom.profiles import Profile

_WARM = "#9A7B66"  # grey towards the orange of the label overlap
# Kind of null, what follows the name of its curve, words; strokes and gaps of its line.
_DRAWN: tuple[tuple[str, str, str, tuple[float, ...]], ...] = (
    ("permuted", "_upper", "permuted, upper 95 %", (1, 2)),
    ("gaussian", "", "Gaussian of the same spectrum", (6, 2)),
    ("shuffled", "", "shuffled tokens", (2, 1)),
    ("untrained", "", "untrained weights", (5, 1, 1, 1)),
    ("length", "", "rows of the same lengths", (8, 2, 1, 2)),
    ("length", "_tokens", "by bag of tokens", (3, 3)),
)


@dataclass(frozen=True, eq=False)
class NullLine:
    """One null of one curve.

    Attributes
    ----------
    label : str
        The curve's symbol and the kind of null.
    dash : tuple of float
        Lengths of strokes and gaps.
    colour : str
    values : ndarray, shape (L,)
    """

    label: str
    dash: tuple[float, ...]
    colour: str
    values: FloatArray


def null_lines(profile: Profile, names: Iterable[str]) -> list[NullLine]:
    """Return the nulls of these curves, of permutations the upper 95 %."""
    found = []
    for name in names:
        for kind, suffix, words, dash in _DRAWN:
            curve = profile.nulls.get(kind, {}).get(name + suffix)
            if curve is not None and name in profile.curves:
                colour = _WARM if name == "label_overlap" else GREY
                found.append(
                    NullLine(f"{quantity(name).symbol}, {words}", dash, colour, curve.values)
                )
    return found


def null_caption(profile: Profile, names: Iterable[str]) -> str:
    """Return what a caption says of the nulls of these curves; "" if there are none."""
    drawn = null_lines(profile, names)
    return " Grey: what the same numbers read where there is nothing to find." if drawn else ""


def draw_nulls(axes: Axes, profile: Profile, names: Iterable[str]) -> None:
    """Draw the nulls of these curves into a matplotlib figure."""
    for line in null_lines(profile, names):
        axes.plot(
            line.values, color=line.colour, lw=0.9, dashes=line.dash, label=line.label, zorder=1.5
        )


def null_layers(profile: Profile, names: Iterable[str], y: Any) -> list[Any]:
    """Return the nulls of these curves as layers of an altair chart, [] if there are none.

    Parameters
    ----------
    profile : Profile
    names : iterable of str
        Of curves.
    y : altair.Y
        The chart's own axis, of the field ``value``.
    """
    import altair as alt

    lines = null_lines(profile, names)
    legend = alt.Legend(title=None, orient="bottom", columns=columns(), symbolStrokeColor=GREY)
    labels, dashes = [line.label for line in lines], [list(line.dash) for line in lines]
    dash = alt.StrokeDash("null:N", scale=alt.Scale(domain=labels, range=dashes), legend=legend)
    x = layer_x(profile)
    return [
        alt.Chart(alt.Data(values=_rows(line)))
        .mark_line(color=line.colour, strokeWidth=1)
        .encode(x=x, y=y, strokeDash=dash)
        for line in lines
    ]


def _rows(line: NullLine) -> list[Row]:
    return [
        {"position": place, "value": number_or_none(float(value)), "null": line.label}
        for place, value in enumerate(line.values)
    ]
