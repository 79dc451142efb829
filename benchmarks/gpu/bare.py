"""The loop to compare with: nn.LSTM of cuDNN, an embedding, a linear layer, Adam; imports nothing of this project.

The arithmetic of a step is that of the library with its moving average off: the same windows, gradient clipping and
optimizer. What it leaves out is everything else: reports, a schedule, events, a state that can be saved.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LEARNING_RATE, GRAD_CLIP = 0.001, 1.0


class BareLSTM(nn.Module):
    def __init__(self, vocabulary_size: int, embedding_size: int, hidden_size: int, num_layers: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary_size, embedding_size)
        self.rnn = nn.LSTM(embedding_size, hidden_size, num_layers)
        self.decoder = nn.Linear(hidden_size, vocabulary_size)

    def forward(self, ids: Tensor, state: tuple[Tensor, Tensor] | None) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        output, state = self.rnn(self.embedding(ids), state)
        return self.decoder(output), state


class BareLoop:
    """Trains a model on windows, (number, seq_length + 1, batch_size) int64 on its device, over and over."""

    def __init__(self, model: BareLSTM, windows: Tensor) -> None:
        self.model, self.windows = model, windows
        self.optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE, fused=True)
        self.state: tuple[Tensor, Tensor] | None = None
        self.step = 0

    def run(self, steps: int) -> list[Tensor]:
        """Make optimizer steps; return their losses, () each, which are still on the device."""
        found = []
        for _ in range(steps):
            at = self.step % len(self.windows)
            window = self.windows[at]
            logits, (h, c) = self.model(window[:-1], self.state if at else None)
            loss = F.cross_entropy(logits.flatten(0, 1).float(), window[1:].flatten())
            self.optimizer.zero_grad(set_to_none=True)
            torch.autograd.backward(loss)
            nn.utils.clip_grad_norm_(self.model.parameters(), GRAD_CLIP)
            self.optimizer.step()
            self.state = (h.detach(), c.detach())
            found.append(loss.detach())
            self.step += 1
        return found
