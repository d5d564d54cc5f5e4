"""Train a small ESM-2 (masked residues) on protein sequences, with checkpoints.

The architecture is ESM-2's (rotary positions, pre-norm, token dropout) in small: a standard
``EsmForMaskedLM``. One sequence in twenty is held out.

    python training/train_protein_esm.py domains.fasta.gz OUT_DIR --steps 4000
"""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import torch
from loop import Schedule, command_line, train
from transformers import EsmConfig, EsmForMaskedLM, EsmTokenizer

# ESM-2's vocabulary in ESM-2's order.
VOCABULARY = (
    "<cls>",
    "<pad>",
    "<eos>",
    "<unk>",
    *"LAGVSERTIDPKQNFYMHWCXBUZO.-",
    "<null_1>",
    "<mask>",
)
RESIDUES = range(4, 24)  # the twenty standard ones
LONGEST = 254  # residues per training crop
MASKED = 0.15


def sequences(path: Path) -> list[str]:
    """Read the sequences of a FASTA file, plain or gzipped, in upper case."""
    opened = gzip.open if path.suffix == ".gz" else open
    found: list[list[str]] = []
    with opened(path, "rt") as lines:
        for line in lines:
            if line.startswith(">"):
                found.append([])
            elif line.strip():
                found[-1].append(line.strip().upper())
    return ["".join(parts) for parts in found]


def token_ids(sequence: str) -> np.ndarray:
    """Return the ids of a sequence's residues; unknown letters are X."""
    known = {letter: i for i, letter in enumerate(VOCABULARY)}
    return np.array([known.get(letter, known["X"]) for letter in sequence])


def batch_of(
    rows: list[np.ndarray], rng: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Crop, frame, pad and mask: ids, attention mask and targets, each (rows, T)."""
    crops = []
    for row in rows:
        first = rng.integers(0, max(1, len(row) - LONGEST + 1))
        crops.append(np.r_[0, row[first : first + LONGEST], 2])
    ids = np.full((len(crops), max(map(len, crops))), 1)
    for row, crop in zip(ids, crops, strict=True):
        row[: len(crop)] = crop
    chosen = (ids >= RESIDUES.start) & (rng.random(ids.shape) < MASKED)
    targets = np.where(chosen, ids, -100)
    fate = rng.random(ids.shape)  # of the chosen: 80 % mask, 10 % another residue, 10 % kept
    shown = np.where(chosen & (fate < 0.8), VOCABULARY.index("<mask>"), ids)
    others = rng.integers(RESIDUES.start, RESIDUES.stop, ids.shape)
    shown = np.where(chosen & (fate >= 0.9), others, shown)
    return torch.from_numpy(shown), torch.from_numpy(ids != 1).long(), torch.from_numpy(targets)


def main() -> None:
    """Train."""
    parser = command_line(__doc__, "fasta", layers=10, width=128, steps=4000, batch=32)
    args = parser.parse_args()
    schedule = Schedule(args.steps, args.learning_rate, decay=0.01, seed=args.seed)
    torch.manual_seed(args.seed)
    rng = np.random.default_rng(args.seed)
    rows = [token_ids(s) for s in sequences(args.fasta)]
    order = rng.permutation(len(rows))
    cut = len(rows) // 20
    trained_on = [rows[i] for i in order[cut:]]
    by_length = sorted(range(len(trained_on)), key=lambda i: len(trained_on[i]))
    held_out = [
        batch_of([rows[i] for i in order[at : at + 32]], np.random.default_rng(1))
        for at in range(0, min(cut, 256), 32)
    ]
    model = EsmForMaskedLM(
        EsmConfig(
            vocab_size=len(VOCABULARY),
            pad_token_id=1,
            mask_token_id=VOCABULARY.index("<mask>"),
            hidden_size=args.width,
            num_hidden_layers=args.layers,
            num_attention_heads=args.heads,
            intermediate_size=4 * args.width,
            max_position_embeddings=1026,
            position_embedding_type="rotary",
            token_dropout=True,
            emb_layer_norm_before=False,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
        )
    )

    def value(batch: tuple[torch.Tensor, torch.Tensor, torch.Tensor]) -> torch.Tensor:
        ids, mask, targets = batch
        return model(input_ids=ids, attention_mask=mask, labels=targets).loss

    def next_loss() -> torch.Tensor:
        # Neighbours in length fill a batch without much padding.
        at = int(rng.integers(0, len(by_length) - args.batch + 1))
        return value(batch_of([trained_on[i] for i in by_length[at : at + args.batch]], rng))

    def held_out_loss() -> torch.Tensor:
        return torch.stack([value(batch) for batch in held_out]).mean()

    def save(folder: Path) -> None:
        model.save_pretrained(folder)
        words = folder / "vocab.txt"
        words.write_text("\n".join(VOCABULARY) + "\n")
        EsmTokenizer(str(words)).save_pretrained(folder)

    facts = {
        "what": "EsmForMaskedLM, masked residues",
        "script": "training/train_protein_esm.py",
        "sequences": len(trained_on),
        "held_out_sequences": cut,
        "batch": args.batch,
    }
    train(model, next_loss, held_out_loss, save, args.out, schedule, facts)


if __name__ == "__main__":
    main()
