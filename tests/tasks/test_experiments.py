"""Every experiment of the papers, as its own command line on a tiny network of the same class."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from PIL import Image
from transformers.models.imagegpt.image_processing_pil_imagegpt import (
    ImageGPTImageProcessorPil as ImageGPTImageProcessor,
)

from layergeom.states.checkpoints import checkpoints
from layergeom.tasks.experiments import EXPERIMENTS, Experiment, experiments
from layergeom.tasks.graded_clouds import graded_clouds
from layergeom.tasks.partition_runs import partitions
from layergeom.tasks.protocol_runs import dynamics_by, profile_by
from layergeom.tasks.protocols import PROTOCOLS, protocol

sys.path.append(str(Path(__file__).parents[1] / "states"))  # its modules import each other so

from tiny import WORDS, texts, tokenizer
from tiny_families import (
    FAMILIES,
    RESIDUES,
    VOCABULARY,
    esm_tokenizer,
    protein_tokenizer,
)

CASES = {case.name: case for case in FAMILIES}
STAND_INS = {"Esm": "esm2", "Bert": "bert", "T5": "prott5", "ImageGPT": "imagegpt"}
STAND_INS |= {"GPT2": "gpt2", "Roberta": "roberta", "Albert": "albert", "OPT": "opt"}
STAND_INS |= {"Llama": "llama", "GPTJ": "gptj", "Falcon": "falcon", "Bloom": "bloom"}
STAND_INS |= {"GPTNeoX": "neox", "Mistral": "mistral", "Olmo": "olmo"}
ROWS = 208  # four subsets of 52


def stand_in(experiment: Experiment) -> str:
    if "esm1" in experiment.command:
        return "esm1b"
    return "protbert" if "prot_bert" in experiment.command else STAND_INS[experiment.config]


def words(name: str, folder: Path) -> Any:
    if name == "imagegpt":
        colours = np.random.default_rng(1).uniform(-1, 1, (VOCABULARY - 1, 3)).tolist()
        size = {"height": 4, "width": 4}
        return ImageGPTImageProcessor(clusters=colours, size=size)
    if name in ("esm2", "esm1b"):
        return esm_tokenizer(folder)
    if name in ("protbert", "prott5"):
        return protein_tokenizer("T5" if name == "prott5" else "Bert")
    return tokenizer()


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Make the folder of a tiny network once; of a checkpoint with its weights moved."""
    place = tmp_path_factory.mktemp("models")

    def made(name: str, checkpoint: str = "", away: float = 0.0) -> Path:
        folder = place / name / (checkpoint or "alone")
        if not folder.is_dir():
            folder.mkdir(parents=True)
            module = CASES[name].build()
            with torch.no_grad():
                for weights in module.parameters():
                    weights.mul_(1 + away)
            module.save_pretrained(folder)
            words(name, folder).save_pretrained(folder)
        return folder

    return made


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tiny files under the names that the commands use."""
    torch.set_num_threads(1)
    place, rng = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    proteins = ["".join(rng.choice(list(RESIDUES[:20]), rng.integers(8, 30))) for _ in range(ROWS)]
    codes = [f"a.{i % 4 + 1}.1.{i // 4 % 3 + 1}" for i in range(ROWS)]
    scope = [
        f">d{i:06d} {c} (A:) some protein\n{s}"
        for i, (c, s) in enumerate(zip(codes, proteins, strict=True))
    ]
    (place / "scope.fasta").write_text("\n".join(scope) + "\n")
    net = [f">chain{i}\n{s}" for i, s in enumerate(proteins)]
    (place / "proteinnet.fasta").write_text("\n".join(net) + "\n")
    for i, pixels in enumerate(rng.integers(0, 256, (ROWS, 4, 4, 3), dtype=np.uint8)):
        (place / "imagenet" / f"n{i % 5}").mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(place / "imagenet" / f"n{i % 5}" / f"{i}.png")
    lines = [f"{text}\t{i % 2}" for i, text in enumerate(texts(ROWS, longest=15))]
    (place / "sst.tsv").write_text("\n".join(["sentence\tlabel", *lines]) + "\n")
    documents = [" ".join(rng.choice(WORDS, 60)) for _ in range(200)]
    (place / "pile10k.jsonl").write_text("\n".join(json.dumps({"text": d}) for d in documents))
    raw = " ".join(texts(9999, longest=20))
    (place / "enwik8").write_text(raw[: 32 * 512])
    return place


def arguments(command: str) -> tuple[str, list[str], dict[str, str]]:
    """Split a command into its name, MODEL and DATA, and options by their names in Python."""
    parts = shlex.split(command)
    assert parts[0] == "layergeom"
    flags, values = parts[4::2], parts[5::2]
    assert all(flag.startswith("--") for flag in flags)
    names = [flag.removeprefix("--").replace("-", "_") for flag in flags]
    return parts[1], parts[2:4], dict(zip(names, values, strict=True))


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda e: e.command.split(" --")[0])
def test_the_command_on_a_tiny_network(experiment: Experiment, models: Any, data: Path) -> None:
    action, (_, file), asked = arguments(experiment.command)
    name = asked.pop("protocol")
    assert name == experiment.protocol
    case = stand_in(experiment)
    if action in ("partitions", "clouds"):
        assert protocol(name).verb == action
        assert asked == {}
        (check_partitions if action == "partitions" else check_clouds)(models(case), data / file)
        return
    if action == "run":
        profiles = [profile_by(name, models(case), data / file, **few(name, asked))]
    else:
        steps = asked.pop("revisions", "step0,step9").split(",")[:2]
        places = [models(case, step, away / 9) for away, step in enumerate(steps)]
        root = places[0].parent
        found = dynamics_by(name, root, data / file, steps, **few(name, asked))
        assert list(found.checkpoints) == [c.name for c in checkpoints(root, steps)]
        profiles = list(found.profiles)
    for profile in profiles:
        check(profile, name, asked)


def few(name: str, asked: dict[str, str]) -> dict[str, Any]:
    """The tiny text holds more tokens than a quick test needs."""
    return {**asked, "max_tokens": 250} if name == "razzhigaev2024" else dict(asked)


def check(profile: Any, name: str, asked: dict[str, str]) -> None:
    made = profile.provenance["protocol"]
    assert made["name"] == name
    assert set(made["departures"]) <= {"max_tokens", "hook_point"}
    assert ("hook_point" in made["departures"]) == ("hook_point" in asked)
    curve = profile["dimension_protocol"]
    known = [i for i, key in enumerate(profile.layers) if key not in profile.undefined]
    assert len(known) >= 3
    assert (curve.values[known] > 0).all()
    assert (curve.errors[known] > 0).all()
    assert ("label_overlap" in profile.curves) == ("labels" in asked)
    if "exclude" in asked:
        assert profile.provenance["labels"]["excluded_groups"] == 12
    if name == "razzhigaev2024":
        assert profile.counts["rows"] == 250
        assert np.isfinite(profile["mean_cosine"].values[known]).all()


def check_partitions(model: Path, file: Path) -> None:
    found = partitions(model, file, "cheng2025", queries=30)
    assert found.record["departures"] == {"queries": {"recipe": "all", "given": 30}}
    assert any("5 partitions of 120 sequences where 10000" in line for line in found.warnings)
    for corpus in ("intact", "shuffled"):
        curve = found.corpora[corpus].curves["dimension"]
        assert curve.values.shape == (5, len(found.corpora[corpus].layers))
        assert (curve.mean[1:] > 0).all()


def check_clouds(model: Path, file: Path) -> None:
    found = graded_clouds(model, file, "viswanathan2025", prompts=3, shuffled_prompts=2)
    departures = found.record["departures"]
    assert departures["prompt_tokens"] == {"recipe": 1024, "given": 40}
    assert set(departures) == {"prompt_tokens", "prompts", "shuffled_prompts"}
    assert [level.block for level in found.levels] == [40, 10, 2, 1]
    assert all(cloud.tokens == 40 for level in found.levels for cloud in level.found.clouds)
    assert "200 of 200 texts have 40 tokens and are cut to these." in found.warnings


def test_every_stand_in_is_of_the_class_of_its_experiment() -> None:
    for experiment in EXPERIMENTS:
        config = getattr(transformers, f"{experiment.config}Config")
        assert isinstance(CASES[stand_in(experiment)].build().config, config)


def test_every_model_of_the_papers_is_there() -> None:
    classes = {name: {e.config for e in experiments(p)} for name, p in PROTOCOLS.items()}
    assert classes["valeriani2023-protein"] == {"Esm", "Bert", "T5"}
    assert classes["valeriani2023-image"] == {"ImageGPT"}
    assert classes["valeriani2023-text"] == {"Llama", "GPT2"}
    encoders, decoders = {"Bert", "Roberta", "Albert"}, {"OPT", "Llama", "GPT2", "GPTJ", "Falcon"}
    assert classes["razzhigaev2024"] == encoders | decoders | {"Bloom", "GPTNeoX"}
    assert classes["cheng2025"] == {"OPT", "GPTNeoX", "Olmo", "Llama", "Mistral"}
    assert classes["viswanathan2025"] == {"Llama", "Mistral", "GPTNeoX"}
    training = [e.config for e in EXPERIMENTS if e.command.startswith("layergeom dynamics")]
    assert training == ["Esm", "ImageGPT", "Bloom", "GPTNeoX", "Llama"]
    assert len({e.command for e in EXPERIMENTS}) == len(EXPERIMENTS)
