"""The experiments of the papers, each as one command on the published models."""

from __future__ import annotations

from dataclasses import dataclass

from layergeom.tasks.protocols import Protocol, Verb


@dataclass(frozen=True)
class Experiment:
    """One of a paper's experiments.

    Attributes
    ----------
    protocol : str
        Its recipe.
    what : str
        The model in words.
    config : str
        Class of its configuration in transformers, without "Config".
    command : str
        What runs it.
    """

    protocol: str
    what: str
    config: str
    command: str


_SCOPE = "scope.fasta --protocol valeriani2023-protein --labels superfamily --exclude family"
_NET = "proteinnet.fasta --protocol valeriani2023-protein"
_PIXELS = "imagenet --protocol valeriani2023-image --labels folder"
_SST = "sst.tsv --protocol valeriani2023-text --text-column sentence --labels label"
_WIKI = "enwik8 --protocol razzhigaev2024"
_PILE = "pile10k.jsonl --protocol cheng2025"
_PROMPTS = "pile10k.jsonl --protocol viswanathan2025"
_BLOOM_STEPS = "global_step1000,global_step10000,global_step100000,global_step600000"
_PYTHIA_STEPS = "step0,step512,step4000,step32000,step143000"
_TINYLLAMA_STEPS = "step-5k-token-10B,step-50k-token-105B,step-480k-token-1007B"

_PROTEINS = (
    ("ESM-2, 35 M", "Esm", "facebook/esm2_t12_35M_UR50D"),
    ("ESM-2, 650 M", "Esm", "facebook/esm2_t33_650M_UR50D"),
    ("ESM-2, 3 B", "Esm", "facebook/esm2_t36_3B_UR50D"),
    ("ESM-1b", "Esm", "facebook/esm1b_t33_650M_UR50S"),
    ("ESM-1v", "Esm", "facebook/esm1v_t33_650M_UR90S_1"),
    ("ProtT5-XL, encoder", "T5", "Rostlab/prot_t5_xl_uniref50"),
)
_POST_NORM = (("ProtBert (its blocks end in their norm)", "Bert", "Rostlab/prot_bert"),)
_UNLABELLED = (("ESM-2, 650 M, dimension and overlaps", "Esm", "facebook/esm2_t33_650M_UR50D"),)
_IMAGES = (
    ("iGPT S", "ImageGPT", "openai/imagegpt-small"),
    ("iGPT M", "ImageGPT", "openai/imagegpt-medium"),
    ("iGPT L", "ImageGPT", "openai/imagegpt-large"),
)
_TEXTS = (
    ("Llama-2, 70 B", "Llama", "meta-llama/Llama-2-70b-hf"),
    ("GPT-2 XL", "GPT2", "openai-community/gpt2-xl"),
)
_TOKENS = (
    ("BERT", "Bert", "google-bert/bert-base-uncased"),
    ("RoBERTa", "Roberta", "FacebookAI/roberta-base"),
    ("ALBERT", "Albert", "albert/albert-base-v2"),
    ("OPT", "OPT", "facebook/opt-6.7b"),
    ("Llama-2, 7 B", "Llama", "meta-llama/Llama-2-7b-hf"),
    ("GPT-2", "GPT2", "openai-community/gpt2-xl"),
    ("GPT-J", "GPTJ", "EleutherAI/gpt-j-6b"),
    ("Falcon", "Falcon", "tiiuae/falcon-7b"),
    ("BLOOM", "Bloom", "bigscience/bloom-7b1"),
    ("Pythia", "GPTNeoX", "EleutherAI/pythia-6.9b"),
    ("TinyLlama", "Llama", "TinyLlama/TinyLlama-1.1B-intermediate-step-1431k-3T"),
)
_LLAMA = ("Llama-3, 8 B", "Llama", "meta-llama/Meta-Llama-3-8B")
_MISTRAL = ("Mistral, 7 B", "Mistral", "mistralai/Mistral-7B-v0.1")
_PYTHIA = ("Pythia, 6.9 B", "GPTNeoX", "EleutherAI/pythia-6.9b")
_SEQUENCES = (
    ("OPT, 6.7 B", "OPT", "facebook/opt-6.7b"),
    _PYTHIA,
    ("OLMo, 7 B", "Olmo", "allenai/OLMo-7B-hf"),
    _LLAMA,
    _MISTRAL,
)
_TRAINING = (
    (
        "valeriani2023-protein",
        "ESM-2, 650 M, in training (the authors' checkpoints)",
        "Esm",
        f"esm2-checkpoints {_SCOPE}",
    ),
    (
        "valeriani2023-image",
        "iGPT L in training (the authors' checkpoints)",
        "ImageGPT",
        f"imagegpt-checkpoints {_PIXELS}",
    ),
    (
        "razzhigaev2024",
        "BLOOM in training",
        "Bloom",
        f"bigscience/bloom-560m-intermediate {_WIKI} --revisions {_BLOOM_STEPS}",
    ),
    (
        "razzhigaev2024",
        "Pythia in training",
        "GPTNeoX",
        f"EleutherAI/pythia-2.8b {_WIKI} --revisions {_PYTHIA_STEPS}",
    ),
    (
        "razzhigaev2024",
        "TinyLlama in training",
        "Llama",
        f"TinyLlama/tinyLlama-intermediate-checkpoints {_WIKI} --revisions {_TINYLLAMA_STEPS}",
    ),
)


def _runs(
    protocol: str, models: tuple[tuple[str, str, str], ...], data: str, verb: Verb = "run"
) -> list[Experiment]:
    return [
        Experiment(protocol, what, config, f"layergeom {verb} {model} {data}")
        for what, config, model in models
    ]


EXPERIMENTS = (
    *_runs("valeriani2023-protein", _PROTEINS, _SCOPE),
    *_runs("valeriani2023-protein", _POST_NORM, f"{_SCOPE} --hook-point residual"),
    *_runs("valeriani2023-protein", _UNLABELLED, _NET),
    *_runs("valeriani2023-image", _IMAGES, _PIXELS),
    *_runs("valeriani2023-text", _TEXTS, _SST),
    *_runs("razzhigaev2024", _TOKENS, _WIKI),
    *_runs("cheng2025", _SEQUENCES, _PILE, "partitions"),
    *_runs("viswanathan2025", (_LLAMA, _MISTRAL, _PYTHIA), _PROMPTS, "clouds"),
    *(Experiment(p, what, config, f"layergeom dynamics {c}") for p, what, config, c in _TRAINING),
)


def experiments(recipe: Protocol) -> tuple[Experiment, ...]:
    """Return the experiments that a protocol covers.

    Examples
    --------
    >>> from layergeom.tasks.protocols import protocol
    >>> experiments(protocol("valeriani2023-image"))[0].command
    'layergeom run openai/imagegpt-small imagenet --protocol valeriani2023-image --labels folder'
    """
    return tuple(e for e in EXPERIMENTS if e.protocol == recipe.name)
