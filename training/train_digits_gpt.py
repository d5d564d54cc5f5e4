"""Train the demo model: a small image GPT over the pixels of scikit-learn's digits.

The model is a standard ``ImageGPTForCausalImageModeling``: every pixel is a token (17 grey
levels), read in raster order after a start token, and the next pixel is predicted. Weights are
written as bfloat16 safetensors at a fixed list of steps, in the layout that ``from_pretrained``
reads, together with a training log (``training_log.csv``) and the facts of the run
(``provenance.json``).

    python training/train_digits_gpt.py OUT_DIR --layers 12 --width 64 --steps 8000
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from loop import Schedule, command_line, train
from scipy import ndimage
from sklearn.datasets import load_digits
from torch.nn.functional import cross_entropy
from transformers import ImageGPTConfig, ImageGPTForCausalImageModeling

LEVELS = 17  # grey levels 0..16
START = LEVELS  # the start token is the last entry of the vocabulary
SIDE = 8
MILESTONES = (0, 16, 64, 160, 400, 1000, 2000, 4000)  # the last step is always added


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = command_line(__doc__, layers=12, width=64, steps=8000, batch=64)
    parser.add_argument("--weight-decay", type=float, default=0.1)
    parser.add_argument("--dropout", type=float, default=0.0)
    parser.add_argument("--tied", action="store_true", help="share input and output embeddings")
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


def split(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Digits as (n, 8, 8) arrays of grey levels: 80 % to train on, 20 % held out."""
    images = load_digits().images
    order = np.random.default_rng(seed).permutation(len(images))
    cut = len(images) * 4 // 5
    return images[order[:cut]], images[order[cut:]]


def jitter(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One image after a small random rotation, scaling, shear and shift."""
    angle, shear = rng.normal(0, 0.12), rng.normal(0, 0.08)
    zoom = np.exp(rng.normal(0, 0.06, 2))
    cos, sin = np.cos(angle), np.sin(angle)
    matrix = np.array([[cos, -sin + shear], [sin, cos]]) * zoom[:, None]
    centre = (SIDE - 1) / 2
    offset = centre - matrix @ np.full(2, centre) + rng.normal(0, 0.35, 2)
    return ndimage.affine_transform(image, matrix, offset, order=1, mode="constant")


def tokens(images: np.ndarray) -> torch.Tensor:
    """Grey levels as token ids in raster order: (n, 64)."""
    return torch.from_numpy(np.rint(np.clip(images, 0, 16)).astype(np.int64).reshape(-1, SIDE**2))


def with_start(ids: torch.Tensor) -> torch.Tensor:
    """Return what the model reads: the start token, then all pixels but the last."""
    return torch.cat([torch.full_like(ids[:, :1], START), ids[:, :-1]], dim=1)


def next_pixel_loss(model: ImageGPTForCausalImageModeling, ids: torch.Tensor) -> torch.Tensor:
    """Mean cross-entropy of the next pixel, in nats."""
    logits = model(input_ids=with_start(ids), use_cache=False).logits
    return cross_entropy(logits.reshape(-1, logits.shape[-1]), ids.reshape(-1))


def save(model: ImageGPTForCausalImageModeling, folder: Path, clusters: list[list[float]]) -> None:
    """Write the weights as bfloat16 safetensors, with config and image processor."""
    half = ImageGPTForCausalImageModeling(model.config)
    half.load_state_dict(model.state_dict())
    half.to(torch.bfloat16).save_pretrained(folder)
    processor = {
        "image_processor_type": "ImageGPTImageProcessor",
        "clusters": clusters,
        "do_color_quantize": True,
        "do_normalize": True,
        "do_resize": True,
        "resample": 2,
        "size": {"height": SIDE, "width": SIDE},
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(processor, indent=1) + "\n")


def train_digits(args: argparse.Namespace) -> None:
    """Run the whole training and leave checkpoints, log and provenance in ``args.out``."""
    torch.manual_seed(args.seed)
    rng = np.random.default_rng(args.seed + 1)
    images, held_out_images = split(args.seed)
    held_out = tokens(held_out_images)
    grey = (np.linspace(0, 16, LEVELS) / 8 - 1).tolist()
    clusters = [[g, g, g] for g in grey]
    config = ImageGPTConfig(
        vocab_size=LEVELS + 1,
        n_positions=SIDE**2,
        n_embd=args.width,
        n_layer=args.layers,
        n_head=args.heads,
        resid_pdrop=args.dropout,
        embd_pdrop=args.dropout,
        attn_pdrop=args.dropout,
        tie_word_embeddings=args.tied,
    )
    model = ImageGPTForCausalImageModeling(config)

    def next_loss() -> torch.Tensor:
        pick = rng.integers(0, len(images), args.batch)
        return next_pixel_loss(model, tokens(np.stack([jitter(images[i], rng) for i in pick])))

    schedule = Schedule(
        args.steps,
        args.learning_rate,
        args.weight_decay,
        seed=args.seed,
        threads=args.threads,
        half=False,
        kept=MILESTONES,
    )
    facts = {
        "what": "ImageGPT over the pixels of scikit-learn's digits, next-pixel prediction",
        "script": "training/train_digits_gpt.py",
        "arguments": {k: v for k, v in vars(args).items() if k != "out"},
        "data": {
            "source": "sklearn.datasets.load_digits (UCI optical recognition, CC BY 4.0)",
            "train_images": len(images),
            "held_out_images": len(held_out_images),
            "augmentation": "random rotation, shear, scale and shift (see jitter)",
        },
    }
    train(
        model,
        next_loss,
        lambda: next_pixel_loss(model, held_out),
        lambda folder: save(model, folder, clusters),
        args.out,
        schedule,
        facts,
    )


if __name__ == "__main__":
    train_digits(arguments())
