"""CUDA graphs: an optimizer step is captured once and then replayed whole, instead of one kernel at a time.

A small model's step takes the processor longer to launch than the GPU to compute. What is captured works on the same
memory each time: what changes from step to step is copied there before. The arithmetic is that of the step itself.
https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs

Holds nothing that a checkpoint needs, and knows neither the model nor the text.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from charrnn.config.schema import TrainingParams
from charrnn.data.windows import Windows
from charrnn.model.char_rnn import State
from charrnn.training.state import TrainState
from charrnn.training.step import Compute, compute

logger = logging.getLogger("charrnn")

# Steps before a graph is captured: what is made at its first use, such as the optimizer's moments, cannot be captured.
WARM_UP = 3

Record = Callable[[Callable[[], None]], Callable[[], None]]
"""Takes what is to be computed and returns what computes it again, on the same tensors; computes nothing itself."""


def computation_for(state: TrainState, streams: Windows, training: TrainingParams) -> Compute:
    """Return what computes the steps of a training on `streams`: graphs where they can be used, else `compute`.

    The graphs work on the tensors that `state` has now, so that they must not be used after `TrainState.load_dict`.
    """
    if state.device.type != "cuda" or not training.cuda_graphs:
        return compute
    if reason := _reason_against(state.optimizer):
        logger.info("train     without CUDA graphs: %s", reason)
        return compute
    return GraphedSteps((streams.seq_length, streams.batch_size))


def _reason_against(optimizer: torch.optim.Optimizer) -> str:
    """Return why steps of `optimizer` cannot be captured; '' where they can."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return "processes average their gradients"
    if any(not group.get("fused") or "capturable" not in group for group in optimizer.param_groups):
        return f"PyTorch's {type(optimizer).__name__} cannot be captured with a learning rate that changes"
    return ""


def record(run: Callable[[], None]) -> Callable[[], None]:
    """Return what replays the kernels that `run` launches."""
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        run()
    return graph.replay


class GraphedSteps:
    """A `Compute` that replays a graph for windows of one shape, and calls `compute` for others.

    The last window of an epoch is shorter, and windows of documents have the length of those; a graph for each would
    cost more than it gains. Where a step cannot be captured, a warning says so once, and all are computed without.
    """

    def __init__(self, shape: tuple[int, int], record: Record = record) -> None:
        """Compute by graphs from the fourth window of `shape` on, (seq_length, batch_size)."""
        self._shape, self._record = shape, record
        self._computed = 0
        self._graph: _Graph | None = None
        self._refused = False

    def __call__(
        self,
        state: TrainState,
        inputs: Tensor,
        targets: Tensor,
        hidden: State,
        training: TrainingParams,
        characters: int,
    ) -> tuple[Tensor, Tensor, State]:
        """See `charrnn.training.step.compute`; the state after is overwritten by the next call."""
        if self._graph is None and not self._refused and self._computed >= WARM_UP and inputs.shape == self._shape:
            self._capture(state, inputs, targets, hidden, training, characters)
        if self._graph is None or inputs.shape != self._shape:
            self._computed += inputs.shape == self._shape
            return compute(state, inputs, targets, hidden, training, characters)
        return self._graph.replay(inputs, targets, hidden, state.optimizer.param_groups[0]["lr"])

    def _capture(
        self,
        state: TrainState,
        inputs: Tensor,
        targets: Tensor,
        hidden: State,
        training: TrainingParams,
        characters: int,
    ) -> None:
        try:
            self._graph = _Graph(state, inputs, targets, hidden, training, characters, self._record)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            self._refused = True
            logger.warning("warning   goes on without CUDA graphs: %s", str(error).partition("\n")[0])


class _Graph:
    """One captured step, with the tensors that it reads and writes."""

    def __init__(
        self,
        state: TrainState,
        inputs: Tensor,
        targets: Tensor,
        hidden: State,
        training: TrainingParams,
        characters: int,
        record: Record,
    ) -> None:
        self._inputs, self._targets = inputs.clone(), targets.clone()
        self._hidden = tuple(part.clone() for part in hidden)
        self._figures = torch.zeros(2, device=inputs.device)  # negative log-likelihood and gradient norm
        self._rate = torch.zeros((), device=inputs.device)

        def run() -> None:
            nll, grad_norm, after = compute(state, self._inputs, self._targets, self._hidden, training, characters)
            self._figures.copy_(torch.stack((nll, grad_norm)))
            for part, new in zip(self._hidden, after, strict=True):
                part.copy_(new)

        with _rate_from(self._rate, state.optimizer):
            self._replay = record(run)

    def replay(self, inputs: Tensor, targets: Tensor, hidden: State, rate: float) -> tuple[Tensor, Tensor, State]:
        """Compute the step on another window; see `charrnn.training.step.compute`."""
        self._inputs.copy_(inputs)
        self._targets.copy_(targets)
        for part, given in zip(self._hidden, hidden, strict=True):
            if part is not given:
                part.copy_(given)
        self._rate.fill_(rate)
        self._replay()
        # The next step overwrites the figures, which are read only now and then.
        nll, grad_norm = self._figures.clone()
        return nll, grad_norm, self._hidden


@contextmanager
def _rate_from(rate: Tensor, optimizer: torch.optim.Optimizer) -> Iterator[None]:
    """Have `optimizer` read its learning rate from `rate`, () float32 on the device, while a step is captured.

    Afterwards its settings, which checkpoints keep, are what they were.
    """
    before = [(group["lr"], group["capturable"]) for group in optimizer.param_groups]
    for group in optimizer.param_groups:
        group["lr"], group["capturable"] = rate, True
    try:
        yield
    finally:
        for group, (number, capturable) in zip(optimizer.param_groups, before, strict=True):
            group["lr"], group["capturable"] = number, capturable
