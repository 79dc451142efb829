"""CharRNN: characters in, logits for the next character out, hidden state carried by the caller.

Knows no cell by name: what depends on the cell is in `charrnn.model.cells`.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from charrnn.config.schema import ModelParams
from charrnn.model.cells import CELLS

State = tuple[Tensor, ...]
"""Hidden state: the tensors of the cell, h first, each (num_layers, batch_size, hidden_size), of the weights' dtype;
those of PyTorch's cells are bfloat16 after a window that was read under autocast."""


class CharRNN(nn.Module):
    """Recurrent character model: one-hot or embedding, `num_layers` of a cell, a linear layer.

    The shape is char-rnn's (https://github.com/karpathy/char-rnn): dropout after each layer, the last one included.
    """

    def __init__(self, params: ModelParams, vocabulary_size: int) -> None:
        """Build and initialise with PyTorch's global random state.

        Args:
            params: the model's section of the parameters.
            vocabulary_size: ids, that of the stop symbol included.
        """
        super().__init__()
        self.params = params
        self.vocabulary_size = vocabulary_size
        self.cell = CELLS[params.cell]
        hidden_size, num_layers = params.hidden_size, params.num_layers
        self.embedding = nn.Embedding(vocabulary_size, params.embedding_size) if params.embedding_size else None
        input_size = params.embedding_size or vocabulary_size
        # Layers are one module (cuDNN overlaps their steps) unless something has to happen between them.
        self.depths = [1] * num_layers if params.layer_norm else [num_layers]
        self.rnns = nn.ModuleList(
            self.cell.layers(
                input_size if index == 0 else hidden_size,
                hidden_size,
                num_layers=depth,
                dropout=params.dropout if depth > 1 else 0.0,
            )
            for index, depth in enumerate(self.depths)
        )
        self.norms = nn.ModuleList(
            nn.LayerNorm(hidden_size) if params.layer_norm else nn.Identity() for _ in self.depths
        )
        self.dropout = nn.Dropout(params.dropout)
        self.decoder = nn.Linear(hidden_size, vocabulary_size)
        if params.tie_weights and self.embedding is not None:
            # Press & Wolf 2017, https://arxiv.org/abs/1608.05859
            self.decoder.weight = self.embedding.weight
        if self.cell.initialise is not None:
            for rnn in self.rnns:
                self.cell.initialise(rnn, params)

    def initial_state(self, batch_size: int) -> State:
        """Return the state before any character: zeros on the model's device, of its dtype."""
        shape = (self.params.num_layers, batch_size, self.params.hidden_size)
        return tuple(self.decoder.weight.new_zeros(shape) for _ in range(self.cell.state_tensors))

    def forward(self, ids: Tensor, state: State) -> tuple[Tensor, State]:
        """Read `ids` from `state` on.

        Args:
            ids: (seq_length, batch_size) int64.
            state: see State.

        Returns:
            Logits for the next character, (seq_length, batch_size, vocabulary_size) float, and the state after.
        """
        if self.embedding is not None:
            x = self.embedding(ids)
        else:
            x = F.one_hot(ids, self.vocabulary_size).to(self.decoder.weight.dtype)
        after: list[State] = []
        first = 0
        for rnn, norm, depth in zip(self.rnns, self.norms, self.depths, strict=True):
            part = tuple(tensor[first : first + depth].contiguous() for tensor in state)
            x, new = rnn(x, part if len(part) > 1 else part[0])
            after.append(new if isinstance(new, tuple) else (new,))
            x = self.dropout(norm(x))
            first += depth
        return self.decoder(x), tuple(
            torch.cat(parts) if len(parts) > 1 else parts[0] for parts in zip(*after, strict=True)
        )

    @property
    def num_parameters(self) -> int:
        """Trainable parameters, shared ones counted once."""
        return sum(parameter.numel() for parameter in self.parameters())


@contextmanager
def evaluating(model: CharRNN) -> Iterator[None]:
    """Switch dropout off, and put the mode back."""
    if not model.training:
        yield
        return
    model.eval()
    try:
        yield
    finally:
        model.train()


def character_axes(params: ModelParams) -> dict[str, int]:
    """Return the weights with an axis that has one entry for each character: name -> axis.

    They are those whose shapes differ between two vocabularies, so that this holds whatever a cell calls its weights.
    Changes no random state.
    """
    with torch.device("meta"):
        smaller, larger = (CharRNN(params, vocabulary_size).state_dict() for vocabulary_size in (1, 2))
    return {
        name: axis
        for name, tensor in smaller.items()
        for axis, size in enumerate(tensor.shape)
        if size != larger[name].shape[axis]
    }
