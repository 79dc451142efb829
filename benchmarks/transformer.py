"""A small transformer to compare with: the published configuration of nanoGPT for a CPU, written anew.

4 layers, 4 heads, 128 wide, context 64, batches of 12, 2000 optimizer steps, no dropout, no biases, AdamW with 100
steps of warm-up and a cosine from 1e-3 to 1e-4 (https://github.com/karpathy/nanoGPT, README, "I only have a macbook").
"""

import math
import time
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LAYERS, HEADS, WIDTH, CONTEXT = 4, 4, 128, 64
BATCH, STEPS, WARM_UP = 12, 2000, 100
HIGHEST_RATE, LOWEST_RATE = 1e-3, 1e-4
PUBLISHED_LOSS = 1.8857


class Block(nn.Module):
    """Attention and a perceptron, each on normalised input and added to it."""

    def __init__(self) -> None:
        super().__init__()
        self.norm_1, self.norm_2 = nn.LayerNorm(WIDTH, bias=False), nn.LayerNorm(WIDTH, bias=False)
        self.query_key_value = nn.Linear(WIDTH, 3 * WIDTH, bias=False)
        self.attention_out = nn.Linear(WIDTH, WIDTH, bias=False)
        self.up, self.down = nn.Linear(WIDTH, 4 * WIDTH, bias=False), nn.Linear(4 * WIDTH, WIDTH, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        batch, length, _ = x.shape
        parts = self.query_key_value(self.norm_1(x)).view(batch, length, 3, HEADS, WIDTH // HEADS)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        found = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        x = x + self.attention_out(found.transpose(1, 2).reshape(batch, length, WIDTH))
        mixed: Tensor = self.down(F.gelu(self.up(self.norm_2(x))))
        return x + mixed


class Transformer(nn.Module):
    def __init__(self, vocabulary_size: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary_size, WIDTH)
        self.positions = nn.Embedding(CONTEXT, WIDTH)
        self.blocks = nn.Sequential(*(Block() for _ in range(LAYERS)))
        self.norm = nn.LayerNorm(WIDTH, bias=False)
        for name, weight in self.named_parameters():
            if weight.dim() == 2:
                last = name.endswith(("attention_out.weight", "down.weight"))
                nn.init.normal_(weight, std=0.02 / (math.sqrt(2 * LAYERS) if last else 1))

    def forward(self, ids: Tensor) -> Tensor:
        x = self.embedding(ids) + self.positions.weight[: ids.shape[1]]
        return F.linear(self.norm(self.blocks(x)), self.embedding.weight)


@dataclass(frozen=True)
class Reference:
    """How long the transformer trained (s, evaluation not counted), and its loss then (nats per character)."""

    seconds: float
    loss: float


def train_reference(train_ids: Tensor, val_ids: Tensor, vocabulary_size: int) -> Reference:
    torch.manual_seed(1337)
    model = Transformer(vocabulary_size)
    matrices = [weight for weight in model.parameters() if weight.dim() == 2]
    others = [weight for weight in model.parameters() if weight.dim() != 2]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=HIGHEST_RATE, betas=(0.9, 0.99), fused=True)
    reach = torch.arange(CONTEXT + 1)
    started = time.perf_counter()
    for step in range(STEPS):
        for group in optimizer.param_groups:
            group["lr"] = _rate(step)
        windows = train_ids[torch.randint(len(train_ids) - CONTEXT, (BATCH, 1)) + reach]
        loss = F.cross_entropy(model(windows[:, :-1]).flatten(0, 1), windows[:, 1:].flatten())
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    return Reference(time.perf_counter() - started, _loss(model, val_ids))


def _rate(step: int) -> float:
    if step < WARM_UP:
        return HIGHEST_RATE * (step + 1) / (WARM_UP + 1)
    share = (step - WARM_UP) / (STEPS - WARM_UP)
    return LOWEST_RATE + 0.5 * (1 + math.cos(math.pi * share)) * (HIGHEST_RATE - LOWEST_RATE)


@torch.inference_mode()
def _loss(model: Transformer, ids: Tensor) -> float:
    """Return the loss over all of `ids`, in windows that do not overlap, as nanoGPT's estimate has them at random."""
    windows = ids[: (len(ids) - 1) // CONTEXT * CONTEXT].view(-1, CONTEXT)
    targets = ids[1 : windows.numel() + 1].view(-1, CONTEXT)
    losses = [
        F.cross_entropy(model(x).flatten(0, 1), y.flatten(), reduction="sum")
        for x, y in zip(torch.split(windows, 256), torch.split(targets, 256), strict=True)
    ]
    return float(torch.stack(losses).sum()) / targets.numel()
