"""Small trainings: a causal model with dropout, and a loop that uses every source of chance."""
# ruff: noqa: NPY002, S311  (the global generators are what a training uses)

import random

import numpy as np
import torch
from transformers import GPT2Config, GPT2LMHeadModel

WORDS = 64
ROWS = 60


def model(seed=0):
    torch.manual_seed(seed)
    config = {"vocab_size": WORDS, "n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 32}
    return GPT2LMHeadModel(GPT2Config(**config, bos_token_id=0, eos_token_id=0))


def rows(n=ROWS, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.integers(1, WORDS, rng.integers(4, 14)) for _ in range(n)]


def examples(n=64, seed=1):
    tokens = torch.from_numpy(np.random.default_rng(seed).integers(1, WORDS, (n, 12)))
    return [{"input_ids": row, "labels": row} for row in tokens]


def weights(network):
    return torch.cat([value.detach().flatten() for value in network.state_dict().values()])


def trained(network, steps=12, after_step=None):
    """Train with dropout and with batches that torch, numpy and Python choose; return the model."""
    torch.manual_seed(5)
    np.random.seed(5)
    random.seed(5)
    tokens = torch.stack([example["input_ids"] for example in examples()])
    network.train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
    for step in range(1, steps + 1):
        chosen = [*torch.randperm(64)[:4], np.random.randint(64), random.randrange(64)]
        batch = tokens[torch.tensor([int(row) for row in chosen])]
        network(input_ids=batch, labels=batch).loss.backward()
        if after_step is not None:
            after_step(network, step)
        optimizer.step()
        optimizer.zero_grad()
    return network
