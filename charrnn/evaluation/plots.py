"""Loss curves and drift as pictures. Knows nothing of where the figures come from or where the pictures go."""

import io
from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font

from charrnn.data.vocabulary import character_name
from charrnn.evaluation.drift import Drift

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
    axes.set_title(title, loc="left", parse_math=False)
    return _png(figure, axes, legend=bool(train or val))


def compared_curves(runs: Mapping[str, tuple[Curve, Curve]]) -> bytes:
    """Return a PNG of the training (smoothed, pale) and validation losses of several runs, a colour each."""
    figure = Figure(figsize=(9, 5), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    for number, (name, (train, val)) in enumerate(runs.items()):
        colour = f"C{number % 10}"
        losses = pd.Series([loss for _, loss in train], index=[step for step, _ in train], dtype=float)
        smooth = losses.rolling(max(1, len(losses) // 50)).mean()
        axes.plot(smooth, color=colour, linewidth=1, alpha=0.4)
        # A label that begins with an underscore would be left out of the legend.
        axes.plot(
            [s for s, _ in val], [loss for _, loss in val], color=colour, marker="o", ms=3, label=name.lstrip("_")
        )
    return _png(figure, axes, legend=bool(runs))


def drift_bars(drift: Drift, title: str) -> bytes:
    """Return a PNG of the characters whose shares have changed most, and of the distances with their limits."""
    figure = Figure(figsize=(9, 4.5), dpi=120, layout="constrained")
    shares, distances = figure.subplots(1, 2, width_ratios=(3, 2))
    # Where the font lacks a character, it would be drawn as a box, with a warning.
    font = get_font(findfont("DejaVu Sans")).get_charmap()
    names = [name if ord(name[0]) in font else character_name(name) for name, _, _ in drift.characters]
    places = range(len(names))
    shares.barh([at + 0.2 for at in places], [100 * before for _, before, _ in drift.characters], 0.4, color=TRAIN)
    shares.barh([at - 0.2 for at in places], [100 * now for _, _, now in drift.characters], 0.4, color=VAL)
    shares.set_yticks(list(places), names, parse_math=False)
    shares.invert_yaxis()
    shares.set_xlabel("share of all characters (%): champion's text pale, today's red")
    measured = [one for one in drift.measures if one.name.startswith("distance")]
    for at, one in enumerate(measured):
        distances.bar(at - 0.2, one.before or 0.0, 0.4, color=TRAIN)
        distances.bar(at + 0.2, one.now, 0.4, color=VAL)
        distances.hlines(one.limit, at - 0.45, at + 0.45, color=BASELINE, linestyle="--")
    distances.set_xticks(range(len(measured)), [one.name.removeprefix("distance_") for one in measured])
    distances.set_ylabel("distance: halves pale, today's red, limit dashed")
    figure.suptitle(title, x=0.01, ha="left", parse_math=False)
    for axes in (shares, distances):
        axes.spines[["top", "right"]].set_visible(False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _png(figure: Figure, axes: Axes, *, legend: bool) -> bytes:
    axes.set_xlabel("step")
    axes.set_ylabel("loss (nats per character)")
    axes.grid(alpha=0.2)
    axes.spines[["top", "right"]].set_visible(False)
    if legend:
        for text in axes.legend(frameon=False).get_texts():
            text.set_parse_math(False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
