"""How far a model remembers: its loss by the length of the context it is given, and which characters a loss depends on.

Knows no page.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import takewhile

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from charrnn.evaluation.held_out import HeldOut, Symbols
from charrnn.model.char_rnn import CharRNN

LENGTHS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000)
"""Characters of context (count)."""
REACH = 150
"""Characters before a loss whose gradients are taken, at most."""
_BLOCK = 50
_FEWEST_BLOCKS, _MOST_BLOCKS = 16, 64
_MOST_TARGETS = 3200
_STREAMS = 512  # side by side: bounds the memory
_STEPS = 64  # read in one call, for the same reason
_SEED = 1
_NORMAL = 1.959964  # standard errors on either side of a normal mean: 95 %

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ContextLoss:
    """The loss where the model is given the last `length` to 1.1 `length` characters alone, from the zero state.

    Attributes:
        length: of the context (characters).
        bits: mean over the same characters for each length (bits per character).
        error: half the width of its 95 % confidence interval (bits), as if the blocks of text were independent.
        excess: how much more that is than with the longest context (bits per character).
        excess_error: half the width of the 95 % confidence interval of that; the comparison is paired.
    """

    length: int
    bits: float
    error: float
    excess: float = 0.0
    excess_error: float = 0.0


@dataclass(frozen=True, eq=False)
class ContextLosses:
    """Losses by the length of the context.

    Attributes:
        rows: one for each length, the shortest first; none where the text is too short.
        targets: (characters,) places in the held-out text that were predicted, block after block.
        blocks: that they are in (count).
    """

    rows: Sequence[ContextLoss]
    targets: Symbols
    blocks: int

    @property
    def needed(self) -> int | None:
        """The shortest length from which on no loss is measurably above that with the longest; None without rows."""
        within = list(takewhile(lambda row: row.excess <= row.excess_error, reversed(self.rows)))
        return within[-1].length if within else None


@torch.inference_mode()
def context_losses(network: CharRNN, held_out: HeldOut, most: int, until: float = math.inf) -> ContextLosses:
    """Return the loss of `network` by the length of the context it is given.

    Args:
        network: on the CPU, in evaluation mode.
        held_out: the text.
        most: characters that may be read for it, all lengths together (count); the longest lengths are left out where
            too few blocks of text could be read with them.
        until: when it should be done, on the clock of `time.monotonic` (s): the longest lengths are left out where, at
            the speed of the others, they would take longer. Two are measured whatever the time.
    """
    for longest in range(len(LENGTHS), 1, -1):
        lengths = LENGTHS[:longest]
        block = max(1, min(_BLOCK, lengths[-1] // 4))
        starts = _starts(held_out, lengths[-1], block)
        costs = [math.ceil(block / _piece(length, block)) * (length + _piece(length, block)) for length in lengths]
        count = min(len(starts), most // sum(costs), _MOST_TARGETS // block if block < _BLOCK else _MOST_BLOCKS)
        if count >= _FEWEST_BLOCKS:
            break
    else:
        return ContextLosses([], np.zeros(0, dtype=np.int64), 0)
    chosen = starts[np.linspace(0, len(starts) - 1, count).astype(np.int64)]
    targets = (chosen[:, None] + np.arange(block)).ravel()
    rows, by_block = [], []
    for length, cost, next_cost in zip(lengths, costs, [*costs[1:], 0], strict=True):
        began = time.monotonic()
        losses = _losses(network, held_out.ids, chosen, block, length).reshape(count, block) / math.log(2)
        by_block.append(losses.mean(axis=1))
        rows.append(ContextLoss(length, *_mean(by_block[-1])))
        now = time.monotonic()
        if len(rows) > 1 and now + (now - began) * next_cost / cost > until:
            break
    compared = [
        replace(row, excess=excess, excess_error=error)
        for row, (excess, error) in zip(rows, (_mean(one - by_block[-1]) for one in by_block), strict=True)
    ]
    return ContextLosses(compared, targets, count)


def _piece(length: int, block: int) -> int:
    """Return how many characters in a row are predicted from one zero state: a tenth of the context, at most."""
    return min(block, max(1, length // 10))


def _starts(held_out: HeldOut, longest: int, block: int) -> Symbols:
    """Return the first place of every block of known symbols that has `longest` before it, blocks side by side."""
    found = [np.arange(start + longest, end - block + 1, block) for start, end in held_out.spans()]
    starts = np.concatenate(found).astype(np.int64)
    unknown = np.append(0, np.cumsum(held_out.unknown))
    known: Symbols = starts[unknown[starts + block] == unknown[starts]]
    return known


def _losses(network: CharRNN, ids: Symbols, starts: Symbols, block: int, length: int) -> Floats:
    """Return the losses (nats) of the `block` symbols from each of `starts` on: (len(starts) * block,)."""
    piece = _piece(length, block)
    firsts = (starts[:, None] + np.arange(0, block, piece)).ravel()
    found = np.empty((len(firsts), piece))
    for at in range(0, len(firsts), _STREAMS):
        some = firsts[at : at + _STREAMS]
        places = np.minimum(some - length + np.arange(length + piece)[:, None], len(ids) - 1)
        read = torch.from_numpy(ids[places])
        state = network.initial_state(len(some))
        for step in range(0, length - 1, _STEPS):
            _, state = network.outputs(network.vectors(read[step : min(step + _STEPS, length - 1)]), state)
        logits, _ = network(read[length - 1 : -1], state)
        losses = F.cross_entropy(logits.flatten(0, 1).float(), read[length:].flatten(), reduction="none")
        found[at : at + len(some)] = losses.reshape(piece, len(some)).T.numpy()
    pieces = found.reshape(len(starts), -1)
    return pieces[:, :block].ravel()


def _mean(values: Floats) -> tuple[float, float]:
    """Return the mean of independent `values` and half the width of its 95 % confidence interval."""
    return float(values.mean()), float(student(len(values) - 1) * values.std(ddof=1) / math.sqrt(len(values)))


def student(freedom: int) -> float:
    """Return the quantile of Student's t distribution that 97.5 % are below, to 1e-4 from 15 degrees of freedom on.

    The expansion of Abramowitz & Stegun 1964, Handbook of Mathematical Functions, 26.7.5.
    """
    z = _NORMAL
    return (
        z
        + (z**3 + z) / (4 * freedom)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * freedom**3)
    )


@dataclass(frozen=True, eq=False)
class Gradients:
    """How much each loss depends on the characters before it.

    Attributes:
        targets: (characters,) places in the held-out text whose losses these are.
        norms: (characters, REACH) float32: the L2 norm of the gradient of each loss with respect to the vector that the
            first layer reads of the character 1, 2, ... places before; 0 where there is none.
        reaches: (characters,) how many there are before each, REACH at most.
        wanted: losses whose gradients were asked for, those that were left out for want of time included (count).
    """

    targets: Symbols
    norms: npt.NDArray[np.float32]
    reaches: Symbols
    wanted: int

    @property
    def by_distance(self) -> list[float]:
        """The mean norm at each distance over those losses that have so many characters before them."""
        counts = (self.reaches[:, None] > np.arange(REACH)).sum(axis=0)
        means = self.norms.sum(axis=0) / np.maximum(counts, 1)
        return [float(mean) for mean in means]


def gradients(network: CharRNN, held_out: HeldOut, targets: Symbols, until: float) -> Gradients:
    """Return the gradient of the loss at each of `targets` with respect to what is read before it.

    The connectivity of Madsen 2019, Visualizing memorization in RNNs, https://distill.pub/2019/memorization-in-rnns/,
    taken of the loss instead of one logit.

    Args:
        network: on the CPU, in evaluation mode.
        held_out: the text.
        targets: places in it, ascending; the first of a span is left out.
        until: when it should be done, on the clock of `time.monotonic` (s). Where that is too soon, some are left out,
            at random: those with few characters before them are as likely to stay as others.
    """
    begins = np.array([start for start, _ in held_out.spans()])
    before = targets - begins[np.maximum(np.searchsorted(begins, targets, side="left") - 1, 0)]
    reaches = np.minimum(before, REACH)
    done: list[int] = []
    norms = np.zeros((len(targets), REACH), dtype=np.float32)
    # Losses with as many characters before them go through the model side by side, a few at a time.
    groups = [np.flatnonzero(reaches == reach) for reach in np.unique(reaches)]
    batches = [group[at : at + 16] for group in groups for at in range(0, len(group), 16)]
    batches = [batch for batch in batches if reaches[batch[0]] >= 1]
    for number in np.random.default_rng(_SEED).permutation(len(batches)).tolist():
        batch = batches[number]
        reach = int(reaches[batch[0]])
        if done and time.monotonic() > until:
            break
        places = targets[batch] - reach + np.arange(reach + 1)[:, None]
        ids = torch.from_numpy(held_out.ids[places])
        vectors = network.vectors(ids[:-1]).detach().requires_grad_()
        outputs, _ = network.outputs(vectors, network.initial_state(len(batch)))
        loss = F.cross_entropy(network.decoder(outputs[-1]), ids[-1], reduction="sum")
        (gradient,) = torch.autograd.grad(loss, vectors)
        norms[batch, :reach] = gradient.norm(dim=-1).flip(0).T.numpy()
        done += batch.tolist()
    kept = np.sort(np.array(done, dtype=np.int64))
    return Gradients(targets[kept], norms[kept], reaches[kept], int(np.count_nonzero(reaches)))
