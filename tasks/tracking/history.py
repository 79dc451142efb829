"""What a run recorded, as its report shows it: curves, results, samples through training. Knows no MLflow."""

import re
from pathlib import PurePosixPath

from charrnn.data.splits import IN_WORDS
from charrnn.evaluation.metrics import PREFIXES
from charrnn.report.subject import History
from tasks.tracking.mlflow import read_run, read_texts, run_tag
from tasks.tracking.runs import SOURCE_TAG, TRAINING_SAMPLES, RunRef

BASELINES = {"unigram": "unigram_loss", "5-gram": "5gram_loss"}
MOST_SAMPLES = 50
_STEP = re.compile(r"step-(\d+)\.txt")


def history_of(run: RunRef) -> History:
    """Return what the store knows of `run`. Raises TrackingError."""
    baselines = {
        prefix: {name: f"{prefix}/{metric}" for name, metric in BASELINES.items()} for prefix in PREFIXES.values()
    }
    wanted = ["train/loss", "val/loss", *(f"{prefix}/loss" for prefix in PREFIXES.values())]
    record = read_run(run, [*wanted, *(metric for of_split in baselines.values() for metric in of_split.values())])
    found = {
        prefix: {name: loss for name, metric in of_split.items() if (loss := record.last(metric)) is not None}
        for prefix, of_split in baselines.items()
    }
    losses = {IN_WORDS[split]: record.last(f"{prefix}/loss") for split, prefix in PREFIXES.items()}
    texts = read_texts(run, TRAINING_SAMPLES, MOST_SAMPLES)
    steps = [(_STEP.fullmatch(PurePosixPath(path).name), text) for path, text in texts.items()]
    return History(
        run_id=record.run_id,
        name=record.name,
        source=run_tag(run, SOURCE_TAG),
        train=record.curve("train/loss"),
        val=record.curve("val/loss"),
        baselines=next((of_split for of_split in found.values() if of_split), {}),
        results={name: loss for name, loss in losses.items() if loss is not None},
        samples=[(int(match[1]), text) for match, text in steps if match],
    )
