"""Task: how well the best checkpoint predicts text it has not seen, beside simple baselines."""

import logging
from dataclasses import replace

import torch
from prefect import task
from prefect.cache_policies import NO_CACHE

from charrnn.config.schema import Params
from charrnn.data.dataset import Dataset
from charrnn.data.layout import lay_out, lay_out_evaluation
from charrnn.data.splits import SplitIds
from charrnn.data.vocabulary import Ids
from charrnn.data.windows import Windows
from charrnn.errors import DeviceError, DivergedError
from charrnn.evaluation.adapted import MOST_CHARACTERS, Adapted, evaluate_adapted
from charrnn.evaluation.dynamic import SEGMENT
from charrnn.evaluation.metrics import METRICS, PREFIXES
from charrnn.evaluation.ngram import Baselines, compute_baselines
from charrnn.evaluation.scores import Scores
from charrnn.evaluation.scores import evaluate as evaluate_model
from charrnn.evaluation.word_contexts import in_words
from charrnn.training.checkpoint import Checkpoint
from charrnn.training.device import choose_device, reading
from tasks.tracking.checkpoints import load_from_run
from tasks.tracking.runs import RunRef
from tasks.tracking.tracker import Tracker

logger = logging.getLogger("charrnn")

CPU = torch.device("cpu")


@task(cache_policy=NO_CACHE)
def evaluate(dataset: Dataset, params: Params, run: RunRef) -> dict[str, Scores]:
    """Evaluate the best checkpoint on the validation and test splits that there are; log metrics, tables, picture.

    Returns:
        Split -> scores.
    """
    tracker = Tracker(run)
    checkpoint = load_from_run(run)
    vocabulary, splits = dataset.vocabulary(), dataset.splits(params.splits)
    scores: dict[str, Scores] = {}
    with reading(params.training, checkpoint.threads):
        device = choose_device(params.training)
        model = checkpoint.model().to(device)
        for name in PREFIXES:
            if not splits.sizes[name]:
                continue
            streams = lay_out_evaluation(splits, name, params.evaluation, params.training.seq_length, device)
            train_ids = splits.ids("train")
            baselines = compute_baselines(train_ids, splits.ids(name), vocabulary.size)
            scores[name] = replace(evaluate_model(model, streams, vocabulary), baselines=baselines.shown)
            _report(tracker, name, scores[name], baselines, checkpoint.step)
            if params.evaluation.adaptive_seconds:
                segments, still = lay_out(splits, name, 1, SEGMENT, CPU), scores[name].metrics["loss"]
                adapted = _adapted(checkpoint, train_ids, segments, name, params, still)
                for key, value in (adapted.metrics if adapted else {}).items():
                    tracker.metric(f"{name}/{key}", value, checkpoint.step)
                tracker.flush()
    shown = scores.get("val") or scores.get("test")
    tracker.curves(shown.baselines if shown else {}, "loss_curves.png")
    return scores


def _adapted(
    checkpoint: Checkpoint, train_ids: Ids | SplitIds, segments: Windows, name: str, params: Params, still: float
) -> Adapted | None:
    """Return the losses of models that learn from the split `name` as they read it, None where there are none.

    The loss `still` is that of the model that does not (nats per character).
    """
    seconds, in_word = params.evaluation.adaptive_seconds, in_words(checkpoint.vocabulary)
    try:
        with reading(params.training, checkpoint.threads):
            adapted = evaluate_adapted(checkpoint.model(), train_ids, segments, in_word, seconds)
    except DeviceError:
        logger.warning("adapt     %-4s out of memory; there is no dynamic_loss and no adaptive_loss", name)
        return None
    except DivergedError as error:
        logger.warning("adapt     %-4s %s; there is no dynamic_loss and no adaptive_loss", name, error)
        return None
    if adapted:
        worse = " (more than without: it unlearns)" if adapted.dynamic_loss > still else ""
        line = "loss if it keeps learning as it reads: %.4f%s, mixed with an n-gram model %.4f"
        logger.info(f"adapt     %-4s {line}", name, adapted.dynamic_loss, worse, adapted.adaptive_loss)
    else:
        why = f"would take longer than {seconds:g} s (evaluation.adaptive_seconds)"
        if segments.characters > MOST_CHARACTERS:
            why = f"are more than the {MOST_CHARACTERS:,} that are read"
        line = "the loss if it keeps learning as it reads is left out: %s characters %s"
        logger.info(f"adapt     %-4s {line}", name, f"{segments.characters:,}", why)
    return adapted


def _report(tracker: Tracker, name: str, scores: Scores, baselines: Baselines, step: int) -> None:
    """Log the scores on the split `name` to the run and, in a line, to the terminal."""
    prefix = PREFIXES[name]
    for key, value in {**scores.metrics, **baselines.metrics}.items():
        tracker.metric(f"{prefix}/{key}", value, step)
    tracker.flush()
    tracker.table(scores.loss_by_position, f"evaluation/{prefix}_loss_by_position.json")
    tracker.table(scores.costliest_characters, f"evaluation/{prefix}_costliest_characters.json")
    metrics = [metric.log.format(scores.metrics[key]) for key, metric in METRICS.items() if metric.log]
    losses = [f"{label} {loss:.3f}" for label, loss in baselines.shown.items()]
    logger.info("evaluate  %-4s %s  (loss of %s)", name, "  ".join(metrics), ", ".join(losses))
