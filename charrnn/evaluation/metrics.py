"""The table of metrics: how each is computed, under which name a run logs it, where and how it is shown.

A new metric is a new entry in METRICS: what a run logs, its summary and the comparison of runs are made from the table.
Does not import torch, which a comparison of runs need not wait for.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from charrnn.evaluation.losses import Predictions

PREFIXES = {"val": "best", "test": "test"}
"""Split -> the prefix of its metrics: `best/loss` is the best checkpoint's on the whole validation split (`val/loss` is
the curve that training logs), `test/loss` its loss on the test split. The losses of models that learn as they read are
the best checkpoint's, too, and are named `val/dynamic_loss`, `val/adaptive_loss`, and so for the test split."""

# exp() of more is beyond a double.
MAX_EXPONENT = 709.0
# Logits compared at a time: copying a whole window of a large vocabulary is several times as slow on the CPU.
PIECE_LOGITS = 1 << 21


@dataclass(frozen=True)
class MeanOf:
    """The mean over all characters of what `per_character` gives for those of a window: (characters,)."""

    per_character: Callable[["Predictions"], "Tensor"]


@dataclass(frozen=True)
class Derived:
    """What `function` returns, given the metrics that stand before it in the table by key."""

    function: Callable[[Mapping[str, float]], float]


@dataclass(frozen=True)
class Metric:
    """Everything about a metric.

    Attributes:
        key: its name, after the prefix of the split.
        computed: how.
        title: its name in the comparison of runs, after that of the split; None to leave it out there.
        title_format: how its value is shown there.
        summary: how its value is shown in the summary of a run; None to leave it out there.
        log: how its value is shown in the line that the evaluation logs; None to leave it out there.
    """

    key: str
    computed: MeanOf | Derived
    title: str | None = None
    title_format: str = "{:.4f}"
    summary: str | None = None
    log: str | None = None


def bits_per_char(loss: float) -> float:
    """Return `loss` (nats per character) in bits per character."""
    return loss / math.log(2)


def perplexity(loss: float) -> float:
    """Return exp(`loss`), the number of equally likely characters that are as hard to predict; inf beyond floats."""
    return math.exp(loss) if loss < MAX_EXPONENT else math.inf


def is_likeliest(window: "Predictions") -> "Tensor":
    """Return whether each target has the largest logit, the first of those that are equal: bool."""
    return window.logits.argmax(-1) == window.targets


def is_among_five_likeliest(window: "Predictions") -> "Tensor":
    """Return whether fewer than five logits are larger than that of each target: bool.

    Equal logits are not larger, in whatever order they stand. In a vocabulary of five or fewer, every target is among
    the five likeliest. A NaN counts as larger.
    """
    steps = max(1, PIECE_LOGITS // window.logits[0].numel())
    larger = window.targets.new_empty(window.targets.shape)
    for start in range(0, len(larger), steps):
        piece = slice(start, start + steps)
        logits, targets = window.logits[piece], window.targets[piece]
        # Into a copy, as floats: on the CPU twice as fast as to make booleans and count them.
        not_larger = logits.clone().le_(logits.gather(-1, targets[..., None])).sum(-1)
        larger[piece] = logits.shape[-1] - not_larger
    return larger < 5


METRICS = {
    metric.key: metric
    for metric in (
        Metric(
            key="loss",
            computed=MeanOf(lambda window: window.losses),
            title="loss",
            summary="{:.4f} nats",
            log="loss {:.4f}",
        ),
        Metric(
            key="bits_per_char",
            computed=Derived(lambda metrics: bits_per_char(metrics["loss"])),
            title="bits/char",
            summary="{:.3f} bits per character",
            log="{:.3f} bits/char",
        ),
        Metric(key="perplexity", computed=Derived(lambda metrics: perplexity(metrics["loss"]))),
        Metric(key="accuracy", computed=MeanOf(is_likeliest), log="accuracy {:.1%}"),
        Metric(
            key="top5_accuracy",
            computed=MeanOf(is_among_five_likeliest),
            title="top-5 accuracy",
            summary="top-5 accuracy {:.1%}",
        ),
    )
}
"""Key -> metric, in the order in which they are shown."""


def window_sums(window: "Predictions") -> dict[str, float]:
    """Return, for each metric that is a mean, the sum over the characters of one window."""
    return {
        key: float(metric.computed.per_character(window).double().sum())
        for key, metric in METRICS.items()
        if isinstance(metric.computed, MeanOf)
    }


def all_metrics(sums: Mapping[str, float], characters: int) -> dict[str, float]:
    """Return every metric of the table by key, given what `window_sums` adds up to over so many characters (count)."""
    metrics = {key: total / characters for key, total in sums.items()}
    for key, metric in METRICS.items():
        if isinstance(metric.computed, Derived):
            metrics[key] = metric.computed.function(metrics)
    return metrics
