"""CharRNN: characters in, logits for the next character out, hidden state carried by the caller.

Knows no cell by name: what depends on the cell is in `charrnn.model.cells`.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from charrnn.config.schema import ModelParams
from charrnn.model.cells import CELLS
from charrnn.model.shapes import NoValues
from charrnn.model.stack import stacked

State = tuple[Tensor, ...]
"""Hidden state: the tensors of the cell, h first, each (num_layers, batch_size, hidden_size), of the weights' dtype;
those of PyTorch's cells are bfloat16 after a window that was read under autocast."""


class CharRNN(nn.Module):
    """Recurrent character model: one-hot or embedding, `num_layers` of a cell, a linear layer.

    The shape is char-rnn's (https://github.com/karpathy/char-rnn): dropout after each layer, the last one included.
    Layers are modules of their own, so that dropout and LayerNorm can stand between them.
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
        self.rnns = nn.ModuleList(
            self.cell.layer(hidden_size if index else input_size, hidden_size) for index in range(num_layers)
        )
        self.norms = nn.ModuleList(
            nn.LayerNorm(hidden_size) if params.layer_norm else nn.Identity() for _ in range(num_layers)
        )
        self.input_dropout, self.dropout = LockedDropout(params.input_dropout), LockedDropout(params.dropout)
        # All layers in one module, where that is faster.
        self._stack: tuple[nn.RNNBase, ...] = ()
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

    def share_streams(self, share: slice, streams: int) -> None:
        """From now on train on the streams `share` of `streams`, other processes on the rest: see `LockedDropout`."""
        for dropout in (self.input_dropout, self.dropout):
            dropout.share, dropout.streams = share, streams

    def forward(self, ids: Tensor, state: State) -> tuple[Tensor, State]:
        """Read `ids` from `state` on.

        Args:
            ids: (seq_length, batch_size) int64.
            state: see State.

        Returns:
            Logits for the next character, (seq_length, batch_size, vocabulary_size) float, and the state after.
        """
        x, state = self.outputs(self.vectors(ids), state)
        return self.decoder(x), state

    def vectors(self, ids: Tensor) -> Tensor:
        """Return what the first layer reads: the learnt vectors of `ids`, or one-hot ones, before any dropout.

        Args:
            ids: (seq_length, batch_size) int64.

        Returns:
            (seq_length, batch_size, embedding_size or vocabulary_size), of the weights' dtype.
        """
        if self.embedding is not None:
            vectors: Tensor = self.embedding(ids)
            return vectors
        return F.one_hot(ids, self.vocabulary_size).to(self.decoder.weight.dtype)

    def outputs(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Read what `vectors` gives from `state` on.

        Returns:
            What the decoder reads, (seq_length, batch_size, hidden_size), and the state after.
        """
        x = self.input_dropout(x)
        if self._stack:
            (stack,) = self._stack
            x, new = stack.train(self.training)(x, state if len(state) > 1 else state[0])
            return x, new if isinstance(new, tuple) else (new,)
        after: list[State] = []
        for index, (rnn, norm) in enumerate(zip(self.rnns, self.norms, strict=True)):
            part = tuple(tensor[index : index + 1] for tensor in state)
            x, new = rnn(x, part if len(part) > 1 else part[0])
            after.append(new if isinstance(new, tuple) else (new,))
            x = self.dropout(norm(x))
        return x, tuple(torch.cat(parts) if len(parts) > 1 else parts[0] for parts in zip(*after, strict=True))

    def flatten_parameters(self) -> None:
        """On a GPU, put the weights of the layers into one piece of memory, as cuDNN wants them; a copy has them apart.

        Layers with nothing between them become one call of cuDNN.
        """
        self._stack = ()
        layers = [rnn for rnn in self.rnns if isinstance(rnn, nn.RNNBase)]
        for layer in layers:
            layer.flatten_parameters()
        nothing_between = self.dropout.probability == 0 and not self.params.layer_norm
        if self.decoder.weight.is_cuda and len(layers) > 1 and nothing_between:
            self._stack = (stacked(layers),)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "CharRNN":
        """See nn.Module, which moves and converts the weights with it."""
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]  # not annotated
        self.flatten_parameters()
        return self

    @property
    def num_parameters(self) -> int:
        """Trainable parameters, shared ones counted once."""
        return sum(parameter.numel() for parameter in self.parameters())


class LockedDropout(nn.Module):
    """Dropout whose mask is drawn once for a window and is the same at each of its steps, and another for each stream.

    Variational dropout of what enters and leaves layers: Merity et al. 2017, Regularizing and Optimizing LSTM Language
    Models, https://arxiv.org/abs/1708.02182. Gal & Ghahramani 2016, https://arxiv.org/abs/1512.05287, from whom it is,
    also mask the recurrent state; here that stays whole.

    Attributes:
        probability: of an entry to be dropped.
        share: which of the streams are read here, where several processes train on them; None for all. Masks are drawn
            for all of them, so that the streams have the masks that they would have in one process, and the processes
            the same random state. They are small: one for all steps of a window.
        streams: all streams (count), where there is a share.
    """

    def __init__(self, probability: float) -> None:
        """Drop with `probability` (0 to 1)."""
        super().__init__()
        self.probability = probability
        self.share: slice | None = None
        self.streams = 0

    def forward(self, x: Tensor) -> Tensor:
        """Return x, (seq_length, batch_size, size), with entries set to zero and the others scaled up; training only.

        What is returned is float32 where x is of less precision: the scale would not be exact in bfloat16.
        """
        if not self.training or self.probability == 0:
            return x
        dtype = torch.promote_types(x.dtype, torch.float32)
        if self.share is None:
            return x * F.dropout(torch.ones_like(x[:1], dtype=dtype), self.probability)
        ones = x.new_ones((1, self.streams, x.shape[2]), dtype=dtype)
        return x * F.dropout(ones, self.probability)[:, self.share]


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


def shapes_of(params: ModelParams, vocabulary_size: int) -> CharRNN:
    """Return a model on the meta device: its weights have shapes, but neither values nor memory.

    Changes no random state.

    Raises:
        RuntimeError, TypeError: a shape has more elements than 64 bits can count.
    """
    with torch.device("meta"), NoValues():
        return CharRNN(params, vocabulary_size)


def character_axes(params: ModelParams) -> dict[str, int]:
    """Return the weights with an axis that has one entry for each character: name -> axis.

    They are those whose shapes differ between two vocabularies, so that this holds whatever a cell calls its weights.
    Changes no random state.
    """
    smaller, larger = (shapes_of(params, vocabulary_size).state_dict() for vocabulary_size in (1, 2))
    return {
        name: axis
        for name, tensor in smaller.items()
        for axis, size in enumerate(tensor.shape)
        if size != larger[name].shape[axis]
    }
