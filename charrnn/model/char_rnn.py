"""CharRNN: characters in, scores for the next character out, hidden state carried by the caller."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from charrnn.config.schema import ModelParams

State = tuple[Tensor, ...]
"""Hidden state: (h,) for gru and rnn, (h, c) for lstm, each (num_layers, batch_size, hidden_size), of the weights'
dtype; bfloat16 after a window that was read under autocast."""

CELLS: dict[str, type[nn.LSTM] | type[nn.GRU] | type[nn.RNN]] = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}


class CharRNN(nn.Module):
    """Recurrent character model: one-hot or embedding, `num_layers` of a cell, a linear layer.

    The shape is char-rnn's (https://github.com/karpathy/char-rnn): dropout after each layer, the last one included.
    """

    def __init__(self, params: ModelParams, vocabulary_size: int) -> None:
        """Build and initialise with PyTorch's global random state.

        Args:
            params: the model's section of the parameters.
            vocabulary_size: ids, the padding id included.
        """
        super().__init__()
        self.params = params
        self.vocabulary_size = vocabulary_size
        hidden_size, num_layers = params.hidden_size, params.num_layers
        self.embedding = nn.Embedding(vocabulary_size, params.embedding_size) if params.embedding_size else None
        input_size = params.embedding_size or vocabulary_size
        # Layers are one module (cuDNN overlaps their steps) unless something has to happen between them.
        self.depths = [1] * num_layers if params.layer_norm else [num_layers]
        self.rnns = nn.ModuleList(
            CELLS[params.cell](
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
        if params.cell == "lstm":
            self._set_forget_bias(params.forget_bias)

    def _set_forget_bias(self, value: float) -> None:
        """Start with open forget gates: Jozefowicz et al. 2015, An Empirical Exploration of Recurrent Networks."""
        size = self.params.hidden_size
        for name, parameter in self.rnns.named_parameters():
            # PyTorch keeps two biases that are added, gates in the order input, forget, cell, output.
            if ".bias_ih_" in name:
                parameter.data[size : 2 * size].fill_(value)
            elif ".bias_hh_" in name:
                parameter.data[size : 2 * size].zero_()

    def initial_state(self, batch_size: int) -> State:
        """Return the state before any character: zeros on the model's device, of its dtype."""
        parts = 2 if self.params.cell == "lstm" else 1
        shape = (self.params.num_layers, batch_size, self.params.hidden_size)
        weight = self.decoder.weight
        return tuple(torch.zeros(shape, dtype=weight.dtype, device=weight.device) for _ in range(parts))

    def forward(self, ids: Tensor, state: State) -> tuple[Tensor, State]:
        """Read `ids` from `state` on.

        Args:
            ids: (seq_length, batch_size) int64.
            state: see State.

        Returns:
            Scores for the next character, (seq_length, batch_size, vocabulary_size) float, and the state after.
        """
        if self.embedding is not None:
            x = self.embedding(ids)
        else:
            x = F.one_hot(ids, self.vocabulary_size).to(self.decoder.weight.dtype)
        after: list[State] = []
        first = 0
        for rnn, norm, depth in zip(self.rnns, self.norms, self.depths, strict=True):
            part = tuple(tensor[first : first + depth].contiguous() for tensor in state)
            x, new = rnn(x, part if len(part) == 2 else part[0])
            after.append(new if isinstance(new, tuple) else (new,))
            x = self.dropout(norm(x))
            first += depth
        return self.decoder(x), tuple(
            torch.cat(parts) if len(parts) > 1 else parts[0] for parts in zip(*after, strict=True)
        )

    @property
    def num_parameters(self) -> int:
        """Trainable numbers, shared ones counted once."""
        return sum(parameter.numel() for parameter in self.parameters())
