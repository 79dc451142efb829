"""The page of a sweep's run: the best value, the table of trials, the pictures. Knows no process."""

import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib
import pandas as pd
from matplotlib import pyplot
from optuna import create_study
from optuna.trial import FrozenTrial, TrialState
from optuna.visualization import matplotlib as pictures

from charrnn.wording import counted
from tasks.tracking.tracker import Tracker

matplotlib.use("Agg")

# Pictures take seconds: they are drawn at most so often (s), and at the end.
PICTURE_SECONDS = 60.0
WORDS = {
    TrialState.COMPLETE: "finished",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "running",
}
TABLE, FOLDER = "trials.json", "pictures"
BEST_LOSS = "best/val_loss"


class Board:
    """Writes the page of the run of `tracker` from the trials of a study."""

    def __init__(self, tracker: Tracker) -> None:
        """Nothing is written."""
        self._tracker = tracker
        self._drawn_at = 0.0

    def write(self, trials: list[FrozenTrial], *, last: bool = False) -> None:
        """Write what is known now; pictures, too, where it is time or this is the `last`."""
        ended = [one for one in trials if one.state.is_finished()]
        finished = [one for one in ended if one.state is TrialState.COMPLETE]
        self._tracker.table(trial_table(trials), TABLE)
        if finished:
            self._tracker.metric(BEST_LOSS, min(one.value for one in finished if one.value is not None), len(ended))
            self._tracker.describe(described(ended))
        self._tracker.flush()
        if finished and (last or time.monotonic() - self._drawn_at >= PICTURE_SECONDS):
            self._draw(finished, ended)
            self._drawn_at = time.monotonic()

    def _draw(self, finished: list[FrozenTrial], ended: list[FrozenTrial]) -> None:
        study = create_study(direction="minimize")  # in memory: to draw asks no database
        study.add_trials(ended)
        named: Any = {"target": lambda one: one.value, "target_name": "val/loss"}
        drawings: dict[str, Callable[[], object]] = {
            "history.png": lambda: pictures.plot_optimization_history(study, **named),
            "curves.png": lambda: pictures.plot_intermediate_values(study).set(
                xlabel="tenths of the run",
                ylabel="val/loss",
                title="val/loss of each trial, at its first evaluation in each tenth",
            ),
            "parallel_coordinates.png": lambda: pictures.plot_parallel_coordinate(study, **named),
        }
        # What differs between two trials can be important; without any difference Optuna has no answer.
        if len({one.value for one in finished}) > 1:
            drawings["importance.png"] = lambda: pictures.plot_param_importances(study, **named)
        with tempfile.TemporaryDirectory() as temporary:
            for name, draw in drawings.items():
                with warnings.catch_warnings():
                    # Optuna's: that its pictures may change, that some values have few trials.
                    warnings.simplefilter("ignore")
                    draw()
                path = Path(temporary) / name
                figure = pyplot.gcf()
                figure.set_size_inches(9, 5)
                figure.savefig(path, dpi=120, bbox_inches="tight")
                pyplot.close("all")
                self._tracker.file(path, FOLDER)


def trial_table(trials: list[FrozenTrial]) -> pd.DataFrame:
    """Return a row a trial: number, state, its lowest loss so far, its values, why it failed."""
    rows = [
        {
            "trial": one.number,
            "state": WORDS[one.state],
            "lowest val/loss": one.value if one.state is TrialState.COMPLETE else one.user_attrs.get("loss"),
            **one.params,
            "reason": one.user_attrs.get("reason", ""),
        }
        for one in trials
    ]
    return pd.DataFrame(rows)


def described(ended: list[FrozenTrial]) -> str:
    """Return Markdown: the best trial, how many trials there are of each kind."""
    losses = {one.number: one.value for one in ended if one.value is not None and one.state is TrialState.COMPLETE}
    if not losses:
        return f"{tally(ended)}, none of which has finished"
    best = next(one for one in ended if one.number == min(losses, key=lambda number: losses[number]))
    values = "\n".join(f"| `{key}` | {value} |" for key, value in best.params.items())
    return (
        f"**Best val/loss {best.value:.4f}** in trial {best.number} of {tally(ended)}\n\n"
        f"| parameter | best value |\n|---|---|\n{values}\n\n"
        f"All trials: `{TABLE}`; pictures: `{FOLDER}/`; the best so far: the metric `{BEST_LOSS}`."
    )


def tally(ended: list[FrozenTrial]) -> str:
    """Return how many trials there are, and of each kind."""
    kinds = [WORDS[one.state] for one in ended]
    parts = [f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(WORDS.values()) if kind in kinds]
    return f"{counted(len(ended), 'trial')} ({', '.join(parts)})"
