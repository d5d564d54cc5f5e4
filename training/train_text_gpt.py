"""Train a small GPT-2 (next token) on texts, with its own byte-level BPE and checkpoints.

    python training/train_text_gpt.py texts.txt OUT_DIR --steps 2200

``texts.txt`` has one document per line; one in twenty is held out.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from loop import Schedule, command_line, train
from tokenizers import ByteLevelBPETokenizer
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

END = "<|endoftext|>"


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = command_line(__doc__, "texts", layers=10, width=128, steps=2200, batch=24)
    parser.add_argument("--vocabulary", type=int, default=2048)
    parser.add_argument("--context", type=int, default=256)
    return parser.parse_args()


def stream(tokenizer: PreTrainedTokenizerFast, documents: list[str]) -> torch.Tensor:
    """Return the tokens of all documents one after another, each with its end."""
    parts = tokenizer(documents)["input_ids"]
    return torch.tensor([i for ids in parts for i in [*ids, tokenizer.eos_token_id]])


def main() -> None:
    """Train."""
    args = arguments()
    schedule = Schedule(args.steps, args.learning_rate, seed=args.seed)
    torch.manual_seed(args.seed)
    rng = np.random.default_rng(args.seed)
    documents = args.texts.read_text(encoding="utf-8").splitlines()
    order = rng.permutation(len(documents))
    cut = len(documents) // 20
    trained_on, held_out = ([documents[i] for i in part] for part in (order[cut:], order[:cut]))
    bpe = ByteLevelBPETokenizer()
    bpe.train_from_iterator(trained_on, vocab_size=args.vocabulary, special_tokens=[END])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bpe._tokenizer, bos_token=END, eos_token=END, unk_token=END
    )
    tokens, others = stream(tokenizer, trained_on), stream(tokenizer, held_out)
    width = args.context
    model = GPT2LMHeadModel(
        GPT2Config(
            vocab_size=len(tokenizer),
            n_positions=width,
            n_embd=args.width,
            n_layer=args.layers,
            n_head=args.heads,
            resid_pdrop=0.0,
            embd_pdrop=0.0,
            attn_pdrop=0.0,
            bos_token_id=tokenizer.eos_token_id,
            eos_token_id=tokenizer.eos_token_id,
        )
    )

    def value(batch: torch.Tensor) -> torch.Tensor:
        return model(input_ids=batch, labels=batch, use_cache=False).loss

    def next_loss() -> torch.Tensor:
        starts = rng.integers(0, len(tokens) - width, args.batch)
        return value(torch.stack([tokens[at : at + width] for at in starts]))

    def held_out_loss() -> torch.Tensor:
        whole = others[: len(others) // width * width].reshape(-1, width)[:64]
        return torch.stack([value(part) for part in whole.split(16)]).mean()

    def save(folder: Path) -> None:
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)

    facts = {
        "what": "GPT-2, next token, byte-level BPE of its own",
        "script": "training/train_text_gpt.py",
        "documents": len(trained_on),
        "tokens": len(tokens),
        "held_out_documents": cut,
        "batch": args.batch,
    }
    train(model, next_loss, held_out_loss, save, args.out, schedule, facts)


if __name__ == "__main__":
    main()
