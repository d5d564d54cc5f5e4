"""The page on doubt, made from its records alone: tables, and the numbers in its sentences."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from benchmarks.markdown import table
from benchmarks.records import Record
from calibration.doubt_maps import FULL, Network
from calibration.doubt_runs import BESIDE, left, ranks
from calibration.doubt_similarity import K, calibrated
from calibration.doubt_words import TEXT

PAGE = Path(__file__).resolve().parents[1] / "docs" / "explanation" / "when_not_to_believe.md"
RECORDS = Path(__file__).parent / "records" / "doubt.jsonl"
MAIN = Network("tanh", 256, 3)  # the network whose layers are all shown
STILL = Network("tanh", 64, 3)  # the one whose estimate stands still at first
SHOWN = (0, 1, 2, 4, 6, 8)  # layers
FLAGGED = 0.5  # share of the draws that are called a lower bound
PLACE = re.compile(r"<<(\w+)>>")


def page(found: Iterable[Record]) -> str:
    """Return the page.

    Raises
    ------
    KeyError
        If the words ask for a number that the records do not give.
    """
    newest = {(record["job"], record["case"]["name"]): record for record in found}
    jobs: dict[str, list[Record]] = defaultdict(list)
    for (job, _), record in newest.items():
        jobs[job].append(record)
    told: dict[str, str] = {}
    for part, job in PARTS.items():
        told |= part(jobs[job])
    return PLACE.sub(lambda place: told[place[1]], TEXT)


# ── smooth maps ───────────────────────────────────────────────────────────────────────────────


def maps(records: Sequence[Record]) -> dict[str, str]:
    """Return the tables of the smooth networks, and what the text says of the main one."""
    of = {r["case"]["n"]: r["layers"] for r in records if _network(r) == MAIN.name}
    still = {r["case"]["n"]: r["layers"] for r in records if _network(r) == STILL.name}
    full, sizes = of[FULL], sorted(of)
    dims, scales = full["dimension"], full["scales"][-1]
    top = max(range(len(dims)), key=lambda at: (full["plateau"][at] or [0])[0])
    return {
        "layers_table": _layers(of),
        "networks_table": _networks(records),
        "main_network": MAIN.name,
        "smallest_n": f"{of[sizes[0]]['dimension'][-1]:.0f}",
        "largest_n": f"{of[sizes[-1]]['dimension'][-1]:.0f}",
        "largest_n_size": f"{sizes[-1]:,}",
        "fall": ", ".join(f"{of[n]['dimension'][-1]:.1f} at {n:,}" for n in sizes),
        "scale_rise": f"{scales[0]:.0f} at single neighbours of the last layer, {max(scales):.0f} "
        f"at rank {2 ** int(np.argmax(scales))}",
        "still": " and ".join(f"{still[n]['dimension'][-1]:.1f}" for n in (500, 2000)),
        "plateau_length": str(full["plateau"][top][2] - full["plateau"][top][1] + 1),
        "plateau_layer": f"layer {top}",
        "plateau_value": f"{full['plateau'][top][0]:.0f}",
        "r1_first": f"{full['r1'][0]:.2f}",
        "r1_last": f"{full['r1'][-1]:.2f}",
        "rank_first": f"{full['effective_rank'][0]:.0f}",
        "rank_last": f"{full['effective_rank'][-1]:.0f}",
        "null_last": f"{full['gaussian'][-1]:.0f}",
        "id_last": f"{dims[-1]:.0f}",
    }


def _network(record: Record) -> str:
    case = record["case"]
    return Network(case["activation"], case["width"], case["gain"]).name


def _layers(of: Mapping[int, Mapping[str, Sequence[Any]]]) -> str:
    titles = ["layer", *(f"ID, N = {n:,}" for n in sorted(of)), f"r1 at {FULL:,}"]
    titles += ["effective rank", "Gaussian null", "plateau"]
    full = of[FULL]
    rows = []
    for at in SHOWN:
        cells = [_flagged(of[n], at) for n in sorted(of)]
        beside = [f"{full[key][at]:.0f}" for key in ("effective_rank", "gaussian")]
        rows.append([str(at), *cells, f"{full['r1'][at]:.2f}", *beside, _plateau(full, at)])
    return table(titles, rows)


def _networks(records: Sequence[Record]) -> str:
    gathered: dict[str, dict[int, Any]] = defaultdict(dict)
    for record in records:
        gathered[_network(record)][record["case"]["n"]] = record["layers"]
    rows = []
    for name, of in gathered.items():
        sizes = [_flagged(of[n], -1) if n in of else "–" for n in (500, 2000, FULL, 50_000)]
        full = of[FULL]
        beside = [f"{full[key][-1]:.0f}" for key in ("effective_rank", "gaussian")]
        rows.append([name, *sizes, f"{full['r1'][-1]:.2f}", *beside, _plateau(full, -1)])
    titles = ["network", "ID, N = 500", "2,000", f"{FULL:,}", "50,000", f"r1 at {FULL:,}"]
    return table([*titles, "effective rank", "Gaussian null", "plateau"], rows)


def _flagged(layers: Mapping[str, Sequence[Any]], at: int) -> str:
    mark = "*" if layers["lower_bound"][at] > FLAGGED else ""
    return f"{layers['dimension'][at]:.1f}{mark}"


def _plateau(layers: Mapping[str, Sequence[Any]], at: int) -> str:
    found = layers["plateau"][at]
    if found is None:
        return "none"
    return f"{found[0]:.1f} (ranks {2 ** found[1]} to {2 ** (found[2] + 1)})"


# ── finished runs ─────────────────────────────────────────────────────────────────────────────


def runs(records: Sequence[Record]) -> dict[str, str]:
    """Return the table of the runs, and how often the null accounts for the profile."""
    lines = {record["case"]["name"]: left(record)[1] for record in records}
    models: dict[str, list[float]] = defaultdict(list)
    for name, line in lines.items():
        models[name.split("-")[0]].append(line)
    blocks = [left(record, first=1)[1] for record in records]
    flagged = sum(2 * record["lower_bounds"] > len(record["layers"]) for record in records)
    values = list(lines.values())
    return {
        "runs_table": _runs(records),
        "runs": str(len(records)),
        "models": str(len(models)),
        "mean_left": f"{np.mean([np.mean(of) for of in models.values()]):.0%}",
        "median_left": f"{np.median(values):.0%}",
        "spectral": str(sum(line < 0.1 for line in values)),
        "own": str(sum(line > 0.5 for line in values)),
        "median_blocks": f"{np.median(blocks):.0%}",
        "spectral_blocks": str(sum(line < 0.1 for line in blocks)),
        "own_blocks": str(sum(line > 0.5 for line in blocks)),
        "flagged": str(flagged),
        "falling_runs": ", ".join(
            f"`{r['case']['name']}`" for r in records if r["against_n"]["falling"]
        ),
        "run_layers": str(sum(len(record["layers"]) for record in records)),
        **{key: str(sum(r["against_n"][key] for r in records)) for key in ("rising", "falling")},
    }


def _runs(records: Sequence[Record]) -> str:
    titles = ["run", "rows", "layers", "ID", *(f"ρ {name}" for name in BESIDE), "ID/null"]
    titles += ["with N", "left, ratio", "left, line", "without the first layer"]
    return table(titles, [_run(record) for record in sorted(records, key=_of_name)])


def _run(record: Record) -> list[str]:
    own, null = (np.array(record["curves"][key]) for key in ("dimension", "Gaussian null"))
    found = ranks(record)
    spread = f"{own.min():.1f} to {own.max():.1f}"
    cells = [record["case"]["name"], f"{record['case']['rows']:,}", str(len(own)), spread]
    cells += [f"{found[name]:+.2f}" for name in BESIDE]
    shares = (*left(record), left(record, first=1)[1])
    with_n = f"{record['against_n']['rising']} up, {record['against_n']['falling']} down"
    return [*cells, f"{np.mean(own / null):.2f}", with_n, *(f"{share:.0%}" for share in shares)]


def _of_name(record: Record) -> str:
    return str(record["case"]["name"])


# ── similarities ──────────────────────────────────────────────────────────────────────────────


def widths(records: Sequence[Record]) -> dict[str, str]:
    """Return the table by width and rows."""
    rows = []
    for record in sorted(records, key=lambda r: (r["case"]["n"], r["case"]["width"])):
        of = record["measures"]
        raw, biased = of["raw CKA"], of["debiased CKA"]
        cells = [f"{record['case']['n']:,}", f"{record['case']['width']:,}", f"{raw['value']:.3f}"]
        cells += [f"{raw['level']:.3f}", f"{calibrated(raw['value'], raw['upper']):.3f}"]
        cells += [f"{biased['value']:+.3f}", f"{of['overlap']['value']:.3f}"]
        cells += [f"{of['mutual kNN']['value']:.3f}", f"{K / (record['case']['n'] - 1):.3f}"]
        rows.append(cells)
    titles = ["rows", "width", "raw CKA", "its level", "calibrated", "debiased CKA", "overlap"]
    measures = [record["measures"] for record in records]
    return {
        "width_table": table([*titles, "mutual kNN", "chance of both"], rows),
        "raw_largest": f"{max(of['raw CKA']['value'] for of in measures):.2f}",
        "calibrated_largest": f"{max(float(row[4]) for row in rows):.3f}",
        "debiased_largest": f"{max(abs(of['debiased CKA']['value']) for of in measures):.3f}",
        "k": str(K),
    }


def depths(records: Sequence[Record]) -> dict[str, str]:
    """Return the table of the best of many pairs."""
    kinds = list(dict.fromkeys(record["case"]["kind"] for record in records))
    of = {(r["case"]["kind"], r["case"]["layers"]): r for r in records}
    rows = []
    for layers in sorted({layers for _, layers in of}):
        cells = [str(layers), str(layers**2)]
        for kind in kinds:
            found = of[kind, layers]
            cells += [f"{found['largest']:.3f}"]
            cells += [f"{found[key]:.0%}" for key in ("above_pair", "above_largest")]
        rows.append(cells)
    columns = [
        (f"{kind}, largest", "above its pair's level", "above the level of the largest")
        for kind in kinds
    ]
    case = records[0]["case"]
    return {
        "depth_table": table(["layers", "pairs", *(x for three in columns for x in three)], rows),
        "stack": f"{case['rows']} rows, width {case['width']}",
        "draws": str(case["draws"]),
    }


def pairs(records: Sequence[Record]) -> dict[str, str]:
    """Return the table of real layers."""
    kinds = list(dict.fromkeys(record["case"]["kind"] for record in records))
    gathered: dict[tuple[str, ...], dict[str, Record]] = defaultdict(dict)
    for record in records:
        case = record["case"]
        key = (case["data"], " × ".join(case["models"]), f"{case['n']:,}", str(case["pairs"]))
        gathered[key][case["kind"]] = record
    rows = [
        [*key, *(f"{of[kind]['value']:.3f} ({of[kind]['of_largest']:.3f})" for kind in kinds)]
        for key, of in gathered.items()
    ]
    return {
        "pairs_table": table(["data", "models", "rows", "pairs", *kinds], rows),
        "above": str(sum(r["value"] > r["of_largest"] for r in records)),
        "compared": str(len(records)),
    }


# ── traps ─────────────────────────────────────────────────────────────────────────────────────


def traps(records: Sequence[Record]) -> dict[str, str]:
    """Return the table of the traps."""
    rows = [
        [
            record["case"]["name"],
            record["truth"],
            f"{record['naive']:.2f}",
            _with_error(record["told"], record["error"]),
            record["said"] or "–",
        ]
        for record in records
    ]
    titles = ["trap", "truth", "plain formula", "this package", "what it says"]
    return {"traps_table": table(titles, rows)}


def _with_error(value: float, error: float) -> str:
    return "no number" if np.isnan(value) else f"{value:.2f} ± {error:.2f}"


PARTS: Mapping[Callable[[Sequence[Record]], dict[str, str]], str] = MappingProxyType(
    {
        maps: "doubt-map",
        runs: "doubt-run",
        widths: "doubt-width",
        depths: "doubt-depth",
        pairs: "doubt-pair",
        traps: "doubt-trap",
    }
)
