"""Untrained models and plain PyTorch loops to measure against."""

import string

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from charrnn.model import CharRNN
from charrnn.params import ModelParams
from charrnn.vocabulary import Vocabulary

# Of the plain training loop.
LEARNING_RATE = 0.002

CHARACTERS = "".join(sorted("\n !$&',-.3:;?" + string.ascii_letters))


def vocabulary() -> Vocabulary:
    """The 65 characters of tinyshakespeare."""
    return Vocabulary(CHARACTERS, (1,) * len(CHARACTERS), tuple(range(len(CHARACTERS))))


def untrained(hidden_size: int, num_layers: int) -> CharRNN:
    torch.manual_seed(1)
    params = ModelParams(hidden_size=hidden_size, num_layers=num_layers, embedding_size=None)
    return CharRNN(params, vocabulary().size)


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
    """Make `steps` updates as a tutorial does.

    Args:
        model: changed in place.
        windows: (number, seq_length + 1, batch_size) int64; begins anew when they are used up.
        steps: updates (count).
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
