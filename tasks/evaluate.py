"""Task: how good the best checkpoint is on text it has not seen, against simple baselines."""

import logging
from dataclasses import dataclass

from prefect import task
from prefect.cache_policies import NO_CACHE

from charrnn.config.schema import Params
from charrnn.data.dataset import Dataset, split
from charrnn.data.streams import Streams
from charrnn.evaluation.metrics import Report
from charrnn.evaluation.metrics import evaluate as evaluate_model
from charrnn.evaluation.ngram import Baselines, compute_baselines
from charrnn.training.device import choose_device, computing
from tasks.tracking.checkpoints import load_from_run
from tasks.tracking.runs import RunRef
from tasks.tracking.tracker import Tracker

logger = logging.getLogger("charrnn")

# The name each split's figures have among the metrics: `val/*` are the curve of training, `best/*` the best checkpoint
# on the whole validation split.
PREFIXES = {"val": "best", "test": "test"}


@dataclass(frozen=True)
class Scores:
    """The best checkpoint's figures on one split; losses in nats per character."""

    loss: float
    bits_per_char: float
    accuracy: float
    unigram_loss: float
    ngram_loss: float


@task(cache_policy=NO_CACHE)
def evaluate(dataset: Dataset, params: Params, run: RunRef) -> dict[str, Scores]:
    """Evaluate the best checkpoint on the validation and test splits that there are; log metrics, tables, picture."""
    tracker = Tracker(run)
    checkpoint = load_from_run(run)
    vocabulary, ids = dataset.vocabulary(), dataset.ids()
    splits = split(dataset.length, params.splits)
    scores: dict[str, Scores] = {}
    with computing(params.training):
        device = choose_device(params.training)
        model = checkpoint.model().to(device)
        for name, prefix in PREFIXES.items():
            if not splits.sizes[name]:
                continue
            part = splits.select(ids, name)
            streams = Streams(part, params.evaluation.batch_size, params.training.seq_length, device)
            report = evaluate_model(model, streams, vocabulary)
            baselines = compute_baselines(splits.select(ids, "train"), part, vocabulary.size)
            _log(tracker, prefix, report, baselines, checkpoint.step)
            scores[name] = Scores(
                report.loss, report.bits_per_char, report.accuracy, baselines.unigram_loss, baselines.ngram_loss
            )
            logger.info(
                "evaluate  %-4s loss %.4f  %.3f bits/char  accuracy %.1f%%  (unigram %.3f, %d-gram %.3f)",
                name,
                report.loss,
                report.bits_per_char,
                100 * report.accuracy,
                baselines.unigram_loss,
                baselines.order,
                baselines.ngram_loss,
            )
    _draw(tracker, scores)
    return scores


def _log(tracker: Tracker, prefix: str, report: Report, baselines: Baselines, step: int) -> None:
    figures = {
        "loss": report.loss,
        "bits_per_char": report.bits_per_char,
        "perplexity": report.perplexity,
        "accuracy": report.accuracy,
        "unigram_loss": baselines.unigram_loss,
        f"{baselines.order}gram_loss": baselines.ngram_loss,
    }
    for name, value in figures.items():
        tracker.metric(f"{prefix}/{name}", value, step)
    tracker.flush()
    tracker.table(report.by_position, f"evaluation/{prefix}_loss_by_position.json")
    tracker.table(report.costliest, f"evaluation/{prefix}_costliest_characters.json")


def _draw(tracker: Tracker, scores: dict[str, Scores]) -> None:
    shown = scores.get("val") or scores.get("test")
    baselines = {"unigram": shown.unigram_loss, "5-gram": shown.ngram_loss} if shown else {}
    tracker.curves(baselines, "loss_curves.png")
