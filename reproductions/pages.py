"""Write the tables and figures of docs/reproductions from finished runs.

    python -m reproductions.pages DATA MODELS RUNS [--only NAME ...]

The same places as of ``reproductions.runs``; what is not there yet is run. With
``DATA/published.json`` (see ``layergeom.show.published``) and ``DATA/gride_summary.npz`` (see
``reproductions.language``) published curves are drawn behind.
Tables go to docs/reproductions/tables, figures to docs/reproductions/figures; the pages themselves
are written by hand and include both.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from layergeom.profiles import CHECKPOINTS, Profile
from layergeom.reading.claims import claims
from layergeom.show.depth_figures import along_depth, curve_of
from layergeom.show.figures import dimension
from layergeom.show.map_figures import dynamics_map, mean_dimension
from layergeom.show.published import curves_behind, read_published
from layergeom.show.quantities import quantity as words
from layergeom.states.inputs import read_samples
from layergeom.states.views import View
from layergeom.tasks.dynamics import Dynamics
from layergeom.tasks.evaluate import evaluate
from layergeom.tasks.graded_clouds import OUTSIDE
from layergeom.tasks.protocols import protocol
from reproductions import language, tables
from reproductions.repeats import repeats
from reproductions.runs import LAST, PROTEIN, RUNS, SMALL_STEP, Places, places_given

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MODELS = {
    "minilm": "MiniLM (encoder)",
    "stories": "stories260K (decoder)",
    "gpt": "small GPT (decoder)",
    "esm": "small ESM (encoder)",
}
LANGUAGE = ("gpt", "stories")
PAGES = Path(__file__).resolve().parent.parent / "docs" / "reproductions"


def main() -> None:
    """Read the command line and write what it names, or everything."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=WRITTEN, nargs="+", help="these pages; default: all")
    places = places_given(parser)
    for name in parser.parse_args().only or WRITTEN:
        WRITTEN[name](places)


def proteins(places: Places) -> None:
    """Paper A on proteins: training, family exclusion, retrieval, two sizes, robustness."""
    training, kin = made(places, "esm-protein"), made(places, "esm-protein-kin")
    last, small = training.profiles[-1], made(places, "esm_s-protein")
    retrieval = retrieved(places, "esm-protein", last)
    found = claims(last, dynamics=pairs(training), comparison=kin, evaluation=retrieval)
    as_long = training.profiles[training.checkpoints.index(SMALL_STEP)]
    grid = made(places, "esm-protein-grid")
    usual = grid.pop((View("mean", "first_norm"), 10))
    others = {f"{view.name}, k {k}": profile for (view, k), profile in grid.items()}
    own = {"A2": claims([small, as_long]), "A8": claims(usual, variants=others)}
    told = [next(c for c in own.get(claim.name, found) if c.name == claim.name) for claim in found]
    write("protein-layers", tables.layers(last, tables.DEPTH))
    write("protein-small-layers", tables.layers(small, tables.DEPTH))
    write("protein-checkpoints", tables.checkpoints(training))
    write("protein-claims", tables.verdicts(told, "A"))
    write("protein-retrieval", tables.scores(retrieval))
    training_figures("protein", training)
    sizes = {"10 × 128": as_long, "6 × 64": small}
    curves = [curve_of(profile, "dimension", name) for name, profile in sizes.items()]
    draw("protein-sizes", along_depth(curves, "dimension"))
    published(places, "protein", last)
    against_nulls(places, "esm-protein", tables.DEPTH)


def images(places: Places) -> None:
    """Paper A on images."""
    over_training("image", made(places, "igpt-image"))
    against_nulls(places, "igpt-image", tables.DEPTH)


def texts(places: Places) -> None:
    """Paper A on texts: training, and two published models."""
    over_training("text", made(places, "gpt-text"))
    for name in ("minilm", "stories"):
        profile = made(places, f"{name}-text")
        write(f"{name}-text-layers", tables.layers(profile, tables.DEPTH))
        write(f"{name}-text-claims", tables.verdicts(claims(profile), "A"))
    for name in ("gpt", "minilm", "stories"):
        against_nulls(places, f"{name}-text", tables.DEPTH)


def over_training(name: str, training: Dynamics) -> None:
    """Tell the checkpoints of one run, and the claims of paper A on them."""
    last = training.profiles[-1]
    write(f"{name}-layers", tables.layers(last, tables.DEPTH))
    write(f"{name}-checkpoints", tables.checkpoints(training))
    write(f"{name}-claims", tables.verdicts(claims(last, dynamics=pairs(training)), "A"))
    training_figures(name, training)


def tokens(places: Places) -> None:
    """Paper B: an encoder beside a decoder, and two training runs."""
    models = {name: made(places, f"{name}-tokens") for name in ("minilm", "stories", "gpt", "esm")}
    profiles = {n: m.profiles[-1] if isinstance(m, Dynamics) else m for n, m in models.items()}
    for name, model in models.items():
        profile = profiles[name]
        training = pairs(model) if isinstance(model, Dynamics) else None
        write(f"{name}-token-layers", tables.layers(profile, tables.TOKENS))
        write(f"{name}-token-claims", tables.verdicts(claims(profile, dynamics=training), "B"))
        if isinstance(model, Dynamics):
            write(f"{name}-token-checkpoints", tables.checkpoints(model))
            training_figures(f"{name}-token", model)
            draw(f"{name}-token-anisotropy", dynamics_map(model, "anisotropy"))
            draw(f"{name}-token-cosine", dynamics_map(model, "mean_cosine"))
    for quantity in ("anisotropy", "mean_cosine"):
        curves = [curve_of(p, quantity, MODELS[n]) for n, p in profiles.items()]
        draw(f"tokens-{quantity}", along_depth(curves, quantity))
    for name in models:
        against_nulls(places, f"{name}-tokens", tables.TOKENS)


def robustness(places: Places) -> None:
    """Claim A8 at every hook point, pooling and number of neighbours."""
    grid = made(places, "esm-protein-grid")
    write("protein-grid", tables.grid(grid))
    views = dict.fromkeys(view for view, _ in grid)
    curves = [curve_of(grid[view, 10], "dimension", view.name) for view in views]
    draw("protein-grid-dimension", along_depth(curves, "dimension"))
    default = next(iter(views))
    ks = sorted({k for _, k in grid})
    curves = [curve_of(grid[default, k], "label_overlap", f"k = {k}") for k in ks]
    draw("protein-grid-labels", along_depth(curves, "label_overlap"))


def repeated(places: Places) -> None:
    """Write the table of repeats."""
    write("repeats", repeats(places.data, places.models, LAST["igpt"]))


def cheng(places: Places) -> None:
    """Cheng et al. 2025: partitions of a corpus, intact, shuffled and untrained."""
    for model in LANGUAGE:
        found = made(places, f"{model}-partitions")
        for name, text in language.partition_tables(found).items():
            write(f"cheng-{model}-{name}", text)
        draw(f"cheng-{model}-dimension", along_depth(language.partition_curves(found), "dimension"))
        figure = along_depth(language.imbalance_curves(found), "dimension")
        figure.axes[0].set_ylabel("information imbalance Δ")
        draw(f"cheng-{model}-imbalance", figure)


def viswanathan(places: Places) -> None:
    """Viswanathan et al. 2025: prompts as clouds, by degrees of shuffling, with their loss."""
    own = []
    for model in LANGUAGE:
        found = made(places, f"{model}-clouds")
        for name, text in language.cloud_tables(found).items():
            write(f"viswanathan-{model}-{name}", text)
        for quantity in ("dimension", "mean_cosine", "overlap_next"):
            curves = language.level_curves(found, quantity)
            draw(f"viswanathan-{model}-{quantity}", along_depth(curves, quantity))
        prompts = found.intact.repeats().without(*OUTSIDE)
        own.append(language.depth_curve(prompts, "dimension", MODELS[model]))
    scale = language.range_scaling(protocol("viswanathan2025"))
    behind = [curve.drawn for curve in language.published_gride(places.data, scale)]
    draw("viswanathan-published", along_depth(own, "dimension", behind))


def against_nulls(places: Places, run: str, columns: Mapping[str, str]) -> None:
    """Tell and draw a run beside its null levels."""
    profile = made(places, f"{run}-nulls")
    write(f"{run}-nulls", tables.nulls(profile, columns))
    draw(f"{run}-nulls", dimension(profile))


def made(places: Places, name: str) -> Any:
    """Return a run, from its folder where it is finished."""
    return RUNS[name](places, name)


def pairs(training: Dynamics) -> list[tuple[float, Profile]]:
    """Return steps and profiles as the claims take them."""
    return list(zip(training.steps.tolist(), training.profiles, strict=True))


def retrieved(places: Places, name: str, last: Profile) -> dict[str, tuple[float, float]]:
    """Return the 1-NN retrieval of every layer, families left out, with its error."""
    rows = read_samples(
        places.data / "domains.fasta.gz",
        max_samples="all",
        labels=PROTEIN["labels"],
        exclude=PROTEIN["exclude"],
    )
    finished = places.runs / name / CHECKPOINTS / LAST["esm"]
    found = evaluate(finished, labels=rows.labels, exclude=rows.exclude, metrics=["retrieval"])
    score = found.scores["retrieval"]
    return dict(zip(last.layers, zip(score.values, score.errors, strict=True), strict=True))


def training_figures(name: str, training: Dynamics) -> None:
    """Draw the dimension over layer and step, its mean, and what the labels say."""
    draw(f"{name}-dimension", dynamics_map(training))
    draw(f"{name}-mean-dimension", mean_dimension(training))
    if "label_overlap" in training.maps:
        draw(f"{name}-labels", dynamics_map(training, "label_overlap"))


def published(places: Places, name: str, profile: Profile) -> None:
    """Draw a profile with the published curves behind it."""
    file = places.data / "published.json"
    curves = read_published(file) if file.is_file() else ()
    for quantity in dict.fromkeys(curve.quantity for curve in curves):
        own = ("dimension_protocol", "dimension") if quantity == "dimension" else (quantity,)
        drawn = [curve_of(profile, each, f"this run, {words(each).symbol}") for each in own]
        figure = along_depth(drawn, quantity, curves_behind(curves, quantity))
        draw(f"{name}-published-{quantity}", figure)


def write(name: str, text: str) -> None:
    """Write a table."""
    (PAGES / "tables").mkdir(parents=True, exist_ok=True)
    (PAGES / "tables" / f"{name}.md").write_text(text + "\n", encoding="utf-8")


def draw(name: str, figure: Figure) -> None:
    """Write a figure."""
    (PAGES / "figures").mkdir(parents=True, exist_ok=True)
    figure.savefig(PAGES / "figures" / f"{name}.png", dpi=100, metadata={"Software": None})


WRITTEN: Mapping[str, Callable[[Places], None]] = MappingProxyType(
    {
        "proteins": proteins,
        "images": images,
        "texts": texts,
        "tokens": tokens,
        "robustness": robustness,
        "repeats": repeated,
        "cheng": cheng,
        "viswanathan": viswanathan,
    }
)

if __name__ == "__main__":
    main()
