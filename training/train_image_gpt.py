"""Train a small ImageGPT (next pixel) on grey images with labels, with checkpoints.

Images are shrunk and read as grey levels in raster order after a start token, as ImageGPT does
with its palette of 512 colours. A palette image processor is saved beside every checkpoint, so
that images are read the same way later.

    python training/train_image_gpt.py images.npz OUT_DIR --side 14 --steps 2200

``images.npz`` holds ``images`` (n, height, width) of uint8; the last 1,000 are held out.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from loop import Schedule, command_line, train
from PIL import Image
from torch.nn.functional import cross_entropy
from transformers import ImageGPTConfig, ImageGPTForCausalImageModeling


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = command_line(__doc__, "images", layers=12, width=64, steps=2200, batch=32)
    parser.add_argument("--side", type=int, default=14)
    parser.add_argument("--levels", type=int, default=16)
    return parser.parse_args()


def token_ids(images: np.ndarray, side: int, levels: int) -> torch.Tensor:
    """Return the nearest grey level of every pixel of the shrunk images: (n, side²)."""
    small = [
        np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BILINEAR))
        for image in images
    ]
    ids = np.rint(np.stack(small) / 255 * (levels - 1)).astype(np.int64)
    return torch.from_numpy(ids.reshape(len(images), -1))


def main() -> None:
    """Train."""
    args = arguments()
    schedule = Schedule(args.steps, args.learning_rate, seed=args.seed)
    torch.manual_seed(args.seed)
    rng = np.random.default_rng(args.seed)
    ids = token_ids(np.load(args.images)["images"], args.side, args.levels)
    held_out, trained_on = ids[-1000:], ids[:-1000]
    start = args.levels  # the last entry of the vocabulary
    model = ImageGPTForCausalImageModeling(
        ImageGPTConfig(
            vocab_size=args.levels + 1,
            n_positions=args.side**2,
            n_embd=args.width,
            n_layer=args.layers,
            n_head=args.heads,
            resid_pdrop=0.0,
            embd_pdrop=0.0,
            attn_pdrop=0.0,
        )
    )

    def value(batch: torch.Tensor) -> torch.Tensor:
        shown = torch.cat([torch.full_like(batch[:, :1], start), batch[:, :-1]], dim=1)
        logits = model(input_ids=shown, use_cache=False).logits
        return cross_entropy(logits.reshape(-1, logits.shape[-1]).float(), batch.reshape(-1))

    def next_loss() -> torch.Tensor:
        return value(trained_on[rng.integers(0, len(trained_on), args.batch)])

    def held_out_loss() -> torch.Tensor:
        return torch.stack([value(part) for part in held_out[:200].split(100)]).mean()

    grey = (np.linspace(0, 255, args.levels) / 127.5 - 1).tolist()
    processor = {
        "image_processor_type": "ImageGPTImageProcessor",
        "clusters": [[g, g, g] for g in grey],
        "do_color_quantize": True,
        "do_normalize": True,
        "do_resize": True,
        "resample": 2,
        "size": {"height": args.side, "width": args.side},
    }

    def save(folder: Path) -> None:
        model.save_pretrained(folder)
        (folder / "preprocessor_config.json").write_text(json.dumps(processor, indent=1) + "\n")

    facts = {
        "what": f"ImageGPT, next pixel, {args.side} x {args.side}, {args.levels} grey levels",
        "script": "training/train_image_gpt.py",
        "images": len(trained_on),
        "held_out_images": len(held_out),
        "batch": args.batch,
    }
    train(model, next_loss, held_out_loss, save, args.out, schedule, facts)


if __name__ == "__main__":
    main()
