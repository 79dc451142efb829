"""Row 5, continued: what each attempt at a faster step is worth, against the step as it is."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.runner import Figure, alternate, seconds, threads

VOCABULARY = 66
# num_layers, hidden_size, batch_size, seq_length, steps
SHAPES = ((2, 128, 50, 50, 20), (1, 128, 32, 16, 120))
PAIRS = 5

State = tuple[Tensor, Tensor]
Cell = Callable[[Tensor, State, nn.LSTM], tuple[Tensor, State]]
Loop = Callable[[Tensor, Tensor, Tensor, Tensor], tuple[Tensor, Tensor, Tensor]]


def layer_loop(gates: Tensor, h: Tensor, c: Tensor, w_hh: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    outputs = []
    for step in range(gates.shape[0]):
        i, f, g, o = (gates[step] + h @ w_hh.t()).chunk(4, dim=1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        outputs.append(h)
    return torch.stack(outputs), h, c


def written_out(loop: Loop) -> Cell:
    """Return nn.LSTM of one or two layers, written out around `loop`."""

    def cell(x: Tensor, state: State, weights: nn.LSTM) -> tuple[Tensor, State]:
        hs, cs = [], []
        for layer in range(weights.num_layers):
            w_ih, w_hh, b_ih, b_hh = weights.all_weights[layer]
            x, h, c = loop(F.linear(x, w_ih, b_ih + b_hh), state[0][layer], state[1][layer], w_hh)
            hs.append(h)
            cs.append(c)
        return x, (torch.stack(hs), torch.stack(cs))

    return cell


def library(x: Tensor, state: State, weights: nn.LSTM) -> tuple[Tensor, State]:
    output, (h, c) = weights(x, state)
    return output, (h, c)


def stepper(
    shape: tuple[int, int, int, int, int],
    *,
    cell: Cell = library,
    optimizer: str = "fused",
    one_hot: bool = False,
    item: bool = False,
    loss_by_step: bool = False,
    clip: bool = True,
    keep_grads: bool = False,
    bfloat16: bool = False,
) -> Callable[[], float]:
    """Return what makes a shape's number of steps, as the pipeline does but for what is said, and times them (s)."""
    layers, hidden, batch, length, steps = shape
    torch.manual_seed(1)
    vectors, rnn, linear = nn.Embedding(VOCABULARY, 64), nn.LSTM(64, hidden, layers), nn.Linear(hidden, VOCABULARY)
    if one_hot:
        rnn = nn.LSTM(VOCABULARY, hidden, layers)
    parts = [rnn, linear] if one_hot else [vectors, rnn, linear]
    parameters = [weight for part in parts for weight in part.parameters()]
    foreach = None if optimizer == "fused" else optimizer == "foreach"
    adam = torch.optim.Adam(parameters, lr=0.002, fused=optimizer == "fused", foreach=foreach)
    ids = torch.randint(VOCABULARY, (length + 1, batch))
    state = (torch.zeros(layers, batch, hidden), torch.zeros(layers, batch, hidden))

    def step() -> None:
        nonlocal state
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            x = F.one_hot(ids[:-1], VOCABULARY).float() if one_hot else vectors(ids[:-1])
            output, (h, c) = cell(x, state, rnn)
            logits = linear(output).float()
        if loss_by_step:
            loss = torch.stack([F.cross_entropy(*pair) for pair in zip(logits, ids[1:], strict=True)]).mean()
        else:
            loss = F.cross_entropy(logits.flatten(0, 1), ids[1:].flatten())
        adam.zero_grad(set_to_none=not keep_grads)
        torch.autograd.backward(loss)
        if clip:
            nn.utils.clip_grad_norm_(parameters, 1.0)
        adam.step()
        state = (h.detach(), c.detach())
        if item:
            loss.item()

    def some_steps() -> None:
        for _ in range(steps):
            step()

    def timed() -> float:
        return seconds(some_steps)

    step()
    return timed


def one_thread(shape: tuple[int, int, int, int, int]) -> Callable[[], float]:
    made = stepper(shape)

    def timed() -> float:
        with threads(1):
            return made()

    return timed


# What is tried, in words, and how it is made.
ATTEMPTS: dict[str, Callable[[tuple[int, int, int, int, int]], Callable[[], float]]] = {
    "bfloat16 instead of float32": lambda shape: stepper(shape, bfloat16=True),
    "one thread": one_thread,
    "Adam by foreach": lambda shape: stepper(shape, optimizer="foreach"),
    "Adam in a loop": lambda shape: stepper(shape, optimizer="loop"),
    "one-hot input instead of an embedding": lambda shape: stepper(shape, one_hot=True),
    "a look at the loss in each step": lambda shape: stepper(shape, item=True),
    "a log-softmax for each character of the window": lambda shape: stepper(shape, loss_by_step=True),
    "no clipping": lambda shape: stepper(shape, clip=False),
    "gradients kept and zeroed": lambda shape: stepper(shape, keep_grads=True),
    "the cell written out": lambda shape: stepper(shape, cell=written_out(layer_loop)),
    "the cell written out, by TorchScript": lambda shape: stepper(
        shape, cell=written_out(torch.jit.script(layer_loop))
    ),
}


def measure_attempts() -> list[Figure]:
    figures = []
    for name, make in ATTEMPTS.items():
        ratios = []
        for shape in SHAPES:
            _, _, ratio = alternate(make(shape), stepper(shape), PAIRS)
            ratios.append(f"{ratio:.0%} at {shape[0]}x{shape[1]} B{shape[2]} T{shape[3]}")
        figures.append(
            Figure(f"5 ({name})", f"a step with {name}, against the step as it is", "", "; ".join(ratios), None)
        )
    return figures
