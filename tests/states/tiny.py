"""Tiny random models and tokenizers, saved as real Hugging Face folders."""

from pathlib import Path

import numpy as np
import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import AutoModel, PreTrainedTokenizerFast

WORDS = [f"w{i}" for i in range(60)]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
VOCABULARY = len(SPECIAL) + len(WORDS)
FAMILIES = ("Bert", "Roberta", "Esm", "Albert", "GPT2", "Llama", "GPTNeoX", "ImageGPT", "T5")
BLOCKS = 3


def network(family, **changes):
    torch.manual_seed(0)
    config = {
        "vocab_size": VOCABULARY,
        "hidden_size": 16,
        "num_hidden_layers": BLOCKS,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "max_position_embeddings": 40,
        "pad_token_id": 0,
        "initializer_range": 0.5,
    }
    special = {
        "Roberta": {"pad_token_id": 1, "max_position_embeddings": 42},
        "Esm": {"mask_token_id": 1, "token_dropout": False, "position_embedding_type": "rotary"},
        "Albert": {"embedding_size": 8},
        "T5": {"d_ff": 32, "d_kv": 8, "decoder_start_token_id": 0},
    }
    config |= special.get(family, {}) | changes
    built = getattr(transformers, f"{family}Config")(**config)
    return AutoModel.from_config(built).eval()


def tokenizer(special=True, max_length=40):
    vocabulary = {token: i for i, token in enumerate(SPECIAL + WORDS)}
    inner = Tokenizer(models.WordLevel(vocabulary, unk_token=SPECIAL[1]))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    if special:
        inner.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
        )
    names = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token"), SPECIAL, strict=True))
    return PreTrainedTokenizerFast(tokenizer_object=inner, model_max_length=max_length, **names)


def folder(path: Path, family="Bert", words=True, **changes) -> Path:
    network(family, **changes).save_pretrained(path)
    if words:
        tokenizer().save_pretrained(path)
    return path


def causal(path: Path) -> Path:
    """Save a GPT-2 with its head, of weights large enough that its losses differ."""
    torch.manual_seed(0)
    config = transformers.GPT2Config(
        vocab_size=VOCABULARY, n_embd=16, n_layer=2, n_head=2, n_positions=48, initializer_range=0.5
    )
    transformers.GPT2LMHeadModel(config).save_pretrained(path)
    return path


def texts(n=12, seed=0, longest=20):
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(WORDS, rng.integers(1, longest))) for _ in range(n)]


def token_rows(n=8, seed=0, longest=20):
    rng = np.random.default_rng(seed)
    return [rng.integers(4, VOCABULARY, rng.integers(2, longest)) for _ in range(n)]
