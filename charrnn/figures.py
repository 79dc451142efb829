"""The loss curves as a picture. Knows nothing of where the figures come from or where the picture goes."""

import io
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

Curve = Sequence[tuple[int, float]]
"""(step, loss in nats per character), in order of steps."""

TRAIN, VAL, BASELINE = "#9db4c8", "#c8443c", "#666666"


def loss_curves(train: Curve, val: Curve, baselines: Mapping[str, float], title: str) -> bytes:
    """Return a PNG of the training and validation loss, with each baseline as a labelled line.

    The training curve is drawn as it is, pale, and smoothed over about a fiftieth of the run.
    """
    figure = Figure(figsize=(9, 5), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    if train:
        steps, losses = np.array([step for step, _ in train]), np.array([loss for _, loss in train])
        axes.plot(steps, losses, color=TRAIN, linewidth=0.6, alpha=0.5)
        width = max(1, len(losses) // 50)
        smooth = np.convolve(losses, np.ones(width) / width, mode="valid")
        axes.plot(steps[len(steps) - len(smooth) :], smooth, color=TRAIN, linewidth=2, label="train")
    if val:
        axes.plot([step for step, _ in val], [loss for _, loss in val], color=VAL, marker="o", ms=3, label="val")
    for name, loss in baselines.items():
        axes.axhline(loss, color=BASELINE, linestyle="--", linewidth=1)
        axes.annotate(
            f"{name} {loss:.2f}",
            (1, loss),
            (-4, 3),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            ha="right",
            color=BASELINE,
            fontsize=9,
        )
    axes.set_xlabel("step")
    axes.set_ylabel("loss (nats per character)")
    axes.set_title(title, loc="left")
    axes.grid(alpha=0.2)
    axes.spines[["top", "right"]].set_visible(False)
    if train or val:
        axes.legend(frameon=False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
