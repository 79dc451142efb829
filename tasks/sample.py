"""Task: the texts a trained model writes, at several temperatures."""

import logging
from collections.abc import Sequence

import pandas as pd
from prefect import task
from prefect.cache_policies import NO_CACHE

from charrnn.config.schema import Params
from charrnn.data.dataset import Dataset
from charrnn.evaluation.novelty import MOST_SEARCHED, longest_passages, novelty_table, passages_table
from charrnn.generation.formats import default_format, listed
from charrnn.generation.options import with_seeds
from charrnn.generation.writer import Writer, Written
from charrnn.training.device import reading
from charrnn.wording import counted
from tasks.tracking.checkpoints import load_from_run
from tasks.tracking.runs import SAMPLES_FILE, RunRef
from tasks.tracking.tracker import Tracker

logger = logging.getLogger("charrnn")


@task(cache_policy=NO_CACHE)
def sample(dataset: Dataset, params: Params, run: RunRef) -> list[list[str]]:
    """Write texts from the best checkpoint and log them: a file for each temperature, all in one table, what is new.

    Returns:
        The texts of each temperature.
    """
    tracker, checkpoint = Tracker(run), load_from_run(run)
    writer = Writer(checkpoint.model(), checkpoint.vocabulary, checkpoint.params.data)
    count = params.sampling.count(writer.data.has_documents)
    groups = []
    for number, options in enumerate(params.sampling.options()):
        prepared, warnings = writer.prepare(options)
        for warning in () if number else warnings:  # the same for each temperature
            logger.warning("warning   sampling.%s", warning)
        with reading(params.training, checkpoint.threads):
            texts = list(writer.write(with_seeds(prepared, count), logprobs=True))
        listing = texts[0].text if count == 1 else listed(texts, default_format(writer))
        tracker.text(listing, f"samples/temperature-{options.temperature:g}.txt")
        groups.append(texts)
    # The table in the UI shows its first few columns.
    rows = [
        {
            "temperature": one.options.temperature,
            "text": one.text,
            "seed": one.options.seed,
            **one.options.model_dump(),
            "logprob": one.logprob,
        }
        for texts in groups
        for one in texts
    ]
    tracker.table(pd.DataFrame(rows), SAMPLES_FILE)
    logger.info("sample    %s of at most %d characters", counted(len(rows), "text"), params.sampling.length)
    _report_novelty(tracker, dataset, params, groups)
    return [[one.text for one in texts] for texts in groups]


def _report_novelty(tracker: Tracker, dataset: Dataset, params: Params, groups: Sequence[Sequence[Written]]) -> None:
    """Log a table of how much of the texts is copied: of documents each whole, of a stream its longest passage."""
    splits = dataset.splits(params.splits)
    if splits.documents is None:
        texts = [one for group in groups for one in group]
        train_ids = splits.ids("train")[-MOST_SEARCHED:]
        passages = longest_passages([one.continuation for one in texts], train_ids, dataset.vocabulary())
        temperatures = [one.options.temperature for one in texts]
        tracker.table(passages_table(temperatures, passages), "samples/longest_passages.json")
        return
    samples: dict[float, list[str]] = {}
    for group in groups:
        for one in group:
            samples.setdefault(one.options.temperature, []).append(one.text)
    hashes = {name: dataset.hashes()[chosen] for name, chosen in splits.documents.items() if len(chosen)}
    spans = splits.spans["train"]
    table = novelty_table(samples, hashes, spans[:, 1] - spans[:, 0] - 1)
    tracker.table(table, "samples/novelty.json")
    for row in table.to_dict(orient="records"):
        logger.info(
            "sample    temperature %g: %.0f%% are new, %.0f%% are training documents, %.0f%% are held-out documents; "
            "of all, %.0f%% repeat an earlier one",
            row["temperature"],
            100 * row["new"],
            100 * row["in_train"],
            # With splits by position, equal documents may be on both sides: those that are in train are counted there.
            100 * abs(1 - row["new"] - row["in_train"]),
            100 * row["duplicates"],
        )
