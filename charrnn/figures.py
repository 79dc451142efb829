"""The loss curves as a picture. Knows nothing of where the figures come from or where the picture goes."""

import io
from collections.abc import Mapping, Sequence

import pandas as pd
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
        losses = pd.Series([loss for _, loss in train], index=[step for step, _ in train])
        axes.plot(losses, color=TRAIN, linewidth=0.6, alpha=0.5)
        axes.plot(losses.rolling(max(1, len(losses) // 50)).mean(), color=TRAIN, linewidth=2, label="train")
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
            parse_math=False,
        )
    axes.set_xlabel("step")
    axes.set_ylabel("loss (nats per character)")
    axes.set_title(title, loc="left", parse_math=False)
    axes.grid(alpha=0.2)
    axes.spines[["top", "right"]].set_visible(False)
    if train or val:
        axes.legend(frameon=False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
