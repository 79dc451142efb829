"""A plain PyTorch loop, as a tutorial has it; imports nothing of this project, so that its memory can be measured.

`python -m benchmarks.plain FILE` trains a model of the default's shape on a text.
"""

import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LEARNING_RATE = 0.002

# Optimizer steps that the memory of a training is measured over.
STEPS = 600


class PlainLSTM(nn.Module):
    """What a tutorial has: nn.LSTM on one-hot vectors and a linear layer."""

    def __init__(self, vocabulary_size: int, hidden_size: int, num_layers: int) -> None:
        super().__init__()
        self.vocabulary_size = vocabulary_size
        self.rnn = nn.LSTM(vocabulary_size, hidden_size, num_layers)
        self.linear = nn.Linear(hidden_size, vocabulary_size)

    def forward(self, ids: Tensor, state: tuple[Tensor, Tensor] | None) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        output, state = self.rnn(F.one_hot(ids, self.vocabulary_size).float(), state)
        return self.linear(output), state


@torch.inference_mode()
def plain_sample(model: PlainLSTM, length: int) -> list[int]:
    """Write `length` characters as a tutorial does: softmax, multinomial, the next call."""
    ids, state, text = torch.zeros(1, 1, dtype=torch.long), None, []
    for _ in range(length):
        logits, state = model(ids, state)
        ids = torch.multinomial(torch.softmax(logits[0], dim=-1), 1)
        text.append(int(ids))
    return text


def plain_train(model: PlainLSTM, windows: Tensor, steps: int) -> None:
    """Make optimizer steps as a tutorial does.

    Args:
        model: changed in place.
        windows: (number, seq_length + 1, batch_size) int64; begins anew when they are used up.
        steps: optimizer steps (count).
    """
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)
    state: tuple[Tensor, Tensor] | None = None
    for step in range(steps):
        window = windows[step % len(windows)]
        logits, (h, c) = model(window[:-1], state)
        loss = F.cross_entropy(logits.flatten(0, 1), window[1:].flatten())
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        state = (h.detach(), c.detach())


def main(corpus: Path) -> None:
    text = corpus.read_text(encoding="utf-8")
    ids = {character: number for number, character in enumerate(sorted(set(text)))}
    stream = torch.tensor([ids[character] for character in text])
    rows = stream[: len(stream) // 16 * 16].view(16, -1)
    pieces = [rows[:, start : start + 49].t() for start in range(0, rows.shape[1] - 49, 48)]
    plain_train(PlainLSTM(len(ids), 256, 1), torch.stack(pieces), STEPS)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
